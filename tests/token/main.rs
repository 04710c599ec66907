//! Tokens for a registry, end to end: the real htgate signs them, a real registry checks them,
//! and real clients ask for them through the real nginx with the shipped files.

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

mod answers;
mod bounds;
mod clients;
mod forged;
mod jwt;
mod random;
mod revoked;
mod rotation;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod through_nginx;
