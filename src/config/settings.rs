//! Every setting, declared once: its name, its help, its default and its bounds. The option, the
//! variable and the key of `htgate.toml` come from that, as well as which one wins and which ones a
//! reload cannot change.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "these are help texts, where brackets are brackets"
)]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use toml::Spanned;

use super::file::Lines;
use super::path::{self, path};
use super::sections::{TokenSection, UserAgentSection};
use crate::hash::Limits;
use crate::http::Realm;
use crate::observe::logging::LogFormat;
use crate::request::Front;
use crate::rules::access::Rule;
use crate::system::listen::{Address, SocketMode};

macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty $(= $default:expr $(, $bounds:expr)?)?;)*) => {
        /// What is set on the command line, in the environment, or in `htgate.toml`.
        #[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Settings {
            /// An htgate.toml with these settings (with '_' for '-') and the rules
            /// [default: /etc/htgate/htgate.toml].
            #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
            #[serde(skip)]
            pub config: Option<PathBuf>,
            $(
                $(#[$attribute])*
                #[arg(long)]
                $($(#[arg(value_parser = |text: &str| number::<$type>(text, &($bounds)))])?)?
                pub $name: Option<$type>,
            )*
            #[arg(skip)]
            pub user_agent: Option<UserAgentSection>,
            #[arg(skip)]
            pub token: Option<TokenSection>,
            #[arg(skip)]
            pub groups: Option<BTreeMap<String, Vec<String>>>,
            #[arg(skip)]
            #[serde(default)]
            pub access: Vec<Spanned<Rule>>,
            /// Where in the file all that stands.
            #[arg(skip)]
            #[serde(skip)]
            pub lines: Lines,
        }

        impl Settings {
            /// These settings, and those of the file where they say nothing. clap has let the
            /// command line win over the environment.
            pub(super) fn or(self, file: Self) -> Self {
                Self {
                    config: self.config,
                    $($name: self.$name.or(file.$name),)*
                    ..file
                }
            }

            /// The names of the settings that differ; rules are not settings.
            pub(super) fn changed_since(&self, other: &Self) -> Vec<&'static str> {
                let all = [
                    $((stringify!($name), self.$name != other.$name),)*
                    ("token", self.token != other.token),
                ];
                let changed = all.into_iter().filter(|(_, changed)| *changed);
                changed.map(|(name, _)| name).collect()
            }

            /// What a number must be, by its name.
            pub(super) fn bounds(name: &str) -> Option<String> {
                let all = [$($($((stringify!($name), bounds_of::<$type>(&$bounds)),)?)?)*];
                all.into_iter().find(|(known, _)| *known == name).map(|(_, bounds)| bounds)
            }

            /// The name of the first number that is out of its bounds.
            pub(super) fn out_of_bounds(&self) -> Option<&'static str> {
                let all = [$($($((
                    stringify!($name),
                    self.$name.is_some_and(|value| !RangeBounds::contains(&$bounds, &value)),
                ),)?)?)*];
                all.into_iter().find(|(_, is_out)| *is_out).map(|(name, _)| name)
            }

            $($(
                /// What is in force: what was set, or the default.
                pub(crate) fn $name(&self) -> $type {
                    self.$name.clone().unwrap_or_else(|| $default)
                }
            )?)*
        }
    };
}

