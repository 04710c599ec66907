//! One file, or two that belong together, followed for as long as the process lives. What changed
//! takes effect first, and is logged afterwards.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::current::Current;
use super::large::free;
use super::source::Source;
use super::watch::{Notice, Wake};
use super::watchdog::Progress;
use crate::observe::metrics::Metrics;
use crate::store::Files;

/// A file, or two that belong together, as it was last read.
pub(super) trait Part: Send {
    /// The files.
    fn sources(&self) -> Vec<&Source>;
    /// Reads what changed, or all of it by `force`; whether there is something new.
    fn refresh(&mut self, force: bool, progress: &Progress) -> bool;
    /// Puts what was read among what is in force.
    fn share(&self, files: &mut Files);
    /// Logs and counts what took effect.
    fn report(&mut self, metrics: &Metrics);
}

/// The paths of a part's files.
pub(super) fn paths(part: &dyn Part) -> Vec<&Path> {
    let sources = part.sources().into_iter();
    sources.map(|source| source.path.as_path()).collect()
}

/// A part, and how its changes are noticed.
pub(super) struct Follower {
    /// The place of the part among all parts.
    pub(super) number: usize,
    pub(super) part: Box<dyn Part>,
    pub(super) notice: Notice,
    pub(super) progress: Arc<Progress>,
    /// Wakes the users' follower; the users' own follower has none.
    pub(super) users: Option<Sender<Wake>>,
}

impl Follower {
    /// The paths of its files, for a line of the log.
    pub(super) fn name(&self) -> String {
        let names = paths(&*self.part).into_iter();
        let names: Vec<_> = names.map(|path| path.display().to_string()).collect();
        names.join(", ")
    }

    /// Looks again and again.
    pub(super) fn run(mut self, current: &Current) {
        let mut next_poll = Instant::now() + self.notice.poll;
        loop {
            let wakes = self.notice.wait_until(next_poll);
            if wakes.is_empty() {
                next_poll = Instant::now() + self.notice.poll;
            }
            self.look(&wakes, current);
        }
    }

    fn look(&mut self, wakes: &[Wake], current: &Current) {
        let force = wakes.iter().any(|wake| matches!(wake, Wake::Force(_)));
        let asking = self.progress.ask();
        self.notice.follow(&paths(&*self.part));
        drop(asking);
        let changed = self.part.refresh(force, &self.progress);
        if changed {
            self.let_users_go_first(current);
        }
        let before = changed.then(|| current.update(|files| self.part.share(files)));
        let sources = self.part.sources().into_iter();
        let troubles: Vec<_> = sources.filter_map(Source::trouble).collect();
        let trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
        let is_news = current.report(self.number, trouble);
        if let Some(before) = before {
            self.part.report(&current.metrics);
            free(before);
        }
        if changed || is_news {
            current.report_state();
        }
    }

    /// Users who were changed before the rules take effect before them: otherwise a removed user
    /// could have a right for a moment that neither the old files give nor the new ones. A users
    /// file that cannot be read delays the rules only until that is reported.
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
