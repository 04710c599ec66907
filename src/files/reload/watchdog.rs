//! A file system that does not answer: a network drive without its server, a stopped FUSE process.
//! A thread that waits for it cannot be interrupted, so another one counts.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::End;
use super::current::Current;
use super::follow::Follower;

/// How often a thread has asked the file system, and been answered: odd while it waits.
#[derive(Default)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    /// Begins to ask; what is returned is dropped when the last answer is there.
    pub(super) fn ask(&self) -> Asking<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Asking(self)
    }
}

/// Questions to the file system.
pub(super) struct Asking<'a>(&'a Progress);

impl Asking<'_> {
    /// There was an answer, and more is asked.
    pub(super) fn answered(&self) {
        self.0.0.fetch_add(2, Ordering::Relaxed);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A thread that asks the file system, as the watchdog sees it.
#[derive(Default)]
pub(super) struct Watched {
    part: usize,
    /// The paths of its files.
    name: String,
    progress: Arc<Progress>,
    /// The progress at the last tick.
    seen: u64,
    /// For how many ticks the thread has waited for the same answer.
    silent: u32,
}

impl Watched {
    pub(super) fn new(follower: &Follower) -> Self {
        Self {
            part: follower.number,
            name: follower.name(),
            progress: Arc::clone(&follower.progress),
            ..Self::default()
        }
    }

    /// Counts a tick, and returns the silence before and after it. A tick counts as one however
    /// much time has passed, so that a process that was frozen, or a machine that slept, goes on.
    fn tick(&mut self) -> (u32, u32) {
        let now = self.progress.0.load(Ordering::Relaxed);
        let waits = now % 2 == 1 && now == self.seen;
        self.seen = now;
        let silent = if waits { self.silent + 1 } else { 0 };
        (mem::replace(&mut self.silent, silent), silent)
    }
}

/// Ticks until the file system has been silent for too long.
pub(super) fn watch(mut all: Vec<Watched>, current: &Current, end: &End) {
    loop {
        thread::sleep(TICK);
        for watched in &mut all {
            let silence = watched.tick();
            let (part, name) = (watched.part, &watched.name);
            match silence {
                (_, FAULT) => {
                    let what = format!(
                        "{name}: the file system has not answered for {FAULT} s; the last good \
                         content stays; look at its mount"
                    );
                    current.report_silence(part, Some(what.clone()));
                    log::error!("{what}");
                }
                (FAULT.., 0) => {
                    current.report_silence(part, None);
                    log::info!("{name}: the file system answers again");
                }
                (_, LIMIT) => {
                    let minutes = LIMIT / 60;
                    let _ = end.try_send(format!(
                        "{name}: the file system has not answered for {minutes} minutes"
                    ));
                    return;
                }
                _ => (),
            }
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
/// In ticks.
const FAULT: u32 = 10;
/// In ticks.
const LIMIT: u32 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_without_an_answer_are_counted() {
        let mut watched = Watched::default();
        let progress = Arc::clone(&watched.progress);
        let _asking = progress.ask();
        assert_eq!(watched.tick(), (0, 0), "the first tick sees the question");
        for silent in 1..=LIMIT {
            assert_eq!(watched.tick(), (silent - 1, silent));
        }
    }

    #[test]
    fn an_answer_begins_again_and_work_without_questions_does_not_count() {
        let mut watched = Watched::default();
        let progress = Arc::clone(&watched.progress);
        let asking = progress.ask();
        for _ in 0..=10 {
            watched.tick();
        }
        asking.answered();
        assert_eq!(watched.tick(), (10, 0));
        assert_eq!(watched.tick(), (0, 1));
        drop(asking);
        assert_eq!(watched.tick(), (1, 0));
        for _ in 0..1000 {
            assert_eq!(watched.tick(), (0, 0));
        }
    }
}
