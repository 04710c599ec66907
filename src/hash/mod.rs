//! Stored password hashes: text to typed value once, at load, and a password held against it.
//! One file a format. Knows neither users nor files nor caches; costs what it costs, so callers
//! keep it off the threads that answer.

mod bcrypt;
mod decoy;

use std::fmt;

pub use self::bcrypt::{Bcrypt, KEY as BCRYPT_KEY, SALT as BCRYPT_SALT};
pub use self::decoy::{DecoySeed, Decoys};

/// A stored hash that is well formed and that this service is willing to compute.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2a$`, `$2b$` and `$2y$`.
    Bcrypt(Bcrypt),
}

/// A format with its cost: hashes of one kind take equally long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// bcrypt with 2^cost rounds.
    Bcrypt {
        /// The base-2 logarithm of the number of rounds.
        cost: u8,
    },
}

/// What the operator lets a hash cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The highest bcrypt cost, 4 to 31. Each step doubles the time of one guess.
    pub max_bcrypt_cost: u8,
}

/// bcrypt costs under this load with a warning.
pub const WEAK_BCRYPT_COST: u8 = 10;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bcrypt_cost: 14,
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
        match text {
            b"" => Err(HashError::Empty),
            [b'$', b'2', b'a' | b'b' | b'y', b'$', rest @ ..] => {
                Bcrypt::parse(rest, limits).map(Self::Bcrypt)
            }
            [b'$', b'2', b'$' | b'x', ..] => Err(HashError::FlawedBcrypt),
            _ => Err(unusable(text)),
        }
    }

    /// Whether the password is the one that was hashed. Compares digests in constant time.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.matches(password),
        }
    }

    /// The format and cost.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Bcrypt(hash) => Kind::Bcrypt { cost: hash.cost() },
        }
    }

    /// Every byte that the verdict on a password depends on, for a MAC over it.
    pub fn fingerprint(&self) -> [u8; bcrypt::FINGERPRINT] {
        match self {
            Self::Bcrypt(hash) => hash.fingerprint(),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({}, ***)", self.kind())
    }
}

impl Kind {
    /// Whether a stolen file of such hashes is guessed too easily today.
    pub fn is_weak(self) -> bool {
        match self {
            Self::Bcrypt { cost } => cost < WEAK_BCRYPT_COST,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bcrypt { cost } => write!(f, "bcrypt cost {cost}"),
        }
    }
}

/// Why a hash cannot be used. Its text is a remedy as well; it never quotes the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// Nothing stands behind the colon.
    Empty,
    /// bcrypt variants whose authors withdrew them.
    FlawedBcrypt,
    /// The cost is not two digits from 04 to 31.
    BadCost,
    /// The cost is over the configured limit.
    TooCostly {
        /// The cost in the file.
        cost: u8,
        /// The limit.
        limit: u8,
    },
    /// Fewer characters than the format has.
    Short,
    /// More characters than the format has.
    Long,
    /// Characters that the format never produces.
    Damaged,
    /// DES crypt: eight characters of password, guessed in seconds.
    Des,
    /// A known format that is not supported.
    Unsupported(&'static str),
    /// No format that htpasswd files have.
    Unknown,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rehash = "set a new password with 'htpasswd -B FILE USER'";
        match self {
            Self::Empty => write!(f, "the hash is empty; {rehash}"),
            Self::FlawedBcrypt => {
                write!(
                    f,
                    "the bcrypt variants $2$ and $2x$ are flawed and refused; {rehash}"
                )
            }
            Self::BadCost => {
                write!(
                    f,
                    "the bcrypt cost is not two digits from 04 to 31; {rehash}"
                )
            }
            Self::TooCostly { cost, limit } => write!(
                f,
                "the bcrypt cost {cost} is over max_bcrypt_cost {limit}; \
                 raise that limit, or {rehash}"
            ),
            Self::Short => write!(f, "the hash is cut short; {rehash}"),
            Self::Long => write!(
                f,
                "something follows the hash; remove it, or put a ':' before a comment"
            ),
            Self::Damaged => write!(f, "the hash is damaged; {rehash}"),
            Self::Des => {
                write!(
                    f,
                    "DES crypt is refused, it keeps only eight characters; {rehash}"
                )
            }
            Self::Unsupported(format) => write!(f, "{format} hashes are not supported; {rehash}"),
            Self::Unknown => write!(f, "the hash has an unknown format; {rehash}"),
        }
    }
}

impl std::error::Error for HashError {}

fn unusable(text: &[u8]) -> HashError {
    const PREFIXES: [(&[u8], &str); 8] = [
        (b"$apr1$", "apr1 (MD5)"),
        (b"$1$", "MD5 crypt"),
        (b"$5$", "SHA-256 crypt"),
        (b"$6$", "SHA-512 crypt"),
        (b"$y$", "yescrypt"),
        (b"{SHA}", "{SHA}"),
        (b"{SSHA}", "{SSHA}"),
        (b"{PLAIN}", "{PLAIN}"),
    ];
    if let Some((_, name)) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        return HashError::Unsupported(name);
    }
    let is_crypt_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"./".contains(byte);
    if text.len() == DES_LENGTH && text.iter().all(is_crypt_byte) {
        return HashError::Des;
    }
    HashError::Unknown
}

/// Two characters of salt and eleven of digest (crypt(5), "descrypt").
const DES_LENGTH: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_are_not_used() {
        let rows: &[(&[u8], HashError)] = &[
            (b"", HashError::Empty),
            (b"$2$10$abc", HashError::FlawedBcrypt),
            (b"$2x$10$abc", HashError::FlawedBcrypt),
            (b"$apr1$salt$digest", HashError::Unsupported("apr1 (MD5)")),
            (b"$1$salt$digest", HashError::Unsupported("MD5 crypt")),
            (b"$5$salt$digest", HashError::Unsupported("SHA-256 crypt")),
            (
                b"$6$rounds=5000$salt$digest",
                HashError::Unsupported("SHA-512 crypt"),
            ),
            (
                b"{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=",
                HashError::Unsupported("{SHA}"),
            ),
            (b"{PLAIN}secret", HashError::Unsupported("{PLAIN}")),
            (b"rqXexS6ZhobKA", HashError::Des),
            (b"secret", HashError::Unknown),
            (b"$2z$10$abc", HashError::Unknown),
            (b"!", HashError::Unknown),
        ];
        for (text, error) in rows {
            let seen = PasswordHash::parse(text, Limits::default()).unwrap_err();
            assert_eq!(seen, *error, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn messages_are_one_line_with_a_remedy() {
        let errors = [
            HashError::Empty,
            HashError::FlawedBcrypt,
            HashError::BadCost,
            HashError::TooCostly {
                cost: 31,
                limit: 14,
            },
            HashError::Short,
            HashError::Long,
            HashError::Damaged,
            HashError::Des,
            HashError::Unsupported("{SHA}"),
            HashError::Unknown,
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.contains(';') && !text.contains('\n'), "{text}");
        }
    }
}
