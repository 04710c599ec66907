//! The htpasswd file: its users take effect when it changes.

use std::path::PathBuf;
use std::sync::Arc;

use super::follow::Part;
use super::large::{is_large, on_idle_thread};
use super::source::Source;
use super::watchdog::Progress;
use crate::Fault;
use crate::files::stable_read::is_blank;
use crate::hash::Limits;
use crate::htpasswd::{LineError, LineErrors, Users};
use crate::observe::metrics::Metrics;
use crate::store::Files;

/// The users file as it was last read.
pub(super) struct UsersFile {
    source: Source,
    limits: Limits,
    pub(super) users: Arc<Users>,
    errors: LineErrors,
}

impl UsersFile {
    /// Reads the users file for the first time.
    pub(super) fn open(path: PathBuf, limits: Limits) -> Result<Self, String> {
        let (source, bytes) = Source::open(path, false)?;
        let (users, errors) = Users::parse(&bytes, limits);
        Ok(Self {
            source,
            limits,
            users: Arc::new(users),
            errors,
        })
    }
}

impl UsersFile {
    /// How many lines are faulty, and what is wrong with the first.
    pub(super) fn summary(&self) -> Option<Arc<str>> {
        let LineError { line, fault } = self.errors.first().first()?;
        let (count, fault) = (self.errors.count(), Fault::from(*fault).at(*line));
        Some(format!("{count}, the first in {fault}").into())
    }
}

impl Part for UsersFile {
    fn sources(&self) -> Vec<&Source> {
        vec![&self.source]
    }

    fn refresh(&mut self, force: bool, progress: &Progress) -> bool {
        let had_users = self.users.count() > 0;
        let lost_users = |bytes: &[u8]| had_users && is_blank(bytes);
        let asking = progress.ask();
        let is_large = is_large(&self.source.path, &self.users);
        drop(asking);
        let (source, limits) = (&mut self.source, self.limits);
        let fresh = on_idle_thread(is_large, || {
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
        files.users_number += 1;
        files.faulty_lines = self.summary();
    }

    fn report(&mut self, metrics: &Metrics) {
        let (path, users) = (self.source.path.display(), &self.users);
        for error in self.errors.first() {
            log::warn!("{path}:{}: {}", error.line, Fault::from(error.fault));
        }
        if let Some(summary) = self.summary() {
            log::warn!("{path}: faulty lines: {summary}");
        }
        let weak = users.kinds().iter().filter(|(kind, _)| kind.is_weak());
        let weak: u64 = weak.map(|(_, count)| count).sum();
        if weak > 0 {
            log::warn!(
                "{path}: {weak} users have a weakly hashed password, easy to crack if the file is \
                 stolen; set their passwords again with 'htpasswd -B -C 10 {path} USER'"
            );
        }
        let count = users.count();
        if count == 0 {
            log::warn!(
                "{path}: no users, so nobody can log in; add one with 'htpasswd -B -C 10 {path} USER'"
            );
        }
        let kinds = users.kinds().iter();
        let kinds: Vec<_> = kinds.map(|(kind, n)| format!("{kind}: {n}")).collect();
        log::info!("{path}: users loaded: {count} ({})", kinds.join(", "));
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.users.set(gauge(count));
        metrics.faulty_lines.set(gauge(self.errors.count()));
        let first = self.errors.first().first().map_or(0, |error| error.line);
        metrics.first_faulty_line.set(gauge(first));
    }
}
