//! `htgate.toml`: its rules take effect when it changes. A mistake keeps the last good ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::current::Files;
use super::follow::Part;
use super::source::Source;
use super::watchdog::Progress;
use super::{LoadError, ParseRules};
use crate::observe::metrics::Metrics;
use crate::store::Rules;

/// The configuration file as it was last read.
pub(super) struct RulesFile {
    source: Source,
    parse: ParseRules,
    rules: Arc<Rules>,
    /// Whether it has been read again.
    again: bool,
}

impl RulesFile {
    /// Reads it for the first time.
    pub(super) fn open(path: PathBuf, mut parse: ParseRules) -> Result<Self, LoadError> {
        let (source, rules) = Source::open(path, |bytes| parse(bytes))?;
        Ok(Self {
            source,
            parse,
            rules: Arc::new(rules),
            again: false,
        })
    }
}

impl Part for RulesFile {
    fn paths(&self) -> Vec<&Path> {
        vec![self.source.path()]
    }

    fn refresh(&mut self, force: bool, progress: &Progress) -> bool {
        let Some(bytes) = self.source.refresh(force, |_| false, progress) else {
            return false;
        };
        match (self.parse)(&bytes) {
            Ok(rules) => {
                self.rules = Arc::new(rules);
                self.source.accept();
                true
            }
            Err(error) => {
                self.source
                    .refuse(&format!("{error}; the last good rules stay"));
                false
            }
        }
    }

    fn share(&self, files: &mut Files) {
        files.rules = Arc::clone(&self.rules);
    }

    fn announce(&mut self, _: &Metrics) {
        if std::mem::replace(&mut self.again, true) {
            log::info!("{}: rules loaded", self.source.path().display());
        }
    }

    fn trouble(&self) -> Option<String> {
        self.source.trouble().map(str::to_owned)
    }
}
