//! Rules as people write them, to rules that can be applied. What cannot be meant is an error.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::pattern::{Pattern, PatternFault};
use super::{Access, Action, RuleId};

/// The members of each group.
pub type Groups = BTreeMap<String, Vec<String>>;

/// One `[[access]]` as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Names, `@group`, `*` for any user, `anonymous`.
    pub users: Vec<String>,
    /// Patterns over the names of repositories.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// What may be done with them.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Patterns over paths outside a registry.
    #[serde(default)]
    pub paths: Vec<String>,
    /// With these methods; any where none is given.
    #[serde(default)]
    pub methods: Vec<String>,
}

/// A rule that can be applied.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) line: usize,
    pub(super) users: Vec<Subject>,
    pub(super) repositories: Vec<Pattern>,
    pub(super) actions: Vec<Action>,
    pub(super) paths: Vec<Pattern>,
    pub(super) methods: Vec<String>,
}

/// Whom a rule applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Everybody, with credentials or without.
    Anonymous,
    AnyUser,
    Group(String),
    User(String),
}

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
    /// A rule for some repositories that shall list all of them.
    PartialCatalog,
}

impl Access {
    /// Makes rules applicable. Each comes with its line in the file.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be meant.
    pub fn compile(
        groups: Groups,
        rules: impl IntoIterator<Item = (usize, Rule)>,
    ) -> Result<Self, RuleError> {
        for (group, members) in &groups {
            let is_name = |name: &&String| !is_special(name) && is_possible(name);
            if let Some(member) = members.iter().find(|name| !is_name(name)) {
                return Err(RuleError {
                    place: None,
                    fault: RuleFault::Member(group.clone(), member.clone()),
                });
            }
        }
        let mut access = Self {
            groups,
            ..Self::default()
        };
        for (number, (line, rule)) in (1..).zip(rules) {
            let grant = Grant::compile(line, rule, &access.groups).map_err(|fault| RuleError {
                place: Some((line, number)),
                fault,
            })?;
            access.grants.push(grant);
        }
        access.index_patterns();
        access.index_users();
        Ok(access)
    }

    /// Users whom the rules name, and who are none by this account; each with the first rule,
    /// counted from 1.
    pub fn strangers(&self, is_user: impl Fn(&[u8]) -> bool) -> BTreeMap<&str, usize> {
        let mut strangers = BTreeMap::new();
        for (grant, number) in self.grants.iter().zip(1..) {
            for name in grant.users.iter().flat_map(|subject| self.names(subject)) {
                if !is_user(name.as_bytes()) {
                    strangers.entry(name.as_str()).or_insert(number);
                }
            }
        }
        strangers
    }

    /// The names that stand for somebody.
    pub(super) fn names<'a>(&'a self, subject: &'a Subject) -> &'a [String] {
        match subject {
            Subject::User(name) => std::slice::from_ref(name),
            Subject::Group(group) => self.groups.get(group).map_or(&[], Vec::as_slice),
            Subject::AnyUser | Subject::Anonymous => &[],
        }
    }

    fn index_patterns(&mut self) {
        for (grant, id) in self.grants.iter().zip(0..) {
            for pattern in &grant.repositories {
                self.repositories.insert(pattern.pieces(), id);
            }
            for pattern in &grant.paths {
                self.paths.insert(pattern.pieces(), id);
            }
            if grant.actions.contains(&Action::Catalog) {
                self.catalog.push(id);
            }
        }
    }

    fn index_users(&mut self) {
        let mut by_user = HashMap::<&str, Vec<RuleId>>::new();
        let (mut any_user, mut anonymous) = (Vec::new(), Vec::new());
        for (grant, id) in self.grants.iter().zip(0..) {
            for subject in &grant.users {
                for name in self.names(subject) {
                    by_user.entry(name).or_default().push(id);
                }
            }
            if grant.users.contains(&Subject::Anonymous) {
                anonymous.push(id);
            }
            // Nobody may do less for having logged in.
            let for_all = [Subject::AnyUser, Subject::Anonymous];
            if grant.users.iter().any(|subject| for_all.contains(subject)) {
                any_user.push(id);
            }
        }
        let mut shared = HashMap::<Vec<RuleId>, Arc<[RuleId]>>::new();
        self.by_user = by_user
            .into_iter()
            .map(|(name, mut rules)| {
                rules.extend(&any_user);
                rules.sort_unstable();
                rules.dedup();
                let rules = shared
                    .entry(rules)
                    .or_insert_with_key(|rules| rules.as_slice().into());
                (name.into(), Arc::clone(rules))
            })
            .collect();
        self.any_user = any_user.into();
        self.anonymous = anonymous.into();
    }
}

