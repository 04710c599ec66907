//! What operators see: counters, audit lines and the log.

pub(crate) mod audit;
pub(crate) mod logging;
pub(crate) mod metrics;
