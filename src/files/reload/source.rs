//! One file: what was last read of it, and what is wrong with it now.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::LoadError;
use super::watchdog::Progress;
use crate::Fault;
use crate::files::stable_read::{self, Fingerprint, ReadError, Reading};

/// A file that is looked at again and again.
pub(super) struct Source {
    path: PathBuf,
    /// Whether it is read only while nobody else can read it.
    is_secret: bool,
    fingerprint: Fingerprint,
    digest: [u8; 32],
    /// When its times were first seen as they are now.
    seen_since: Instant,
    /// Whether no change can hide behind equal times any more: it was read again late enough.
    is_sure: bool,
    /// Why the file as it is now cannot be read.
    obstacle: Option<String>,
    /// Why its content, as last read, is not in effect.
    refusal: Option<String>,
}

impl Source {
    /// Reads and parses a file for the first time, which must succeed.
    pub(super) fn open<T>(
        path: PathBuf,
        parse: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<(Self, T), LoadError> {
        Self::begin(path, false, parse)
    }

    /// The same with a file that nobody else may read, now and later.
    pub(super) fn open_secret<T>(
        path: PathBuf,
        parse: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<(Self, T), LoadError> {
        Self::begin(path, true, parse)
    }

    fn begin<T>(
        path: PathBuf,
        is_secret: bool,
        parse: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<(Self, T), LoadError> {
        let explain = |fault| LoadError(format!("{}: {fault}", path.display()));
        let reading =
            read(&path, is_secret, |_| false, &|| ()).map_err(|error| explain(error.into()))?;
        let parsed = parse(&reading.bytes).map_err(explain)?;
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
        Ok((source, parsed))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's content, if it is another one than last time. `force` reads it even where
    /// nothing seems to have changed. A content that `looks_begun` is given time to be finished.
    pub(super) fn refresh(
        &mut self,
        force: bool,
        looks_begun: impl Fn(&[u8]) -> bool,
        progress: &Progress,
    ) -> Option<Vec<u8>> {
        let asking = progress.ask();
        let step = || asking.answered();
        let settled = match stable_read::look(&self.path) {
            Ok(fingerprint) if !force && self.has_seen(fingerprint) => Ok((fingerprint, None)),
            _ => read(&self.path, self.is_secret, looks_begun, &step)
                .map(|reading| (reading.fingerprint, Some(reading))),
        };
        drop(asking);
        match settled {
            Ok((fingerprint, reading)) => {
                self.obstruct(fingerprint.is_orphan().then(|| ORPHAN.to_owned()));
                reading.and_then(|reading| self.take(reading))
            }
            Err(error) => {
                let fault = Fault::from(error);
                self.obstruct(Some(format!("{fault}; the last good content stays")));
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
        let refusal = format!("{}: {why}", self.path.display());
        log::error!("{refusal}");
        self.refusal = Some(refusal);
    }

    /// What is wrong with the file now, if anything is.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.obstacle.as_deref().or(self.refusal.as_deref())
    }

    fn has_seen(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprint == fingerprint && self.is_sure
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

    /// Says an obstacle once, and once when it is gone.
    fn obstruct(&mut self, obstacle: Option<String>) {
        let obstacle = obstacle.map(|what| format!("{}: {what}", self.path.display()));
        match (&self.obstacle, &obstacle) {
            (Some(_), None) => log::info!("{}: readable again", self.path.display()),
            (known, Some(new)) if known.as_ref() != Some(new) => log::error!("{new}"),
            _ => (),
        }
        self.obstacle = obstacle;
    }
}

fn read(
    path: &Path,
    is_secret: bool,
    looks_begun: impl Fn(&[u8]) -> bool,
    step: &dyn Fn(),
) -> Result<Reading, ReadError> {
    // Before and after: it may be another file by then.
    if is_secret && !stable_read::look(path)?.is_private() {
        return Err(ReadError::Exposed);
    }
    let reading = stable_read::settle_stepwise(path, looks_begun, step)?;
    if is_secret && !reading.fingerprint.is_private() {
        return Err(ReadError::Exposed);
    }
    Ok(reading)
}

/// The coarsest times that file systems keep are two seconds apart (FAT).
const DOUBT: Duration = Duration::from_secs(2);

const ORPHAN: &str = "the open file has no name any more, so changes cannot reach it; \
                      a single file is mounted into this container: mount its directory instead";
