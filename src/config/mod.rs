//! Flags, environment and `htgate.toml` to finished settings. Past this file nobody checks them
//! again.

mod file;
mod sections;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use self::file::rules_parser;
pub(crate) use self::settings::Settings;
use self::settings::WatchMode;
use crate::files::reload::Sources;
use crate::files::stable_read::read_stable;
use crate::hash::Limits;
use crate::http::Realm;
use crate::judge::JudgeSettings;
use crate::judge::addresses::Allowance;
use crate::judge::cache::Bounds;
use crate::observe::logging::LogFormat;
use crate::request::Front;
use crate::rules::access::Access;
use crate::store::Rules;
use crate::system::listen::{Address, SocketMode};
use crate::{Fault, token};

/// Everything that `serve` needs to know.
pub(crate) struct Config {
    /// Where to listen.
    pub listen: Vec<Address>,
    /// The mode of unix sockets.
    pub socket_mode: SocketMode,
    /// The group of unix sockets.
    pub socket_group: Option<String>,
    /// Threads that answer.
    pub workers: usize,
    /// What finding out may cost.
    pub judge: JudgeSettings,
    /// What stands before us.
    pub front: Front,
    /// The challenge's realm.
    pub realm: Realm,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The files, and how to notice that they changed.
    pub sources: Sources,
}

/// What is wrong with the settings: one line.
#[derive(Debug)]
pub enum ConfigError {
    /// Wrong use of the command line or the environment.
    Usage(String),
    /// A fault in the configuration file, with its name.
    File(String, Fault),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::File(file, fault) => write!(f, "{file}: {fault}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Puts the settings together: what is given wins over the file that it names.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be meant.
    pub(crate) fn load(given: Settings) -> Result<Self, ConfigError> {
        let (file, rules, token) = match &given.config {
            Some(path) => read(path)?,
            None => {
                let file = Settings::default();
                let fault = |fault| ConfigError::File("the built-in rules".to_owned(), fault);
                let rules = file.rules().map_err(fault)?;
                (file, rules, None)
            }
        };
        let parse_again = rules_parser(file.clone());
        let settings = given.or(file);
        let no_users = || ConfigError::Usage("no users file; use --htpasswd FILE".to_owned());
        Ok(Self {
            judge: settings.judge()?,
            workers: settings.workers()?,
            realm: Realm::new(&settings.realm())
                .map_err(|error| ConfigError::Usage(format!("realm: {error}")))?,
            listen: settings.listen(),
            socket_mode: settings.socket_mode(),
            front: settings.front(),
            log_format: settings.log_format(),
            sources: Sources {
                limits: settings.limits()?,
                poll: Duration::from_secs_f64(settings.poll_seconds()?),
                events: settings.watch() == WatchMode::Events,
                users: settings.htpasswd.ok_or_else(no_users)?,
                config: settings.config.map(|path| (path, parse_again)),
                token,
                rules,
            },
            socket_group: settings.socket_group,
        })
    }
}

impl Settings {
    /// What a hash may be and cost.
    ///
    /// # Errors
    ///
    /// A cost that bcrypt does not have.
    pub(crate) fn limits(&self) -> Result<Limits, ConfigError> {
        Ok(Limits {
            max_bcrypt_cost: self.max_bcrypt_cost()?,
            allow_plaintext: self.allow_plaintext(),
        })
    }

    fn judge(&self) -> Result<JudgeSettings, ConfigError> {
        Ok(JudgeSettings {
            queue: self.queue()?,
            queue_timeout: Duration::from_secs(self.queue_seconds()?),
            hash_threads: self.hash_threads()?,
            allowance: Allowance {
                strikes: self.strikes()?,
                lifetime: Duration::from_secs(self.strike_seconds()?),
            },
            cache: Bounds {
                capacity: self.cache_capacity(),
                lifetime: Duration::from_secs(self.cache_seconds()),
            },
        })
    }
}

/// Those settings that tools need which read a users file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitOptions {
    /// The highest bcrypt cost that is hashed, 4 to 31 [default: 14].
    #[arg(long, env = "HTGATE_MAX_BCRYPT_COST", value_name = "COST")]
    pub max_bcrypt_cost: Option<u8>,
    /// Let {PLAIN} lines hold passwords in the clear; =false takes it back [default: false].
    #[arg(
        long,
        env = "HTGATE_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_plaintext: Option<bool>,
}

