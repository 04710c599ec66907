//! `htgate.toml`: its keys, what is wrong with one, and what of it can change while we run.

use std::path::PathBuf;

use serde::Deserialize;

use crate::cli::{LogFormat, WatchMode};
use crate::listen::{Address, SocketMode};
use crate::reload::ParseRules;
use crate::user_agent::{DEFAULT_DENY, DEFAULT_EXCEPT, UserAgentRules};

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
    pub(super) waiting_room: Option<usize>,
    pub(super) waiting_per_address: Option<usize>,
    pub(super) waiting_seconds: Option<u64>,
    pub(super) strikes: Option<usize>,
    pub(super) strike_seconds: Option<u64>,
    pub(super) realm: Option<String>,
    pub(super) max_bcrypt_cost: Option<u8>,
    pub(super) cache_seconds: Option<u64>,
    pub(super) cache_capacity: Option<u64>,
    pub(super) poll_seconds: Option<f64>,
    pub(super) watch: Option<WatchMode>,
    pub(super) log_format: Option<LogFormat>,
    #[serde(default)]
    pub(super) user_agent: UserAgentSettings,
}

/// `[user_agent]`: a list that is not given is the built-in one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserAgentSettings {
    deny: Option<Vec<String>>,
    except: Option<Vec<String>>,
}

impl UserAgentSettings {
    pub(super) fn compile(&self) -> Result<UserAgentRules, String> {
        let built_in = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect();
        let deny = self.deny.clone().unwrap_or_else(|| built_in(&DEFAULT_DENY));
        let except = self
            .except
            .clone()
            .unwrap_or_else(|| built_in(&DEFAULT_EXCEPT));
        UserAgentRules::compile(&deny, &except).map_err(|error| format!("[user_agent] {error}"))
    }
}

impl FileSettings {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "this is not UTF-8 text".to_owned())?;
        toml::from_str(text).map_err(|error| explain(text, &error))
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
            waiting_room,
            waiting_per_address,
            waiting_seconds,
            strikes,
            strike_seconds,
            realm,
            max_bcrypt_cost,
            cache_seconds,
            cache_capacity,
            poll_seconds,
            watch,
            log_format
        );
        all.into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(name, _)| name)
            .collect()
    }
}

/// One line: where, what, and the nearest known key for an unknown one.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = before.matches('\n').count() + 1;
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

/// Reads the rules anew, and says what else changed and must wait for a restart.
pub(super) fn rules_parser(at_start: FileSettings) -> ParseRules {
    Box::new(move |bytes| {
        let now = FileSettings::parse(bytes)?;
        let rules = now.user_agent.compile()?;
        let changed = now.changed_since(&at_start);
        if !changed.is_empty() {
            log::warn!(
                "htgate.toml: these changes take effect with a restart: {}",
                changed.join(", ")
            );
        }
        Ok(rules)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let rules = |file: FileSettings| file.user_agent.compile();
        FileSettings::parse(text.as_bytes())
            .and_then(rules)
            .unwrap_err()
    }

    #[test]
    fn faults_are_one_line_with_their_place() {
        let rows = [
            (
                "\nlisten_on = []",
                "line 2: unknown key 'listen_on'; the nearest known one is 'listen'",
            ),
            (
                "[user_agent]\nexpect = []",
                "line 2: unknown key 'expect'; the nearest known one is 'except'",
            ),
            (
                "listen = ['8080']",
                "line 1: write 127.0.0.1:8080, [::1]:8080",
            ),
            ("socket_mode = 'rw'", "line 1: write octal permission bits"),
            (
                "workers = 'two'",
                "line 1: invalid type: string \"two\", expected usize",
            ),
            ("workers = ", "line 1:"),
            (
                "[user_agent]\ndeny = ['a(?!b)']",
                "[user_agent] pattern 'a(?!b)': look-ahead",
            ),
        ];
        for (text, expected) in rows {
            let seen = error(text);
            assert!(
                seen.starts_with(expected) && !seen.contains('\n'),
                "{text}: {seen}"
            );
        }
    }

    #[test]
    fn a_list_of_user_agents_that_is_not_given_is_the_built_in_one() {
        let rules = |text: &str| {
            FileSettings::parse(text.as_bytes())
                .unwrap()
                .user_agent
                .compile()
                .unwrap()
        };
        assert!(!rules("").admit(b"Go 1.1 package http"));
        assert!(rules("[user_agent]\ndeny = []").admit(b"Go 1.1 package http"));
        assert!(rules("[user_agent]\ndeny = ['^curl/']").admit(b"Go 1.1 package http"));
        assert!(!rules("[user_agent]\ndeny = ['^curl/']").admit(b"curl/8"));
        assert!(rules("[user_agent]\nexcept = ['http$']").admit(b"Go 1.1 package http"));
    }
}
