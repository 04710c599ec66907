//! The command line and its environment variables, as clap reads them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::listen::{Address, SocketMode};

/// Answers nginx `auth_request` subrequests from an htpasswd file.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "Example: htgate --htpasswd /etc/htgate/users/htpasswd\n\
                  Without a command it serves. Each option can also be set in the environment, or \
                  in the file that --config names; the command line wins over the environment, \
                  and that over the file."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `serve`, which is what happens without a command.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer nginx's subrequests (this is the default).
    Serve(Box<ServeOptions>),
    /// Ask a running htgate whether it is ready; exit code 1 if not.
    Health(HealthOptions),
}

/// Where to listen and how to log: needed before and outside of judging.
#[derive(Args, Debug, Default)]
pub struct ServeOptions {
    /// The htpasswd file, watched for changes.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE")]
    pub htpasswd: Option<PathBuf>,
    /// An htgate.toml with these settings (with '_' for '-') and the rules.
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH; may be repeated [default: 127.0.0.1:8080].
    #[arg(
        long,
        env = "HTGATE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub listen: Vec<Address>,
    /// The mode of unix sockets, octal [default: 0660].
    #[arg(long, env = "HTGATE_SOCKET_MODE", value_name = "MODE")]
    pub socket_mode: Option<SocketMode>,
    /// The group of unix sockets, by name or number.
    #[arg(long, env = "HTGATE_SOCKET_GROUP", value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// Threads that answer [default: the number of cores].
    #[arg(long, env = "HTGATE_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// Passwords that are hashed at once [default: the number of cores].
    #[arg(long, env = "HTGATE_HASH_THREADS", value_name = "N")]
    pub hash_threads: Option<usize>,
    /// Passwords that may wait to be hashed [default: 1024].
    #[arg(long, env = "HTGATE_WAITING_ROOM", value_name = "N")]
    pub waiting_room: Option<usize>,
    /// Of these, how many from one address [default: 16].
    #[arg(long, env = "HTGATE_WAITING_PER_ADDRESS", value_name = "N")]
    pub waiting_per_address: Option<usize>,
    /// How long they may wait until the answer is "try again" [default: 10].
    #[arg(long, env = "HTGATE_WAITING_SECONDS", value_name = "SECONDS")]
    pub waiting_seconds: Option<u64>,
    /// Distinct wrong passwords that one address may try ... [default: 10].
    #[arg(long, env = "HTGATE_STRIKES", value_name = "N")]
    pub strikes: Option<usize>,
    /// ... within this time [default: 60].
    #[arg(long, env = "HTGATE_STRIKE_SECONDS", value_name = "SECONDS")]
    pub strike_seconds: Option<u64>,
    /// The realm that clients show when they ask for a password [default: htgate].
    #[arg(long, env = "HTGATE_REALM", value_name = "TEXT")]
    pub realm: Option<String>,
    /// The highest bcrypt cost that is hashed, 4 to 31 [default: 14].
    #[arg(long, env = "HTGATE_MAX_BCRYPT_COST", value_name = "COST")]
    pub max_bcrypt_cost: Option<u8>,
    /// How long a right password is remembered [default: 3600].
    #[arg(long, env = "HTGATE_CACHE_SECONDS", value_name = "SECONDS")]
    pub cache_seconds: Option<u64>,
    /// How many right passwords are remembered [default: 100000].
    #[arg(long, env = "HTGATE_CACHE_CAPACITY", value_name = "N")]
    pub cache_capacity: Option<u64>,
    /// How often the files are looked at without an event [default: 1].
    #[arg(long, env = "HTGATE_POLL_SECONDS", value_name = "SECONDS")]
    pub poll_seconds: Option<f64>,
    /// How changes are noticed: by file events and polling, or by polling alone [default: events].
    #[arg(long, env = "HTGATE_WATCH", value_name = "HOW")]
    pub watch: Option<WatchMode>,
    /// How log lines on standard error look; RUST_LOG chooses which [default: text].
    #[arg(long, env = "HTGATE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How to find the htgate to ask.
#[derive(Args, Debug)]
pub struct HealthOptions {
    /// An address that it listens on [default: 127.0.0.1:8080].
    #[arg(
        long,
        env = "HTGATE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub listen: Vec<Address>,
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// By events, and by looking now and then.
    #[default]
    Events,
    /// By looking now and then.
    Poll,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command() {
        let short = Cli::parse_from(["htgate", "--htpasswd", "f", "--listen", "[::1]:1"]);
        let Cli {
            command: None,
            serve: short,
        } = short
        else {
            panic!("no command was given")
        };
        let long = Cli::parse_from(["htgate", "serve", "--htpasswd", "f", "--listen", "[::1]:1"]);
        let Some(Command::Serve(long)) = long.command else {
            panic!("serve was given")
        };
        assert_eq!(short.htpasswd, long.htpasswd);
        assert_eq!(short.listen, long.listen);
    }
}