settings! {
    /// The htpasswd file, watched for changes.
    #[arg(env = "HTGATE_HTPASSWD", value_name = "FILE", value_parser = path())]
    #[serde(default, deserialize_with = "path::optional")]
    htpasswd: PathBuf;

    /// IP:PORT (IPv6 in brackets), unix:/PATH or systemd (socket activation); may be repeated
    /// [default: 127.0.0.1:8080].
    #[arg(env = "HTGATE_LISTEN", value_name = "ADDRESS", value_delimiter = ',')]
    listen: Vec<Address> = vec![Address::default()];

    /// The mode of unix sockets, octal [default: 0660].
    #[arg(env = "HTGATE_SOCKET_MODE", value_name = "MODE")]
    socket_mode: SocketMode = SocketMode::default();

    /// The group of unix sockets, by name or number.
    #[arg(env = "HTGATE_SOCKET_GROUP", value_name = "GROUP")]
    socket_group: String;

    /// Threads that answer [default: the number of cores].
    #[arg(env = "HTGATE_WORKERS", value_name = "N")]
    workers: usize = cores(), 1..=MOST_THREADS;

    /// Passwords that are hashed at once [default: the number of cores].
    #[arg(env = "HTGATE_HASH_THREADS", value_name = "N")]
    hash_threads: usize = cores(), 1..=MOST_THREADS;

    /// Passwords that may wait to be hashed [default: 1024].
    #[arg(env = "HTGATE_QUEUE", value_name = "N")]
    queue: usize = 1024, 1..;

    // Less than the 15 s that the shipped nginx files wait for an answer.
    /// How long they may wait until the answer is "try again" [default: 10].
    #[arg(env = "HTGATE_QUEUE_SECONDS", value_name = "SECONDS")]
    queue_seconds: u64 = 10, 1..=DAY;

    /// Distinct wrong passwords that one address may try ... [default: 10].
    #[arg(env = "HTGATE_STRIKES", value_name = "N")]
    strikes: u32 = 10, 1..;

    /// ... until this time has passed after the last one [default: 60].
    #[arg(env = "HTGATE_STRIKE_SECONDS", value_name = "SECONDS")]
    strike_seconds: u64 = 60, 1..=DAY;

    /// What stands before htgate, and so which request headers are read [default: nginx].
    #[arg(env = "HTGATE_FRONT", value_name = "FRONT")]
    front: Front = Front::default();

    /// The realm that clients show when they ask for a password [default: htgate].
    #[arg(env = "HTGATE_REALM", value_name = "TEXT")]
    realm: Realm = Realm::default();

    /// The highest bcrypt cost that is hashed, 4 to 31 [default: 14].
    #[arg(env = "HTGATE_MAX_BCRYPT_COST", value_name = "COST")]
    max_bcrypt_cost: u8 = Limits::default().max_bcrypt_cost, BCRYPT_COSTS;

    /// Let {PLAIN} lines hold passwords in the clear; =false takes it back [default: false].
    #[arg(
        env = "HTGATE_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    allow_plaintext: bool = Limits::default().allow_plaintext;

    /// How long a right password is remembered after its last use [default: 3600].
    #[arg(env = "HTGATE_CACHE_SECONDS", value_name = "SECONDS")]
    cache_seconds: u64 = 3600, 0..=YEAR;

    /// How many right passwords are remembered [default: 100000].
    #[arg(env = "HTGATE_CACHE_CAPACITY", value_name = "N")]
    cache_capacity: u64 = 100_000, 0..;

    // Where there are no events, a removed user would stay for as long.
    /// How often the files are looked at without an event [default: 1].
    #[arg(env = "HTGATE_POLL_SECONDS", value_name = "SECONDS")]
    poll_seconds: f64 = 1.0, 0.05..=3600.0;

    /// How changes are noticed: by file events and polling, or by polling alone [default: events].
    #[arg(env = "HTGATE_WATCH", value_name = "HOW")]
    watch: WatchMode = WatchMode::Events;

    /// How log lines on standard error look; RUST_LOG chooses which [default: text].
    #[arg(env = "HTGATE_LOG_FORMAT", value_name = "FORMAT")]
    log_format: LogFormat = LogFormat::Text;
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WatchMode {
    /// By events, and by looking now and then.
    Events,
    /// By looking now and then.
    Poll,
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A number on the command line, or in the environment.
pub(crate) fn number<T: FromStr + PartialOrd + Display>(
    text: &str,
    bounds: &impl RangeBounds<T>,
) -> Result<T, String> {
    let value = text.parse().ok().filter(|value| bounds.contains(value));
    value.ok_or_else(|| bounds_of(bounds))
}

/// A switch on the command line, or in the environment.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("write true or false"),
    }
}

fn bounds_of<T: Display>(bounds: &impl RangeBounds<T>) -> String {
    let number = |least: &T| match least.to_string().contains('.') {
        true => "must be a number",
        false => "must be a whole number",
    };
    match (bounds.start_bound(), bounds.end_bound()) {
        (Bound::Included(least), Bound::Included(most)) => {
            format!("{} between {least} and {most}", number(least))
        }
        (Bound::Included(least), _) => format!("{}, at least {least}", number(least)),
        _ => "must be a number".to_owned(),
    }
}

/// Costs that bcrypt has.
pub(super) const BCRYPT_COSTS: RangeInclusive<u8> = 4..=31;
/// More than any machine has cores.
pub(crate) const MOST_THREADS: usize = 4096;
/// Seconds; nothing that waits needs longer.
const DAY: u64 = 24 * 60 * 60;
/// Seconds; the cache takes no lifetime over a thousand years.
const YEAR: u64 = 365 * DAY;
