//! One file: what was last read of it, and what is wrong with it now.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::watchdog::Progress;
use crate::Fault;
use crate::files::stable_read::{self, Fingerprint, Reading};

/// A file that is looked at again and again.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Whether it is read only while other users cannot read it.
    is_secret: bool,
    fingerprint: Fingerprint,
    digest: [u8; 32],
    /// When its times were first seen as they are now.
    seen_since: Instant,
    /// Whether a change can no longer hide behind equal times: it was read again late enough.
    is_sure: bool,
    /// Why the file as it is now cannot be read.
    obstacle: Option<String>,
    /// Why its content, as last read, is not in effect.
    refusal: Option<String>,
}

impl Source {
    /// Reads a file for the first time, which must succeed. A secret one must not be readable for
    /// other users, now and later.
    pub(super) fn open(path: PathBuf, is_secret: bool) -> Result<(Self, Vec<u8>), String> {
        // The next reading corrects this one: until it is sure, it reads again.
        let reading = read(&path, is_secret, stable_read::read_first)
            .map_err(|fault| format!("{}: {fault}", path.display()))?;
        let source = Self {
            path,
            is_secret,
            fingerprint: reading.fingerprint,
            digest: reading.digest,
            seen_since: Instant::now(),
            is_sure: false,
            obstacle: None,
            refusal: None,
        };
        Ok((source, reading.bytes))
    }

    /// One line about this file.
    pub(super) fn line(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", self.path.display())
    }

    /// The file's content, if it differs from the last one. `force` reads it even where nothing
    /// seems to have changed. A content that `looks_begun` is given time to be finished.
    pub(super) fn refresh(
        &mut self,
        force: bool,
        looks_begun: impl Fn(&[u8]) -> bool,
        progress: &Progress,
    ) -> Option<Vec<u8>> {
        let asking = progress.ask();
        let step = || asking.answered();
        let seen = match stable_read::look(&self.path) {
            Ok(seen) if !force && self.is_sure && seen == self.fingerprint => Ok((seen, None)),
            _ => {
                let read_stable = |path: &Path| stable_read::read_stable(path, looks_begun, &step);
                read(&self.path, self.is_secret, read_stable)
                    .map(|reading| (reading.fingerprint, Some(reading)))
            }
        };
        drop(asking);
        match seen {
            Ok((fingerprint, reading)) => {
                self.set_obstacle(fingerprint.is_orphan().then(|| ORPHAN.to_owned()));
                reading.and_then(|reading| self.take(reading))
            }
            Err(fault) => {
                self.set_obstacle(Some(format!("{fault}; the last good content stays")));
                None
            }
        }
    }

    /// The content that was handed out last is in effect.
    pub(super) fn accept(&mut self) {
        self.refusal = None;
    }

    /// The content that was handed out last cannot take effect.
    pub(super) fn refuse(&mut self, why: &str) {
        let refusal = self.line(why);
        log::error!("{refusal}");
        self.refusal = Some(refusal);
    }

    /// What is wrong with the file now, if anything is.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.obstacle.as_deref().or(self.refusal.as_deref())
    }

    fn take(&mut self, reading: Reading) -> Option<Vec<u8>> {
        if self.fingerprint != reading.fingerprint {
            self.fingerprint = reading.fingerprint;
            self.seen_since = Instant::now();
        }
        self.is_sure = self.seen_since.elapsed() > DOUBT;
        let changed = self.digest != reading.digest;
        self.digest = reading.digest;
        changed.then_some(reading.bytes)
    }

    /// Logs an obstacle once, and once when it is gone.
    fn set_obstacle(&mut self, obstacle: Option<String>) {
        let obstacle = obstacle.map(|what| self.line(what));
        match &obstacle {
            None if self.obstacle.is_some() => log::info!("{}", self.line("readable again")),
            Some(new) if self.obstacle != obstacle => log::error!("{new}"),
            _ => (),
        }
        self.obstacle = obstacle;
    }
}

fn read(
    path: &Path,
    is_secret: bool,
    read: impl FnOnce(&Path) -> Result<Reading, Fault>,
) -> Result<Reading, Fault> {
    // Before and after: it may be another file by then.
    if is_secret && !stable_read::look(path)?.is_private() {
        return Err(stable_read::exposed());
    }
    let reading = read(path)?;
    if is_secret && !reading.fingerprint.is_private() {
        return Err(stable_read::exposed());
    }
    Ok(reading)
}

/// The coarsest times that file systems keep are two seconds apart (FAT).
const DOUBT: Duration = Duration::from_secs(2);

const ORPHAN: &str = "the open file has no name any more, so changes cannot reach it; \
                      a single file is mounted into this container: mount its directory instead";
