//! Flags, environment and `htgate.toml` to finished settings. Past this file nobody checks them
//! again.

mod file;
mod path;
mod sections;
mod settings;
mod slips;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::file::rules_parser;
pub(crate) use self::path::{is_secret, path};
pub(crate) use self::sections::TokenSection;
use self::settings::{BCRYPT_COSTS, WatchMode, switch};
pub(crate) use self::settings::{MOST_THREADS, Settings, number};
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
        let place = config.map_or(USUAL_FILE.into(), Path::to_string_lossy);
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

/// Which users file a tool reads.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UsersFile {
    /// The htpasswd file [default: the one in htgate.toml]. A link stays, and what it leads to is
    /// changed.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE", value_parser = path())]
    pub htpasswd: Option<PathBuf>,
    /// The htgate.toml [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
}

impl UsersFile {
    /// The users file.
    ///
    /// # Errors
    ///
    /// None is named, or a fault of the file that should name it.
    pub(crate) fn path(&self) -> Result<PathBuf, ConfigError> {
        match &self.htpasswd {
            Some(path) => Ok(path.clone()),
            None => {
                let file = Settings::of_file(self.config.as_deref())?;
                named_users(file.htpasswd, self.config.as_deref())
            }
        }
    }
}

/// Those settings that tools need which read a users file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitOptions {
    /// The highest bcrypt cost that is hashed, 4 to 31 [default: 14].
    #[arg(long, env = "HTGATE_MAX_BCRYPT_COST", value_name = "COST",
          value_parser = |text: &str| number(text, &BCRYPT_COSTS))]
    pub max_bcrypt_cost: Option<u8>,
    /// Let {PLAIN} lines hold passwords in the clear; =false takes it back [default: false].
    #[arg(
        long,
        env = "HTGATE_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_plaintext: Option<bool>,
}

impl LimitOptions {
    /// The limits that `serve` would have with these options and this file.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub(crate) fn limits(self, config: Option<&Path>) -> Result<Limits, ConfigError> {
        let given = Settings {
            max_bcrypt_cost: self.max_bcrypt_cost,
            allow_plaintext: self.allow_plaintext,
            ..Settings::default()
        };
        Ok(given.or(Settings::of_file(config)?).limits())
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
    let text = read_stable(path, |_| false, &|| ()).map_err(fault)?.bytes;
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

    #[test]
    fn the_users_file_is_the_one_that_is_given_or_that_the_file_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let named = file("named", "htpasswd = 'a'\nmax_bcrypt_cost = 12\n");
        let unnamed = file("unnamed", "workers = 2\n");
        let none = Some(folder.path().join("none"));
        let rows = [
            (None, named.clone(), "a"),
            (Some("b"), named.clone(), "b"),
            (Some("b"), none.clone(), "b"),
            (
                None,
                unnamed,
                "no users file; use --htpasswd FILE, or write htpasswd = \"FILE\" into /",
            ),
            (None, none, "none: the file does not exist"),
            (
                None,
                None,
                "no users file; use --htpasswd FILE, or write htpasswd = \"FILE\" into /etc/",
            ),
        ];
        for (htpasswd, config, expected) in rows {
            let htpasswd = htpasswd.map(PathBuf::from);
            let seen = match (UsersFile { htpasswd, config }).path() {
                Ok(path) => path.display().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(seen.contains(expected), "{seen}");
        }
        let given = LimitOptions {
            allow_plaintext: Some(true),
            max_bcrypt_cost: None,
        };
        let limits = given.limits(named.as_deref()).unwrap();
        assert_eq!((limits.max_bcrypt_cost, limits.allow_plaintext), (12, true));
    }
}
