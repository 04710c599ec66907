//! htgate answers nginx `auth_request` subrequests from an htpasswd file.
//!
//! The rooms stand on floors, and imports go strictly downward:
//!
//! - Floor 0 is pure: [`request`], [`client`] and [`credentials`] read what nginx sends,
//!   [`user_agent`] turns clients away, [`hash`] holds passwords against hashes, [`htpasswd`]
//!   reads users, [`access`] says who may do what, [`token`] signs it, [`verdict`] is the answer.
//! - Floor 1 is shared state: [`store`] holds the current snapshot, [`cache`] what is remembered
//!   of passwords, [`waiting`] those that must be hashed, [`flights`] who waits for which of
//!   them, [`strikes`] and [`successes`] how addresses have fared, [`pace`] how fast they are
//!   refused, [`metrics`] what is counted, [`audit`] who was refused; and [`priority`], which
//!   asks the scheduler.
//! - Floor 2 is the [`judge`], the order of checks.
//! - Floor 3 meets the world: [`http`] speaks with nginx, [`reload`] with the file system,
//!   [`listen`] opens sockets, [`systemd`] hears how we are.
//! - Beside them: [`check`] finds faults in users, files and nginx's configuration, [`rewrite`]
//!   replaces the users file, `settle` reads a file that somebody may be writing.
//! - Floor 4 assembles: [`cli`], [`config`], [`logging`], [`server`], [`commands`].

pub mod client;
mod percent;
pub mod request;

pub mod access;
pub mod credentials;
pub mod hash;
pub mod htpasswd;
pub mod token;
pub mod user_agent;
pub mod verdict;

pub mod audit;
pub mod cache;
pub mod flights;
pub mod metrics;
pub mod pace;
pub mod priority;
pub mod store;
pub mod strikes;
pub mod successes;
pub mod waiting;

pub mod judge;

pub mod http;
pub mod listen;
pub mod reload;
pub mod systemd;

pub mod check;
pub mod rewrite;
mod settle;

pub mod cli;
pub mod commands;
pub mod config;
pub mod logging;
pub mod server;
