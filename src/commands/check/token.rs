//! Reads what signs tokens.

use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::look_at_modes;
use super::report::{Report, TokenSigning};
use crate::check::token::TokenFiles;
use crate::check::{CheckRule, Finding};
use crate::files::stable_read;
use crate::token::TokenSettings;

pub(super) fn look(settings: &TokenSettings, config: &str, report: &mut Report) {
    let findings = &mut report.findings;
    let key = read(&settings.key, true, findings);
    let certificate = read(&settings.certificate, false, findings);
    let read = TokenFiles {
        settings,
        config,
        key: key.as_ref().map(|bytes| bytes.as_slice()),
        certificate: certificate.as_ref().map(|bytes| bytes.as_slice()),
    };
    let (found, signs) = read.findings(SystemTime::now());
    findings.extend(found);
    report.tokens = signs.map(|signs| TokenSigning {
        key: settings.key.display().to_string(),
        certificate: settings.certificate.display().to_string(),
        signs,
    });
}

fn read(path: &Path, is_secret: bool, findings: &mut Vec<Finding>) -> Option<Zeroizing<Vec<u8>>> {
    let file = path.display().to_string();
    findings.extend(look_at_modes(path, false));
    let what = match stable_read::read(path) {
        // htgate does not take such a key either.
        Ok(reading) if is_secret && !reading.fingerprint.is_private() => {
            Finding::new(CheckRule::TokenKey, &file, stable_read::exposed())
        }
        Ok(reading) => return Some(Zeroizing::new(reading.bytes)),
        Err(fault) => Finding::new(CheckRule::Unreadable, &file, fault),
    };
    findings.push(what);
    None
}
