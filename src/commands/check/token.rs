//! Reads what signs tokens.

use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::look_at_modes;
use super::report::{Report, Tokens};
use crate::check::token::Read;
use crate::check::{Finding, Rule, told};
use crate::files::stable_read;
use crate::token::Settings;

pub(super) fn look(settings: &Settings, config: &str, report: &mut Report) {
    let findings = &mut report.findings;
    let key = read(&settings.key, true, findings);
    let certificate = read(&settings.certificate, false, findings);
    let read = Read {
        settings,
        config,
        key: key.as_ref().map(|bytes| bytes.as_slice()),
        certificate: certificate.as_ref().map(|bytes| bytes.as_slice()),
    };
    let (found, signs) = read.findings(SystemTime::now());
    findings.extend(found);
    report.tokens = signs.map(|signs| Tokens {
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
        Ok(reading) if is_secret && !reading.fingerprint.is_private() => told(
            Rule::TokenKey,
            &file,
            None,
            &stable_read::exposed().to_string(),
        ),
        Ok(reading) => return Some(Zeroizing::new(reading.bytes)),
        Err(error) => told(Rule::Unreadable, &file, None, &error.to_string()),
    };
    findings.push(what);
    None
}
