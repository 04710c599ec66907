//! The htpasswd file: its users take effect when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LoadError;
use super::current::Files;
use super::follow::Part;
use super::large::{free, is_large, on_idle_thread};
use super::source::Source;
use super::watchdog::Progress;
use crate::Fault;
use crate::files::stable_read::is_blank;
use crate::hash::Limits;
use crate::htpasswd::{LineErrors, Users};
use crate::observe::metrics::Metrics;
use crate::store::Snapshot;

/// The users file as it was last read.
pub(super) struct UsersFile {
    source: Source,
    limits: Limits,
    users: Arc<Users>,
    errors: LineErrors,
    /// Whether it, or what was read of it before, is so large that work on it is felt.
    is_large: bool,
}

impl UsersFile {
    /// Reads it for the first time.
    pub(super) fn open(path: PathBuf, limits: Limits) -> Result<Self, LoadError> {
        let (source, (users, errors)) =
            Source::open(path, |bytes| Ok(Users::parse(bytes, limits)))?;
        Ok(Self {
            source,
            limits,
            users: Arc::new(users),
            errors,
            is_large: false,
        })
    }

    pub(super) fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users)
    }
}

impl Part for UsersFile {
    fn paths(&self) -> Vec<&Path> {
        vec![self.source.path()]
    }

    fn refresh(&mut self, force: bool, progress: &Progress) -> bool {
        let had_users = self.users.count() > 0;
        let lost_users = |bytes: &[u8]| had_users && is_blank(bytes);
        let asking = progress.ask();
        self.is_large = is_large(self.source.path(), &self.users);
        drop(asking);
        let (source, limits) = (&mut self.source, self.limits);
        let fresh = on_idle_thread(self.is_large, || {
            let bytes = source.refresh(force, lost_users, progress)?;
            Some(Users::parse(&bytes, limits))
        });
        let Some((users, errors)) = fresh else {
            return false;
        };
        (self.users, self.errors) = (Arc::new(users), errors);
        true
    }

    fn share(&self, files: &mut Files) {
        files.users = Arc::clone(&self.users);
    }

    fn announce(&mut self, metrics: &Metrics) {
        announce(self.source.path(), &self.users, &self.errors, metrics);
    }

    fn retire(&self, before: Arc<Snapshot>) {
        free(self.is_large, before);
    }

    fn trouble(&self) -> Option<String> {
        self.source.trouble().map(str::to_owned)
    }
}

fn announce(path: &Path, users: &Users, errors: &LineErrors, metrics: &Metrics) {
    let path = path.display();
    for error in errors.first() {
        log::warn!("{path}:{}: {}", error.line, Fault::from(error.fault));
    }
    let untold = errors.count() - errors.first().len() as u64;
    if untold > 0 {
        log::warn!("{path}: {untold} more lines are left out; fix the first ones and look again");
    }
    let weak: u64 = users
        .kinds()
        .iter()
        .filter(|(kind, _)| kind.is_weak())
        .map(|(_, count)| count)
        .sum();
    if weak > 0 {
        log::warn!(
            "{path}: {weak} users have a weakly hashed password, easy to crack if the file is stolen; \
             set their passwords again with 'htpasswd -B -C 10 FILE USER'"
        );
    }
    if users.count() == 0 {
        log::warn!("{path}: no users, so nobody can log in; add one with 'htpasswd -B FILE USER'");
    }
    let kinds: Vec<_> = users
        .kinds()
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    log::info!(
        "{path}: users loaded: {} ({})",
        users.count(),
        kinds.join(", ")
    );
    metrics
        .users
        .set(i64::try_from(users.count()).unwrap_or(i64::MAX));
    metrics
        .faulty_lines
        .set(i64::try_from(errors.count()).unwrap_or(i64::MAX));
}
