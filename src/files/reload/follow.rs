//! One file, or two that belong together, followed for as long as the process lives. What changed
//! takes effect first, and is talked about afterwards.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::current::{Current, Files};
use super::watch::{Notice, Wake};
use super::watchdog::Progress;
use crate::observe::metrics::Metrics;
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
    /// Wakes the users' follower; the users themselves have none.
    users: Option<Sender<Wake>>,
}

impl Follower {
    pub(super) fn new(
        place: usize,
        part: Box<dyn Part>,
        notice: Notice,
        users: Option<Sender<Wake>>,
    ) -> Self {
        Self {
            place,
            part,
            notice,
            progress: Arc::default(),
            users,
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
        if changed {
            self.let_users_go_first(current);
        }
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

    /// Users who were changed before the rules take effect before them: otherwise a removed user
    /// could have a right for a moment that neither the old files give him nor the new ones. Users
    /// that cannot be read hold the rules up no longer than it takes to say so.
    fn let_users_go_first(&self, current: &Current) {
        let Some(users) = &self.users else { return };
        let (done, waiting) = channel();
        if users.send(Wake::Await(done)).is_err() {
            return;
        }
        while waiting.recv_timeout(A_MOMENT) == Err(RecvTimeoutError::Timeout) {
            if current.is_silent(USERS) {
                return;
            }
        }
    }
}

/// The place of the users among the parts.
pub(super) const USERS: usize = 0;
const A_MOMENT: Duration = Duration::from_millis(100);
