//! How fast an address is refused. At once, as a rule; but who goes on asking faster than any
//! honest client would, and is refused each time, is answered more slowly, and so keeps neither
//! nginx nor us from those who are let in.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::request::client::Client;

/// When each address may be refused again. Addresses that share a place share their pace, which
/// costs them no more than a moment; so this never grows, and nobody waits for a lock.
pub(crate) struct Pace {
    start: Instant,
    hasher: RandomState,
    places: Box<[Place]>,
    held: AtomicUsize,
}

#[derive(Default)]
struct Place {
    /// In microseconds since the start.
    due: AtomicU64,
    held: AtomicUsize,
}

/// A refusal that is held back, until it is dropped.
pub(crate) struct Hold<'a> {
    /// For how long.
    pub time: Duration,
    pace: &'a Pace,
    place: &'a Place,
}

impl Pace {
    /// Nobody has been refused yet.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            hasher: RandomState::new(),
            places: (0..PLACES).map(|_| Place::default()).collect(),
            held: AtomicUsize::new(0),
        }
    }

    /// Whether to hold one more refusal for this address back. Only so many are: each keeps a
    /// connection of nginx.
    pub(crate) fn hold(&self, client: Client) -> Option<Hold<'_>> {
        self.hold_at(client, Instant::now())
    }

    fn hold_at(&self, client: Client, now: Instant) -> Option<Hold<'_>> {
        let now = microseconds(now.saturating_duration_since(self.start));
        let place = (self.places).get(self.hasher.hash_one(client) as usize % PLACES)?;
        // So late that the first ones after a silence are not held back.
        let turn = |due: u64| due.max(now.saturating_sub(BURST * STEP));
        let next = |due| Some((turn(due) + STEP).min(now + LONGEST_HOLD));
        let due = (place.due)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or_else(|due| due);
        let time = Duration::from_micros(turn(due).saturating_sub(now));
        if time.is_zero() {
            return None;
        }
        let hold = Hold {
            time,
            pace: self,
            place,
        };
        let of_place = place.held.fetch_add(1, Ordering::Relaxed);
        let of_all = self.held.fetch_add(1, Ordering::Relaxed);
        (of_place < MOST_OF_ONE && of_all < MOST_OF_ALL).then_some(hold)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.place.held.fetch_sub(1, Ordering::Relaxed);
        self.pace.held.fetch_sub(1, Ordering::Relaxed);
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
/// At the same time, of one address and in all: nginx has some hundred connections at the least,
/// and those who are let in need them.
const MOST_OF_ONE: usize = 64;
const MOST_OF_ALL: usize = 256;
/// In microseconds. Longer, and clients give up and try again.
const LONGEST_HOLD: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client = Client::V4([192, 0, 2, 1]);

    fn time(pace: &Pace, client: Client, now: Instant) -> Duration {
        pace.hold_at(client, now)
            .map_or(Duration::ZERO, |hold| hold.time)
    }

    #[test]
    fn a_burst_is_at_once_and_then_a_hundred_a_second() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        for number in 0..=BURST {
            assert_eq!(time(&pace, CLIENT, now), Duration::ZERO, "{number}");
        }
        for number in 1..=50 {
            assert_eq!(time(&pace, CLIENT, now), Duration::from_millis(10) * number);
        }
        let later = now + Duration::from_secs(3);
        assert_eq!(time(&pace, CLIENT, later), Duration::ZERO);
    }

    #[test]
    fn nobody_is_held_back_for_longer_than_a_second() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        let longest = (0..10_000).map(|_| time(&pace, CLIENT, now)).max();
        assert_eq!(longest, Some(Duration::from_secs(1)));
        let later = now + Duration::from_millis(1500);
        assert!(time(&pace, CLIENT, later) < Duration::from_millis(10));
    }

    #[test]
    fn only_so_many_are_held_back() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        let of_one = |last: u8| {
            let client = Client::V4([192, 0, 2, last]);
            let ask = |_| pace.hold_at(client, now);
            (0..1000).filter_map(ask).collect::<Vec<_>>()
        };
        let first = of_one(1);
        assert_eq!(first.len(), MOST_OF_ONE);
        let others: Vec<_> = (2..20).map(of_one).collect();
        let all = first.len() + others.iter().map(Vec::len).sum::<usize>();
        assert_eq!(all, MOST_OF_ALL);
        drop((first, others));
        assert_eq!(pace.held.load(Ordering::Relaxed), 0);
        assert!(!time(&pace, CLIENT, now).is_zero());
    }

    #[test]
    fn others_keep_their_pace() {
        let pace = Pace::new();
        let now = pace.start + Duration::from_secs(10);
        for _ in 0..1000 {
            time(&pace, CLIENT, now);
        }
        let others = (0..100).map(|number| Client::V4([198, 51, 100, number]));
        let held = others.filter(|other| !time(&pace, *other, now).is_zero());
        // Some may share the place.
        assert!(held.count() < 5);
    }
}
