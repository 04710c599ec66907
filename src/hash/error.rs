//! Why a hash cannot be used, with what to do.

use super::sha_crypt::MOST_ROUNDS;
use crate::Fault;

/// Why a hash cannot be used. The [`Fault`] that is made of it never quotes the hash.
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
    /// Not even the mark of one.
    Unmarked,
}

/// What helps where a hash cannot be used.
pub const NEW_PASSWORD: &str = "set a new password with 'htpasswd -B -C 10 FILE USER'";

impl From<HashError> for Fault {
    fn from(error: HashError) -> Self {
        let rehash = NEW_PASSWORD;
        let what = match error {
            HashError::Empty => {
                let what = "the hash is empty, as where a shell reads '$...' in double quotes";
                return Self::new(what, rehash);
            }
            HashError::FlawedBcrypt => "the bcrypt variants $2$ and $2x$ are flawed and refused",
            HashError::BadCost => "the bcrypt cost is not two digits from 04 to 31",
            HashError::TooCostly { cost, limit } => {
                return Self::new(
                    format!("the bcrypt cost {cost} is over max_bcrypt_cost {limit}"),
                    format!("raise that limit, or {rehash}"),
                );
            }
            HashError::BadRounds => "the rounds are not a number from 1000 without leading zeros",
            HashError::TooManyRounds => {
                return Self::new(format!("the rounds are over {MOST_ROUNDS}"), rehash);
            }
            HashError::Short => "the hash is cut short",
            HashError::Long => {
                let remedy = "remove it, or put a ':' before a comment";
                return Self::new("something follows the hash", remedy);
            }
            HashError::Damaged => "the hash is damaged",
            HashError::Plaintext => {
                let remedy = format!("better than allowing it, {rehash}");
                return Self::new("{PLAIN} is refused without allow_plaintext", remedy);
            }
            HashError::Des => "DES crypt is refused, it keeps only eight characters",
            HashError::Unsupported(format) => {
                return Self::new(format!("{format} hashes are not supported"), rehash);
            }
            HashError::Unknown => "the hash has an unknown format",
            HashError::Unmarked => "this is not a hash, and may be the password itself",
        };
        Self::new(what, rehash)
    }
}

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
            HashError::Unmarked,
        ];
        for error in errors {
            let text = Fault::from(error).to_string();
            assert!(text.contains(';') && !text.contains('\n'), "{text}");
        }
    }
}
