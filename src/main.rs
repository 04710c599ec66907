//! The doorway.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    htgate::commands::run(htgate::cli::Cli::parse())
}
