//! What is counted, and its Prometheus text.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::verdict::Reason;

/// The counters. Label values are fixed words: nothing that a client sends becomes one.
pub(crate) struct Metrics {
    registry: Registry,
    /// One counter a reason, in their order: a request touches no label map.
    decisions: [Counter; Reason::ALL.len()],
    /// Seconds that each hash took.
    pub hash_seconds: Histogram,
    /// Passwords that wait to be hashed.
    pub queue_length: Gauge,
    /// How many may.
    pub queue_capacity: Gauge,
    /// Passwords that are being hashed.
    pub hashing: Gauge,
    /// Distinct wrong passwords.
    pub strikes: Counter,
    /// Log lines that nobody read in time.
    pub lost_log_lines: Counter,
    /// Remembered right answers.
    pub cached_right: Gauge,
    /// Remembered wrong answers.
    pub cached_wrong: Gauge,
    /// Users in the current snapshot.
    pub users: Gauge,
    /// Lines of the users file that were left out.
    pub faulty_lines: Gauge,
    /// Snapshots that took effect since the start, the first one included.
    pub reloads: Counter,
    /// 1 while the files take effect as they stand on the disk, and 0 while they cannot.
    pub last_reload_successful: Gauge,
    /// Answers of the token endpoint, if there is one.
    tokens: Family<ByReason, Counter>,
    /// When the certificate of the token key ends, if there is one.
    certificate_end: Family<NoLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cached {
    answer: &'static str,
}

/// A family of one, which has no line until it has a value.
type NoLabels = [(&'static str, &'static str); 0];

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let by_reason = Family::<ByReason, Counter>::default();
        let cached = Family::<Cached, Gauge>::default();
        let mut metrics = Self {
            registry: Registry::with_prefix("htgate"),
            decisions: Reason::ALL
                .map(|r| by_reason.get_or_create_owned(&ByReason { reason: r.as_str() })),
            hash_seconds: Histogram::new(HASH_SECONDS),
            queue_length: Gauge::default(),
            queue_capacity: Gauge::default(),
            hashing: Gauge::default(),
            strikes: Counter::default(),
            lost_log_lines: Counter::default(),
            cached_right: cached.get_or_create_owned(&Cached { answer: "right" }),
            cached_wrong: cached.get_or_create_owned(&Cached { answer: "wrong" }),
            users: Gauge::default(),
            faulty_lines: Gauge::default(),
            reloads: Counter::default(),
            last_reload_successful: Gauge::default(),
            tokens: Family::default(),
            certificate_end: Family::default(),
        };
        metrics.last_reload_successful.set(1);
        metrics.register(by_reason, cached);
        metrics
    }

    fn register(&mut self, by_reason: Family<ByReason, Counter>, cached: Family<Cached, Gauge>) {
        let registry = &mut self.registry;
        registry.register("decisions", "Answers to /auth, by reason", by_reason);
        registry.register_with_unit(
            "hash",
            "Time of each password hash",
            Unit::Seconds,
            self.hash_seconds.clone(),
        );
        registry.register(
            "token_answers",
            "Answers of the token endpoint, by reason",
            self.tokens.clone(),
        );
        registry.register(
            "token_certificate_end_timestamp_seconds",
            "When the certificate of the token key ends, in seconds since 1970",
            self.certificate_end.clone(),
        );
        registry.register(
            "cache_entries",
            "Remembered answers about passwords",
            cached,
        );
        for (name, help, gauge) in [
            (
                "queue_length",
                "Passwords that wait to be hashed",
                &self.queue_length,
            ),
            (
                "queue_capacity",
                "Passwords that may wait to be hashed",
                &self.queue_capacity,
            ),
            ("hashing", "Passwords that are being hashed", &self.hashing),
            ("users", "Users who can log in", &self.users),
            (
                "faulty_lines",
                "Lines of the users file that are left out",
                &self.faulty_lines,
            ),
            (
                "last_reload_successful",
                CURRENT,
                &self.last_reload_successful,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            ("reloads", "Snapshots that took effect", &self.reloads),
            ("strikes", "Distinct wrong passwords", &self.strikes),
            (
                "lost_log_lines",
                "Log lines that nobody read in time",
                &self.lost_log_lines,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }

    /// Counts one answer.
    pub(crate) fn count(&self, reason: Reason) {
        if let Some(counter) = self.decisions.get(reason as usize) {
            counter.inc();
        }
    }

    /// Counts one answer of the token endpoint.
    pub(crate) fn count_token(&self, word: &'static str) {
        self.tokens.get_or_create(&ByReason { reason: word }).inc();
    }

    /// Sets when the certificate of the token key ends, in seconds since 1970, if that counts.
    /// Each answer has its line from now on: for the first one of its kind would be no increase
    /// otherwise, and no alert would see it.
    pub(crate) fn set_certificate_end(&self, seconds: Option<u64>) {
        for word in TOKEN_ANSWERS {
            self.tokens
                .get_or_create(&ByReason { reason: word })
                .inc_by(0);
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
    ///
    /// # Errors
    ///
    /// Those of writing to a string, which has none.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

const CURRENT: &str = "Whether the files are in effect as they stand on the disk";
/// What the token endpoint can answer.
const TOKEN_ANSWERS: [&str; 8] = [
    Reason::Ok.as_str(),
    Reason::Anonymous.as_str(),
    Reason::BadCredentials.as_str(),
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
        let text = metrics.text().unwrap();
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
