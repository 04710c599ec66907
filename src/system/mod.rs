//! The system under us: sockets, limits, the scheduler, systemd.

pub(crate) mod listen;
pub(crate) mod priority;
pub(crate) mod process;
pub(crate) mod systemd;
