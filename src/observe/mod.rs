//! What operators see: counters, audit lines and the log.

pub mod audit;
pub mod logging;
pub mod metrics;
