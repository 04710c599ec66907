//! `htgate check`: reads what it is given, measures what hashes cost here, and prints what the
//! rooms of [`crate::check`] find.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{FAILED, MOST_LINES, USAGE, complain, print};
use crate::check::users::{Modes, Row};
use crate::check::{Finding, Rule, Severity, nginx, told, users};
use crate::cli::{CheckOptions, OutputFormat, ServeOptions};
use crate::config::{Config, ConfigError};
use crate::hash::{DecoySeed, Decoys, Kind};
use crate::htpasswd::Users;
use crate::settle::settle;

pub(super) fn run(options: &CheckOptions) -> ExitCode {
    let mut report = match look(options) {
        Ok(report) => report,
        Err(what) => return complain(what, USAGE),
    };
    report
        .findings
        .retain(|finding| !options.ignore.contains(&finding.rule));
    report
        .findings
        .sort_by_key(|finding| finding.rule.severity());
    let text = match options.format {
        OutputFormat::Text => report.text(),
        OutputFormat::Json => format!("{:#}\n", report.json()),
    };
    match report.count(Severity::Mend) {
        0 => print(text.as_bytes()),
        _ => {
            print(text.as_bytes());
            ExitCode::from(FAILED)
        }
    }
}

#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    users: Option<Table>,
}

/// The users of a file.
struct Table {
    file: String,
    rows: Vec<Row>,
    threads: usize,
}

/// Looks at everything that is named. An error is wrong usage.
fn look(options: &CheckOptions) -> Result<Report, String> {
    let mut report = Report::default();
    if options.htpasswd.is_none() && options.config.is_none() && options.nginx.is_none() {
        return Err("nothing to check; say --htpasswd FILE or --nginx".to_owned());
    }
    if let Some(path) = &options.nginx {
        match read_configuration(path)? {
            Ok((name, text)) => report.findings.extend(nginx::findings(&name, &text)),
            Err(finding) => report.findings.push(finding),
        }
    }
    if options.htpasswd.is_some() || options.config.is_some() {
        let config = look_at_settings(options, &mut report.findings)?;
        if let Some(config) = config {
            look_at_users(&config, &mut report);
        }
    }
    Ok(report)
}

/// The settings as `serve` would take them, with everything that is wrong in `htgate.toml`.
fn look_at_settings(
    options: &CheckOptions,
    findings: &mut Vec<Finding>,
) -> Result<Option<Config>, String> {
    if let Some(path) = &options.config {
        findings.extend(look_at_modes(path, false));
    }
    let given = |config| ServeOptions {
        htpasswd: options.htpasswd.clone(),
        config,
        limits: options.limits,
        hash_threads: options.hash_threads,
        ..ServeOptions::default()
    };
    let file = options.config.as_deref().map(Path::display);
    let file = file.map(|path| path.to_string()).unwrap_or_default();
    match Config::load(given(options.config.clone())) {
        Ok(config) => {
            let idle = config.sources.rules.access.idle();
            findings.extend(
                idle.iter()
                    .map(|rule| placed(Rule::IdleRule, &file, &rule.to_string())),
            );
            Ok(Some(config))
        }
        Err(ConfigError::Usage(what)) => Err(what),
        Err(ConfigError::File(what)) => {
            findings.push(placed(Rule::Settings, &file, &what));
            // The users can be looked at without it, where it is known which.
            let config = options
                .htpasswd
                .is_some()
                .then(|| Config::load(given(None)));
            config.transpose().map_err(|error| error.to_string())
        }
    }
}

/// A finding in `htgate.toml`, told as `serve` tells its faults: "FILE: line 3: what; remedy".
fn placed(rule: Rule, file: &str, what: &str) -> Finding {
    let what = what.strip_prefix(&format!("{file}: ")).unwrap_or(what);
    let placed = what
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "));
    let placed = placed.and_then(|(line, what)| Some((line.parse().ok()?, what)));
    match placed {
        Some((line, what)) => told(rule, file, Some(line), what),
        None => told(rule, file, None, what),
    }
}

fn look_at_users(config: &Config, report: &mut Report) {
    let path = &config.sources.users;
    let file = path.display().to_string();
    let bytes = match settle(path, |_| false) {
        Ok(reading) => reading.bytes,
        Err(error) => {
            report
                .findings
                .push(told(Rule::Unreadable, &file, None, &error.to_string()));
            return;
        }
    };
    let (known, errors) = Users::parse_and_tell(&bytes, config.sources.limits, MOST_LINES);
    let rows: Vec<_> = known
        .kinds()
        .iter()
        .map(|(kind, users)| Row {
            kind: *kind,
            users: *users,
            took: measure(*kind),
        })
        .collect();
    report.findings.extend(look_at_modes(path, true));
    report
        .findings
        .extend(users::lines(&file, &known, &errors, &rows));
    report.users = Some(Table {
        file,
        rows,
        threads: config.hash_threads,
    });
}

