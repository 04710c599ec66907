//! Rules that change nothing, and names that are nobody's: mistakes that do no harm, and that nobody
//! would notice.

use std::collections::BTreeSet;

use super::Access;
use super::rules::{Grant, Group, Methods, Subject};
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
            fault.at(self.line(rule).unwrap_or_default())
        };
        self.unused_rules().into_iter().map(fault).collect()
    }

    /// Each name in rules and groups that is not a user by this account, where it first stands.
    pub fn strangers(&self, is_user: impl Fn(&[u8]) -> bool) -> Vec<Fault> {
        let fault = |place: String, name: &str, line| {
            let what = format!("{place}: {name:?} is not in the users file");
            Fault::new(what, "correct the name, or add the user").at(line)
        };
        let groups = self
            .groups
            .iter()
            .flat_map(|(group, Group { line, members })| {
                let place = move |name: &_| fault(format!("[groups] {group}"), name, *line);
                members.iter().map(move |name| (name, place(name)))
            });
        let rules = self.grants.iter().zip(1..).flat_map(|(grant, number)| {
            let place = move |name| fault(format!("[[access]] rule {number}"), name, grant.line);
            let users = grant.users.iter().filter_map(Subject::user);
            users.map(move |name| (name, place(name)))
        });
        let mut seen = BTreeSet::new();
        let new = groups
            .chain(rules)
            .filter(|(name, _)| seen.insert(name.as_str()));
        let unknown = new.filter(|(name, _)| !is_user(name.as_bytes()));
        unknown.map(|(_, fault)| fault).collect()
    }

    /// The words by which rules mean others than a user of that name.
    pub fn words_for_many(&self) -> impl Iterator<Item = String> {
        let subjects = self.grants.iter().flat_map(|grant| &grant.users);
        let words: BTreeSet<_> = subjects.filter_map(Subject::word_for_many).collect();
        words.into_iter()
    }

    /// The rules that change nothing, counted from 1.
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
