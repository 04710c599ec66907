//! The command line and its environment variables, as clap reads them.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "these are help texts, where brackets are brackets"
)]

mod print;
mod token;
mod tools;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

pub(crate) use self::print::{completions, manual};
pub(crate) use self::token::{AlgorithmName, InitOptions, JwksOptions, TokenCommand};
pub(crate) use self::tools::{
    CheckOptions, CompletionOptions, NamedUser, NewPassword, OutputFormat, UserCommand,
    UsersOptions, VerifyOptions,
};
use crate::request::Front;
use crate::system::listen::{Address, SocketMode};

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
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `serve`, which is what happens without a command.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// Reads the command line; leaves with a message where it is wrong.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer nginx's subrequests (this is the default).
    #[command(
        after_help = "Example: htgate serve --htpasswd /etc/htgate/users/htpasswd \\\n         \
                      --listen unix:/run/htgate/htgate.sock --socket-group www-data"
    )]
    Serve(Box<ServeOptions>),
    /// Say what the access rules make of a request, or of what a token is asked for; exit code 1
    /// if it would be denied, or granted in part only.
    #[command(
        after_help = "Examples: htgate explain --user alice --method PUT --uri /v2/team/app/manifests/1\n          \
                      htgate explain --user alice --scope repository:team/app:pull,push"
    )]
    Explain(ExplainOptions),
    /// Ask a running htgate whether it is ready; exit code 1 if not.
    #[command(after_help = "Example: htgate health --listen unix:/run/htgate/htgate.sock")]
    Health(HealthOptions),
    /// Look for faults in the users file, htgate.toml, the key of tokens and nginx's configuration.
    Check(Box<CheckOptions>),
    /// Change or look at the users in an htpasswd file.
    #[command(subcommand)]
    User(UserCommand),
    /// Make and show keys for a registry's tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print a script that completes this command line in a shell.
    Completions(CompletionOptions),
    /// Print the manual page, htgate(8).
    #[command(after_help = "Example: htgate man > /usr/local/share/man/man8/htgate.8")]
    Man,
}

/// Where to listen and how to log: needed before and outside of judging.
#[derive(Args, Debug, Default)]
pub(crate) struct ServeOptions {
    /// The htpasswd file, watched for changes.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE")]
    pub htpasswd: Option<PathBuf>,
    /// An htgate.toml with these settings (with '_' for '-') and the rules.
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// IP:PORT (IPv6 in brackets), unix:/PATH or systemd (socket activation); may be repeated
    /// [default: 127.0.0.1:8080].
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
    #[arg(long, env = "HTGATE_QUEUE", value_name = "N")]
    pub queue: Option<usize>,
    /// How long they may wait until the answer is "try again" [default: 10].
    #[arg(long, env = "HTGATE_QUEUE_SECONDS", value_name = "SECONDS")]
    pub queue_seconds: Option<u64>,
    /// Distinct wrong passwords that one address may try ... [default: 10].
    #[arg(long, env = "HTGATE_STRIKES", value_name = "N")]
    pub strikes: Option<u32>,
    /// ... until this time has passed after the last one [default: 60].
    #[arg(long, env = "HTGATE_STRIKE_SECONDS", value_name = "SECONDS")]
    pub strike_seconds: Option<u64>,
    /// What stands before htgate, and so which request headers are read [default: nginx].
    #[arg(
        long,
        env = "HTGATE_FRONT",
        value_name = "FRONT",
        value_parser = PossibleValuesParser::new(Front::ALL.map(Front::name))
            .try_map(|name| name.parse::<Front>())
    )]
    pub front: Option<Front>,
    /// The realm that clients show when they ask for a password [default: htgate].
    #[arg(long, env = "HTGATE_REALM", value_name = "TEXT")]
    pub realm: Option<String>,
    /// What a hash may be and cost.
    #[command(flatten)]
    pub limits: LimitOptions,
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

/// The request to explain, or the scopes.
#[derive(Args, Debug)]
pub(crate) struct ExplainOptions {
    /// The htgate.toml with the rules.
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The htpasswd file that the user must be in; without one it is taken for granted.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE")]
    pub htpasswd: Option<PathBuf>,
    /// Who asks; without it, somebody without credentials.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The request's method.
    #[arg(long, value_name = "METHOD", required_unless_present = "scope")]
    pub method: Option<String>,
    /// The request's target, as the client sends it: /v2/team/app/manifests/1.
    #[arg(long, value_name = "URI", required_unless_present = "scope")]
    pub uri: Option<String>,
    /// The request's Content-Type, which counts for uploads; without it the client sent none.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// The server, as nginx's $server_name has it; without it only patterns without a server count.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Instead of a request: what a token is asked for; may be repeated.
    #[arg(long, value_name = "SCOPE", conflicts_with_all = ["method", "uri", "content_type"])]
    pub scope: Vec<String>,
}

/// How to find the htgate to ask.
#[derive(Args, Debug)]
pub(crate) struct HealthOptions {
    /// An address that it listens on [default: 127.0.0.1:8080].
    #[arg(
        long,
        env = "HTGATE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub listen: Vec<Address>,
}

/// What a hash may be and cost.
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
        value_parser = clap::builder::BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_plaintext: Option<bool>,
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WatchMode {
    /// By events, and by looking now and then.
    #[default]
    Events,
    /// By looking now and then.
    Poll,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
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
    fn a_switch_can_be_taken_back() {
        let rows = [
            (vec![], None),
            (vec!["--allow-plaintext"], Some(true)),
            (vec!["--allow-plaintext=false"], Some(false)),
            (vec!["--allow-plaintext", "--workers", "1"], Some(true)),
        ];
        for (options, expected) in rows {
            let line = ["htgate", "--htpasswd", "f"].into_iter().chain(options);
            assert_eq!(Cli::parse_from(line).serve.limits.allow_plaintext, expected);
        }
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
