//! How fast an address is refused. At once, as a rule; but who goes on asking faster than any
//! honest client would, and is refused each time, is answered more slowly, and so keeps neither
//! nginx nor us from those who are let in.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;

/// When each address may be refused again. Addresses that share a place share their pace, which
/// costs them no more than a moment; so this never grows, and nobody waits for a lock.
pub struct Pace {
    start: Instant,
    hasher: RandomState,
    /// In microseconds since the start.
    due: Box<[AtomicU64]>,
}

impl Pace {
    /// Nobody has been refused yet.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            hasher: RandomState::new(),
            due: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// How long to hold back one more refusal for this address.
    pub fn hold(&self, client: Client) -> Duration {
        self.hold_at(client, Instant::now())
    }

    fn hold_at(&self, client: Client, now: Instant) -> Duration {
        let now = microseconds(now.saturating_duration_since(self.start));
        // So late that the first ones after a silence are not held back.
        let turn = |due: u64| due.max(now.saturating_sub(BURST * STEP));
        let hash = self.hasher.hash_one(client) as usize;
        let Some(place) = self.due.get(hash % PLACES) else {
            return Duration::ZERO;
        };
        let next = |due| Some((turn(due) + STEP).min(now + LONGEST_HOLD));
        let due = place
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or_else(|due| due);
        Duration::from_micros(turn(due).saturating_sub(now))
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2)
}

const PLACES: usize = 4096;
/// Microseconds between the refusals of one address: a hundred a second.
const STEP: u64 = 10_000;
/// So many come at once: docker repeats a wrong password about a hundred times a push.
const BURST: u64 = 100;
/// In microseconds. Longer, and clients give up and try again.
const LONGEST_HOLD: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client = Client::V4([192, 0, 2, 1]);

    #[test]
    fn a_burst_is_at_once_and_then_a_hundred_a_second() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        for number in 0..=BURST {
            assert_eq!(pace.hold_at(CLIENT, now), Duration::ZERO, "{number}");
        }
        for number in 1..=50 {
            assert_eq!(
                pace.hold_at(CLIENT, now),
                Duration::from_millis(10) * number
            );
        }
        let later = now + Duration::from_secs(3);
        assert_eq!(pace.hold_at(CLIENT, later), Duration::ZERO);
    }

    #[test]
    fn nobody_is_held_back_for_longer_than_a_second() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        let longest = (0..10_000).map(|_| pace.hold_at(CLIENT, now)).max();
        assert_eq!(longest, Some(Duration::from_secs(1)));
        let later = now + Duration::from_millis(1500);
        assert!(pace.hold_at(CLIENT, later) < Duration::from_millis(10));
    }

    #[test]
    fn others_keep_their_pace() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        for _ in 0..1000 {
            pace.hold_at(CLIENT, now);
        }
        let others = (0..100).map(|number| Client::V4([198, 51, 100, number]));
        let held = others.filter(|other| !pace.hold_at(*other, now).is_zero());
        // Some may share the place.
        assert!(held.count() < 5);
    }
}
