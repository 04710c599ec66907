//! Faults of a users file, and what its hashes cost this machine.

use std::time::Duration;

use super::{CheckRule, Finding};
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

/// Faults of the lines, and of the formats.
pub(crate) fn lines(
    file: &str,
    users: &Users,
    errors: &LineErrors,
    rows: &[FormatRow],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for error in errors.first() {
        let rule = match error.fault {
            LineFault::Duplicate => CheckRule::Duplicate,
            LineFault::Odd(_) => CheckRule::OddName,
            _ => CheckRule::FaultyLine,
        };
        let fault = Fault::from(error.fault).at(error.line);
        findings.push(Finding::new(rule, file, fault));
    }
    let mut tell = |rule, what: String, remedy: &str| {
        findings.push(Finding::new(rule, file, Fault::new(what, remedy)));
    };
    let untold = errors.count() - errors.first().len() as u64;
    if untold > 0 {
        let what = format!("{untold} more lines are faulty");
        tell(CheckRule::FaultyLine, what, "is this a users file?");
    }
    if users.count() == 0 {
        let what = "no users, so nobody can log in".to_owned();
        let remedy = format!("add one with 'htgate user add --htpasswd {file} NAME'");
        tell(CheckRule::NoUsers, what, &remedy);
    }
    for FormatRow { kind, users, took } in rows {
        if kind.is_weak() {
            let what = format!("{users} with {kind}, which is easy to crack if the file is stolen");
            let remedy =
                format!("set those passwords again with 'htgate user set --htpasswd {file} NAME'");
            tell(CheckRule::WeakFormat, what, &remedy);
        }
        let took = took.map(|took| took.as_millis());
        if took.is_none_or(|took| took > SLOW) {
            let took = took.map(|took| format!("{took} ms"));
            let took = took.as_deref().unwrap_or("a very long time");
            let what = format!("{users} with {kind}, of which one hash takes {took} here");
            let remedy = "set those passwords again with a lower --cost";
            tell(CheckRule::SlowFormat, what, remedy);
        }
    }
    findings
}

/// Who else can read the file, or write it, by its mode and its folder's.
pub(crate) fn permissions(file: &str, mode: u32, folder: u32, secret: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tell = |rule, what: String, remedy: &str| {
        let what = format!("everybody on this machine {what}");
        findings.push(Finding::new(rule, file, Fault::new(what, remedy)));
    };
    let (mode, folder) = (mode & 0o7777, folder & 0o7777);
    if secret && mode & READ_BY_OTHERS != 0 {
        let what = format!("can read the hashes (mode {mode:04o})");
        let remedy = "give the file the group that htgate runs as, and mode 0640";
        tell(CheckRule::Readable, what, remedy);
    }
    if mode & WRITE_BY_OTHERS != 0 {
        let what = format!("can change who gets in (mode {mode:04o})");
        let remedy = "remove the write permission with 'chmod o-w'";
        tell(CheckRule::Writable, what, remedy);
    }
    if folder & (WRITE_BY_OTHERS | STICKY) == WRITE_BY_OTHERS {
        let what = format!("can put another file in its place (its folder has mode {folder:04o})");
        let remedy = "remove the write permission with 'chmod o-w' on the folder";
        tell(CheckRule::Writable, what, remedy);
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

/// In milliseconds.
const SLOW: u128 = 500;
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
            .map(|finding| (finding.rule.name(), finding.fault.line.unwrap()))
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
            let findings = permissions("f", file, folder, secret);
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
