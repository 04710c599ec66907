//! Large files, whose parsing takes seconds: on a thread that runs only when nothing else wants the
//! processor. A small file is not worth a thread, and takes effect at once on the busiest machine.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::htpasswd::Users;
use crate::store::Snapshot;
use crate::system::priority;

/// Whether a file, or what was read of it before, is so large that work on it is felt.
pub(super) fn is_large(path: &Path, before: &Users) -> bool {
    before.count() >= MANY || fs::metadata(path).is_ok_and(|metadata| metadata.len() >= LARGE)
}

/// Does some work and waits for it; where it is `large`, on an idle thread.
pub(super) fn on_idle_thread<T: Send>(large: bool, work: impl FnOnce() -> T + Send) -> T {
    if !large {
        return work();
    }
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // If the system refuses, the work is done at the usual priority.
            let _ = priority::lower();
            work()
        });
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Drops a snapshot; one with many users on an idle thread, and never on a thread that answers: one
/// that still reads it would be the last to hold it.
pub(super) fn free(old: Arc<Snapshot>) {
    if old.files.users.count() < MANY {
        return;
    }
    // Without a thread it is dropped with the closure.
    let _ = thread::Builder::new().spawn(move || {
        let _ = priority::lower();
        while Arc::strong_count(&old) > 1 {
            thread::sleep(READING);
        }
    });
}

/// In bytes; as many users, parsed in about 10 ms.
const LARGE: u64 = 1024 * 1024;
const MANY: u64 = 15_000;
/// Longer than a request holds a snapshot.
const READING: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_either_way() {
        for large in [false, true] {
            let text = String::from("text");
            assert_eq!(on_idle_thread(large, || text.len()), 4);
        }
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_is_not_swallowed() {
        on_idle_thread(true, || panic!("on purpose"));
    }
}
