//! What clients saw while an htgate was treated in one manner.

use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::support::Response;

/// A row of the table.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    times: usize,
    /// How long each request with a right password took.
    waits: Vec<Duration>,
    /// Those of them that were not allowed.
    failed: Vec<String>,
    /// Those of them that were allowed only when they came again.
    busy: usize,
    guesses: usize,
    /// Those of them that were allowed.
    passed: usize,
}

impl Tally {
    /// An htgate is treated once more.
    pub(crate) fn begin(&self) {
        self.seen().times += 1;
    }

    /// Counts a request with a right password. Nothing comes back where it was not allowed.
    pub(crate) fn count(
        &self,
        what: &str,
        answer: io::Result<Response>,
        wait: Duration,
    ) -> Option<Response> {
        let mut seen = self.seen();
        seen.waits.push(wait);
        match answer {
            Ok(response) if (200..300).contains(&response.status) => return Some(response),
            Ok(other) => {
                let text = other.text();
                let Response {
                    status, headers, ..
                } = other;
                let told = format!("{status} {headers:?} {text}");
                seen.failed.push(format!("after {wait:?}, {what}: {told}"));
            }
            Err(error) => seen.failed.push(format!("after {wait:?}, {what}: {error}")),
        }
        None
    }

    /// Counts one that is told to come again.
    pub(crate) fn count_busy(&self) {
        self.seen().busy += 1;
    }

    /// Counts one with a wrong password.
    pub(crate) fn count_guess(&self, answer: io::Result<Response>) {
        let mut seen = self.seen();
        seen.guesses += 1;
        seen.passed += usize::from(answer.is_ok_and(|it| (200..300).contains(&it.status)));
    }

    pub(crate) fn asked(&self) -> usize {
        let seen = self.seen();
        seen.waits.len() + seen.guesses
    }

    pub(crate) fn row(&self, name: &str) -> String {
        let mut seen = self.seen();
        seen.waits.sort();
        let wait = |of_a_thousand: usize| {
            let last = seen.waits.len().saturating_sub(1);
            let wait = seen.waits[last * of_a_thousand / 1000].as_secs_f64();
            format!("{:.0} ms", wait * 1000.0)
        };
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            seen.times,
            seen.waits.len(),
            seen.failed.len(),
            seen.busy,
            seen.guesses,
            seen.passed,
            wait(500),
            wait(990),
            wait(1000)
        )
    }

    /// No request with a right password has failed, none with a wrong one has passed. How many were told
    /// to come again is the machine's.
    pub(crate) fn check(&self) {
        let seen = self.seen();
        let some = &seen.failed[..seen.failed.len().min(5)];
        assert!(some.is_empty(), "{} failed: {some:#?}", seen.failed.len());
        assert_eq!(seen.passed, 0);
        assert!(seen.guesses > 0 && !seen.waits.is_empty());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }
}

/// Above the rows.
pub(crate) const HEADER: &str = "\
| one htgate | times | right passwords | failed | busy | wrong ones | passed | median | 99 % | slowest |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";
