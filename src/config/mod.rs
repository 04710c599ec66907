//! Flags, environment and `htgate.toml` to finished settings. Past this file nobody checks them
//! again.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::file::{FileSettings, rules_parser};
use crate::cli::{LimitOptions, LogFormat, ServeOptions, WatchMode};
use crate::files::reload::Sources;
use crate::files::stable_read::read_stable;
use crate::hash::Limits;
use crate::http::Realm;
use crate::judge;
use crate::judge::addresses::Allowance;
use crate::judge::cache::Bounds;
use crate::request::Front;
use crate::rules::access::Access;
use crate::store::Rules;
use crate::system::listen::{Address, SocketMode};
use crate::token;

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
    pub judge: judge::Settings,
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
    /// A fault in the configuration file.
    File(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) | Self::File(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Puts the settings together: the command line wins over the environment (clap sees to
    /// that), and both win over the file.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be meant.
    pub(crate) fn load(options: ServeOptions) -> Result<Self, ConfigError> {
        let (file, rules, token) = match &options.config {
            Some(path) => read(path)?,
            None => {
                let file = FileSettings::default();
                let rules = file.rules().map_err(ConfigError::File)?;
                (file, rules, None)
            }
        };
        let at_start = file.clone();
        let users = options
            .htpasswd
            .or(file.htpasswd)
            .ok_or_else(|| ConfigError::Usage("no users file; say --htpasswd FILE".to_owned()))?;
        let listen = match (options.listen, file.listen) {
            (given, _) if !given.is_empty() => given,
            (_, Some(given)) if !given.is_empty() => given,
            _ => vec![default_address()],
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let realm = options
            .realm
            .or(file.realm)
            .unwrap_or_else(|| DEFAULT_REALM.to_owned());
        let (bounds, allowance) = (Bounds::default(), Allowance::default());
        let limits = limits(LimitOptions {
            max_bcrypt_cost: options.limits.max_bcrypt_cost.or(file.max_bcrypt_cost),
            allow_plaintext: options.limits.allow_plaintext.or(file.allow_plaintext),
        })?;
        let poll = options
            .poll_seconds
            .or(file.poll_seconds)
            .unwrap_or(DEFAULT_POLL_SECONDS);
        let lifetime = options.cache_seconds.or(file.cache_seconds);
        Ok(Self {
            listen,
            socket_mode: options.socket_mode.or(file.socket_mode).unwrap_or_default(),
            socket_group: options.socket_group.or(file.socket_group),
            workers: at_least_one("workers", options.workers.or(file.workers), cores)?,
            judge: judge::Settings {
                queue: at_least_one("queue", options.queue.or(file.queue), DEFAULT_QUEUE)?,
                queue_timeout: seconds(
                    "queue_seconds",
                    options.queue_seconds.or(file.queue_seconds),
                    DEFAULT_QUEUE_TIMEOUT,
                )?,
                hash_threads: at_least_one(
                    "hash_threads",
                    options.hash_threads.or(file.hash_threads),
                    cores,
                )?,
                allowance: Allowance {
                    strikes: at_least_one(
                        "strikes",
                        options.strikes.or(file.strikes),
                        allowance.strikes,
                    )?,
                    lifetime: seconds(
                        "strike_seconds",
                        options.strike_seconds.or(file.strike_seconds),
                        allowance.lifetime,
                    )?,
                },
                cache: Bounds {
                    capacity: options
                        .cache_capacity
                        .or(file.cache_capacity)
                        .unwrap_or(bounds.capacity),
                    lifetime: lifetime.map_or(bounds.lifetime, Duration::from_secs),
                },
            },
            front: options.front.or(file.front).unwrap_or_default(),
            realm: Realm::new(&realm).map_err(|e| ConfigError::Usage(format!("realm: {e}")))?,
            log_format: options.log_format.or(file.log_format).unwrap_or_default(),
            sources: Sources {
                users,
                limits,
                token,
                rules,
                config: options.config.map(|path| (path, rules_parser(at_start))),
                poll: poll_interval(poll)?,
                events: options.watch.or(file.watch).unwrap_or_default() == WatchMode::Events,
            },
        })
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
            ConfigError::Usage("no rules; say --config FILE or set HTGATE_CONFIG".to_owned())
        })?;
        let (file, rules, _) = read(path)?;
        Ok(Self {
            access: rules.access,
            limits: limits(LimitOptions {
                max_bcrypt_cost: file.max_bcrypt_cost,
                allow_plaintext: file.allow_plaintext,
            })?,
            htpasswd: file.htpasswd,
        })
    }
}

type Settings = (FileSettings, Rules, Option<token::Settings>);

