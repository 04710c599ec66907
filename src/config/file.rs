//! `htgate.toml`: its keys, what is wrong with one, and what of it can change while we run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use crate::cli::{LogFormat, WatchMode};
use crate::files::reload::ParseRules;
use crate::files::stable_read::is_blank;
use crate::request::Front;
use crate::rules::access::{Access, Groups, Rule};
use crate::rules::user_agent::{DEFAULT_DENY, DEFAULT_EXCEPT, UserAgentRules};
use crate::store::Rules;
use crate::system::listen::{Address, SocketMode};
use crate::token::{self, KeyId, OTHER_PATHS};

/// `htgate.toml`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSettings {
    pub(super) htpasswd: Option<PathBuf>,
    pub(super) listen: Option<Vec<Address>>,
    pub(super) socket_mode: Option<SocketMode>,
    pub(super) socket_group: Option<String>,
    pub(super) workers: Option<usize>,
    pub(super) hash_threads: Option<usize>,
    pub(super) queue: Option<usize>,
    pub(super) queue_seconds: Option<u64>,
    pub(super) strikes: Option<u32>,
    pub(super) strike_seconds: Option<u64>,
    pub(super) realm: Option<String>,
    pub(super) max_bcrypt_cost: Option<u8>,
    pub(super) allow_plaintext: Option<bool>,
    pub(super) cache_seconds: Option<u64>,
    pub(super) cache_capacity: Option<u64>,
    pub(super) poll_seconds: Option<f64>,
    pub(super) watch: Option<WatchMode>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) front: Option<Front>,
    user_agent: Option<UserAgentSettings>,
    token: Option<TokenSettings>,
    groups: Option<Groups>,
    #[serde(default)]
    access: Vec<Spanned<Rule>>,
    /// Where each rule of `access` begins.
    #[serde(skip)]
    access_lines: Vec<usize>,
}

/// `[user_agent]`, which replaces the built-in lists. It names both: half of a file that somebody
/// is still writing must not allow more than all of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserAgentSettings {
    deny: Option<Vec<String>>,
    except: Option<Vec<String>>,
}

/// `[token]`: without it there is no token endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenSettings {
    key: PathBuf,
    certificate: PathBuf,
    service: String,
    issuer: Option<String>,
    path: Option<String>,
    lifetime_seconds: Option<u64>,
    key_id: Option<KeyId>,
}

impl TokenSettings {
    fn finish(&self) -> Result<token::Settings, String> {
        let issuer = self.issuer.as_deref().unwrap_or(DEFAULT_ISSUER);
        let path = self.path.as_deref().unwrap_or(DEFAULT_TOKEN_PATH);
        for (name, value) in [("service", self.service.as_str()), ("issuer", issuer)] {
            if value.is_empty() || value.contains(char::is_control) {
                return Err(format!(
                    "[token] {name}: {value:?} is no name; say the registry's"
                ));
            }
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let is_path = path.len() > 1 && path.starts_with('/') && path.bytes().all(is_plain);
        if !is_path || OTHER_PATHS.contains(&path) {
            return Err(format!(
                "[token] path: {path:?} cannot be answered; say a path like \"/token\""
            ));
        }
        let seconds = self.lifetime_seconds.unwrap_or(DEFAULT_LIFETIME_SECONDS);
        if !(SHORTEST_LIFETIME_SECONDS..=LONGEST_LIFETIME_SECONDS).contains(&seconds) {
            return Err(format!(
                "[token] lifetime_seconds: {seconds} is not from {SHORTEST_LIFETIME_SECONDS} to \
                 {LONGEST_LIFETIME_SECONDS}"
            ));
        }
        Ok(token::Settings {
            key: self.key.clone(),
            certificate: self.certificate.clone(),
            key_id: self.key_id.unwrap_or_default(),
            issuer: issuer.to_owned(),
            service: self.service.clone(),
            lifetime: Duration::from_secs(seconds),
            path: path.to_owned(),
        })
    }
}

const DEFAULT_ISSUER: &str = "htgate";
const DEFAULT_TOKEN_PATH: &str = "/token";
/// As long as distribution's own token server has it.
const DEFAULT_LIFETIME_SECONDS: u64 = 300;
/// Clients take less for as much, and would send tokens that have ended ("token authentication" of
/// the distribution project, `expires_in`).
const SHORTEST_LIFETIME_SECONDS: u64 = 60;
/// A user who is removed may still pull for so long.
const LONGEST_LIFETIME_SECONDS: u64 = 3600;

impl UserAgentSettings {
    fn compile(&self) -> Result<UserAgentRules, String> {
        let missing = match (&self.deny, &self.except) {
            (Some(deny), Some(except)) => {
                let compiled = UserAgentRules::compile(deny, except);
                return compiled.map_err(|error| format!("[user_agent] {error}"));
            }
            (None, _) => "deny",
            (Some(_), None) => "except",
        };
        Err(format!(
            "[user_agent] has no '{missing}'; write both lists, an empty one as {missing} = []"
        ))
    }
}

impl FileSettings {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        Self::read(bytes).map_err(|error| one_line(&error))
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        if is_blank(bytes) {
            return Err("the file is empty; write settings or rules into it".to_owned());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "this is not UTF-8 text".to_owned())?;
        let mut file: Self = toml::from_str(text).map_err(|error| explain(text, &error))?;
        check_order(text)?;
        let lines = file.access.iter().map(|rule| line(text, rule.span().start));
        file.access_lines = lines.collect();
        Ok(file)
    }

