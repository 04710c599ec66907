//! A file system that does not answer: a network drive without its server, a stopped FUSE process.
//! Nothing can interrupt a thread that waits for it, so another one counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::ReloadEnd;
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

/// Counts for how long each thread has waited.
pub(super) struct Watchdog {
    watched: Vec<Watched>,
    current: Arc<Current>,
}

struct Watched {
    place: usize,
    name: String,
    progress: Arc<Progress>,
    seen: u64,
    /// For so many ticks nothing has moved.
    silent: u32,
}

/// What a tick makes of a thread.
#[derive(Debug, PartialEq, Eq)]
enum Tick {
    Fine,
    Silent,
    /// It has been silent for long, since this tick.
    Fault,
    /// It was a fault, and is over.
    Over,
    End,
}

impl Watched {
    /// A tick counts as one however much time has passed, so that a process that was frozen, or a
    /// machine that slept, is not ended for it.
    fn tick(&mut self) -> Tick {
        let now = self.progress.0.load(Ordering::Relaxed);
        let waits = now % 2 == 1;
        if !waits || now != self.seen {
            self.seen = now;
            let was = std::mem::take(&mut self.silent);
            return if was >= FAULT { Tick::Over } else { Tick::Fine };
        }
        self.silent = self.silent.saturating_add(1);
        match self.silent {
            FAULT => Tick::Fault,
            END.. => Tick::End,
            _ => Tick::Silent,
        }
    }
}

impl Watchdog {
    pub(super) fn new(followers: &[Follower], current: Arc<Current>) -> Self {
        let watched = followers.iter().map(|follower| Watched {
            place: follower.place(),
            name: follower.name(),
            progress: follower.progress(),
            seen: 0,
            silent: 0,
        });
        Self {
            watched: watched.collect(),
            current,
        }
    }

    /// Ticks until the file system has been silent for too long.
    pub(super) fn run(mut self, end: &mpsc::Sender<ReloadEnd>) {
        loop {
            thread::sleep(TICK);
            for watched in &mut self.watched {
                let (tick, name) = (watched.tick(), &watched.name);
                match tick {
                    Tick::Fine | Tick::Silent => (),
                    Tick::Fault => {
                        let what = format!(
                            "{name}: the file system has not answered for {FAULT} s; the last \
                             good content stays; look at its mount"
                        );
                        self.current
                            .report_silence(watched.place, Some(what.clone()));
                        log::error!("{what}");
                    }
                    Tick::Over => {
                        self.current.report_silence(watched.place, None);
                        log::info!("{name}: the file system answers again");
                    }
                    Tick::End => {
                        let _ = end.try_send(ReloadEnd::Silence(format!(
                            "{name}: the file system has not answered for {} minutes",
                            END / 60
                        )));
                        return;
                    }
                }
            }
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
/// In ticks.
const FAULT: u32 = 10;
const END: u32 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched {
            place: 0,
            name: String::new(),
            progress: Arc::default(),
            seen: 0,
            silent: 0,
        }
    }

    #[test]
    fn silence_is_a_fault_after_ten_ticks_and_the_end_after_five_minutes() {
        let mut watched = watched();
        let progress = Arc::clone(&watched.progress);
        let _asking = progress.ask();
        let ticks: Vec<_> = (0..=END).map(|_| watched.tick()).collect();
        assert_eq!(ticks[0], Tick::Fine, "the first tick sees the question");
        for (number, tick) in ticks.iter().enumerate().skip(1) {
            let expected = match number {
                10 => Tick::Fault,
                300 => Tick::End,
                _ => Tick::Silent,
            };
            assert_eq!(*tick, expected, "{number}");
        }
    }

    #[test]
    fn an_answer_begins_anew_and_work_without_questions_does_not_count() {
        let mut watched = watched();
        let progress = Arc::clone(&watched.progress);
        let asking = progress.ask();
        for _ in 0..=10 {
            watched.tick();
        }
        asking.answered();
        assert_eq!(watched.tick(), Tick::Over);
        for _ in 0..9 {
            assert_eq!(watched.tick(), Tick::Silent);
        }
        drop(asking);
        for _ in 0..1000 {
            assert_eq!(watched.tick(), Tick::Fine);
        }
    }
}
