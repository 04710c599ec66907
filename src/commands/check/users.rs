//! Looks at the users, and measures what their hashes cost here.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::look_at_modes;
use super::report::{Report, UsersTable};
use crate::Fault;
use crate::check::users::{FormatRow, lines};
use crate::check::{CheckRule, Finding};
use crate::commands::MOST_LINES;
use crate::config::Loaded;
use crate::files::stable_read::read_first;
use crate::hash::{DecoySeed, Decoys, Kind};
use crate::htpasswd::{self, Users};

/// Looks at the users, if it is known where they are, and at the rules that name users.
pub(super) fn look(loaded: &Loaded, config: &str, report: &mut Report) {
    let Some(path) = &loaded.settings.htpasswd else {
        return;
    };
    let file = path.display().to_string();
    let bytes = match read_first(path) {
        Ok(reading) => reading.bytes,
        Err(error) => {
            report
                .findings
                .push(Finding::new(CheckRule::Unreadable, &file, error));
            return;
        }
    };
    let (known, errors) = Users::parse_and_tell(&bytes, loaded.settings.limits(), MOST_LINES);
    let rows: Vec<_> = known
        .kinds()
        .iter()
        .map(|(kind, users)| FormatRow {
            kind: *kind,
            users: *users,
            took: measure(*kind),
        })
        .collect();
    report.findings.extend(look_at_modes(path, true));
    report.findings.extend(lines(&file, &known, &errors, &rows));
    let access = &loaded.rules.access;
    let is_user = |name: &[u8]| known.find(name).is_some();
    for fault in access.strangers(is_user) {
        let finding = Finding::new(CheckRule::UnknownUser, config, fault);
        report.findings.push(finding);
    }
    for word in access
        .words_for_many()
        .filter(|word| is_user(word.as_bytes()))
    {
        let what = format!("rules use the name '{word}' for others than this user");
        let fault = Fault::new(what, "rename the user; no rule can mean it");
        let line = htpasswd::lines(&bytes).find(|line| line.name() == Some(word.as_bytes()));
        let fault = line.map_or_else(|| fault.clone(), |line| fault.clone().at(line.number));
        report
            .findings
            .push(Finding::new(CheckRule::UserName, &file, fault));
    }
    report.users = Some(UsersTable {
        file,
        rows,
        threads: loaded.settings.hash_threads(),
    });
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

/// The longest that one hash is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
