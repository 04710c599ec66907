//! `htgate.toml`: its rules take effect when it changes. A mistake keeps the last good ones.

use std::path::PathBuf;
use std::sync::Arc;

use super::ParseRules;
use super::follow::Part;
use super::source::Source;
use super::watchdog::Progress;
use crate::observe::metrics::Metrics;
use crate::store::{Files, Rules};

/// The configuration file as it was last read.
pub(super) struct RulesFile {
    source: Source,
    parse: ParseRules,
    rules: Arc<Rules>,
}

impl RulesFile {
    /// Reads the configuration file for the first time.
    pub(super) fn open(path: PathBuf, mut parse: ParseRules) -> Result<Self, String> {
        let (source, bytes) = Source::open(path, false)?;
        let rules = Arc::new(parse(&bytes).map_err(|what| source.line(what))?);
        Ok(Self {
            source,
            parse,
            rules,
        })
    }
}

impl Part for RulesFile {
    fn sources(&self) -> Vec<&Source> {
        vec![&self.source]
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
            Err(what) => {
                self.source
                    .refuse(&format!("{what}; the last good rules stay"));
                false
            }
        }
    }

    fn share(&self, files: &mut Files) {
        files.rules = Arc::clone(&self.rules);
    }

    fn report(&mut self, _: &Metrics) {
        log::info!("{}", self.source.line("rules loaded"));
    }
}
