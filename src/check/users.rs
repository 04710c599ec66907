//! Faults of a users file, and what its hashes cost this machine.

use std::time::Duration;

use super::{CheckRule, Finding, finding};
use crate::Fault;
use crate::hash::Kind;
use crate::htpasswd::{LineErrors, LineFault, Users};

/// The users of one kind of hash.
#[derive(Clone, Debug)]
pub(crate) struct FormatRow {
    /// The format with its cost.
    pub kind: Kind,
    /// How many users have it.
    pub users: u64,
    /// How long one hash took here; `None` if it was not waited for.
    pub took: Option<Duration>,
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modes {
    /// The permission bits of the file.
    pub file: u32,
    /// The permission bits of its folder.
    pub folder: u32,
}

/// Faults of the lines, and of the formats.
pub(crate) fn lines(
    file: &str,
    users: &Users,
    errors: &LineErrors,
    rows: &[FormatRow],
) -> Vec<Finding> {
    let mut findings: Vec<_> = errors
        .first()
        .iter()
        .map(|error| {
            let rule = match error.fault {
                LineFault::Duplicate => CheckRule::Duplicate,
                _ => CheckRule::FaultyLine,
            };
            Finding::new(rule, file, Fault::from(error.fault).at(error.line))
        })
        .collect();
    let untold = errors.count() - errors.first().len() as u64;
    if untold > 0 {
        let what = format!("{untold} more lines are left out; is this a users file?");
        findings.push(finding(CheckRule::FaultyLine, file, None, &what));
    }
    if users.count() == 0 {
        let what = "no users, so nobody can log in; add one with 'htgate user add NAME'";
        findings.push(finding(CheckRule::NoUsers, file, None, what));
    }
    for row in rows {
        let (kind, count) = (row.kind, row.users);
        if kind.is_weak() {
            let what = format!(
                "{count} with {kind}, which is guessed too easily if the file is stolen; set \
                 those passwords again with 'htgate user set NAME'"
            );
            findings.push(finding(CheckRule::WeakFormat, file, None, &what));
        }
        if row.took.is_none_or(|took| took > SLOW) {
            let took = row.took.map_or_else(
                || "a very long time".to_owned(),
                |took| format!("{} ms", took.as_millis()),
            );
            let what = format!(
                "{count} with {kind}, of which one hash takes {took} here; set those passwords \
                 again with a lower --cost"
            );
            findings.push(finding(CheckRule::SlowFormat, file, None, &what));
        }
    }
    findings
}

/// Who else can read the file, or write it.
pub(crate) fn permissions(file: &str, modes: Modes, secret: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mode = modes.file & 0o7777;
    if secret && mode & READ_BY_OTHERS != 0 {
        let what = format!(
            "everybody on this machine can read the hashes (mode {mode:04o}); give the file the \
             group that htgate runs as, and mode 0640"
        );
        findings.push(finding(CheckRule::Readable, file, None, &what));
    }
    if mode & WRITE_BY_OTHERS != 0 {
        let what = format!(
            "everybody on this machine decides who gets in (mode {mode:04o}); take the \
             permission to write away with 'chmod o-w'"
        );
        findings.push(finding(CheckRule::Writable, file, None, &what));
    }
    let mode = modes.folder & 0o7777;
    if mode & WRITE_BY_OTHERS != 0 && mode & STICKY == 0 {
        let what = format!(
            "everybody on this machine can put another file in its place (its folder has mode \
             {mode:04o}); take the permission to write away with 'chmod o-w' on the folder"
        );
        findings.push(finding(CheckRule::Writable, file, None, &what));
    }
    findings
}

/// How many users can log in in a second when nothing is remembered; `None` without users, or
/// where that was not measured.
pub(crate) fn cold_logins(rows: &[FormatRow], threads: usize) -> Option<f64> {
    let users: u64 = rows.iter().map(|row| row.users).sum();
    let mut seconds = 0.0;
    for row in rows {
        seconds += row.took?.as_secs_f64() * row.users as f64;
    }
    (users > 0 && seconds > 0.0).then(|| threads as f64 * users as f64 / seconds)
}

const SLOW: Duration = Duration::from_millis(500);
const READ_BY_OTHERS: u32 = 0o004;
const WRITE_BY_OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Limits;

    const HASH: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    #[test]
    fn every_fault_has_its_line_and_no_hash() {
        let file = format!(
            "good:{HASH}\n\nnocolon\n:{HASH}\nempty:\ngood:{HASH}\nx:{HASH}y:{HASH}\n\
             des:rqXexS6ZhobKA\nplain:sesame\n"
        );
        let (users, errors) = Users::parse(file.as_bytes(), Limits::default());
        let findings = lines("f", &users, &errors, &[]);
        let seen: Vec<_> = findings
            .iter()
            .map(|finding| (finding.rule.name(), finding.line.unwrap()))
            .collect();
        let expected = [
            ("faulty-line", 3),
            ("faulty-line", 4),
            ("faulty-line", 5),
            ("duplicate", 6),
            ("faulty-line", 7),
            ("faulty-line", 8),
            ("faulty-line", 9),
        ];
        assert_eq!(seen, expected);
        for finding in findings {
            let text = finding.to_string();
            for secret in ["$2y$", "rqXex", "sesame"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }

    #[test]
    fn weak_and_slow_formats() {
        let row = |cost, milliseconds: Option<u64>| FormatRow {
            kind: Kind::Bcrypt { cost },
            users: 2,
            took: milliseconds.map(Duration::from_millis),
        };
        let (users, errors) = Users::parse(format!("a:{HASH}\n").as_bytes(), Limits::default());
        let rules = |rows: &[FormatRow]| {
            let findings = lines("f", &users, &errors, rows);
            findings
                .iter()
                .map(|finding| finding.rule)
                .collect::<Vec<_>>()
        };
        assert_eq!(rules(&[row(10, Some(60))]), []);
        assert_eq!(rules(&[row(5, Some(2))]), [CheckRule::WeakFormat]);
        assert_eq!(rules(&[row(14, Some(900))]), [CheckRule::SlowFormat]);
        assert_eq!(rules(&[row(31, None)]), [CheckRule::SlowFormat]);
        let rows = [row(10, Some(50)), row(11, Some(150))];
        assert_eq!(cold_logins(&rows, 2).map(f64::round), Some(20.0));
        assert_eq!(cold_logins(&[], 2), None);
        assert_eq!(cold_logins(&[row(31, None)], 2), None);
    }

    #[test]
    fn modes() {
        let rules = |file, folder, secret| {
            let findings = permissions("f", Modes { file, folder }, secret);
            findings
                .iter()
                .map(|finding| finding.rule)
                .collect::<Vec<_>>()
        };
        assert_eq!(rules(0o100_640, 0o40_755, true), []);
        assert_eq!(rules(0o100_644, 0o40_755, true), [CheckRule::Readable]);
        assert_eq!(rules(0o100_644, 0o40_755, false), []);
        assert_eq!(rules(0o100_642, 0o40_755, false), [CheckRule::Writable]);
        assert_eq!(rules(0o100_640, 0o40_777, true), [CheckRule::Writable]);
        assert_eq!(rules(0o100_640, 0o41_777, true), []);
    }
}
