//! What each command does. Each ends in an exit code.

mod check;

mod explain;
mod health;
mod serve;
mod token;
mod user;

use std::process::ExitCode;

use crate::cli::{self, Command};
use crate::config::ConfigError;

/// Failed, or found faults.
const FAILED: u8 = 1;
/// Wrong usage, as clap has it.
const USAGE: u8 = 2;
/// More faulty lines than anybody reads.
const MOST_LINES: usize = 10_000;

/// Runs the command that was given on the command line.
pub fn run() -> ExitCode {
    let cli = cli::parse();
    match cli.command {
        Some(Command::Serve(options)) => serve::run(*options),
        Some(Command::Explain(options)) => explain::run(&options),
        Some(Command::Health(options)) => health::run(&options),
        Some(Command::Check(options)) => check::run(&options),
        Some(Command::Token(command)) => token::run(&command),
        Some(Command::User(command)) => user::run(&command),
        Some(Command::Completions(options)) => print(&cli::completions(options.shell)),
        Some(Command::Man) => match cli::manual() {
            Ok(page) => print(&page),
            Err(error) => complain(error, FAILED),
        },
        None => serve::run(cli.serve),
    }
}

/// Says what is wrong with the settings.
fn complain_of(error: &ConfigError) -> ExitCode {
    complain(error, code(error))
}

fn code(error: &ConfigError) -> u8 {
    match error {
        ConfigError::Usage(_) => USAGE,
        ConfigError::File(_) => FAILED,
    }
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
