//! One line in the log for every refusal, with user, address and reason; and at most so many a
//! second that a flood of refusals does not flood the log. Networks share them, so that a flood from
//! one hides nobody else's guesses.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use log::{Level, Record};

use crate::request::client::{Client, address};
use crate::request::credentials::Presented;
use crate::request::{Field, Request};
use crate::verdict::Reason;

/// Where refusals are reported. Clones share their budgets of lines.
#[derive(Clone)]
pub(crate) struct Audit(Arc<Budgets>);

/// A budget for each reason, so that a flood of one cannot hide another. Each lock is held for a few
/// instructions.
type Budgets = [Mutex<Budget>; Reason::ALL.len()];

/// A detail, or none, so that build jobs with old passwords do not hide a guess of their neighbour.
type Detail = Option<&'static str>;

/// What was logged of one reason in this second, and how many lines were left out.
#[derive(Default)]
struct Budget {
    /// How many lines each network has had, if any: there are no more of these than of lines.
    logged: HashMap<(Client, Detail), u64>,
    total: u64,
    left_out: u64,
}

impl Budget {
    /// Whether there is a line for this network. It may have a sixteenth of what is left: one that
    /// floods gets six, and the last lines are for networks that have had none.
    fn spend(&mut self, network: Client, detail: Detail) -> bool {
        let share = LINES_PER_SECOND.saturating_sub(self.total).div_ceil(16);
        let logged = self.logged.get(&(network, detail)).copied().unwrap_or(0);
        let is_left = logged < share;
        if is_left {
            self.logged.insert((network, detail), logged + 1);
            self.total += 1;
        } else {
            self.left_out += 1;
        }
        is_left
    }
}

impl Audit {
    /// Begins to count seconds, on a thread of its own.
    pub(crate) fn open() -> io::Result<Self> {
        let budgets = Arc::<Budgets>::default();
        let renewed = Arc::clone(&budgets);
        let thread = thread::Builder::new().name("audit".to_owned());
        thread.spawn(move || {
            loop {
                thread::sleep(SECOND);
                renew(&renewed);
            }
        })?;
        Ok(Self(budgets))
    }

    /// Reports the reason of an answer, if that is a refusal, with one more word.
    pub(crate) fn report(&self, request: &Request<'_>, reason: Reason, detail: Detail) {
        let level = match reason {
            Reason::Ok | Reason::Anonymous => return,
            // The first request of every client that sends credentials only when asked.
            Reason::NoCredentials => Level::Info,
            _ => Level::Warn,
        };
        if !log::log_enabled!(target: TARGET, level) {
            return;
        }
        let Some(budget) = self.0.get(reason as usize) else {
            return;
        };
        let network = Client::new(request.real_ip).network();
        if lock(budget).spend(network, detail) {
            write(level, &line(request, reason, detail));
        }
    }
}

/// Begins a second, and logs how many lines were left out in the one before.
fn renew(budgets: &Budgets) {
    for (budget, reason) in budgets.iter().zip(Reason::ALL) {
        let left_out = mem::take(&mut *lock(budget)).left_out;
        if left_out > 0 {
            let left_out = left_out.to_string();
            write(
                Level::Warn,
                &[
                    ("left_out", left_out),
                    ("reason", reason.as_str().to_owned()),
                ],
            );
        }
    }
}

/// Locks it, even after a panic: a miscount costs a line.
fn lock(budget: &Mutex<Budget>) -> MutexGuard<'_, Budget> {
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fields of a line.
pub(crate) fn line(
    request: &Request<'_>,
    reason: Reason,
    detail: Detail,
) -> Vec<(&'static str, String)> {
    let presented = Presented::parse(request.authorization);
    let address = address(request.real_ip).map(|address| address.to_string());
    let mut fields = vec![
        // First, so that nothing that a client sends can pass for it.
        ("address", address.unwrap_or_else(|| "unknown".to_owned())),
        ("user", text(presented.claimed(), LONGEST_NAME)),
        ("reason", reason.as_str().to_owned()),
    ];
    fields.extend(detail.map(|detail| ("detail", detail.to_owned())));
    fields.extend([
        ("method", text(request.method, LONGEST_NAME)),
        ("uri", text(request.uri, LONGEST_TEXT)),
        ("user_agent", text(request.user_agent, LONGEST_TEXT)),
        ("request_id", text(request.id, LONGEST_NAME)),
    ]);
    fields
}

