//! What each command does. Each ends in an exit code.

mod explain;
mod health;
mod serve;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::config::ConfigError;

/// Failed, or found faults.
const FAILED: u8 = 1;
/// Wrong usage, as clap has it.
const USAGE: u8 = 2;

/// Runs the command that was given.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Some(Command::Serve(options)) => serve::run(*options),
        Some(Command::Explain(options)) => explain::run(&options),
        Some(Command::Health(options)) => health::run(&options),
        None => serve::run(cli.serve),
    }
}

/// Says what is wrong with the settings.
fn complain_of(error: &ConfigError) -> ExitCode {
    let code = match error {
        ConfigError::Usage(_) => USAGE,
        ConfigError::File(_) => FAILED,
    };
    complain(error, code)
}

/// Says on standard error what went wrong, in one line.
fn complain(what: impl std::fmt::Display, code: u8) -> ExitCode {
    use std::io::Write as _;
    // Where nobody reads, nobody is told.
    let _ = writeln!(std::io::stderr(), "htgate: {what}");
    ExitCode::from(code)
}
