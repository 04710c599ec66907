//! Verdicts on passwords, remembered: under which key, for how long, how many, and one flight at
//! a time for each. The only file that names `moka`. Holds no password and no name, only MACs.
//!
//! The stored hash is part of the key. A line that changes or goes makes what was remembered of
//! it unreachable, so nothing is ever invalidated.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::credentials::Credentials;
use crate::hash::PasswordHash;

/// A 256-bit MAC over a name, a password and the stored hash that they were held against.
pub type Key = [u8; 32];

/// How long and how many right answers are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many right answers; the least used give way.
    pub capacity: u64,
    /// How long a right answer counts.
    pub lifetime: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            capacity: 100_000,
            lifetime: Duration::from_secs(3600),
        }
    }
}

/// Wrong answers are remembered in a room of their own, so that a flood of guesses cannot push a
/// right one out.
const WRONG: Bounds = Bounds {
    capacity: 10_000,
    lifetime: Duration::from_secs(300),
};

type Answers = moka::sync::Cache<Key, (), BuildHasherDefault<Uniform>>;

/// Remembered verdicts, and those that are being found out.
pub struct Cache {
    secret: [u8; 32],
    right: Answers,
    wrong: Answers,
    /// Held for a few instructions at a time, never across a hash or an await: a plain lock is
    /// the simplest that does, and only passwords that must be hashed come here.
    flights: Mutex<HashMap<Key, Vec<oneshot::Sender<Outcome>>>>,
}

/// What came of holding a password against a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matches.
    Right,
    /// It does not.
    Wrong,
    /// The hash function failed. Not remembered.
    Fault,
}

/// How a request that finds nothing remembered goes on.
pub enum Join {
    /// It was remembered just now.
    Known(bool),
    /// Another request is finding out already; this one hears of it.
    Follow(oneshot::Receiver<Outcome>),
    /// This one has to find out, and hears of it like all others.
    Lead(Flight, oneshot::Receiver<Outcome>),
}

impl Cache {
    /// An empty cache. The secret is the process's own and never stored.
    pub fn new(secret: [u8; 32], right: Bounds) -> Self {
        Self {
            secret,
            right: answers(right),
            wrong: answers(WRONG),
            flights: Mutex::new(HashMap::new()),
        }
    }

    /// The key for these credentials against this hash.
    pub fn key(&self, credentials: &Credentials, hash: &PasswordHash) -> Key {
        let mut mac = blake3::Hasher::new_keyed(&self.secret);
        for field in [credentials.claimed(), credentials.password()] {
            mac.update(&(field.len() as u64).to_le_bytes())
                .update(field);
        }
        hash.fingerprint(&mut mac);
        *mac.finalize().as_bytes()
    }

    /// Whether the password was right, if that is remembered. Never waits.
    pub fn recall(&self, key: &Key) -> Option<bool> {
        if self.right.get(key).is_some() {
            Some(true)
        } else if self.wrong.get(key).is_some() {
            Some(false)
        } else {
            None
        }
    }

    /// Joins the flight for a key, or starts it.
    pub fn join(self: &Arc<Self>, key: Key) -> Join {
        let (sender, receiver) = oneshot::channel();
        let mut flights = self.flights();
        // A flight remembers before it leaves the table, so looking again here, with the table
        // held, leaves no gap through which a second hash could start.
        if let Some(right) = self.recall(&key) {
            return Join::Known(right);
        }
        if let Some(waiting) = flights.get_mut(&key) {
            waiting.push(sender);
            return Join::Follow(receiver);
        }
        flights.insert(key, vec![sender]);
        Join::Lead(
            Flight {
                cache: Arc::clone(self),
                key,
                over: false,
            },
            receiver,
        )
    }

    /// How many right and how many wrong answers are remembered, roughly.
    pub fn sizes(&self) -> (u64, u64) {
        (self.right.entry_count(), self.wrong.entry_count())
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Vec<oneshot::Sender<Outcome>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache(***)")
    }
}

/// The duty to find out. Dropped without landing, it tells all who wait that nobody will.
#[must_use]
pub struct Flight {
    cache: Arc<Cache>,
    key: Key,
    /// It has left the table: what stands there under its key now is another flight.
    over: bool,
}

impl Flight {
    /// Whether anybody still wants to know. If not, the flight is off.
    pub fn is_awaited(&mut self) -> bool {
        let mut flights = self.cache.flights();
        let awaited = flights
            .get(&self.key)
            .is_some_and(|waiting| waiting.iter().any(|sender| !sender.is_closed()));
        if !awaited {
            flights.remove(&self.key);
            self.over = true;
        }
        awaited
    }

