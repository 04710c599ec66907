//! What `htgate check` is asked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::check::CheckRule;
use crate::config::LimitOptions;

/// What to look at.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples: htgate check --htpasswd /etc/htgate/users/htpasswd\n          \
                  nginx -T | htgate check --nginx\n\n\
                  Exit code 1 if something must be fixed. Each finding ends in the name of its \
                  rule, which --ignore takes."
)]
pub(crate) struct Options {
    /// The htpasswd file.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE")]
    pub htpasswd: Option<PathBuf>,
    /// The htgate.toml.
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What a hash may be and cost.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Passwords that are hashed at once [default: the number of cores].
    #[arg(long, env = "HTGATE_HASH_THREADS", value_name = "N")]
    pub hash_threads: Option<usize>,
    /// The output of 'nginx -T' [default: standard input].
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub nginx: Option<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
    /// Leave the findings of a rule out; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub ignore: Vec<CheckRule>,
}

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}
