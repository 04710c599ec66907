//! The doorway.

use std::process::ExitCode;

fn main() -> ExitCode {
    htgate::commands::run()
}
