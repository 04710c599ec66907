//! Everything that is tested from outside, with the real programs, in one binary: a folder a subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

mod auth;
mod deploy;
mod nginx;
mod registry;
mod reload;
mod rules;
mod token;
mod tools;
