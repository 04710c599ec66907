//! bcrypt as crypt_blowfish and libxcrypt have it: `$2y$cost$` + 22 characters of salt + 31 of
//! digest, over the first 72 bytes of the password.

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashError, Limits};

/// A parsed bcrypt hash. The letter of the variant is not kept: `$2a$`, `$2b$` and `$2y$` are
/// computed alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Bcrypt {
    cost: u8,
    salt: [u8; SALT],
    digest: [u8; DIGEST],
}

impl Bcrypt {
    /// A hash of these very bytes, which need not come from any password.
    pub(super) fn from_parts(cost: u8, salt: [u8; SALT], digest: [u8; DIGEST]) -> Self {
        Self { cost, salt, digest }
    }

    /// The hash of a password, with a salt from fresh random bytes.
    pub fn of(password: &[u8], cost: u8, salt: [u8; SALT]) -> Self {
        let mut digest = [0; DIGEST];
        let computed = compute(cost, salt, password);
        digest
            .iter_mut()
            .zip(computed.iter())
            .for_each(|(to, from)| *to = *from);
        Self::from_parts(cost, salt, digest)
    }

    /// The hash as a line of the file has it.
    pub fn to_text(&self) -> String {
        let (salt, digest) = (ENGINE.encode(self.salt), ENGINE.encode(self.digest));
        format!("$2y${:02}${salt}{digest}", self.cost)
    }

    /// Reads what follows `$2y$`.
    pub(super) fn parse(rest: &[u8], limits: Limits) -> Result<Self, HashError> {
        let (cost, rest) = match rest {
            [tens @ b'0'..=b'9', units @ b'0'..=b'9', b'$', rest @ ..] => {
                ((tens - b'0') * 10 + (units - b'0'), rest)
            }
            [] | [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9'] => return Err(HashError::Short),
            _ => return Err(HashError::BadCost),
        };
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(HashError::BadCost);
        }
        let (encoded, extra) = rest
            .split_at_checked(SALT_CHARS + DIGEST_CHARS)
            .ok_or(HashError::Short)?;
        let (salt, digest) = encoded
            .split_at_checked(SALT_CHARS)
            .ok_or(HashError::Short)?;
        let hash = Self {
            cost,
            salt: decode(salt)?,
            digest: decode(digest)?,
        };
        match extra {
            [] if cost > limits.max_bcrypt_cost => Err(HashError::TooCostly {
                cost,
                limit: limits.max_bcrypt_cost,
            }),
            [] => Ok(hash),
            _ => Err(HashError::Long),
        }
    }

    /// Whether the password's first 72 bytes have this digest.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let computed = compute(self.cost, self.salt, password);
        // The 24th byte is not stored, a quirk of the first implementation.
        computed
            .get(..DIGEST)
            .is_some_and(|digest| digest.ct_eq(&self.digest).into())
    }

    /// The base-2 logarithm of the number of rounds.
    pub(super) fn cost(&self) -> u8 {
        self.cost
    }

    pub(super) fn fingerprint(&self, mac: &mut blake3::Hasher) {
        mac.update(&[self.cost])
            .update(&self.salt)
            .update(&self.digest);
    }
}

fn compute(cost: u8, salt: [u8; SALT], password: &[u8]) -> Zeroizing<[u8; 24]> {
    // The NUL that ends the C string is part of the key, where there is room for it.
    let mut key = Zeroizing::new(Vec::with_capacity(KEY));
    key.extend(password.iter().copied().chain([0]).take(KEY));
    Zeroizing::new(bcrypt::bcrypt(cost.into(), salt, &key))
}

/// Bytes of salt.
pub const SALT: usize = 16;
pub(super) const DIGEST: usize = 23;
const SALT_CHARS: usize = 22;
const DIGEST_CHARS: usize = 31;
const MIN_COST: u8 = 4;
const MAX_COST: u8 = 31;
/// Bytes of the password that count.
pub const KEY: usize = 72;

fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], HashError> {
    let mut bytes = [0; N];
    // Bits that do not fit the last byte must be zero: crypt(3) never writes others, and a line
    // that has them verifies nowhere.
    match ENGINE.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Ok(bytes),
        _ => Err(HashError::Damaged),
    }
}

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::PasswordHash;

    fn parse(text: &str) -> Result<PasswordHash, HashError> {
        PasswordHash::parse(text.as_bytes(), Limits::default())
    }

    /// From Openwall's crypt_blowfish, wrapper.c (the `$2a$` and `$2y$` rows), and the recipe of
    /// distribution's documentation.
    #[test]
    fn published_vectors() {
        let rows: &[(&str, &[u8])] = &[
            (
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                b"U*U",
            ),
            (
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
                b"U*U*",
            ),
            (
                "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
                b"U*U*U",
            ),
            (
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy",
                b"",
            ),
            (
                "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
                b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\
                  0123456789chars after 72 are ignored",
            ),
            (
                "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
                b"\xff\xff\xa3",
            ),
            (
                "$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
                b"\xff\xff\xa3",
            ),
        ];
        for (text, password) in rows {
            let hash = parse(text).unwrap();
            assert!(hash.matches(password), "{text}");
            assert!(!hash.matches(b"another"), "{text}");
            assert!(!hash.matches(&[password, &b"x"[..]].concat()) || password.len() >= KEY);
        }
    }

    #[test]
    fn shapes() {
        let good = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        let cut = |length: usize| good.chars().take(length).collect::<String>();
        let rows = [
            (
                good.replace("$05$", "$15$"),
                HashError::TooCostly {
                    cost: 15,
                    limit: 14,
                },
            ),
            (
                good.replace("$05$", "$31$"),
                HashError::TooCostly {
                    cost: 31,
                    limit: 14,
                },
            ),
            (good.replace("$05$", "$03$"), HashError::BadCost),
            (good.replace("$05$", "$32$"), HashError::BadCost),
            (good.replace("$05$", "$+5$"), HashError::BadCost),
            (good.replace("$05$", "$5$"), HashError::BadCost),
            (good.replace("$05$", "$005$"), HashError::BadCost),
            (cut(59), HashError::Short),
            (cut(7), HashError::Short),
            (cut(5), HashError::Short),
            (format!("{good}x"), HashError::Long),
            (format!("{good} "), HashError::Long),
            (good.replace("yuRG", "yu!G"), HashError::Damaged),
            (good.replace("CC.E5", "CC/E5"), HashError::Damaged),
            (format!("{}Z", cut(59)), HashError::Damaged),
        ];
        for (text, error) in rows {
            assert_eq!(parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_made_is_read_again() {
        let made = Bcrypt::of(b"U*U", 5, decode(b"CCCCCCCCCCCCCCCCCCCCC.").unwrap());
        let text = made.to_text();
        assert_eq!(
            text,
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
        );
        assert!(parse(&text).unwrap().matches(b"U*U"));
        let cost = Bcrypt::from_parts(10, [0; SALT], [0; DIGEST]).to_text();
        assert!(cost.starts_with("$2y$10$"));
    }

    #[test]
    fn debug_hides_the_hash() {
        let good = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
        assert_eq!(
            format!("{:?}", parse(good).unwrap()),
            "PasswordHash(bcrypt cost 5, ***)"
        );
    }
}
