//! Work on large files, which takes seconds: done with what the answering threads leave of the
//! processor. A small file is worth no thread, and takes effect at once on the busiest machine.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::htpasswd::Users;
use crate::store::Snapshot;
use crate::system::priority::{self, Pauses};

/// Whether a file, or what was read of it before, is so large that work on it is felt.
pub(super) fn is_large(path: &Path, before: &Users) -> bool {
    before.count() >= MANY || fs::metadata(path).is_ok_and(|metadata| metadata.len() >= LARGE)
}

/// Does this and waits for it; where it is `large`, on a thread that comes last. The work shall
/// call the pause it is given again and again.
pub(super) fn gently<T: Send>(large: bool, work: impl FnOnce(&dyn Fn()) -> T + Send) -> T {
    let mut work = Some(work);
    let mut done = None;
    if large {
        thread::scope(|scope| {
            let worker = thread::Builder::new().spawn_scoped(scope, || {
                // Not so gently, then.
                let _ = priority::lower();
                let pauses = Pauses::new();
                done = work.take().map(|work| work(&|| pauses.rest_as_long()));
            });
            // Without a thread the work is still there to be done.
            if let Ok(Err(panic)) = worker.map(thread::ScopedJoinHandle::join) {
                resume_unwind(panic);
            }
        });
    }
    match (done, work) {
        (Some(done), _) => done,
        (None, Some(work)) => work(&|| ()),
        (None, None) => unreachable!("work that is taken is done, or has panicked"),
    }
}

/// Gives memory back bit by bit: the system takes milliseconds to take many pages at once.
pub(super) fn release(mut bytes: Vec<u8>, pause: &dyn Fn()) {
    while !bytes.is_empty() {
        bytes.truncate(bytes.len().saturating_sub(PORTION));
        bytes.shrink_to_fit();
        pause();
    }
}

/// Drops what takes long to drop, and never on a thread that answers: one that still reads it
/// would be the last to hold it.
pub(super) fn drop_gently(large: bool, old: Arc<Snapshot>) {
    if !large {
        return;
    }
    let worker = thread::Builder::new().spawn(move || {
        let _ = priority::lower();
        while Arc::strong_count(&old) > 1 {
            thread::sleep(READING);
        }
        let pauses = Pauses::new();
        if let Some(users) = Arc::into_inner(old).and_then(Snapshot::into_users) {
            users.dismiss(&|| pauses.rest_as_long());
        }
    });
    // Without a thread it has been dropped with the closure.
    drop(worker);
}

/// In bytes.
const PORTION: usize = 1024 * 1024;
/// In bytes; as many users, parsed in about 10 ms.
const LARGE: u64 = 1024 * 1024;
const MANY: u64 = 15_000;
/// Longer than anybody holds a snapshot.
const READING: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done_either_way() {
        for large in [false, true] {
            let text = String::from("text");
            assert_eq!(gently(large, |_| text.len()), 4);
        }
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_is_not_swallowed() {
        gently(true, |_| panic!("on purpose"));
    }
}
