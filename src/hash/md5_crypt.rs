//! MD5-crypt, by Poul-Henning Kamp for FreeBSD 2.0: `$1$`, and `$apr1$` as Apache has it. A
//! thousand rounds, whatever the line says. They differ in the magic word that is hashed.

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use super::HashError;
use super::crypt64::{self, Salt};

/// A parsed `$apr1$` or `$1$` hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Md5Crypt {
    salt: Salt<SALT>,
    digest: [u8; DIGEST],
}

impl Md5Crypt {
    /// A hash of these very bytes, which need not come from any password.
    pub(super) fn from_parts(salt: Salt<SALT>, digest: [u8; DIGEST]) -> Self {
        Self { salt, digest }
    }

    /// Reads what follows the magic word.
    pub(super) fn parse(rest: &[u8]) -> Result<Self, HashError> {
        let (salt, digest) = Salt::parse(rest)?;
        let digest = crypt64::digest(digest, &ORDER)?;
        Ok(Self { salt, digest })
    }

    /// Whether the password has this digest, with this magic word.
    pub(super) fn matches(&self, magic: &[u8], password: &[u8]) -> bool {
        compute(magic, self.salt.bytes(), password)
            .ct_eq(&self.digest)
            .into()
    }

    /// How many bytes of salt there are.
    pub(super) fn salt(&self) -> u8 {
        self.salt.length()
    }

    pub(super) fn fingerprint(&self, mac: &mut blake3::Hasher) {
        self.salt.fingerprint(mac);
        mac.update(&self.digest);
    }
}

pub(super) const SALT: usize = 8;
pub(super) const DIGEST: usize = 16;
const ROUNDS: u32 = 1000;

/// In which order the digest's bytes are written.
const ORDER: [u8; DIGEST] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

fn compute(magic: &[u8], salt: &[u8], password: &[u8]) -> [u8; DIGEST] {
    let inner = Md5::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let mut first = Md5::new()
        .chain_update(password)
        .chain_update(magic)
        .chain_update(salt);
    for piece in password.chunks(DIGEST) {
        first.update(inner.get(..piece.len()).unwrap_or_default());
    }
    // The original wanted bytes of the digest here, and had cleared them before.
    let mut length = password.len();
    while length > 0 {
        let byte = if length & 1 == 1 {
            &[0]
        } else {
            password.get(..1).unwrap_or_default()
        };
        first.update(byte);
        length >>= 1;
    }

    let mut digest = first.finalize();
    for round in 0..ROUNDS {
        let odd = round & 1 == 1;
        let mut next = Md5::new();
        next.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &digest } else { password });
        digest = next.finalize();
    }
    digest.into()
}