fn read(path: &Path) -> Result<Settings, ConfigError> {
    let fault = |what: String| ConfigError::File(format!("{}: {what}", path.display()));
    let text = read_stable(path, |_| false, &|| ())
        .map_err(|error| fault(error.to_string()))?
        .bytes;
    let file = FileSettings::parse(&text).map_err(fault)?;
    let rules = file.rules().map_err(fault)?;
    let token = file.token().map_err(fault)?;
    Ok((file, rules, token))
}

/// The address where nothing else is said.
pub(crate) fn default_address() -> Address {
    Address::Tcp(([127, 0, 0, 1], 8080).into())
}

fn at_least_one<T: PartialOrd + From<u8>>(
    name: &str,
    given: Option<T>,
    default: T,
) -> Result<T, ConfigError> {
    match given {
        Some(given) if given < T::from(1) => Err(ConfigError::Usage(format!(
            "{name}: 0 is too few; say 1 or more"
        ))),
        given => Ok(given.unwrap_or(default)),
    }
}

fn seconds(name: &str, given: Option<u64>, default: Duration) -> Result<Duration, ConfigError> {
    match given {
        None => Ok(default),
        Some(seconds @ 1..=LONGEST_SECONDS) => Ok(Duration::from_secs(seconds)),
        Some(other) => Err(ConfigError::Usage(format!(
            "{name}: {other} is not from 1 to {LONGEST_SECONDS}"
        ))),
    }
}

/// What a hash may be and cost, where nothing else is said.
///
/// # Errors
///
/// A cost that bcrypt does not have.
pub(crate) fn limits(given: LimitOptions) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    match given.max_bcrypt_cost.unwrap_or(default.max_bcrypt_cost) {
        max_bcrypt_cost @ 4..=31 => Ok(Limits {
            max_bcrypt_cost,
            allow_plaintext: given.allow_plaintext.unwrap_or(default.allow_plaintext),
        }),
        other => Err(ConfigError::Usage(format!(
            "max_bcrypt_cost: {other} is not from 4 to 31"
        ))),
    }
}

fn poll_interval(seconds: f64) -> Result<Duration, ConfigError> {
    if (SHORTEST_POLL_SECONDS..=LONGEST_POLL_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ConfigError::Usage(format!(
        "poll_seconds: {seconds} is not from {SHORTEST_POLL_SECONDS} to {LONGEST_POLL_SECONDS}"
    )))
}

const DEFAULT_REALM: &str = "htgate";
const DEFAULT_QUEUE: usize = 1024;
/// Less than the 15 s that the shipped nginx files wait for an answer.
const DEFAULT_QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_SECONDS: u64 = 86_400;
const DEFAULT_POLL_SECONDS: f64 = 1.0;
const SHORTEST_POLL_SECONDS: f64 = 0.05;
/// A removed user would stay for so long where there are no events.
const LONGEST_POLL_SECONDS: f64 = 3600.0;

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
        let options = ServeOptions {
            config: Some(path),
            workers: Some(7),
            ..ServeOptions::default()
        };
        let config = Config::load(options).unwrap();
        assert_eq!((config.workers, config.judge.hash_threads), (7, 5));
        assert_eq!(config.sources.users, PathBuf::from("a"));
        assert!(config.sources.limits.allow_plaintext);
        assert_eq!(config.listen, [default_address()]);
    }

    #[test]
    fn values_that_cannot_be_meant() {
        let base = || ServeOptions {
            htpasswd: Some("f".into()),
            ..ServeOptions::default()
        };
        let rows = [
            (ServeOptions::default(), "--htpasswd FILE"),
            (
                ServeOptions {
                    workers: Some(0),
                    ..base()
                },
                "workers: 0",
            ),
            (
                ServeOptions {
                    hash_threads: Some(0),
                    ..base()
                },
                "hash_threads: 0",
            ),
            (
                ServeOptions {
                    limits: LimitOptions {
                        max_bcrypt_cost: Some(3),
                        ..LimitOptions::default()
                    },
                    ..base()
                },
                "max_bcrypt_cost: 3",
            ),
            (
                ServeOptions {
                    limits: LimitOptions {
                        max_bcrypt_cost: Some(32),
                        ..LimitOptions::default()
                    },
                    ..base()
                },
                "max_bcrypt_cost: 32",
            ),
            (
                ServeOptions {
                    poll_seconds: Some(f64::NAN),
                    ..base()
                },
                "poll_seconds: NaN",
            ),
            (
                ServeOptions {
                    poll_seconds: Some(0.0),
                    ..base()
                },
                "poll_seconds: 0",
            ),
            (
                ServeOptions {
                    realm: Some("\n".to_owned()),
                    ..base()
                },
                "realm: use printable",
            ),
        ];
        for (options, expected) in rows {
            let error = Config::load(options).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Config::load(base()).is_ok());
    }
}
