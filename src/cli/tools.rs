//! The commands beside `serve`: for users, for faults, and for the shell.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::LimitOptions;
use crate::check::Rule;
use crate::htpasswd::Name;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; refused if there is one of that name.
    #[command(
        after_help = "Examples: htgate user add --htpasswd /etc/htgate/users/htpasswd alice\n          \
                      htgate user add --generate alice\n\n\
                      A file that is absent is made, with mode 0640. Give it the group that htgate \
                      runs as, for instance with 'chgrp htgate FILE'."
    )]
    Add(NewPassword),
    /// Set another password for a user; comments and order stay.
    #[command(after_help = "Example: echo \"$PASSWORD\" | htgate user set --password-stdin alice")]
    Set(NewPassword),
    /// Remove a user, with every line of that name.
    #[command(
        after_help = "Example: htgate user remove --htpasswd /etc/htgate/users/htpasswd alice"
    )]
    Remove(NamedUser),
    /// List the users with the format and cost of their hashes, and the lines that are faulty.
    #[command(after_help = "Example: htgate user list --htpasswd /etc/htgate/users/htpasswd")]
    List(UsersOptions),
    /// Hold a password against the file; exit code 1 if it is not the user's.
    #[command(after_help = "Example: htgate user verify alice")]
    Verify(VerifyOptions),
}

/// Which file.
#[derive(Args, Debug)]
pub(crate) struct UsersOptions {
    /// The htpasswd file. A link stays, and what it leads to is changed.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE")]
    pub htpasswd: PathBuf,
    /// What a hash may be and cost.
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// Which file, and whom in it.
#[derive(Args, Debug)]
pub(crate) struct NamedUser {
    /// The htpasswd file. A link stays, and what it leads to is changed.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE")]
    pub htpasswd: PathBuf,
    /// The user's name.
    #[arg(value_parser = OsStringValueParser::new().try_map(|name| Name::new(name.as_bytes())))]
    pub name: Name,
}

/// Where a password comes from: a prompt, if nothing is said.
#[derive(Args, Debug)]
pub(crate) struct PasswordOptions {
    /// Read the password from standard input, up to the end of the line.
    #[arg(long)]
    pub password_stdin: bool,
}

/// Whose password, and how it is hashed.
#[derive(Args, Debug)]
pub(crate) struct NewPassword {
    /// The file and the name.
    #[command(flatten)]
    pub user: NamedUser,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordOptions,
    /// Make a password up, and print it once.
    #[arg(long, conflicts_with = "password_stdin")]
    pub generate: bool,
    /// The bcrypt cost, 4 to 17: each step doubles the time of a hash, and of a guess.
    #[arg(long, default_value_t = 10, value_name = "COST",
          value_parser = clap::value_parser!(u8).range(4..=17))]
    pub cost: u8,
}

/// Whose password to hold against the file.
#[derive(Args, Debug)]
pub(crate) struct VerifyOptions {
    /// The file.
    #[command(flatten)]
    pub file: UsersOptions,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordOptions,
    /// The user's name.
    #[arg(value_parser = OsStringValueParser::new().try_map(|name| Name::new(name.as_bytes())))]
    pub name: Name,
}

/// What to look at.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples: htgate check --htpasswd /etc/htgate/users/htpasswd\n          \
                  nginx -T | htgate check --nginx\n\n\
                  Exit code 1 if something must be mended. Each finding ends in the name of its \
                  rule, which --ignore takes."
)]
pub(crate) struct CheckOptions {
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
    pub ignore: Vec<Rule>,
}

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Which shell.
#[derive(Args, Debug)]
#[command(after_help = "Example: htgate completions bash > /etc/bash_completion.d/htgate")]
pub(crate) struct CompletionOptions {
    /// The shell.
    pub shell: Shell,
}
