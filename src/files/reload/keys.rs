//! The key that signs tokens, and its certificate: two files that take effect together.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use super::LoadError;
use super::current::Files;
use super::follow::Part;
use super::source::Source;
use super::watchdog::Progress;
use crate::Fault;
use crate::observe::metrics::Metrics;
use crate::token::{CERTIFICATE_NOTICE, PairError, Signer, TokenSettings};

/// Both files as they were last read.
pub(super) struct Keys {
    settings: TokenSettings,
    key: Source,
    key_pem: Zeroizing<Vec<u8>>,
    certificate: Source,
    certificate_pem: Vec<u8>,
    /// Since when they do not belong together: one of them may be about to follow the other.
    apart_since: Option<Instant>,
    signer: Arc<Signer>,
    /// When it was last said that the certificate ends.
    told: Option<Instant>,
}

impl Keys {
    /// Reads both for the first time.
    pub(super) fn open(settings: TokenSettings) -> Result<Self, LoadError> {
        let (key, key_pem) = Source::open_secret(settings.key.clone(), |bytes| {
            Ok(Zeroizing::new(bytes.to_vec()))
        })?;
        let (certificate, certificate_pem) =
            Source::open(settings.certificate.clone(), |bytes| Ok(bytes.to_vec()))?;
        let signer = Signer::new(&settings, &key_pem, &certificate_pem).map_err(|error| {
            let source = match error {
                PairError::Key(_) => &key,
                PairError::Certificate(_) | PairError::Mismatch => &certificate,
            };
            LoadError(format!(
                "{}: {}",
                source.path().display(),
                Fault::from(error)
            ))
        })?;
        Ok(Self {
            settings,
            key,
            key_pem,
            certificate,
            certificate_pem,
            apart_since: None,
            signer: Arc::new(signer),
            told: None,
        })
    }

    /// Tries to sign with what was read last.
    fn pair(&mut self) -> bool {
        let error = match Signer::new(&self.settings, &self.key_pem, &self.certificate_pem) {
            Ok(signer) => {
                self.signer = Arc::new(signer);
                self.apart_since = None;
                self.key.accept();
                self.certificate.accept();
                return true;
            }
            Err(error) => error,
        };
        let since = *self.apart_since.get_or_insert_with(Instant::now);
        if error == PairError::Mismatch && since.elapsed() < MOVING_BOTH {
            return false;
        }
        self.apart_since = None;
        // What was wrong before may be right by now.
        self.key.accept();
        self.certificate.accept();
        let source = match error {
            PairError::Key(_) => &mut self.key,
            PairError::Certificate(_) | PairError::Mismatch => &mut self.certificate,
        };
        source.refuse(&format!("{}; the last good key stays", Fault::from(error)));
        false
    }

    /// Says once a day that the certificate ends soon.
    fn tell_end(&mut self) {
        let is_news = self.told.is_none_or(|told| told.elapsed() > DAY);
        let Some(ends) = self.signer.ends().filter(|_| is_news) else {
            return;
        };
        let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
        if left > CERTIFICATE_NOTICE {
            return;
        }
        self.told = Some(Instant::now());
        let what = match left.as_secs() / DAY.as_secs() {
            _ if left.is_zero() => "has ended, and registries refuse all tokens".to_owned(),
            days => format!("ends in {days} days, and then registries refuse all tokens"),
        };
        log::warn!(
            "{}: the certificate {what}; make a new key and certificate with 'htgate token init'",
            self.certificate.path().display(),
        );
    }
}

impl Part for Keys {
    fn paths(&self) -> Vec<&Path> {
        vec![self.key.path(), self.certificate.path()]
    }

    fn refresh(&mut self, force: bool, progress: &Progress) -> bool {
        let key = self.key.refresh(force, |_| false, progress);
        let certificate = self.certificate.refresh(force, |_| false, progress);
        let mut changed = self.apart_since.is_some();
        if let Some(pem) = key {
            self.key_pem = Zeroizing::new(pem);
            changed = true;
        }
        if let Some(pem) = certificate {
            self.certificate_pem = pem;
            changed = true;
        }
        if changed && self.pair() {
            return true;
        }
        self.tell_end();
        false
    }

    fn share(&self, files: &mut Files) {
        files.signer = Some(Arc::clone(&self.signer));
    }

    fn announce(&mut self, metrics: &Metrics) {
        log::info!(
            "{}: signing tokens for {} with {}",
            self.key.path().display(),
            self.settings.service,
            self.signer.algorithm().as_str(),
        );
        let end = self
            .signer
            .ends()
            .map(|ends| ends.duration_since(UNIX_EPOCH));
        metrics.set_certificate_end(end.map(|end| end.unwrap_or_default().as_secs()));
        self.told = None;
        self.tell_end();
    }

    fn trouble(&self) -> Option<String> {
        let troubles = [self.key.trouble(), self.certificate.trouble()];
        let troubles: Vec<_> = troubles.into_iter().flatten().collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two moves of one script.
const MOVING_BOTH: Duration = Duration::from_secs(1);
