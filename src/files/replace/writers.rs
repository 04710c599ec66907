//! Programs that write the file without a lock: `htpasswd`, as far as we can see it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Returns when no `htpasswd` can be at work any more that has read the file before now.
///
/// One on this machine is seen and waited for. Others, in another container or of another name,
/// have a moment to finish: they need less than a millisecond where they are not held up.
pub(super) fn wait_out() {
    let start = Instant::now();
    let running = running();
    while start.elapsed() < LONGEST
        && (start.elapsed() < MOMENT || running.iter().any(|id| is_writer(*id)))
    {
        thread::sleep(STEP);
    }
}

fn running() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| is_writer(*id))
        .collect()
}

/// Whether this process is an `htpasswd`, or the `htpasswd2` that some systems have, and not one
/// that has ended and only waits for its parent to notice.
fn is_writer(id: u32) -> bool {
    #[expect(clippy::disallowed_methods, reason = "files in /proc never hang")]
    let Ok(status) = fs::read(format!("/proc/{id}/stat")) else {
        return false;
    };
    let status = String::from_utf8_lossy(&status);
    // "ID (NAME) STATE ...", and the name may hold anything.
    let name = status.split_once(" (").map_or("", |(_, rest)| rest);
    let state = status.rsplit_once(") ").map_or("", |(_, rest)| rest);
    name.starts_with("htpasswd") && !state.starts_with(['Z', 'X'])
}

const MOMENT: Duration = Duration::from_millis(100);
/// One may sit at its prompt, and reads the file only after it.
const LONGEST: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(5);
