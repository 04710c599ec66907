//! One file, or two that belong together, followed for as long as the process lives. What changed
//! takes effect first, and is talked about afterwards.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::current::{Current, Files};
use super::watch::{Notice, Wake};
use super::watchdog::Progress;
use crate::metrics::Metrics;
use crate::store::Snapshot;

/// What is made of a file.
pub(super) trait Part: Send {
    /// The files.
    fn paths(&self) -> Vec<&Path>;
    /// Reads what changed, or all of it by `force`; whether there is something new.
    fn refresh(&mut self, force: bool, progress: &Progress) -> bool;
    /// Puts it among what is in force.
    fn share(&self, files: &mut Files);
    /// Says what took effect.
    fn announce(&mut self, metrics: &Metrics);
    /// Gives up what was in force before.
    fn retire(&self, before: Arc<Snapshot>) {
        drop(before);
    }
    /// What keeps the files from taking effect, if anything does.
    fn trouble(&self) -> Option<String>;
}

/// A part, and how its changes are noticed.
pub(super) struct Follower {
    place: usize,
    part: Box<dyn Part>,
    notice: Notice,
    progress: Arc<Progress>,
}

impl Follower {
    pub(super) fn new(place: usize, part: Box<dyn Part>, notice: Notice) -> Self {
        Self {
            place,
            part,
            notice,
            progress: Arc::default(),
        }
    }

    /// Where it stands among the others.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    pub(super) fn name(&self) -> String {
        let paths = self.part.paths();
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.join(", ")
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    pub(super) fn wake(&self) -> Sender<Wake> {
        self.notice.wake()
    }

    /// Looks again and again.
    pub(super) fn run(mut self, current: &Current) {
        let mut next_poll = Instant::now() + self.notice.poll();
        loop {
            let wakes = self.notice.wait_until(next_poll);
            if wakes.is_empty() {
                next_poll = Instant::now() + self.notice.poll();
            }
            self.look(&wakes, current);
        }
    }

    fn look(&mut self, wakes: &[Wake], current: &Current) {
        let force = wakes.iter().any(|wake| matches!(wake, Wake::Force(_)));
        let asking = self.progress.ask();
        self.notice.follow(&self.part.paths());
        drop(asking);
        let changed = self.part.refresh(force, &self.progress);
        let before = changed.then(|| current.update(|files| self.part.share(files)));
        let is_news = current.report(self.place, self.part.trouble());
        if let Some(before) = before {
            self.part.announce(current.metrics());
            self.part.retire(before);
        }
        if changed || is_news {
            current.tell();
        }
    }
}
