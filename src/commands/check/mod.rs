//! `htgate check`: reads what it is given, measures what hashes cost here, and prints what the
//! rooms of [`crate::check`] find.

mod options;
mod report;
mod token;
mod users;

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) use self::options::Options;
use self::options::OutputFormat;
use self::report::Report;
use super::{FAILED, USAGE, complain, print, reason};
use crate::Fault;
use crate::check::nginx::{self, Known};
use crate::check::users::permissions;
use crate::check::{CheckRule, Finding, Severity};
use crate::config::{ConfigError, Loaded, Settings, USUAL_FILE};
use crate::request::Front;

pub(super) fn run(options: &Options) -> ExitCode {
    let mut report = match look(options) {
        Ok(report) => report,
        Err(what) => return complain(what, USAGE),
    };
    report
        .findings
        .retain(|finding| !options.ignore.iter().any(|ignored| ignored.has(finding)));
    report
        .findings
        .sort_by_key(|finding| finding.rule.severity());
    let text = match options.format {
        OutputFormat::Text => report.text(),
        OutputFormat::Json => format!("{:#}\n", report.json()),
    };
    match report.count(Severity::Error) {
        0 => print(text.as_bytes()),
        _ => {
            print(text.as_bytes());
            ExitCode::from(FAILED)
        }
    }
}

/// Looks at everything that is named. An error is wrong usage.
fn look(options: &Options) -> Result<Report, String> {
    let mut report = Report::default();
    if options.htpasswd.is_none() && options.config.is_none() && options.nginx.is_none() {
        return Err(format!(
            "nothing to check; use --htpasswd FILE, --config FILE or --nginx, or write \
             {USUAL_FILE}"
        ));
    }
    let mut known = Known {
        version: options.nginx_version,
        ..Known::default()
    };
    let mut unasked = Vec::new();
    let is_asked = is_asked(options);
    let findings = match is_asked {
        true => &mut report.findings,
        false => &mut unasked,
    };
    if let Some(loaded) = look_at_settings(options, findings) {
        let access = &loaded.rules.access;
        known.front = loaded.settings.front();
        known.has_repositories = access.has_repositories();
        // The other fronts send none.
        if known.front == Front::Nginx {
            known.servers = access.servers().into_iter().map(str::to_owned).collect();
        }
        if is_asked {
            let file = file(options);
            users::look(&loaded, &file, &mut report);
            if let Some(settings) = &loaded.token {
                token::look(settings, &file, &mut report);
            }
        }
    }
    if let Some(path) = &options.nginx {
        report.findings.extend(look_at_nginx(path, &known)?);
    }
    Ok(report)
}

/// Whether users and settings are looked at. For `--nginx` alone the usual file only says what nginx
/// must send.
fn is_asked(options: &Options) -> bool {
    let is_usual = options.config.as_deref() == Some(Path::new(USUAL_FILE));
    options.nginx.is_none() || options.htpasswd.is_some() || !is_usual
}

/// The settings as `serve` would take them, with everything that is wrong in `htgate.toml`.
fn look_at_settings(options: &Options, findings: &mut Vec<Finding>) -> Option<Loaded> {
    if let Some(path) = &options.config {
        findings.extend(look_at_modes(path, false));
    }
    let given = |config| Settings {
        htpasswd: options.htpasswd.clone(),
        config,
        max_bcrypt_cost: options.limits.max_bcrypt_cost,
        allow_plaintext: options.limits.allow_plaintext,
        hash_threads: options.hash_threads,
        ..Settings::default()
    };
    let file = file(options);
    let error = match Loaded::load(given(options.config.clone())) {
        Ok(loaded) => {
            let unused = loaded.rules.access.unused().into_iter();
            findings.extend(unused.map(|fault| Finding::new(CheckRule::Idle, &file, fault)));
            return Some(loaded);
        }
        Err(error) => error,
    };
    let fault = match error {
        ConfigError::File(_, fault) => fault,
        ConfigError::Usage(what) => Fault::new(what, "correct it"),
    };
    findings.push(Finding::new(CheckRule::Settings, &file, fault));
    // The users can be looked at without it, where it is known which.
    Loaded::load(given(None)).ok()
}

/// The name of `htgate.toml`.
fn file(options: &Options) -> String {
    let path = options.config.as_deref().map(Path::display);
    path.map(|path| path.to_string()).unwrap_or_default()
}

fn look_at_modes(path: &Path, secret: bool) -> Vec<Finding> {
    // What a link leads to is what counts. Modes that cannot be seen are reported when the file
    // is read.
    let mode = |path: &Path| fs::metadata(path).map(|metadata| metadata.mode());
    let modes = path.canonicalize().and_then(|path| {
        let folder = path.parent().unwrap_or_else(|| Path::new("/"));
        Ok((mode(&path)?, mode(folder)?))
    });
    let file = path.display().to_string();
    modes.map_or_else(
        |_| Vec::new(),
        |(mode, folder)| permissions(&file, mode, folder, secret),
    )
}

/// Looks at nginx's configuration. An error is wrong usage.
fn look_at_nginx(path: &Path, known: &Known) -> Result<Vec<Finding>, String> {
    let is_standard = path == Path::new("-");
    let name = if is_standard {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    if is_standard && io::stdin().is_terminal() {
        return Err("nothing on standard input; use nginx -T | htgate check --nginx".to_owned());
    }
    let mut bytes = Vec::new();
    let read = if is_standard {
        io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
    };
    let fault = match read {
        Ok(0) => Fault::new("there is nothing in it", "see what 'nginx -T' says"),
        Ok(_) => {
            return Ok(nginx::findings(
                &name,
                &String::from_utf8_lossy(&bytes),
                known,
            ));
        }
        Err(error) => Fault::new(reason(&error), "correct the path"),
    };
    Ok(vec![Finding::new(CheckRule::Unreadable, &name, fault)])
}

/// No configuration is larger, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
