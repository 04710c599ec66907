//! What is counted, and its Prometheus text.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::verdict::Reason;

/// The counters. Label values are fixed words: nothing that a client sends becomes one. What each
/// metric counts stands at its registration in [`Metrics::new`].
pub(crate) struct Metrics {
    registry: Registry,
    /// One counter a reason, in their order: a request touches no label map.
    decisions: [Counter; Reason::ALL.len()],
    pub hash_seconds: Histogram,
    pub queue_length: Gauge,
    pub queue_capacity: Gauge,
    pub hashing: Gauge,
    pub strikes: Counter,
    pub lost_log_lines: Counter,
    /// Remembered right answers.
    pub cached_right: Gauge,
    /// Remembered wrong answers.
    pub cached_wrong: Gauge,
    pub users: Gauge,
    pub faulty_lines: Gauge,
    pub first_faulty_line: Gauge,
    /// Includes the first snapshot.
    pub reloads: Counter,
    /// 1 if they are, and otherwise 0.
    pub last_reload_successful: Gauge,
    tokens: Family<Decision, Counter>,
    certificate_end: Family<NoLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cached {
    answer: &'static str,
}

/// A family of one, which has no line until it has a value.
type NoLabels = [(&'static str, &'static str); 0];

/// A new metric, in the registry under this name.
fn add<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("htgate");
        let all = &mut registry;
        let decisions: Family<_, Counter> = add(all, "decisions", "Answers to /auth, by reason");
        let hash_seconds = Histogram::new(HASH_SECONDS);
        let help = "Time of each password hash";
        all.register_with_unit("hash", help, Unit::Seconds, hash_seconds.clone());
        let cached = "Remembered answers about passwords";
        let cached: Family<_, Gauge> = add(all, "cache_entries", cached);
        let metrics = Self {
            decisions: Reason::ALL
                .map(|r| decisions.get_or_create_owned(&Decision { reason: r.as_str() })),
            hash_seconds,
            tokens: add(
                all,
                "token_answers",
                "Answers of the token endpoint, by reason",
            ),
            certificate_end: add(
                all,
                "token_certificate_end_timestamp_seconds",
                "When the certificate of the token key ends, in seconds since 1970",
            ),
            cached_right: cached.get_or_create_owned(&Cached { answer: "right" }),
            cached_wrong: cached.get_or_create_owned(&Cached { answer: "wrong" }),
            queue_length: add(all, "queue_length", "Passwords that wait to be hashed"),
            queue_capacity: add(
                all,
                "queue_capacity",
                "Passwords that may wait to be hashed",
            ),
            hashing: add(all, "hashing", "Passwords that are being hashed"),
            users: add(all, "users", "Users who can log in"),
            faulty_lines: add(
                all,
                "faulty_lines",
                "Lines of the users file that are left out, or have a name that nobody can mean",
            ),
            first_faulty_line: add(
                all,
                "first_faulty_line",
                "The number of the first of them, or 0",
            ),
            last_reload_successful: add(
                all,
                "last_reload_successful",
                "Whether the files are in effect as they stand on the disk",
            ),
            reloads: add(all, "reloads", "Snapshots that took effect"),
            strikes: add(all, "strikes", "Distinct wrong passwords"),
            lost_log_lines: add(all, "lost_log_lines", "Log lines that nobody read in time"),
            registry,
        };
        metrics.last_reload_successful.set(1);
        metrics
    }

    /// Counts one answer.
    pub(crate) fn count(&self, reason: Reason) {
        if let Some(counter) = self.decisions.get(reason as usize) {
            counter.inc();
        }
    }

    /// Counts one answer of the token endpoint.
    pub(crate) fn count_token(&self, reason: &'static str) {
        self.tokens.get_or_create(&Decision { reason }).inc();
    }

    /// Sets when the certificate of the token key ends, in seconds since 1970, if that counts.
    /// Each answer has its line from now on: otherwise the first one of its kind would not be an
    /// increase, and no alert would see it.
    pub(crate) fn set_certificate_end(&self, seconds: Option<u64>) {
        for reason in TOKEN_ANSWERS {
            self.tokens.get_or_create(&Decision { reason }).inc_by(0);
        }
        match seconds {
            Some(seconds) => {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                self.certificate_end.get_or_create(&[]).set(seconds);
            }
            None => self.certificate_end.clear(),
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

/// What the token endpoint can answer.
const TOKEN_ANSWERS: [&str; 10] = [
    Reason::Ok.as_str(),
    Reason::Anonymous.as_str(),
    Reason::BadCredentials.as_str(),
    Reason::MalformedCredentials.as_str(),
    Reason::CrossSite.as_str(),
    Reason::UserAgent.as_str(),
    Reason::Throttled.as_str(),
    Reason::Busy.as_str(),
    Reason::Fault.as_str(),
    "bad-request",
];
/// From a bcrypt of cost 5 to one of cost 15.
const HASH_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let metrics = Metrics::new();
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                metrics.count(reason);
            }
        }
        let text = metrics.text();
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            let word = reason.as_str();
            let line = format!(
                "htgate_decisions_total{{reason=\"{word}\"}} {}\n",
                times + 1
            );
            assert!(text.contains(&line), "{line} is not in:\n{text}");
        }
    }
}
