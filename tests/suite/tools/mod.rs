//! The command line: check, user, the examples and the process itself.

mod check;
mod drift;
mod examples;
mod printed;
mod process;
mod settings;
mod user;
mod usual;
