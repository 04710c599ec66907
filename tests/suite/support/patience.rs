//! How long a change of a file may take to take effect.

use std::time::Duration;

/// With events a change is to take effect within 250 ms, without within 2 s. The tests allow
/// for a machine that does many other things; tests/load.rs measures.
pub const EVENTS: Duration = Duration::from_millis(1500);
pub const POLL: Duration = Duration::from_secs(4);

/// Runs a test with file events and without.
pub fn both_ways(test: impl Fn(&[&str], Duration)) {
    test(&[], EVENTS);
    test(&["--watch", "poll"], POLL);
}