/// A field's beginning as text: UTF-8, or otherwise Latin-1, in which every byte is a character.
/// The log escapes what could be taken for something else.
fn text(field: Field<'_>, longest: usize) -> String {
    let bytes = match field {
        Field::Absent => return String::new(),
        Field::Repeated => return "(repeated)".to_owned(),
        Field::One(bytes) => bytes,
    };
    let latin1 = |_| bytes.iter().copied().map(char::from).collect();
    let mut text = String::from_utf8(bytes.to_vec()).unwrap_or_else(latin1);
    if let Some((end, _)) = text.char_indices().nth(longest) {
        text.truncate(end);
        text += "...";
    }
    text
}

fn write(level: Level, fields: &[(&str, String)]) {
    let fields = fields.iter();
    let fields: Vec<_> = fields
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut record = Record::builder();
    let record = record.target(TARGET).level(level).key_values(&fields);
    log::logger().log(&record.args(format_args!("")).build());
}

/// The target of these lines, for `RUST_LOG` and filters.
const TARGET: &str = "htgate::audit";
/// How many lines a reason may have.
const LINES_PER_SECOND: u64 = 100;
const SECOND: Duration = Duration::from_secs(1);
/// The most characters of a user, a method or an ID.
const LONGEST_NAME: usize = 64;
/// The most characters of a URI or a User-Agent.
const LONGEST_TEXT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_the_claim_and_never_the_password() {
        let request = Request {
            authorization: Field::One(b"Basic YWxpY2U6c2VjcmV0"),
            user_agent: Field::One(b"docker/24.0.7\n\xff"),
            method: Field::One(b"GET"),
            uri: Field::Repeated,
            real_ip: Field::One(b"::ffff:192.0.2.7"),
            ..Request::default()
        };
        let seen = line(&request, Reason::BadCredentials, Some("repeated"));
        let expected = [
            ("address", "192.0.2.7"),
            ("user", "alice"),
            ("reason", "bad-credentials"),
            ("detail", "repeated"),
            ("method", "GET"),
            ("uri", "(repeated)"),
            ("user_agent", "docker/24.0.7\n\u{ff}"),
            ("request_id", ""),
        ];
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
        assert!(!format!("{seen:?}").contains("secret"));
    }

    #[test]
    fn a_flood_from_one_network_leaves_lines_for_all_others() {
        let client = |number: u8| Client::V4([192, 0, 2, number]);
        let mut budget = Budget::default();
        let mut lines = |network, detail| {
            let lines = (0..1000).filter(|_| budget.spend(network, detail));
            u64::try_from(lines.count()).unwrap()
        };
        assert_eq!(lines(client(0), Some("repeated")), 6);
        assert_eq!(lines(client(0), None), 6, "guesses, beside an old password");
        for network in 1..=39 {
            assert!(lines(client(network), None) > 0, "{network}");
        }
        assert!(budget.total <= LINES_PER_SECOND && budget.logged.len() <= 100);
        assert_eq!(budget.total + budget.left_out, 41 * 1000);
    }

    #[test]
    fn long_values_are_cut() {
        let rows: [(&[u8], usize, &str); 5] = [
            (b"abc", 3, "abc"),
            (b"abcd", 3, "abc..."),
            ("\u{e9}\u{e9}\u{e9}".as_bytes(), 3, "\u{e9}\u{e9}\u{e9}"),
            (
                "\u{e9}\u{e9}\u{e9}\u{e9}".as_bytes(),
                3,
                "\u{e9}\u{e9}\u{e9}...",
            ),
            (b"\xe9\xe9\xe9\xe9", 3, "\u{e9}\u{e9}\u{e9}..."),
        ];
        for (bytes, longest, expected) in rows {
            assert_eq!(text(Field::One(bytes), longest), expected);
        }
    }
}