fn look_at_modes(path: &Path, secret: bool) -> Vec<Finding> {
    // What a link leads to is what counts. What cannot be seen is told by who reads it.
    let modes = path.canonicalize().and_then(|path| {
        let folder = path.parent().unwrap_or_else(|| Path::new("/"));
        Ok(Modes {
            file: fs::metadata(&path)?.mode(),
            folder: fs::metadata(folder)?.mode(),
        })
    });
    let file = path.display().to_string();
    modes.map_or_else(
        |_| Vec::new(),
        |modes| users::permissions(&file, modes, secret),
    )
}

/// How long one hash takes. One that takes longer than anybody waits is left alone: its thread
/// ends with the process.
fn measure(kind: Kind) -> Option<Duration> {
    let (done, is_done) = channel();
    thread::spawn(move || {
        let decoys = Decoys::forge(&DecoySeed::new([0; 32]), &BTreeMap::from([(kind, 1)]));
        let hash = decoys.choose(b"");
        let start = Instant::now();
        // The answer is no, and the time is what counts.
        let _ = std::hint::black_box(hash.matches(b"password"));
        let _ = done.send(start.elapsed());
    });
    is_done.recv_timeout(PATIENCE).ok()
}

type Text = (String, String);

/// Reads nginx's configuration. The outer error is wrong usage.
fn read_configuration(path: &Path) -> Result<Result<Text, Finding>, String> {
    let is_standard = path == Path::new("-");
    let name = if is_standard {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    if is_standard && io::stdin().is_terminal() {
        return Err("nothing on standard input; say nginx -T | htgate check --nginx".to_owned());
    }
    let mut bytes = Vec::new();
    let read = if is_standard {
        io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
    };
    Ok(match read {
        Ok(0) => {
            let what = "there is nothing in it; see what 'nginx -T' says";
            Err(told(Rule::Unreadable, &name, None, what))
        }
        Ok(_) => Ok((name, String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err(told(
            Rule::Unreadable,
            &name,
            None,
            &format!("{error}; mend the path"),
        )),
    })
}

impl Report {
    fn count(&self, severity: Severity) -> usize {
        let of_it = |finding: &&Finding| finding.rule.severity() == severity;
        self.findings.iter().filter(of_it).count()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        if let Some(table) = &self.users {
            let total: u64 = table.rows.iter().map(|row| row.users).sum();
            writeln!(text, "{}: users: {total}", table.file)?;
            for row in &table.rows {
                let took = row.took.map_or_else(
                    || "too long".to_owned(),
                    |took| format!("{:.1} ms", took.as_secs_f64() * 1000.0),
                );
                let kind = row.kind.to_string();
                writeln!(text, "{:>8}  {kind:24}{took:>12} a hash here", row.users)?;
            }
            if let Some(rate) = users::cold_logins(&table.rows, table.threads) {
                let threads = table.threads;
                writeln!(
                    text,
                    "About {rate:.0} logins a second while nothing is remembered (hash threads: \
                     {threads})"
                )?;
            }
            writeln!(text)?;
        }
        for finding in &self.findings {
            writeln!(text, "{finding}")?;
        }
        let (mend, know) = (self.count(Severity::Mend), self.count(Severity::Know));
        writeln!(text, "To mend: {mend}. Good to know: {know}.")
    }

    fn json(&self) -> Value {
        let findings: Vec<_> = self.findings.iter().map(json_finding).collect();
        let users = self.users.as_ref().map(|table| {
            let rows: Vec<_> = table.rows.iter().map(json_row).collect();
            json!({
                "file": table.file,
                "formats": rows,
                "hash_threads": table.threads,
                "cold_logins_per_second": users::cold_logins(&table.rows, table.threads),
            })
        });
        json!({ "users": users, "findings": findings })
    }
}

fn json_finding(finding: &Finding) -> Value {
    json!({
        "severity": match finding.rule.severity() {
            Severity::Mend => "mend",
            Severity::Know => "know",
        },
        "rule": finding.rule.name(),
        "file": finding.file,
        "line": finding.line,
        "what": finding.what,
        "remedy": finding.remedy,
    })
}

fn json_row(row: &Row) -> Value {
    json!({
        "format": row.kind.to_string(),
        "users": row.users,
        "weak": row.kind.is_weak(),
        "milliseconds": row.took.map(|took| took.as_secs_f64() * 1000.0),
    })
}

/// The longest that one hash is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// No configuration is larger, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
