//! The command line: check, user, the examples and the process itself.

mod check;
mod examples;
mod process;
mod user;
