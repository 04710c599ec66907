//! The bytes of an htpasswd file to users, with every line that cannot be used and why. A bad
//! line never costs another one its effect. Knows no paths and no reload policy.

mod cause;
mod edit;
mod lines;
mod name;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

pub use self::cause::Cause;
pub use self::edit::{EditError, add, remove, set};
pub use self::lines::{Line, lines};
pub use self::name::{Name, odd};
use crate::Fault;
use crate::hash::{HashError, Kind, Limits, PasswordHash, begins_as_hash};
use crate::request::credentials::LONGEST_USER;

/// The users of one file.
#[derive(Debug)]
pub struct Users {
    /// `None`: the name stands in the file, but its first line has no usable hash.
    by_name: HashMap<Box<[u8]>, Option<PasswordHash>>,
    kinds: BTreeMap<Kind, u64>,
}

impl Users {
    /// Reads a file. The first line of a name counts, as in nginx and Apache, even where it is
    /// unusable: a line broken on purpose, to lock somebody out, is not undone by an older one.
    pub fn parse(file: &[u8], limits: Limits) -> (Self, LineErrors) {
        Self::parse_and_tell(file, limits, MOST_LINE_ERRORS)
    }

    /// Reads a file, and lists up to `most` faulty lines one by one.
    pub fn parse_and_tell(file: &[u8], limits: Limits, most: usize) -> (Self, LineErrors) {
        let count = file.iter().filter(|byte| **byte == b'\n').count();
        // A file of another kind gets no more room than a users file of its size.
        let room = count.min(file.len() / SHORTEST_USUAL_LINE);
        let mut users = Self {
            by_name: HashMap::with_capacity(room),
            kinds: BTreeMap::new(),
        };
        let mut errors = LineErrors::default();
        for line in lines(file) {
            let odd = || {
                line.name()
                    .and_then(odd)
                    .map_or(Ok(()), |cause| Err(LineFault::Odd(cause)))
            };
            if let Err(fault) = users.admit(line.text, limits).and_then(|()| odd()) {
                errors.count += 1;
                if errors.first.len() < most {
                    let fault = fault.explain(line.text);
                    errors.first.push(LineError {
                        line: line.number,
                        fault,
                    });
                }
            }
        }
        (users, errors)
    }

    /// The hash of a user, if there is such a user.
    pub fn find(&self, name: &[u8]) -> Option<&PasswordHash> {
        self.by_name.get(name)?.as_ref()
    }

    /// How many users there are of each kind of hash.
    pub fn kinds(&self) -> &BTreeMap<Kind, u64> {
        &self.kinds
    }

    /// How many users there are.
    pub fn count(&self) -> u64 {
        self.kinds.values().sum()
    }

    fn admit(&mut self, line: &[u8], limits: Limits) -> Result<(), LineFault> {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let name = fields.next().unwrap_or_default();
        let hash = fields.next().ok_or(LineFault::NoColon)?;
        if name.is_empty() {
            return Err(LineFault::EmptyName);
        }
        if name::unsendable(name).is_some() {
            return Err(LineFault::ImpossibleName);
        }
        let Entry::Vacant(place) = self.by_name.entry(name.into()) else {
            return Err(LineFault::Duplicate);
        };
        // As nginx and Apache have it, the hash ends at the next colon, a password in plain text
        // too, and the rest is a comment.
        let comment = fields.next().unwrap_or_default();
        let parsed = PasswordHash::parse(hash, limits);
        if is_glued(&parsed, comment) {
            place.insert(None);
            return Err(LineFault::Glued);
        }
        match parsed {
            Ok(hash) => {
                *self.kinds.entry(hash.kind()).or_default() += 1;
                place.insert(Some(hash));
                Ok(())
            }
            Err(error) => {
                place.insert(None);
                Err(LineFault::Hash(error))
            }
        }
    }
}

/// Whether the next entry's name seems to stand behind this one's hash, and its hash where the
/// comment would.
fn is_glued(parsed: &Result<PasswordHash, HashError>, comment: &[u8]) -> bool {
    let may_have_a_name_behind = match parsed {
        // These have no length of their own.
        Ok(PasswordHash::SaltedSha(_) | PasswordHash::Plain(_)) => true,
        Ok(_) => false,
        Err(error) => matches!(error, HashError::Long | HashError::Damaged),
    };
    may_have_a_name_behind && begins_as_hash(comment)
}

/// A line that is left out, or whose name nobody can have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line. The [`Fault`] that is made of it quotes nothing of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Not `user:hash`.
    NoColon,
    /// Nothing before the colon.
    EmptyName,
    /// A name that no client can send.
    ImpossibleName,
    /// The name stands in an earlier line.
    Duplicate,
    /// Another entry follows without a line break.
    Glued,
    /// The hash cannot be used.
    Hash(HashError),
    /// The line cannot be used, and its shape tells why.
    Made(Cause),
    /// A user, but with a name that nobody can have meant.
    Odd(Cause),
}

impl LineFault {
    /// The cause of the fault in this line, if there is more to say than the fault itself.
    fn explain(self, line: &[u8]) -> Self {
        use HashError::{Des, FlawedBcrypt, Plaintext, TooCostly, TooManyRounds};
        let says_all = match self {
            Self::EmptyName | Self::Duplicate | Self::Made(_) | Self::Odd(_) => true,
            Self::Glued => !line.contains(&b'\r'),
            Self::NoColon | Self::ImpossibleName => false,
            Self::Hash(error) => matches!(
                error,
                Des | FlawedBcrypt | Plaintext | TooCostly { .. } | TooManyRounds
            ),
        };
        let cause = (!says_all).then(|| cause::guess(line)).flatten();
        cause.map_or(self, Self::Made)
    }
}

impl From<LineFault> for Fault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::NoColon => Self::new("no colon", "write the line as 'user:hash'"),
            LineFault::EmptyName => Self::new("the user name is empty", "put one before the colon"),
            LineFault::ImpossibleName => Self::new(
                format!(
                    "the user name has control characters or over {LONGEST_USER} bytes and can \
                     never log in"
                ),
                "rename the user",
            ),
            LineFault::Duplicate => Self::new(
                "the user stands in an earlier line, which counts",
                "remove one of them",
            ),
            LineFault::Glued => Self::new(
                "two entries stand on one line",
                "put a line break between them",
            ),
            LineFault::Hash(error) => error.into(),
            LineFault::Made(cause) | LineFault::Odd(cause) => cause.into(),
        }
    }
}

/// The faulty lines: the first ones, and how many there are.
#[derive(Debug, Default)]
pub struct LineErrors {
    first: Vec<LineError>,
    count: u64,
}

impl LineErrors {
    /// The first errors, in the order of their lines.
    pub fn first(&self) -> &[LineError] {
        &self.first
    }

    /// How many lines are faulty.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// In bytes: a name, and the shortest hash that people have.
const SHORTEST_USUAL_LINE: usize = 32;

/// No more faulty lines than this are told one by one: a file of another kind, given by mistake,
/// would fill the log.
pub const MOST_LINE_ERRORS: usize = 20;

#[cfg(test)]
mod tests;
