//! Stored password hashes: text to typed value once, at load, and passwords checked against it.
//! One file a format, and one row of `FORMATS`. Knows neither users nor files nor caches; costs what it costs, so callers
//! keep it off the threads that answer.

mod bcrypt;
mod crypt64;
mod decoy;
mod error;
mod kind;
mod ldap;
mod md5_crypt;
mod plain;
mod sha_crypt;
mod unusable;

use std::fmt;

pub use self::bcrypt::{Bcrypt, KEY as BCRYPT_KEY, SALT as BCRYPT_SALT};
pub use self::decoy::{DecoySeed, Decoys};
pub use self::error::{HashError, NEW_PASSWORD};
pub use self::kind::{Kind, WEAK_BCRYPT_COST};
pub use self::ldap::LdapSha;
pub use self::md5_crypt::Md5Crypt;
pub use self::plain::Plain;
pub use self::sha_crypt::ShaCrypt;
use self::unusable::unusable;

/// A stored hash that is well formed and that this service is willing to compute.
///
/// A file may have a million: what is large stands apart.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2a$`, `$2b$` and `$2y$`.
    Bcrypt(Bcrypt),
    /// `$apr1$`.
    Apr1(Md5Crypt),
    /// `$1$`.
    Md5Crypt(Md5Crypt),
    /// `$5$`.
    Sha256Crypt(Box<ShaCrypt<{ sha_crypt::DIGEST_256 }>>),
    /// `$6$`.
    Sha512Crypt(Box<ShaCrypt<{ sha_crypt::DIGEST_512 }>>),
    /// `{SHA}`.
    Sha(LdapSha),
    /// `{SSHA}`.
    SaltedSha(LdapSha),
    /// `{PLAIN}`.
    Plain(Plain),
}

/// What the operator lets a hash be and cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The highest bcrypt cost, 4 to 31. Each step doubles the time of one guess.
    pub max_bcrypt_cost: u8,
    /// Whether a line may hold `{PLAIN}` and the password itself.
    pub allow_plaintext: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bcrypt_cost: 14,
            allow_plaintext: false,
        }
    }
}

impl PasswordHash {
    /// Reads the second field of a line of an htpasswd file.
    ///
    /// # Errors
    ///
    /// What keeps the hash from being used. An unknown format is never taken for a plaintext
    /// password.
    pub fn parse(text: &[u8], limits: Limits) -> Result<Self, HashError> {
        match marked(text) {
            Some((parse, rest)) => parse(rest, limits),
            None => Err(unusable(text)),
        }
    }

    /// Whether the password is the one that was hashed. Compares digests in constant time.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        let fits_crypt = password.len() <= LONGEST_FOR_CRYPT;
        match self {
            Self::Bcrypt(hash) => fits_crypt && hash.matches(password),
            Self::Apr1(hash) => hash.matches(APR1, password),
            Self::Md5Crypt(hash) => fits_crypt && hash.matches(MD5_CRYPT, password),
            Self::Sha256Crypt(hash) => fits_crypt && hash.matches(password),
            Self::Sha512Crypt(hash) => fits_crypt && hash.matches(password),
            Self::Sha(hash) | Self::SaltedSha(hash) => hash.matches(password),
            Self::Plain(hash) => hash.matches(password),
        }
    }

    /// The format and cost.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Bcrypt(hash) => Kind::Bcrypt { cost: hash.cost() },
            Self::Apr1(hash) => Kind::Apr1 { salt: hash.salt() },
            Self::Md5Crypt(hash) => Kind::Md5Crypt { salt: hash.salt() },
            Self::Sha256Crypt(hash) => Kind::Sha256Crypt {
                rounds: hash.rounds(),
                salt: hash.salt(),
            },
            Self::Sha512Crypt(hash) => Kind::Sha512Crypt {
                rounds: hash.rounds(),
                salt: hash.salt(),
            },
            Self::Sha(_) => Kind::Sha,
            Self::SaltedSha(_) => Kind::SaltedSha,
            Self::Plain(_) => Kind::Plain,
        }
    }

    /// Feeds a MAC with every byte that the verdict on a password depends on. No two hashes feed
    /// it the same: the format comes first, and what follows ends it.
    pub fn fingerprint(&self, mac: &mut blake3::Hasher) {
        match self {
            Self::Bcrypt(hash) => hash.fingerprint(mac.update(b"b")),
            Self::Apr1(hash) => hash.fingerprint(mac.update(b"a")),
            Self::Md5Crypt(hash) => hash.fingerprint(mac.update(b"1")),
            Self::Sha256Crypt(hash) => hash.fingerprint(mac.update(b"5")),
            Self::Sha512Crypt(hash) => hash.fingerprint(mac.update(b"6")),
            Self::Sha(hash) => hash.fingerprint(mac.update(b"s")),
            Self::SaltedSha(hash) => hash.fingerprint(mac.update(b"S")),
            Self::Plain(hash) => hash.fingerprint(mac.update(b"p")),
        }
    }
}

/// crypt(3) takes no password of more bytes, so nginx lets nobody in with one. It also bounds
/// what a round of SHA-crypt costs.
const LONGEST_FOR_CRYPT: usize = 511;

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({}, ***)", self.kind())
    }
}

/// Whether a text begins as a hash does, of a format that is read here.
pub fn begins_as_hash(text: &[u8]) -> bool {
    marked(text).is_some()
}

/// Reads what follows a format's mark.
type Parse = fn(&[u8], Limits) -> Result<PasswordHash, HashError>;

/// How to read this text, and what follows its mark.
fn marked(text: &[u8]) -> Option<(Parse, &[u8])> {
    FORMATS
        .into_iter()
        .find_map(|(mark, parse)| Some((parse, text.strip_prefix(mark)?)))
}

/// Every format by its mark.
const FORMATS: [(&[u8], Parse); 10] = [
    (b"$2a$", bcrypt),
    (b"$2b$", bcrypt),
    (b"$2y$", bcrypt),
    (APR1, |rest, _| {
        Md5Crypt::parse(rest).map(PasswordHash::Apr1)
    }),
    (MD5_CRYPT, |rest, _| {
        Md5Crypt::parse(rest).map(PasswordHash::Md5Crypt)
    }),
    (b"$5$", |rest, _| {
        let hash = ShaCrypt::parse(rest, &sha_crypt::ORDER_256);
        hash.map(|hash| PasswordHash::Sha256Crypt(Box::new(hash)))
    }),
    (b"$6$", |rest, _| {
        let hash = ShaCrypt::parse(rest, &sha_crypt::ORDER_512);
        hash.map(|hash| PasswordHash::Sha512Crypt(Box::new(hash)))
    }),
    (b"{SHA}", |rest, _| {
        LdapSha::parse(rest).map(PasswordHash::Sha)
    }),
    (b"{SSHA}", |rest, _| {
        LdapSha::parse_salted(rest).map(PasswordHash::SaltedSha)
    }),
    (b"{PLAIN}", |rest, limits| match limits.allow_plaintext {
        true => Plain::parse(rest).map(PasswordHash::Plain),
        false => Err(HashError::Plaintext),
    }),
];

fn bcrypt(rest: &[u8], limits: Limits) -> Result<PasswordHash, HashError> {
    Bcrypt::parse(rest, limits).map(PasswordHash::Bcrypt)
}

const APR1: &[u8] = b"$apr1$";
const MD5_CRYPT: &[u8] = b"$1$";

#[cfg(test)]
mod tests;
