//! What `htgate user` is asked.

use std::os::unix::ffi::OsStrExt as _;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, Subcommand};

use crate::config::{LimitOptions, UsersFile};
use crate::htpasswd::Name;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Verify a password; exit code 1 if it does not match.
    #[command(after_help = "Example: htgate user verify alice")]
    Verify(VerifyOptions),
}

/// Which file.
#[derive(Args, Debug)]
pub(crate) struct UsersOptions {
    /// The file.
    #[command(flatten)]
    pub file: UsersFile,
    /// What a hash may be and cost.
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// Which file, and whom in it.
#[derive(Args, Debug)]
pub(crate) struct NamedUser {
    /// The file.
    #[command(flatten)]
    pub file: UsersFile,
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
    /// Generate a password and print it.
    #[arg(long, conflicts_with = "password_stdin")]
    pub generate: bool,
    /// What htgate accepts.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// The bcrypt cost, 4 to 17: each step doubles the time of a hash, and of a guess.
    #[arg(long, default_value_t = 10, value_name = "COST",
          value_parser = clap::value_parser!(u8).range(4..=17))]
    pub cost: u8,
}

/// Whose password to verify.
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
