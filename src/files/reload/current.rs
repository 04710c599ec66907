//! What is in force, from all files together, and what keeps one of them from taking effect. Each
//! file has its own thread; they meet here, and hold the lock for as long as a swap takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::hash::DecoySeed;
use crate::htpasswd::Users;
use crate::observe::metrics::Metrics;
use crate::store::{Rules, Snapshot, Store, Trouble};
use crate::system::systemd;
use crate::token::Signer;

/// The last good content of each file.
pub(super) struct Files {
    pub(super) users: Arc<Users>,
    pub(super) rules: Arc<Rules>,
    pub(super) signer: Option<Arc<Signer>>,
}

impl Files {
    fn snapshot(&self, seed: &DecoySeed) -> Snapshot {
        Snapshot::new(
            Arc::clone(&self.users),
            Arc::clone(&self.rules),
            self.signer.clone(),
            seed,
        )
    }
}

/// What is wrong with one part of the files.
#[derive(Clone, Default)]
struct Faults {
    /// With what they hold, or with reading it.
    content: Option<String>,
    /// That the file system says nothing at all.
    silence: Option<String>,
}

/// What is in force, and the store that is kept up to date with it.
pub(super) struct Current {
    store: Arc<Store>,
    seed: DecoySeed,
    metrics: Arc<Metrics>,
    files: Mutex<Files>,
    faults: Mutex<Vec<Faults>>,
    /// What was last said of users whom the rules name.
    strangers: Mutex<String>,
}

impl Current {
    /// The first snapshot, from so many parts.
    pub(super) fn new(files: Files, seed: DecoySeed, metrics: Arc<Metrics>, parts: usize) -> Self {
        let store = Arc::new(Store::new(files.snapshot(&seed)));
        metrics.reloads.inc();
        Self {
            store,
            seed,
            metrics,
            files: Mutex::new(files),
            faults: Mutex::new(vec![Faults::default(); parts]),
            strangers: Mutex::default(),
        }
    }

    pub(super) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Lets a change take effect. Returns the snapshot that was in force before.
    pub(super) fn update(&self, change: impl FnOnce(&mut Files)) -> Arc<Snapshot> {
        let mut files = lock(&self.files);
        change(&mut files);
        let before = self.store.replace(files.snapshot(&self.seed));
        self.metrics.reloads.inc();
        before
    }

    /// Keeps the line in `systemctl status` true, and names users whom the rules name and who are
    /// not in the file. They may come yet.
    pub(super) fn tell(&self) {
        let snapshot = self.store.read();
        let users = snapshot.users();
        systemd::status(&match self.store.trouble() {
            None => format!("users: {}", users.count()),
            Some(trouble) => {
                format!(
                    "users: {}; last reload failed: {}",
                    users.count(),
                    trouble.what
                )
            }
        });
        let strangers = snapshot
            .access()
            .strangers(|name| users.find(name).is_some());
        let mut told: Vec<_> = strangers
            .iter()
            .take(MOST_STRANGERS)
            .map(|(name, rule)| format!("{name:?} (rule {rule})"))
            .collect();
        if strangers.len() > told.len() {
            told.push(format!("and {} more", strangers.len() - told.len()));
        }
        let told = told.join(", ");
        let mut last = lock(&self.strangers);
        if told != *last && !told.is_empty() {
            log::warn!("the access rules name users who are not in the users file: {told}");
        }
        *last = told;
    }

    /// Takes note of what keeps one part's files from taking effect; whether that is news.
    pub(super) fn report(&self, part: usize, content: Option<String>) -> bool {
        self.change_faults(part, |faults| faults.content = content)
    }

    /// Takes note that the file system does not answer one part's questions, or that it does again.
    pub(super) fn report_silence(&self, part: usize, silence: Option<String>) {
        self.change_faults(part, |faults| faults.silence = silence);
        self.tell();
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
        self.metrics
            .last_reload_successful
            .set(i64::from(what.is_empty()));
        let known = self.store.trouble();
        let known = known.as_deref();
        if known.map_or(what.is_empty(), |known| known.what == what) {
            return false;
        }
        // The trouble is as old as its oldest part.
        let since = known.map_or_else(SystemTime::now, |known| known.since);
        let trouble = Trouble { what, since };
        self.store
            .report(Some(trouble).filter(|trouble| !trouble.what.is_empty()));
        true
    }
}

/// A panic while it was held has left nothing half done: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many are named in one line of the log.
const MOST_STRANGERS: usize = 10;
