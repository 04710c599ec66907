//! What is wrong with a rule, in one line: where, what, and what to do.

use std::fmt;

use super::pattern::PatternFault;

/// What is wrong with a rule or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The rule's line in the file, and its number, counted from 1. A group has none.
    pub place: Option<(usize, usize)>,
    /// What it is.
    pub fault: RuleFault,
}

/// What cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleFault {
    /// A group that there is not, and the one with the most similar name.
    UnknownGroup(String, Option<String>),
    /// A group that has something else than names of users in it.
    Member(String, String),
    /// Nobody's name.
    NoUser(String),
    /// A pattern that can never match.
    Pattern(String, PatternFault),
    /// A method that no request has.
    Method(String),
    /// A rule for some repositories that should list all of them.
    PartialCatalog,
    /// A key without the one that belongs to it.
    Lacks(Key),
    /// No key that allows anything.
    Nothing,
}

/// A key of a rule that another one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Needed by `actions`.
    Repositories,
    /// Needed by `repositories`.
    Actions,
    /// Needed by `methods`.
    Paths,
    /// Needed by `paths`.
    Methods,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, number)) = self.place {
            write!(f, "line {line}: [[access]] rule {number}: ")?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for RuleError {}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownGroup(name, None) => {
                write!(f, "unknown group '@{name}'; name its members in [groups]")
            }
            Self::UnknownGroup(name, Some(nearest)) => {
                write!(
                    f,
                    "unknown group '@{name}'; the nearest known one is '@{nearest}'"
                )
            }
            Self::Member(group, member) => write!(
                f,
                "[groups] {group}: {member:?} is not a user name; groups hold names of users only"
            ),
            Self::NoUser(name) => write!(
                f,
                "{name:?} is not a user name; write a name, '@group', '*' or 'anonymous'"
            ),
            Self::Pattern(text, fault) => write!(f, "pattern {text:?} can never match: {fault}"),
            Self::Method(method) => write!(
                f,
                "no request has the method {method:?}; write it as in 'GET' (methods = [\"*\"] is \
                 any method)"
            ),
            Self::PartialCatalog => f.write_str(
                "'catalog' lists every repository, on every server; write it in a rule without \
                 'repositories', or with repositories = [\"**\"]",
            ),
            Self::Lacks(key) => f.write_str(match key {
                Key::Repositories => {
                    "'actions' without 'repositories'; add which ones (repositories = [\"**\"] is \
                     every repository)"
                }
                Key::Actions => {
                    "'repositories' without 'actions'; add what is allowed, as in \
                     actions = [\"pull\"]"
                }
                Key::Paths => {
                    "'methods' without 'paths'; add which ones (paths = [\"/**\"] is every path)"
                }
                Key::Methods => {
                    "'paths' without 'methods'; add which ones (methods = [\"*\"] is any method)"
                }
            }),
            Self::Nothing => f.write_str(
                "it allows nothing; add 'repositories' with 'actions', or 'paths' with 'methods'",
            ),
        }
    }
}
