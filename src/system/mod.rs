//! The system under us: sockets, the scheduler, systemd.

pub mod listen;
pub mod priority;
pub mod systemd;
