//! Formats with their costs: what a file's users are counted by, and what decoys imitate.

use std::fmt;

/// A format with its cost: hashes of one kind take equally long. The salt counts where a longer
/// one can take another block of input in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// bcrypt with 2^cost rounds.
    Bcrypt {
        /// The base-2 logarithm of the number of rounds.
        cost: u8,
    },
    /// `$apr1$`, Apache's MD5-crypt.
    Apr1 {
        /// Bytes of salt.
        salt: u8,
    },
    /// `$1$`.
    Md5Crypt {
        /// Bytes of salt.
        salt: u8,
    },
    /// `$5$`.
    Sha256Crypt {
        /// How many rounds.
        rounds: u32,
        /// Bytes of salt.
        salt: u8,
    },
    /// `$6$`.
    Sha512Crypt {
        /// How many rounds.
        rounds: u32,
        /// Bytes of salt.
        salt: u8,
    },
    /// `{SHA}`, one unsalted SHA-1.
    Sha,
    /// `{SSHA}`, one salted SHA-1.
    SaltedSha,
    /// `{PLAIN}`, no hash at all.
    Plain,
}

impl Kind {
    /// Whether a stolen file of such hashes is guessed too easily today.
    pub fn is_weak(self) -> bool {
        match self {
            Self::Bcrypt { cost } => cost < WEAK_BCRYPT_COST,
            Self::Sha256Crypt { rounds, .. } | Self::Sha512Crypt { rounds, .. } => {
                rounds < WEAK_SHA_CRYPT_ROUNDS
            }
            // Both MD5 formats are 1,000 rounds of MD5, and the rest is one digest or none.
            Self::Apr1 { .. } | Self::Md5Crypt { .. } => true,
            Self::Sha | Self::SaltedSha | Self::Plain => true,
        }
    }
}

/// bcrypt costs under this load with a warning.
pub const WEAK_BCRYPT_COST: u8 = 10;
/// SHA-crypt with fewer rounds than crypt(5)'s default loads with a warning.
const WEAK_SHA_CRYPT_ROUNDS: u32 = 5000;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, usual) = match self {
            Self::Bcrypt { cost } => return write!(f, "bcrypt cost {cost}"),
            Self::Sha => return f.write_str("{SHA}"),
            Self::SaltedSha => return f.write_str("{SSHA}"),
            Self::Plain => return f.write_str("{PLAIN}"),
            Self::Apr1 { salt } => {
                f.write_str("apr1 (MD5)")?;
                (salt, super::md5_crypt::SALT)
            }
            Self::Md5Crypt { salt } => {
                f.write_str("MD5 crypt")?;
                (salt, super::md5_crypt::SALT)
            }
            Self::Sha256Crypt { rounds, salt } => {
                write!(f, "SHA-256 crypt with {rounds} rounds")?;
                (salt, super::sha_crypt::SALT)
            }
            Self::Sha512Crypt { rounds, salt } => {
                write!(f, "SHA-512 crypt with {rounds} rounds")?;
                (salt, super::sha_crypt::SALT)
            }
        };
        if usize::from(*salt) != usual {
            write!(f, ", salt of {salt}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_weakness() {
        let rows = [
            (Kind::Bcrypt { cost: 9 }, "bcrypt cost 9", true),
            (Kind::Bcrypt { cost: 10 }, "bcrypt cost 10", false),
            (Kind::Apr1 { salt: 8 }, "apr1 (MD5)", true),
            (Kind::Apr1 { salt: 2 }, "apr1 (MD5), salt of 2", true),
            (Kind::Md5Crypt { salt: 8 }, "MD5 crypt", true),
            (
                Kind::Sha256Crypt {
                    rounds: 5000,
                    salt: 16,
                },
                "SHA-256 crypt with 5000 rounds",
                false,
            ),
            (
                Kind::Sha512Crypt {
                    rounds: 1000,
                    salt: 8,
                },
                "SHA-512 crypt with 1000 rounds, salt of 8",
                true,
            ),
            (Kind::Sha, "{SHA}", true),
            (Kind::SaltedSha, "{SSHA}", true),
            (Kind::Plain, "{PLAIN}", true),
        ];
        for (kind, name, weak) in rows {
            assert_eq!(kind.to_string(), name);
            assert_eq!(kind.is_weak(), weak, "{name}");
        }
    }
}
