//! Who may do what: rules to a decision about one user's one request. Without rules every valid
//! user may do everything, and requests are not even read; with rules, what none of them allows
//! is refused. Knows no status codes and no files.

mod name;
mod operation;
mod pattern;
mod rules;
mod sites;
mod target;
mod tree;
mod unused;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

pub(crate) use self::name::is_repository;
pub use self::operation::{Operation, RequestLine};
use self::pattern::Pattern;
use self::rules::Grant;
pub use self::rules::{Group, Groups, Rule};
use self::sites::{Here, Sites};
use crate::request::Request;

/// What may be done in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// To read images and the list of a repository's tags.
    Pull,
    /// To write images; includes pulling.
    Push,
    /// To delete images.
    Delete,
    /// To list the names of all repositories.
    Catalog,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Catalog => "catalog",
        })
    }
}

/// A rule's place among the rules, from 0.
type RuleId = u32;

/// All rules, in a form that costs a request nearly nothing, however many there are.
#[derive(Debug, Default)]
pub struct Access {
    grants: Vec<Grant>,
    groups: Groups,
    /// The rules that apply to users whom a rule names, in ascending order. Users to whom the
    /// same ones apply share them.
    by_user: HashMap<Box<str>, Arc<[RuleId]>>,
    /// Those that apply to any other user.
    any_user: Arc<[RuleId]>,
    anonymous: Arc<[RuleId]>,
    sites: Sites,
    catalog: Vec<RuleId>,
}

/// Who asks: a user whose password was right, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// This user.
    User(&'a [u8]),
    /// Somebody who sent no credentials.
    Anonymous,
}

/// Whether a request may pass, and why.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow(Grounds),
    /// It may not.
    Deny(Obstacle),
}

/// Why a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// There are no rules.
    NoRules,
    /// The registry's base is open to every user.
    Base,
    /// The first rule that allows it, counted from 1.
    Rule(usize),
    /// The first rule that allows the upload, but not the mount that it asks for. The registry must
    /// not see the query then; it answers as where a mount is not possible, and the client uploads
    /// (OCI distribution specification, "Mounting a blob from another repository").
    Unmounted(usize),
}

/// Why a request may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nobody is let in without credentials here.
    Anonymous,
    /// Nobody can say what it asks for.
    Unclear(Unclear),
    /// No rule allows this.
    NoRule(String),
}

/// Why a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// `X-Original-Method` or `X-Original-URI` is missing, doubled or malformed, or
    /// `X-Original-Server` is doubled.
    Headers,
    /// The path can be read in two ways.
    Path(&'static str),
    /// The query of a request to a registry can be read in two ways.
    Query,
    /// A registry has no such endpoint, or not with this method.
    Endpoint,
    /// What a blob shall be mounted from is no repository's name.
    From,
    /// An upload that may have parameters in its body: a form, or something of unknown type.
    Form,
}

impl Access {
    /// Whether this request of theirs may pass.
    pub fn decide(&self, who: Who<'_>, request: &Request<'_>) -> Decision {
        if self.grants.is_empty() {
            return match who {
                Who::Anonymous => Decision::Deny(Obstacle::Anonymous),
                Who::User(_) if request.original_is_clean() => Decision::Allow(Grounds::NoRules),
                Who::User(_) => Decision::Deny(Obstacle::Unclear(Unclear::Headers)),
            };
        }
        let line = match RequestLine::read(request) {
            Ok(line) => line,
            Err(unclear) => return Decision::Deny(Obstacle::Unclear(unclear)),
        };
        match line.operation() {
            Ok(asked) => self.weigh(who, request.server_name(), &asked, request.drops_mounts),
            Err(unclear) => Decision::Deny(Obstacle::Unclear(unclear)),
        }
    }

    /// Whether they may do this on the server of that name, whatever the request looks like by
    /// which they will.
    pub fn allows(&self, who: Who<'_>, server: Option<&str>, asked: &Operation<'_>) -> bool {
        if self.grants.is_empty() {
            return who != Who::Anonymous;
        }
        self.weigh(who, server, asked, false).is_allow()
    }

    /// Whether there are any rules.
    pub fn has_rules(&self) -> bool {
        !self.grants.is_empty()
    }

    /// Whether any rule is about repositories, so that nginx must send the types of uploads.
    pub fn has_repositories(&self) -> bool {
        self.grants
            .iter()
            .any(|grant| !grant.repositories.is_empty())
    }

