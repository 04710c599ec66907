//! SHA-crypt, by Ulrich Drepper (2007): `$5$` with SHA-256 and `$6$` with SHA-512.

use ::sha_crypt::{Params, sha256_crypt, sha512_crypt};
use subtle::ConstantTimeEq as _;

use super::HashError;
use super::crypt64::{self, Salt};

/// A parsed `$5$` hash, with a digest of 32 bytes, or `$6$` hash, with one of 64.
#[derive(Clone, PartialEq, Eq)]
pub struct ShaCrypt<const DIGEST: usize> {
    rounds: u32,
    salt: Salt<SALT>,
    digest: [u8; DIGEST],
}

impl<const DIGEST: usize> ShaCrypt<DIGEST> {
    /// A hash of these very bytes, which need not come from any password.
    pub(super) fn from_parts(rounds: u32, salt: Salt<SALT>, digest: [u8; DIGEST]) -> Self {
        Self {
            rounds,
            salt,
            digest,
        }
    }

    /// Reads what follows `$5$` or `$6$`.
    pub(super) fn parse(rest: &[u8], order: &[u8; DIGEST]) -> Result<Self, HashError> {
        let (rounds, rest) = match rest.strip_prefix(b"rounds=") {
            Some(rest) => parse_rounds(rest)?,
            None => (Params::RECOMMENDED_ROUNDS, rest),
        };
        let (salt, digest) = Salt::parse(rest)?;
        let digest = crypt64::digest(digest, order)?;
        Ok(Self {
            rounds,
            salt,
            digest,
        })
    }

    /// How many rounds it takes.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// How many bytes of salt there are.
    pub(super) fn salt(&self) -> u8 {
        self.salt.length()
    }

    pub(super) fn fingerprint(&self, mac: &mut blake3::Hasher) {
        mac.update(&self.rounds.to_le_bytes());
        self.salt.fingerprint(mac);
        mac.update(&self.digest);
    }

    fn matches_with(
        &self,
        compute: fn(&[u8], &[u8], Params) -> [u8; DIGEST],
        password: &[u8],
    ) -> bool {
        // The rounds are in range since they were parsed.
        Params::new(self.rounds).is_ok_and(|rounds| {
            let computed = compute(password, self.salt.bytes(), rounds);
            computed.ct_eq(&self.digest).into()
        })
    }
}

impl ShaCrypt<DIGEST_256> {
    /// Whether the password has this digest.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        self.matches_with(sha256_crypt, password)
    }
}

impl ShaCrypt<DIGEST_512> {
    /// Whether the password has this digest.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        self.matches_with(sha512_crypt, password)
    }
}

pub(super) const SALT: usize = 16;
pub(super) const DIGEST_256: usize = 32;
pub(super) const DIGEST_512: usize = 64;
/// More rounds are refused: a million are a third of a second's work for one guess, and up to
/// three seconds' for a guess of hundreds of bytes.
pub(super) const MOST_ROUNDS: u32 = 1_000_000;

/// A number without a leading zero, as libxcrypt has it. Drepper's text takes a thousand where a
/// line says less; libxcrypt, and with it nginx on Debian, takes no such line, and so do we.
fn parse_rounds(text: &[u8]) -> Result<(u32, &[u8]), HashError> {
    let end = text
        .iter()
        .position(|byte| *byte == b'$')
        .ok_or(HashError::Short)?;
    let (number, rest) = text.split_at_checked(end).ok_or(HashError::Short)?;
    let canonical =
        matches!(number, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    if !canonical {
        return Err(HashError::BadRounds);
    }
    let number = number.iter().fold(0_u32, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    });
    match number {
        ..Params::ROUNDS_MIN => Err(HashError::BadRounds),
        Params::ROUNDS_MIN..=MOST_ROUNDS => Ok((number, rest.get(1..).unwrap_or_default())),
        _ => Err(HashError::TooManyRounds),
    }
}

/// In which order the digest's bytes are written.
pub(super) const ORDER_256: [u8; DIGEST_256] = [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28,
    18, 29, 19, 9, 30, 31,
];
pub(super) const ORDER_512: [u8; DIGEST_512] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8,
    50, 51, 30, 9, 10, 52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58,
    37, 38, 17, 59, 60, 39, 18, 19, 61, 40, 41, 20, 62, 63,
];
