//! The command line, and what each command does. A command is one file with its options and its
//! run, which ends in an exit code.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "these are help texts, where brackets are brackets"
)]

mod check;
mod explain;
mod health;
mod line;
mod print;
mod serve;
mod token;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{ConfigError, Settings};

/// Failed, or found faults.
const FAILED: u8 = 1;
/// Wrong usage, as clap has it.
const USAGE: u8 = 2;
/// More faulty lines than anybody reads.
const MOST_LINES: usize = 10_000;

/// Runs the command that was given on the command line.
pub fn run() -> ExitCode {
    let cli = line::read();
    match cli.command {
        Some(Command::Serve(options)) => serve::run(*options),
        Some(Command::Explain(options)) => explain::run(&options),
        Some(Command::Health(options)) => health::run(&options),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Token(command)) => token::run(&command),
        Some(Command::User(command)) => user::run(&command),
        Some(Command::Completions(options)) => print(&print::completions(&options)),
        Some(Command::Man(options)) => match print::manual(&options) {
            Ok(page) => print(&page),
            Err(error) => complain(error, FAILED),
        },
        None => serve::run(cli.serve),
    }
}

/// Answers nginx `auth_request` subrequests from an htpasswd file.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "Example: htgate --htpasswd /etc/htgate/users/htpasswd --listen 127.0.0.1:8080\n\
                  Without a command it serves. Each option can also be set in the environment, or \
                  in the configuration file, /etc/htgate/htgate.toml unless --config names \
                  another; the command line wins over the environment, and that over the file."
)]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
    /// The options of `serve`, which is what happens without a command.
    #[command(flatten)]
    serve: Settings,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Answer nginx's subrequests (this is the default).
    #[command(
        after_help = "Example: htgate serve --htpasswd /etc/htgate/users/htpasswd \\\n         \
                      --listen unix:/run/htgate/htgate.sock --socket-group www-data"
    )]
    Serve(Box<Settings>),
    /// Say what the access rules make of a request, or of what a token is asked for; exit code 1
    /// if it would be denied, or granted in part only.
    #[command(
        after_help = "Examples: htgate explain --user alice --method PUT --uri /v2/team/app/manifests/1\n          \
                      htgate explain --user alice --scope repository:team/app:pull,push"
    )]
    Explain(explain::Options),
    /// Ask a running htgate whether it is ready; exit code 1 if not.
    #[command(after_help = "Example: htgate health --listen unix:/run/htgate/htgate.sock")]
    Health(health::Options),
    /// Look for faults in the users file, htgate.toml, the key of tokens and nginx's configuration.
    Check(Box<check::Options>),
    /// Change or look at the users in an htpasswd file.
    #[command(subcommand)]
    User(user::Command),
    /// Make and show keys for a registry's tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Print a script that completes this command line in a shell.
    Completions(print::CompletionOptions),
    /// Print a manual page: htgate(8) or htgate.toml(5).
    Man(print::ManualOptions),
}

/// Says what is wrong with the settings.
fn complain_of(error: &ConfigError) -> ExitCode {
    complain(error, code(error))
}

fn code(error: &ConfigError) -> u8 {
    match error {
        ConfigError::Usage(_) => USAGE,
        ConfigError::File(..) => FAILED,
    }
}

/// What went wrong, without the system's number for it.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next();
    words.unwrap_or_default().to_owned()
}

/// Prints on standard output.
fn print(what: &[u8]) -> ExitCode {
    use std::io::{ErrorKind, Write as _};
    let mut out = std::io::stdout().lock();
    match out.write_all(what).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(format_args!("cannot print: {error}"), FAILED),
    }
}

/// Says on standard error what went wrong, in one line.
fn complain(what: impl std::fmt::Display, code: u8) -> ExitCode {
    use std::io::Write as _;
    // Where nobody reads, nobody is told.
    let _ = writeln!(std::io::stderr(), "htgate: {what}");
    ExitCode::from(code)
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
            assert_eq!(Cli::parse_from(line).serve.allow_plaintext, expected);
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
