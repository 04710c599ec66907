//! Rules as people write them, to rules that can be applied. What cannot be meant is an error.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::pattern::Pattern;
use super::{Access, Action, RuleId};
use crate::Fault;

/// The groups by their names.
pub type Groups = BTreeMap<String, Group>;

/// A group of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The line that it stands in.
    pub line: u64,
    /// Names of users.
    pub members: Vec<String>,
}

/// One `[[access]]` as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Names, `@group`, `*` for any user, `anonymous`.
    pub users: Vec<String>,
    /// Patterns over the names of repositories; needs `actions`.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// What may be done with them; needs `repositories`, except for the catalog alone.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Patterns over paths outside a registry; needs `methods`.
    #[serde(default)]
    pub paths: Vec<String>,
    /// With these methods, `*` for any; needs `paths`.
    #[serde(default)]
    pub methods: Vec<String>,
}

/// A rule that can be applied.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) line: u64,
    pub(super) users: Vec<Subject>,
    pub(super) repositories: Vec<Pattern>,
    pub(super) actions: Vec<Action>,
    pub(super) paths: Vec<Pattern>,
    pub(super) methods: Methods,
}

/// With which methods.
#[derive(Debug)]
pub(super) enum Methods {
    /// `*`.
    Any,
    These(Vec<String>),
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

impl Access {
    /// Makes rules applicable. Each comes with its line in the file.
    ///
    /// # Errors
    ///
    /// The first thing that cannot be meant.
    pub fn compile(
        groups: Groups,
        rules: impl IntoIterator<Item = (u64, Rule)>,
    ) -> Result<Self, Fault> {
        for (group, Group { line, members }) in &groups {
            let is_name = |name: &&String| !is_special(name) && is_possible(name);
            if let Some(member) = members.iter().find(|name| !is_name(name)) {
                let what = format!("[groups] {group}: {member:?} is not a user name");
                return Err(Fault::new(what, "groups hold names of users only").at(*line));
            }
        }
        let mut access = Self {
            groups,
            ..Self::default()
        };
        for (number, (line, rule)) in (1..).zip(rules) {
            let grant = Grant::compile(line, rule, &access.groups).map_err(|fault| {
                let what = format!("[[access]] rule {number}: {}", fault.what);
                Fault::new(what, fault.remedy).at(line)
            })?;
            access.grants.push(grant);
        }
        access.index_patterns();
        access.index_users();
        Ok(access)
    }

    /// Users whom the rules name and who are not users by this account; each with the first rule,
    /// counted from 1.
    pub fn unknown_users(&self, is_user: impl Fn(&[u8]) -> bool) -> BTreeMap<&str, usize> {
        let mut unknown_users = BTreeMap::new();
        for (grant, number) in self.grants.iter().zip(1..) {
            for name in grant.users.iter().flat_map(|subject| self.names(subject)) {
                if !is_user(name.as_bytes()) {
                    unknown_users.entry(name.as_str()).or_insert(number);
                }
            }
        }
        unknown_users
    }

    /// The names that stand for somebody.
    pub(super) fn names<'a>(&'a self, subject: &'a Subject) -> &'a [String] {
        match subject {
            Subject::User(name) => std::slice::from_ref(name),
            Subject::Group(group) => self.groups.get(group).map_or(&[], |group| &group.members),
            Subject::AnyUser | Subject::Anonymous => &[],
        }
    }