impl LimitOptions {
    /// The limits that `serve` would have with these options.
    ///
    /// # Errors
    ///
    /// A cost that bcrypt does not have.
    pub(crate) fn limits(self) -> Result<Limits, ConfigError> {
        let settings = Settings {
            max_bcrypt_cost: self.max_bcrypt_cost,
            allow_plaintext: self.allow_plaintext,
            ..Settings::default()
        };
        settings.limits()
    }
}

/// What the configuration file says of users and their rights.
pub struct RulesFile {
    /// The access rules.
    pub access: Access,
    /// The htpasswd file, if it is named there.
    pub htpasswd: Option<PathBuf>,
    /// What a hash may cost.
    pub limits: Limits,
}

impl RulesFile {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// No file, or a fault in it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let path = path.ok_or_else(|| {
            ConfigError::Usage("no rules; use --config FILE or set HTGATE_CONFIG".to_owned())
        })?;
        let (file, rules, _) = read(path)?;
        Ok(Self {
            access: rules.access,
            limits: file.limits()?,
            htpasswd: file.htpasswd,
        })
    }
}

type File = (Settings, Rules, Option<token::TokenSettings>);

fn read(path: &Path) -> Result<File, ConfigError> {
    let fault = |fault| ConfigError::File(path.display().to_string(), fault);
    let text = read_stable(path, |_| false, &|| ()).map_err(fault)?.bytes;
    let file = Settings::parse(&text).map_err(fault)?;
    let rules = file.rules().map_err(fault)?;
    let token = file.token().map_err(fault)?;
    Ok((file, rules, token))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htgate.toml");
        let text = "htpasswd = 'a'\nworkers = 3\nhash_threads = 5\nallow_plaintext = true\n";
        fs::write(&path, text).unwrap();
        let settings = Settings {
            config: Some(path),
            workers: Some(7),
            ..Settings::default()
        };
        let config = Config::load(settings).unwrap();
        assert_eq!((config.workers, config.judge.hash_threads), (7, 5));
        assert_eq!(config.sources.users, PathBuf::from("a"));
        assert!(config.sources.limits.allow_plaintext);
        assert_eq!(config.listen, [Address::default()]);
    }

    #[test]
    fn values_that_cannot_be_meant() {
        let base = || Settings {
            htpasswd: Some("f".into()),
            ..Settings::default()
        };
        let rows = [
            (Settings::default(), "--htpasswd FILE"),
            (
                Settings {
                    workers: Some(0),
                    ..base()
                },
                "workers: must be at least 1, got 0",
            ),
            (
                Settings {
                    hash_threads: Some(0),
                    ..base()
                },
                "hash_threads: must be at least 1, got 0",
            ),
            (
                Settings {
                    max_bcrypt_cost: Some(3),
                    ..base()
                },
                "max_bcrypt_cost: must be between 4 and 31, got 3",
            ),
            (
                Settings {
                    max_bcrypt_cost: Some(32),
                    ..base()
                },
                "max_bcrypt_cost: must be between 4 and 31, got 32",
            ),
            (
                Settings {
                    poll_seconds: Some(f64::NAN),
                    ..base()
                },
                "poll_seconds: must be between 0.05 and 3600, got NaN",
            ),
            (
                Settings {
                    poll_seconds: Some(0.0),
                    ..base()
                },
                "poll_seconds: must be between 0.05 and 3600, got 0",
            ),
            (
                Settings {
                    realm: Some("\n".to_owned()),
                    ..base()
                },
                "realm: use printable",
            ),
        ];
        for (settings, expected) in rows {
            let error = Config::load(settings).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Config::load(base()).is_ok());
    }
}