    /// The servers that patterns name, each once.
    pub fn servers(&self) -> BTreeSet<&str> {
        let all = self.grants.iter();
        let all = all.flat_map(|grant| grant.repositories.iter().chain(&grant.paths));
        all.filter_map(Pattern::server).collect()
    }

    /// The line of the file that a rule, counted from 1, begins at.
    pub fn line(&self, rule: usize) -> Option<u64> {
        self.grants
            .get(rule.checked_sub(1)?)
            .map(|grant| grant.line)
    }

    fn weigh(
        &self,
        who: Who<'_>,
        server: Option<&str>,
        asked: &Operation<'_>,
        drops_mounts: bool,
    ) -> Decision {
        let own = self.rules_of(who);
        let here = self.sites.at(server);
        let found = match asked {
            // Clients decide here whether to send a password at all: anonymous is asked for one.
            Operation::Base if who == Who::Anonymous => return Decision::Deny(Obstacle::Anonymous),
            Operation::Base => return Decision::Allow(Grounds::Base),
            Operation::Catalog => first_common(&self.catalog, own, |_| true),
            Operation::Repository { action, name, from } => {
                let missing = from
                    .iter()
                    .find(|name| self.first_rule(&here, own, Action::Pull, name).is_none());
                let rule = self.first_rule(&here, own, *action, name);
                if let Some(source) = missing {
                    return match rule.filter(|_| drops_mounts) {
                        Some(rule) => Decision::Allow(Grounds::Unmounted(rule as usize + 1)),
                        None => {
                            Decision::Deny(Obstacle::NoRule(format!("{} {source}", Action::Pull)))
                        }
                    };
                }
                rule
            }
            Operation::Path { method, path } => {
                let relative = path.strip_prefix('/').unwrap_or(path);
                let has_method = |grant: &Grant| grant.has_method(method);
                let mut first = First::of(&self.grants, own, has_method);
                here.paths(relative, |rules| first.look_at(rules));
                first.rule
            }
        };
        match found {
            Some(rule) => Decision::Allow(Grounds::Rule(rule as usize + 1)),
            None => Decision::Deny(Obstacle::NoRule(asked.to_string())),
        }
    }

    fn rules_of(&self, who: Who<'_>) -> &[RuleId] {
        match who {
            Who::Anonymous => &self.anonymous,
            Who::User(name) => std::str::from_utf8(name)
                .ok()
                .and_then(|name| self.by_user.get(name))
                .unwrap_or(&self.any_user),
        }
    }

    fn first_rule(
        &self,
        here: &Here<'_>,
        own: &[RuleId],
        action: Action,
        name: &str,
    ) -> Option<RuleId> {
        let mut first = First::of(&self.grants, own, |grant| grant.has_action(action));
        here.repositories(name, |rules| first.look_at(rules));
        first.rule
    }
}

/// Looks for the first rule that applies and grants something.
struct First<'a, F> {
    grants: &'a [Grant],
    own: &'a [RuleId],
    does_grant: F,
    rule: Option<RuleId>,
}

impl<'a, F: Fn(&Grant) -> bool> First<'a, F> {
    fn of(grants: &'a [Grant], own: &'a [RuleId], does_grant: F) -> Self {
        Self {
            grants,
            own,
            does_grant,
            rule: None,
        }
    }

    fn look_at(&mut self, rules: &[RuleId]) {
        let good = |rule| self.grants.get(rule as usize).is_some_and(&self.does_grant);
        let found = first_common(rules, self.own, good);
        self.rule = self.rule.into_iter().chain(found).min();
    }
}

/// The first of the good ones that are in both lists. Both are in ascending order.
fn first_common(a: &[RuleId], b: &[RuleId], is_good: impl Fn(RuleId) -> bool) -> Option<RuleId> {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut few = few.iter().copied();
    few.find(|rule| many.binary_search(rule).is_ok() && is_good(*rule))
}

/// What follows `/v2/`, which is the registry's alone.
fn registry_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2")?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

impl Decision {
    /// Whether the request may pass.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headers => {
                "the method or the URI is missing, doubled or malformed, or the server is doubled"
            }
            Self::Path(why) => return write!(f, "the path can be read in two ways: {why}"),
            Self::Query => "the query can be read in two ways: it has a ';', '#' or broken escape",
            Self::Endpoint => "a registry has no such endpoint, or not with this method",
            Self::From => "'from' in the query is no repository's name",
            Self::Form => "an upload must not be a form, nor of unknown Content-Type",
        })
    }
}

#[cfg(test)]
mod tests;
