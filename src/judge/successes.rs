//! Which addresses have logged in lately. In an attack their new passwords are tried first. A
//! table of fixed size that is read and written on every request that is let in, without a lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::request::client::Client;

/// When each address last logged in. Where two addresses meet in one place of the table, the
/// later one is known: the other one loses a privilege, and nobody gains one.
pub(crate) struct Successes {
    /// In each place the upper half tells the address, and the lower one the second.
    places: Box<[AtomicU64]>,
    /// Random, so that nobody can choose addresses that push others out.
    hasher: RandomState,
    start: Instant,
}

impl Successes {
    /// Nobody has logged in yet.
    pub(crate) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            start: Instant::now(),
        }
    }

    /// Somebody at this address has shown a right password.
    pub(crate) fn note(&self, client: Client) {
        self.note_at(client, self.start.elapsed());
    }

    /// Whether somebody at this address has shown one within the last hour.
    pub(crate) fn has(&self, client: Client) -> bool {
        self.has_at(client, self.start.elapsed())
    }

    fn note_at(&self, client: Client, now: Duration) {
        let (place, mark) = self.find(client);
        let known = place.map_or(0, |place| place.load(Ordering::Relaxed));
        let now = seconds(now);
        // Most requests find their mark still fresh, and no core has to take the place from
        // another one.
        let fresh = known & MARK == mark && now.saturating_sub(known & !MARK) < REFRESH.as_secs();
        if let Some(place) = place.filter(|_| !fresh) {
            place.store(mark | now, Ordering::Relaxed);
        }
    }

    fn has_at(&self, client: Client, now: Duration) -> bool {
        let (place, mark) = self.find(client);
        let known = place.map_or(0, |place| place.load(Ordering::Relaxed));
        known & MARK == mark && seconds(now).saturating_sub(known & !MARK) < LATELY.as_secs()
    }

    fn find(&self, client: Client) -> (Option<&AtomicU64>, u64) {
        let hash = self.hasher.hash_one(client);
        let place = self.places.get(hash as usize % PLACES);
        // Zero is a place that was never taken.
        (place, (hash & MARK) | MARK_IS_SET)
    }
}

impl Default for Successes {
    fn default() -> Self {
        Self::new()
    }
}

/// The seconds since the start, in the lower half of a place.
fn seconds(since_start: Duration) -> u64 {
    since_start.as_secs() & !MARK
}

/// Half a megabyte of eight bytes each.
const PLACES: usize = 65_536;
const MARK: u64 = 0xffff_ffff_0000_0000;
const MARK_IS_SET: u64 = 0x8000_0000_0000_0000;
const LATELY: Duration = Duration::from_secs(3600);
/// A mark this old is renewed by the next success.
const REFRESH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> Client {
        Client::V4(number.to_be_bytes())
    }

    #[test]
    fn a_success_counts_for_an_hour_after_the_last_one() {
        let successes = Successes::new();
        let at = Duration::from_secs;
        assert!(!successes.has_at(client(1), at(0)));
        successes.note_at(client(1), at(0));
        assert!(successes.has_at(client(1), at(0)) && successes.has_at(client(1), at(3599)));
        assert!(!successes.has_at(client(1), at(3600)));
        assert!(!successes.has_at(client(2), at(0)));
        successes.note_at(client(1), at(30));
        assert!(
            !successes.has_at(client(1), at(3600)),
            "renewed once a minute"
        );
        successes.note_at(client(1), at(90));
        assert!(successes.has_at(client(1), at(3600)));
    }

    #[test]
    fn nobody_is_taken_for_another() {
        let successes = Successes::new();
        for number in 0..10_000 {
            successes.note(client(number));
        }
        let known = (0..10_000).filter(|n| successes.has(client(*n))).count();
        assert!(known > 8_000, "{known} of 10,000 are known");
        assert!((10_000..110_000).all(|number| !successes.has(client(number))));
    }
}