impl Grant {
    fn compile(line: usize, rule: Rule, groups: &Groups) -> Result<Self, RuleFault> {
        let repositories = patterns(rule.repositories, Pattern::repository)?;
        let is_all = |pattern: &Pattern| *pattern == Pattern::everything();
        let is_partial = !repositories.is_empty() && !repositories.iter().any(is_all);
        if is_partial && rule.actions.contains(&Action::Catalog) {
            return Err(RuleFault::PartialCatalog);
        }
        // nginx lets no other letters through.
        let is_method = |method: &String| {
            let fits = |byte: u8| byte.is_ascii_uppercase() || b"_-".contains(&byte);
            !method.is_empty() && method.bytes().all(fits)
        };
        if let Some(method) = rule.methods.iter().find(|method| !is_method(method)) {
            return Err(RuleFault::Method(method.clone()));
        }
        Ok(Self {
            line,
            users: rule
                .users
                .into_iter()
                .map(|user| Subject::read(user, groups))
                .collect::<Result<_, _>>()?,
            repositories,
            actions: rule.actions,
            paths: patterns(rule.paths, Pattern::path)?,
            methods: rule.methods,
        })
    }

    pub(super) fn has_action(&self, action: Action) -> bool {
        let implied = action == Action::Pull && self.actions.contains(&Action::Push);
        implied || self.actions.contains(&action)
    }

    pub(super) fn has_method(&self, method: &str) -> bool {
        let has = |method: &str| self.methods.iter().any(|own| own == method);
        self.methods.is_empty() || has(method) || (method == "HEAD" && has("GET"))
    }
}

fn patterns(
    texts: Vec<String>,
    parse: fn(&str) -> Result<Pattern, PatternFault>,
) -> Result<Vec<Pattern>, RuleFault> {
    let parse = |text: String| parse(&text).map_err(|fault| RuleFault::Pattern(text, fault));
    texts.into_iter().map(parse).collect()
}

impl Subject {
    fn read(text: String, groups: &Groups) -> Result<Self, RuleFault> {
        if let Some(group) = text.strip_prefix('@') {
            if groups.contains_key(group) {
                return Ok(Self::Group(group.to_owned()));
            }
            let similarity = |other: &&String| strsim::jaro_winkler(group, other);
            let nearest = groups
                .keys()
                .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
            return Err(RuleFault::UnknownGroup(group.to_owned(), nearest.cloned()));
        }
        match text.as_str() {
            "*" => Ok(Self::AnyUser),
            "anonymous" => Ok(Self::Anonymous),
            name if is_possible(name) => Ok(Self::User(text)),
            _ => Err(RuleFault::NoUser(text)),
        }
    }
}

fn is_special(name: &str) -> bool {
    name.starts_with('@') || matches!(name, "*" | "anonymous")
}

/// Whether a users file can have such a name.
fn is_possible(name: &str) -> bool {
    !name.is_empty() && !name.contains(':') && !name.contains(|c: char| c.is_ascii_control())
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
                "[groups] {group}: {member:?} is no user's name; groups hold names of users only"
            ),
            Self::NoUser(name) => write!(
                f,
                "{name:?} is no user's name; say a name, '@group', '*' or 'anonymous'"
            ),
            Self::Pattern(text, fault) => write!(f, "pattern {text:?} can never match: {fault}"),
            Self::Method(method) => write!(
                f,
                "no request has the method {method:?}; write it as in 'GET', or leave 'methods' \
                 out for all"
            ),
            Self::PartialCatalog => f.write_str(
                "'catalog' lists every repository; say it in a rule without 'repositories', or \
                 with repositories = [\"**\"]",
            ),
        }
    }
}