    /// Remembers the outcome and tells everyone who waits.
    pub fn land(mut self, outcome: Outcome) {
        match outcome {
            Outcome::Right => self.cache.right.insert(self.key, ()),
            Outcome::Wrong => self.cache.wrong.insert(self.key, ()),
            Outcome::Fault => (),
        }
        let waiting = self.cache.flights().remove(&self.key);
        self.over = true;
        for sender in waiting.into_iter().flatten() {
            // Who hung up meanwhile needs no answer.
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.over {
            self.cache.flights().remove(&self.key);
        }
    }
}

fn answers(bounds: Bounds) -> Answers {
    moka::sync::Cache::builder()
        .max_capacity(bounds.capacity)
        .time_to_live(bounds.lifetime)
        .build_with_hasher(BuildHasherDefault::default())
}

/// The keys are MACs already: any eight bytes of them are as good as a hash.
#[derive(Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length prefix of an array says nothing.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Presented;
    use crate::hash::Limits;
    use crate::request::Field;

    const A: &[u8] = b"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    const B: &[u8] = b"$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK";

    fn cache() -> Arc<Cache> {
        Arc::new(Cache::new([1; 32], Bounds::default()))
    }

    fn credentials(pair: &str) -> Credentials {
        use base64::Engine as _;
        let header = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair));
        match Presented::parse(Field::One(header.as_bytes())) {
            Presented::Credentials(credentials) => credentials,
            other => panic!("{other:?}"),
        }
    }

    fn hash(text: &[u8]) -> PasswordHash {
        PasswordHash::parse(text, Limits::default()).unwrap()
    }

    #[test]
    fn every_part_makes_another_key() {
        let cache = cache();
        let base = cache.key(&credentials("ab:cd"), &hash(A));
        assert_eq!(base, cache.key(&credentials("ab:cd"), &hash(A)));
        let others = [
            cache.key(&credentials("a:bcd"), &hash(A)),
            cache.key(&credentials("abc:d"), &hash(A)),
            cache.key(&credentials("ab:cd "), &hash(A)),
            cache.key(&credentials("ab:cd"), &hash(B)),
            Cache::new([2; 32], Bounds::default()).key(&credentials("ab:cd"), &hash(A)),
        ];
        for other in others {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn one_flight_for_all_and_then_remembered() {
        for (outcome, remembered) in [
            (Outcome::Right, Some(true)),
            (Outcome::Wrong, Some(false)),
            (Outcome::Fault, None),
        ] {
            let cache = cache();
            let Join::Lead(flight, mut first) = cache.join([9; 32]) else {
                panic!("must lead")
            };
            let Join::Follow(mut second) = cache.join([9; 32]) else {
                panic!("must follow")
            };
            assert!(
                matches!(cache.join([8; 32]), Join::Lead(..)),
                "another key is another flight"
            );
            flight.land(outcome);
            assert_eq!(
                (first.try_recv(), second.try_recv()),
                (Ok(outcome), Ok(outcome))
            );
            assert_eq!(cache.recall(&[9; 32]), remembered);
            match (cache.join([9; 32]), remembered) {
                (Join::Known(right), Some(expected)) => assert_eq!(right, expected),
                (Join::Lead(..), None) => (),
                _ => panic!("{outcome:?}"),
            }
        }
    }

    #[test]
    fn one_who_hangs_up_does_not_fail_the_others() {
        let cache = cache();
        let Join::Lead(mut flight, first) = cache.join([9; 32]) else {
            panic!("must lead")
        };
        let Join::Follow(mut second) = cache.join([9; 32]) else {
            panic!("must follow")
        };
        drop(first);
        assert!(flight.is_awaited());
        flight.land(Outcome::Right);
        assert_eq!(second.try_recv(), Ok(Outcome::Right));
    }

    #[test]
    fn nobody_waits_nobody_hashes() {
        let cache = cache();
        let Join::Lead(mut flight, first) = cache.join([9; 32]) else {
            panic!("must lead")
        };
        drop(first);
        assert!(!flight.is_awaited());
        let Join::Lead(_next, _waiting) = cache.join([9; 32]) else {
            panic!("must lead")
        };
        drop(flight);
        assert!(
            matches!(cache.join([9; 32]), Join::Follow(_)),
            "the next flight must stay"
        );
    }

    #[test]
    fn an_abandoned_flight_releases_its_followers() {
        let cache = cache();
        let Join::Lead(flight, _first) = cache.join([9; 32]) else {
            panic!("must lead")
        };
        let Join::Follow(mut second) = cache.join([9; 32]) else {
            panic!("must follow")
        };
        drop(flight);
        assert!(second.try_recv().is_err());
        assert!(matches!(cache.join([9; 32]), Join::Lead(..)));
    }

    #[test]
    fn a_flood_of_wrong_answers_leaves_the_right_ones() {
        let cache = cache();
        cache.right.insert([7; 32], ());
        for n in 0..3 * WRONG.capacity {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            cache.wrong.insert(key, ());
        }
        cache.wrong.run_pending_tasks();
        assert_eq!(cache.recall(&[7; 32]), Some(true));
        assert!(cache.wrong.entry_count() <= WRONG.capacity);
    }
}