    fn index_patterns(&mut self) {
        for (grant, id) in self.grants.iter().zip(0..) {
            for pattern in &grant.repositories {
                self.sites.insert_repository(pattern, id);
            }
            for pattern in &grant.paths {
                self.sites.insert_path(pattern, id);
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
    fn compile(line: u64, rule: Rule, groups: &Groups) -> Result<Self, Fault> {
        rule.check_keys()?;
        let repositories = patterns(rule.repositories, Pattern::repository)?;
        // A rule that is cut off after its actions must not list more than the whole does.
        let is_whole = repositories.is_empty()
            || (repositories.iter().any(Pattern::is_everything)
                && repositories
                    .iter()
                    .all(|pattern| pattern.server().is_none()));
        if !is_whole && rule.actions.contains(&Action::Catalog) {
            return Err(Fault::new(
                "'catalog' lists every repository, on every server",
                "write it in a rule without 'repositories', or with repositories = [\"**\"]",
            ));
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
            methods: Methods::read(rule.methods)?,
        })
    }

    pub(super) fn has_action(&self, action: Action) -> bool {
        let implied = action == Action::Pull && self.actions.contains(&Action::Push);
        implied || self.actions.contains(&action)
    }

    pub(super) fn has_method(&self, method: &str) -> bool {
        let Methods::These(methods) = &self.methods else {
            return true;
        };
        let has = |method: &str| methods.iter().any(|own| own == method);
        has(method) || (method == "HEAD" && has("GET"))
    }
}

impl Rule {
    /// Each half of a pair needs the other one, and an empty list is none: a file that is only
    /// half written must not allow more than all of it.
    fn check_keys(&self) -> Result<(), Fault> {
        let is_catalog_alone = self.actions.iter().all(|it| *it == Action::Catalog);
        let [repositories, actions, paths, methods] = [
            !self.repositories.is_empty(),
            !self.actions.is_empty(),
            !self.paths.is_empty(),
            !self.methods.is_empty(),
        ];
        let faults = [
            (
                repositories && !actions,
                "'repositories' without 'actions'",
                "add what is allowed, as in actions = [\"pull\"]",
            ),
            (
                actions && !repositories && !is_catalog_alone,
                "'actions' without 'repositories'",
                "add which ones (repositories = [\"**\"] is every repository)",
            ),
            (
                paths && !methods,
                "'paths' without 'methods'",
                "add which ones (methods = [\"*\"] is any method)",
            ),
            (
                methods && !paths,
                "'methods' without 'paths'",
                "add which ones (paths = [\"/**\"] is every path)",
            ),
            (
                !actions && !paths,
                "it allows nothing",
                "add 'repositories' with 'actions', or 'paths' with 'methods'",
            ),
        ];
        let mut faults = faults.into_iter().filter(|(is_wrong, ..)| *is_wrong);
        faults
            .next()
            .map_or(Ok(()), |(_, what, remedy)| Err(Fault::new(what, remedy)))
    }
}

impl Methods {
    fn read(methods: Vec<String>) -> Result<Self, Fault> {
        // nginx lets no other letters through.
        let fits = |byte: u8| byte.is_ascii_uppercase() || b"_-".contains(&byte);
        let is_method = |text: &str| !text.is_empty() && text.bytes().all(fits);
        let mut others = methods.iter().filter(|method| *method != "*");
        if let Some(method) = others.find(|method| !is_method(method)) {
            return Err(Fault::new(
                format!("no request has the method {method:?}"),
                "write it as in 'GET' (methods = [\"*\"] is any method)",
            ));
        }
        if methods.iter().any(|method| method == "*") {
            return Ok(Self::Any);
        }
        Ok(Self::These(methods))
    }
}

fn patterns(
    texts: Vec<String>,
    parse: fn(&str) -> Result<Pattern, &'static str>,
) -> Result<Vec<Pattern>, Fault> {
    let never = |text| format!("pattern {text:?} can never match");
    let parse = |text: String| parse(&text).map_err(|why| Fault::new(never(text), why));
    texts.into_iter().map(parse).collect()
}

impl Subject {
    fn read(text: String, groups: &Groups) -> Result<Self, Fault> {
        if let Some(group) = text.strip_prefix('@') {
            if groups.contains_key(group) {
                return Ok(Self::Group(group.to_owned()));
            }
            let similarity = |other: &&String| strsim::jaro_winkler(group, other);
            let nearest = groups
                .keys()
                .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
            let remedy = nearest.map_or_else(
                || "name its members in [groups]".to_owned(),
                |nearest| format!("the nearest known one is '@{nearest}'"),
            );
            return Err(Fault::new(format!("unknown group '@{group}'"), remedy));
        }
        match text.as_str() {
            "*" => Ok(Self::AnyUser),
            "anonymous" => Ok(Self::Anonymous),
            name if is_possible(name) => Ok(Self::User(text)),
            _ => Err(Fault::new(
                format!("{text:?} is not a user name"),
                "write a name, '@group', '*' or 'anonymous'",
            )),
        }
    }

    /// The user whom it names.
    pub(super) fn user(&self) -> Option<&String> {
        match self {
            Self::User(name) => Some(name),
            Self::Anonymous | Self::AnyUser | Self::Group(_) => None,
        }
    }

    /// The word for others than a user of that name.
    pub(super) fn word_for_many(&self) -> Option<String> {
        match self {
            Self::Anonymous => Some("anonymous".to_owned()),
            Self::AnyUser => Some("*".to_owned()),
            Self::Group(name) => Some(format!("@{name}")),
            Self::User(_) => None,
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
