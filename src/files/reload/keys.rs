//! The key that signs tokens, and its certificate: two files that take effect together.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use super::follow::Part;
use super::source::Source;
use super::watchdog::Progress;
use crate::Fault;
use crate::observe::metrics::Metrics;
use crate::store::Files;
use crate::token::{CERTIFICATE_NOTICE, PairError, Signer, TokenSettings};

/// Both files as they were last read.
pub(super) struct Keys {
    settings: TokenSettings,
    key: Source,
    key_pem: Zeroizing<Vec<u8>>,
    certificate: Source,
    certificate_pem: Vec<u8>,
    /// Since when key and certificate do not match: one of them may be about to follow the other.
    apart_since: Option<Instant>,
    signer: Arc<Signer>,
    /// When the log last had a line about the end of the certificate.
    warned: Option<Instant>,
}

impl Keys {
    /// Reads both for the first time.
    pub(super) fn open(settings: TokenSettings) -> Result<Self, String> {
        let (key, key_pem) = Source::open(settings.key.clone(), true)?;
        let key_pem = Zeroizing::new(key_pem);
        let (certificate, certificate_pem) = Source::open(settings.certificate.clone(), false)?;
        let signer = Signer::new(&settings, &key_pem, &certificate_pem).map_err(|error| {
            let is_key = matches!(error, PairError::Key(_));
            (if is_key { &key } else { &certificate }).line(Fault::from(error))
        })?;
        Ok(Self {
            settings,
            key,
            key_pem,
            certificate,
            certificate_pem,
            apart_since: None,
            signer: Arc::new(signer),
            warned: None,
        })
    }

    /// Tries to sign with what was read last.
    fn pair(&mut self) -> bool {
        let result = Signer::new(&self.settings, &self.key_pem, &self.certificate_pem);
        if matches!(result, Err(PairError::Mismatch)) {
            let since = *self.apart_since.get_or_insert_with(Instant::now);
            if since.elapsed() < MOVING_BOTH {
                return false;
            }
        }
        self.apart_since = None;
        // What was wrong before may be right by now.
        self.key.accept();
        self.certificate.accept();
        let (source, error) = match result {
            Ok(signer) => {
                self.signer = Arc::new(signer);
                return true;
            }
            Err(error @ PairError::Key(_)) => (&mut self.key, error),
            Err(error) => (&mut self.certificate, error),
        };
        source.refuse(&format!("{}; the last good key stays", Fault::from(error)));
        false
    }

    /// Warns once a day that the certificate ends soon.
    fn warn_of_end(&mut self) {
        let is_due = self.warned.is_none_or(|warned| warned.elapsed() > DAY);
        let Some(ends) = self.signer.ends().filter(|_| is_due) else {
            return;
        };
        let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
        if left > CERTIFICATE_NOTICE {
            return;
        }
        self.warned = Some(Instant::now());
        let what = match left.as_secs() / DAY.as_secs() {
            _ if left.is_zero() => "has ended, and registries refuse all tokens".to_owned(),
            days => format!("ends in {days} days, and then registries refuse all tokens"),
        };
        let remedy = "make a new key and certificate with 'htgate token init FOLDER'";
        let line = format_args!("the certificate {what}; {remedy}");
        log::warn!("{}", self.certificate.line(line));
    }
}

impl Part for Keys {
    fn sources(&self) -> Vec<&Source> {
        vec![&self.key, &self.certificate]
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
        self.warn_of_end();
        false
    }

    fn share(&self, files: &mut Files) {
        files.signer = Some(Arc::clone(&self.signer));
    }

    fn report(&mut self, metrics: &Metrics) {
        let (service, algorithm) = (&self.settings.service, self.signer.algorithm().as_str());
        let line = format_args!("signing tokens for {service} with {algorithm}");
        log::info!("{}", self.key.line(line));
        let seconds =
            |end: SystemTime| end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        metrics.set_certificate_end(self.signer.ends().map(seconds));
        self.warned = None;
        self.warn_of_end();
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a script may take between replacing the one file and the other.
const MOVING_BOTH: Duration = Duration::from_secs(1);
