//! The system under us: sockets, the scheduler, systemd.

pub(crate) mod listen;
pub(crate) mod priority;
pub(crate) mod systemd;
