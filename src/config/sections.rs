//! The sections of `htgate.toml` that are neither settings nor access rules.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::path;
use crate::Fault;
use crate::rules::user_agent::UserAgentRules;
use crate::token::{self, KeyId, OTHER_PATHS};

/// `[user_agent]`, which replaces the built-in lists. It names both: half of a file that somebody
/// is still writing must not allow more than all of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserAgentSection {
    deny: Option<Vec<String>>,
    except: Option<Vec<String>>,
}

impl UserAgentSection {
    pub(super) fn compile(&self) -> Result<UserAgentRules, Fault> {
        let missing = match (&self.deny, &self.except) {
            (Some(deny), Some(except)) => {
                let compiled = UserAgentRules::compile(deny, except);
                return compiled.map_err(|fault| Fault {
                    what: format!("[user_agent] {}", fault.what),
                    ..fault
                });
            }
            (None, _) => "deny",
            (Some(_), None) => "except",
        };
        Err(Fault::new(
            format!("[user_agent] has no '{missing}'"),
            format!("write both lists, an empty one as {missing} = []"),
        ))
    }
}

/// `[token]`: without it there is no token endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenSection {
    #[serde(deserialize_with = "path::deserialize")]
    key: PathBuf,
    /// The certificate of the key that signs.
    #[serde(deserialize_with = "path::deserialize")]
    pub certificate: PathBuf,
    /// The registry's service.
    pub service: String,
    issuer: Option<String>,
    path: Option<String>,
    lifetime_seconds: Option<u64>,
    key_id: Option<KeyId>,
}

impl TokenSection {
    /// The settings, or the key that cannot be meant and why.
    pub(super) fn finish(&self) -> Result<token::TokenSettings, (&'static str, Fault)> {
        let issuer = self.issuer.as_deref().unwrap_or(DEFAULT_ISSUER);
        let path = self.path.as_deref().unwrap_or(DEFAULT_TOKEN_PATH);
        for (name, value) in [("service", self.service.as_str()), ("issuer", issuer)] {
            if value.is_empty() || value.contains(char::is_control) {
                let what = format!("[token] {name}: {value:?} is not a name");
                return Err((name, Fault::new(what, "write the registry's")));
            }
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let is_path = path.len() > 1 && path.starts_with('/') && path.bytes().all(is_plain);
        if !is_path || OTHER_PATHS.contains(&path) {
            let what = format!("[token] path: {path:?} cannot be answered");
            return Err(("path", Fault::new(what, "write a path like \"/token\"")));
        }
        let seconds = self.lifetime_seconds.unwrap_or(DEFAULT_LIFETIME_SECONDS);
        if !(SHORTEST_LIFETIME_SECONDS..=LONGEST_LIFETIME_SECONDS).contains(&seconds) {
            let what = format!("[token] lifetime_seconds is {seconds}");
            let bounds = format!("{SHORTEST_LIFETIME_SECONDS} and {LONGEST_LIFETIME_SECONDS}");
            let remedy = format!("it must be between {bounds}");
            return Err(("lifetime_seconds", Fault::new(what, remedy)));
        }
        Ok(token::TokenSettings {
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
