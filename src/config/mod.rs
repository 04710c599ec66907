//! Flags, environment and `htgate.toml` to finished settings. Past this file nobody checks them
//! again.

mod file;
mod path;
mod sections;
mod settings;
mod slips;
mod tools;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::file::rules_parser;
pub(crate) use self::path::{is_secret, path};
pub(crate) use self::sections::TokenSection;
use self::settings::WatchMode;
pub(crate) use self::settings::{MOST_THREADS, Settings, number};
pub(crate) use self::tools::{LimitOptions, UsersFile};
use crate::files::reload::Sources;
use crate::files::stable_read::read_first;
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

/// Where the configuration file is, if nobody says where.
pub(crate) const USUAL_FILE: &str = "/etc/htgate/htgate.toml";

/// All settings together, and what the configuration file says of rules and tokens.
pub(crate) struct Loaded {
    /// What is in force.
    pub settings: Settings,
    /// The rules of the file, or the built-in ones.
    pub rules: Rules,
    /// What signs tokens, if anything does.
    pub token: Option<token::TokenSettings>,
    file: Settings,
}

impl Loaded {
    /// Puts the settings together: what is given wins over the file that it names.
    ///
    /// # Errors
    ///
    /// The first fault of the file.
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
        Ok(Self {
            settings: given.or(file.clone()),
            rules,
            token,
            file,
        })
    }
}

impl Config {
    /// What `serve` does with these settings.
    ///
    /// # Errors
    ///
    /// The first fault of the file, or that there are no users.
    pub(crate) fn load(given: Settings) -> Result<Self, ConfigError> {
        let Loaded {
            settings,
            rules,
            token,
            file,
        } = Loaded::load(given)?;
        Ok(Self {
            judge: settings.judge(),
            workers: settings.workers(),
            realm: settings.realm(),
            listen: settings.listen(),
            socket_mode: settings.socket_mode(),
            front: settings.front(),
            log_format: settings.log_format(),
            sources: Sources {
                limits: settings.limits(),
                poll: Duration::from_secs_f64(settings.poll_seconds()),
                events: settings.watch() == WatchMode::Events,
                users: named_users(settings.htpasswd, settings.config.as_deref())?,
                config: settings.config.map(|path| (path, rules_parser(file))),
                token,
                rules,
            },
            socket_group: settings.socket_group,
        })
    }
}

fn named_users(users: Option<PathBuf>, config: Option<&Path>) -> Result<PathBuf, ConfigError> {
    users.ok_or_else(|| {
        let place = config.map_or_else(|| USUAL_FILE.into(), Path::to_string_lossy);
        ConfigError::Usage(format!(
            "no users file; use --htpasswd FILE, or write htpasswd = \"FILE\" into {place}"
        ))
    })
}

impl Settings {
    /// What this file says; nothing where there is none.
    ///
    /// # Errors
    ///
    /// No such file, or a fault in it.
    pub(crate) fn of_file(path: Option<&Path>) -> Result<Self, ConfigError> {
        path.map_or_else(|| Ok(Self::default()), parse)
    }

    /// What a hash may be and cost.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_bcrypt_cost: self.max_bcrypt_cost(),
            allow_plaintext: self.allow_plaintext(),
        }
    }

    fn judge(&self) -> JudgeSettings {
        JudgeSettings {
            queue: self.queue(),
            queue_timeout: Duration::from_secs(self.queue_seconds()),
            hash_threads: self.hash_threads(),
            allowance: Allowance {
                strikes: self.strikes(),
                lifetime: Duration::from_secs(self.strike_seconds()),
            },
            cache: Bounds {
                capacity: self.cache_capacity(),
                lifetime: Duration::from_secs(self.cache_seconds()),
            },
        }
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
            ConfigError::Usage(format!(
                "no rules; use --config FILE, or write them into {USUAL_FILE}"
            ))
        })?;
        let (file, rules, _) = read(path)?;
        Ok(Self {
            access: rules.access,
            limits: file.limits(),
            htpasswd: file.htpasswd,
        })
    }
}

type File = (Settings, Rules, Option<token::TokenSettings>);

fn parse(path: &Path) -> Result<Settings, ConfigError> {
    let fault = |fault| ConfigError::File(path.display().to_string(), fault);
    let text = read_first(path).map_err(fault)?.bytes;
    Settings::parse(&text).map_err(fault)
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let fault = |fault| ConfigError::File(path.display().to_string(), fault);
    let file = parse(path)?;
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
}
