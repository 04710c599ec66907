//! Rules that change nothing: mistakes that do no harm, and that nobody would notice.

use super::Access;
use super::rules::{Grant, Methods, Subject};
use crate::Fault;

/// Why a rule changes nothing, in whole or in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It names nobody, or only groups without members.
    NoUsers,
    /// Another rule, counted from 1, allows all of it already.
    Covered(usize),
}

impl Access {
    /// The rules that change nothing, in their order.
    pub fn unused(&self) -> Vec<Fault> {
        let fault = |(rule, reason): (usize, Reason)| {
            let rule_word = format!("[[access]] rule {rule}");
            let fault = match reason {
                Reason::NoUsers => Fault::new(
                    format!("{rule_word}: it applies to nobody"),
                    "name users, or give its groups members",
                ),
                Reason::Covered(other) => Fault::new(
                    format!("{rule_word}: rule {other} allows all of it already"),
                    "remove one of them",
                ),
            };
            fault.at(self.line(rule).unwrap_or_default() as u64)
        };
        self.unused_rules().into_iter().map(fault).collect()
    }

    /// The same rules, counted from 1.
    fn unused_rules(&self) -> Vec<(usize, Reason)> {
        let mut found = Vec::new();
        for (grant, rule) in self.grants.iter().zip(1..) {
            if grant.users.iter().all(|subject| self.is_nobody(subject)) {
                found.push((rule, Reason::NoUsers));
                continue;
            }
            // Of two that are alike, the later one changes nothing.
            let covering = self.grants.iter().zip(1..).find(|(other, number)| {
                *number != rule
                    && self.covers(other, grant)
                    && (*number < rule || !self.covers(grant, other))
            });
            found.extend(covering.map(|(_, other)| (rule, Reason::Covered(other))));
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