    /// The rules, ready to be applied.
    pub(super) fn rules(&self) -> Result<Rules, String> {
        self.compile().map_err(|error| one_line(&error))
    }

    fn compile(&self) -> Result<Rules, String> {
        // Groups are written before the rules that use them: this may be half of a file.
        if self.groups.is_some() && self.access.is_empty() {
            return Err("[groups] without [[access]]; add rules, or remove the groups".to_owned());
        }
        let user_agents = match &self.user_agent {
            Some(lists) => lists.compile()?,
            None => UserAgentRules::compile(&DEFAULT_DENY, &DEFAULT_EXCEPT)
                .map_err(|error| error.to_string())?,
        };
        let rules = self.access.iter().map(|rule| rule.get_ref().clone());
        let rules = self.access_lines.iter().copied().zip(rules);
        let groups = self.groups.clone().unwrap_or_default();
        Ok(Rules {
            user_agents,
            access: Access::compile(groups, rules).map_err(|error| error.to_string())?,
        })
    }

    /// The sections that can be lost, each with whether it is there.
    fn sections(&self) -> [(&'static str, bool); 4] {
        [
            ("[[access]]", !self.access.is_empty()),
            ("[groups]", self.groups.is_some()),
            ("[user_agent]", self.user_agent.is_some()),
            ("[token]", self.token.is_some()),
        ]
    }

    /// The first section that this file has and the other one lacks.
    fn lost_in(&self, other: &Self) -> Option<&'static str> {
        let both = self.sections().into_iter().zip(other.sections());
        let mut lost = both.filter(|((_, was), (_, is))| *was && !is);
        lost.next().map(|((name, _), _)| name)
    }

    /// What signs tokens, if anything shall.
    pub(super) fn token(&self) -> Result<Option<token::Settings>, String> {
        self.token.as_ref().map(TokenSettings::finish).transpose()
    }

    /// The names of the settings that differ and are not rules.
    fn changed_since(&self, other: &Self) -> Vec<&'static str> {
        macro_rules! changed {
            ($($name:ident),*) => {
                [$((stringify!($name), self.$name != other.$name)),*]
            };
        }
        let all = changed!(
            htpasswd,
            listen,
            socket_mode,
            socket_group,
            workers,
            hash_threads,
            queue,
            queue_seconds,
            strikes,
            strike_seconds,
            realm,
            max_bcrypt_cost,
            allow_plaintext,
            cache_seconds,
            cache_capacity,
            poll_seconds,
            watch,
            log_format,
            front,
            token
        );
        all.into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(name, _)| name)
            .collect()
    }
}

/// Rules come after what limits them: a file that is cut off has all of that, or no rule. Groups may
/// follow, since a rule without its group is an error, and `[token]`, which limits nothing.
fn check_order(text: &str) -> Result<(), String> {
    let table = DeTable::parse(text).map_err(|error| explain(text, &error))?;
    let keys = table.get_ref().keys();
    let places = keys.map(|key| (key.get_ref().as_ref(), key.span().start));
    let places: BTreeMap<_, _> = places.collect();
    let Some(rules) = places.get("access") else {
        return Ok(());
    };
    let mut late = places
        .iter()
        .filter(|(key, place)| *place > rules && !matches!(**key, "groups" | "token"));
    late.next().map_or(Ok(()), |(key, place)| {
        let line = line(text, *place);
        Err(format!(
            "line {line}: '{key}' stands after the access rules; write it before them"
        ))
    })
}

/// One line: where, what, and the nearest known key for an unknown one.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let line = line(text, error.span().map_or(0, |span| span.start));
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") {
        return format!("line {line}: {message}");
    }
    let unknown = quoted.next().unwrap_or_default();
    let nearest = quoted.max_by(|a, b| {
        strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b))
    });
    let nearest = nearest.unwrap_or_default();
    format!("line {line}: unknown key '{unknown}'; the nearest known one is '{nearest}'")
}

/// What the file holds may stand in a message, and must neither begin a line of its own nor fill
/// the log.
fn one_line(message: &str) -> String {
    let mut line = String::new();
    for character in message.chars().take(LONGEST_MESSAGE) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// In characters.
const LONGEST_MESSAGE: usize = 500;

/// The number of the line that a place in the text is in.
fn line(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// Reads the rules again, and says what else changed and must wait for a restart. A section that
/// the last good file had must be in the next one: without it more is allowed, and it is what half
/// of a file looks like that somebody is still writing.
pub(super) fn rules_parser(at_start: FileSettings) -> ParseRules {
    let mut last_good = at_start.clone();
    Box::new(move |bytes| {
        let now = FileSettings::parse(bytes)?;
        let rules = now.rules()?;
        if let Some(section) = last_good.lost_in(&now) {
            return Err(format!(
                "{section} is gone; put it back, or restart htgate to do without it"
            ));
        }
        let changed = now.changed_since(&at_start);
        if !changed.is_empty() {
            log::warn!(
                "htgate.toml: these changes take effect with a restart: {}",
                changed.join(", ")
            );
        }
        // A [token] that was added is not in force.
        let token = last_good.token.take();
        last_good = FileSettings { token, ..now };
        Ok(rules)
    })
}

#[cfg(test)]
mod prefixes;
#[cfg(test)]
mod tests;
