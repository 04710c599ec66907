//! Why a hash cannot be used, with what to do.

use std::fmt;

use super::sha_crypt::MOST_ROUNDS;

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
    /// The rounds of SHA-crypt are no number from 1000, or begin with a zero.
    BadRounds,
    /// The rounds of SHA-crypt are over what is computed here.
    TooManyRounds,
    /// Fewer characters than the format has.
    Short,
    /// More characters than the format has.
    Long,
    /// Characters that the format never produces.
    Damaged,
    /// `{PLAIN}`, and the operator does not allow it.
    Plaintext,
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
            Self::FlawedBcrypt => write!(
                f,
                "the bcrypt variants $2$ and $2x$ are flawed and refused; {rehash}"
            ),
            Self::BadCost => write!(
                f,
                "the bcrypt cost is not two digits from 04 to 31; {rehash}"
            ),
            Self::TooCostly { cost, limit } => write!(
                f,
                "the bcrypt cost {cost} is over max_bcrypt_cost {limit}; \
                 raise that limit, or {rehash}"
            ),
            Self::BadRounds => write!(
                f,
                "the rounds are not a number from 1000 without leading zeros; {rehash}"
            ),
            Self::TooManyRounds => {
                write!(f, "the rounds are over {MOST_ROUNDS}; {rehash}")
            }
            Self::Short => write!(f, "the hash is cut short; {rehash}"),
            Self::Long => {
                f.write_str("something follows the hash; remove it, or put a ':' before a comment")
            }
            Self::Damaged => write!(f, "the hash is damaged; {rehash}"),
            Self::Plaintext => write!(
                f,
                "{{PLAIN}} is refused without allow_plaintext; better than allowing it, {rehash}"
            ),
            Self::Des => write!(
                f,
                "DES crypt is refused, it keeps only eight characters; {rehash}"
            ),
            Self::Unsupported(format) => write!(f, "{format} hashes are not supported; {rehash}"),
            Self::Unknown => write!(f, "the hash has an unknown format; {rehash}"),
        }
    }
}

impl std::error::Error for HashError {}

#[cfg(test)]
mod tests {
    use super::*;

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
            HashError::BadRounds,
            HashError::TooManyRounds,
            HashError::Short,
            HashError::Long,
            HashError::Damaged,
            HashError::Plaintext,
            HashError::Des,
            HashError::Unsupported("yescrypt"),
            HashError::Unknown,
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.contains(';') && !text.contains('\n'), "{text}");
        }
    }
}
