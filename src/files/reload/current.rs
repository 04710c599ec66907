//! What is in force, from all files together, and what keeps one of them from taking effect. Each
//! file has its own thread; they meet here, and hold the lock for as long as a swap takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::hash::DecoySeed;
use crate::observe::metrics::Metrics;
use crate::store::{Files, Snapshot, Store, Trouble};
use crate::system::systemd;

/// What is wrong with one part of the files.
#[derive(Clone, Default)]
struct Faults {
    /// Wrong content, or content that cannot be read.
    content: Option<String>,
    /// A file system that does not answer.
    silence: Option<String>,
}

/// What is in force, and the store that is kept up to date with it.
pub(super) struct Current {
    pub(super) store: Arc<Store>,
    pub(super) metrics: Arc<Metrics>,
    seed: DecoySeed,
    files: Mutex<Files>,
    faults: Mutex<Vec<Faults>>,
    /// The unknown users that were logged last.
    unknown: Mutex<String>,
}

impl Current {
    /// The first snapshot, from this many parts.
    pub(super) fn new(files: Files, seed: DecoySeed, metrics: Arc<Metrics>, parts: usize) -> Self {
        metrics.reloads.inc();
        Self {
            store: Arc::new(Store::new(Snapshot::new(files.clone(), &seed))),
            seed,
            metrics,
            files: Mutex::new(files),
            faults: Mutex::new(vec![Faults::default(); parts]),
            unknown: Mutex::default(),
        }
    }

    /// Lets a change take effect. Returns the snapshot that was in force before.
    pub(super) fn update(&self, change: impl FnOnce(&mut Files)) -> Arc<Snapshot> {
        let mut files = lock(&self.files);
        change(&mut files);
        self.metrics.reloads.inc();
        self.store.replace(Snapshot::new(files.clone(), &self.seed))
    }

    /// Updates the line in `systemctl status`, and logs the users that the rules name and the users
    /// file does not. They may be added later.
    pub(super) fn report_state(&self) {
        let snapshot = self.store.read();
        let files = &snapshot.files;
        let (users, rules) = (&files.users, &files.rules);
        let mut status = format!("users: {}", users.count());
        if let Some(faulty) = &files.faulty_lines {
            status += &format!("; faulty lines: {faulty}");
        }
        if let Some(trouble) = self.store.trouble() {
            status += &format!("; last reload failed: {}", trouble.what);
        }
        systemd::status(&status);
        let all = rules
            .access
            .unknown_users(|name| users.find(name).is_some());
        let named = all.iter().take(MOST_UNKNOWN);
        let mut named: Vec<_> = named
            .map(|(name, rule)| format!("{name:?} (rule {rule})"))
            .collect();
        if all.len() > named.len() {
            named.push(format!("and {} more", all.len() - named.len()));
        }
        let unknown = named.join(", ");
        let mut last = lock(&self.unknown);
        if unknown != *last && !unknown.is_empty() {
            log::warn!("the access rules name users who are not in the users file: {unknown}");
        }
        *last = unknown;
    }

    /// Records what keeps one part's files from taking effect; returns whether that is news.
    pub(super) fn report(&self, part: usize, content: Option<String>) -> bool {
        self.change_faults(part, |faults| faults.content = content)
    }

    /// Records that the file system does not answer one part's questions, or that it does again.
    pub(super) fn report_silence(&self, part: usize, silence: Option<String>) {
        self.change_faults(part, |faults| faults.silence = silence);
        self.report_state();
    }

    /// Whether the file system does not answer one part's questions.
    pub(super) fn is_silent(&self, part: usize) -> bool {
        let all = lock(&self.faults);
        all.get(part).is_some_and(|part| part.silence.is_some())
    }

    fn change_faults(&self, part: usize, change: impl FnOnce(&mut Faults)) -> bool {
        let mut all = lock(&self.faults);
        if let Some(faults) = all.get_mut(part) {
            change(faults);
        }
        let each = all.iter().flat_map(|part| [&part.silence, &part.content]);
        let what: Vec<_> = each.flatten().map(String::as_str).collect();
        let what = what.join("; ");
        let is_good = what.is_empty();
        self.metrics.last_reload_successful.set(i64::from(is_good));
        let known = self.store.trouble();
        if known.as_ref().map_or(is_good, |known| known.what == what) {
            return false;
        }
        // The trouble is as old as its oldest part.
        let since = known.map_or_else(SystemTime::now, |known| known.since);
        self.store
            .report((!is_good).then_some(Trouble { what, since }));
        true
    }
}

/// Locks it, even after a panic: each change is one assignment, so none is left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many unknown users are named in one line of the log.
const MOST_UNKNOWN: usize = 10;
