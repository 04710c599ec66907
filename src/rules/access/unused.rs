//! Rules that change nothing: mistakes that do no harm, and that nobody would notice.

use std::fmt;

use super::Access;
use super::rules::{Grant, Methods, Subject};

/// A rule that changes nothing, in whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// The rule's line in the file.
    pub line: usize,
    /// Its number, counted from 1.
    pub rule: usize,
    /// Why it changes nothing.
    pub why: IdleReason,
}

/// Why a rule changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdleReason {
    /// It names nobody, or only groups without members.
    NoUsers,
    /// Another rule, counted from 1, allows all of it already.
    Covered(usize),
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: [[access]] rule {}: ", self.line, self.rule)?;
        f.write_str(match &self.why {
            IdleReason::NoUsers => "it applies to nobody; name users, or give its groups members",
            IdleReason::Covered(other) => {
                return write!(
                    f,
                    "rule {other} allows all of it already; remove one of them"
                );
            }
        })
    }
}

impl Access {
    /// The rules that change nothing, in their order.
    pub fn idle(&self) -> Vec<Idle> {
        let mut found = Vec::new();
        for (grant, rule) in self.grants.iter().zip(1..) {
            let mut report = |why| {
                let line = grant.line;
                found.push(Idle { line, rule, why });
            };
            if grant.users.iter().all(|subject| self.is_nobody(subject)) {
                report(IdleReason::NoUsers);
                continue;
            }
            // Of two that are alike, the later one changes nothing.
            let covering = self.grants.iter().zip(1..).find(|(other, number)| {
                *number != rule
                    && self.covers(other, grant)
                    && (*number < rule || !self.covers(grant, other))
            });
            if let Some((_, other)) = covering {
                report(IdleReason::Covered(other));
            }
        }
        found
    }

    fn is_nobody(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Group(_) => self.names(subject).is_empty(),
            Subject::Anonymous | Subject::AnyUser | Subject::User(_) => false,
        }
    }

    /// Whether one rule allows whatever another one allows.
    fn covers(&self, ours: &Grant, theirs: &Grant) -> bool {
        let has_pattern = |pattern| ours.repositories.iter().any(|own| own.covers(pattern));
        let has_path = |pattern| ours.paths.iter().any(|own| own.covers(pattern));
        let has_methods = match (&ours.methods, &theirs.methods) {
            (Methods::Any, _) => true,
            (Methods::These(_), Methods::Any) => false,
            (Methods::These(_), Methods::These(methods)) => {
                methods.iter().all(|method| ours.has_method(method))
            }
        };
        theirs.actions.iter().all(|action| ours.has_action(*action))
            && theirs.repositories.iter().all(has_pattern)
            && theirs.paths.iter().all(has_path)
            && (theirs.paths.is_empty() || has_methods)
            && theirs
                .users
                .iter()
                .all(|subject| self.applies(ours, subject))
    }

    /// Whether a rule applies to all that a word stands for.
    fn applies(&self, grant: &Grant, subject: &Subject) -> bool {
        if grant.users.contains(&Subject::Anonymous) || grant.users.contains(subject) {
            return true;
        }
        match subject {
            Subject::Anonymous | Subject::AnyUser => false,
            Subject::Group(_) | Subject::User(_) => {
                let named = |name: &String| {
                    let mut own = grant.users.iter();
                    own.any(|own| *own == Subject::AnyUser || self.names(own).contains(name))
                };
                self.names(subject).iter().all(named)
            }
        }
    }
}

#[cfg(test)]
mod tests;
