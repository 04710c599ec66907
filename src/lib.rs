//! htgate answers nginx `auth_request` subrequests from an htpasswd file.
//!
//! A line a wing; imports go strictly downward:
//!
//! - pure, without clock, lock, file or log: `request` is what nginx tells us, `hash` the
//!   formats of password hashes, `htpasswd` the text of the users file, `rules` who may do
//!   what, `token` signs it, `verdict` is the answer without HTTP.
//! - the decision: `store` is the current snapshot, the seam between the files and the
//!   `judge`, which decides whether a request is allowed, and what finding out may cost.
//! - the edges: `http` speaks with nginx, `files` with the disk, `system` with sockets and
//!   systemd, `observe` with operators.
//! - tools: `check` finds faults, `config` reads the settings, `commands` is the command
//!   line, a file a command, `server` assembles; `properties` is what tests and fuzzers try.

pub mod hash;
pub mod htpasswd;
pub mod request;
pub mod rules;
mod token;
mod verdict;

mod judge;
mod store;

mod files;
mod http;
mod observe;
mod system;

mod check;
pub mod commands;
mod config;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod server;

pub use crate::config::{ConfigError, RulesFile};

use std::fmt;

/// Something wrong in a text that a person wrote: where it is, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, counted from one; none where it is about the whole text.
    pub line: Option<u64>,
    /// What is wrong, in lower case and without a secret.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Fault {
    /// A fault of the whole text, until [`Fault::at`] says where it is. Control characters, which that
    /// text may have, are escaped: none of them begins a line or commands a terminal.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            line: None,
            what: visible(what.into()),
            remedy: visible(remedy.into()),
        }
    }

    /// The same fault, at this line.
    #[must_use]
    pub fn at(self, line: u64) -> Self {
        let line = Some(line);
        Self { line, ..self }
    }
}

fn visible(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let escape = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(escape).collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Fault {}
