//! Answers about passwords, remembered: under which key, for how long and how many. Holds no
//! password and no name, only MACs.
//!
//! The stored hash is part of the key. A line that changes or goes makes what was remembered of
//! it unreachable, so nothing is ever invalidated. Wrong answers are unreachable after any change
//! of the users: if those for other names stayed, the time of a repeated guess would tell whose
//! password has changed.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use zeroize::Zeroize as _;

use super::addresses::LastUse;
use crate::hash::PasswordHash;
use crate::request::credentials::Credentials;
use crate::verdict::Guess;

/// Under which an answer is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// A right answer stays right for as long as this is the same.
    pub mac: Mac,
    /// The number of the users that were in force. A wrong answer counts for these alone.
    pub users: u64,
}

/// A 256-bit MAC over a name, a password and the stored hash that they were checked against.
pub(crate) type Mac = [u8; 32];

/// Whether a password is the one that was hashed.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It is. With the answer it is remembered when it was last used.
    Right(Arc<LastUse>),
    /// It is not. With the answer it is remembered whether somebody has been refused for it.
    Wrong(Arc<Refusals>),
}

/// Tells the first refusal of a wrong password from those that follow, whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Refusals(AtomicBool);

impl Refusals {
    /// One more refusal.
    pub(crate) fn next(&self) -> Guess {
        if self.0.swap(true, Ordering::Relaxed) {
            Guess::Repeated
        } else {
            Guess::New
        }
    }
}

impl Answer {
    /// The password is right, and has not been used yet.
    pub(crate) fn right() -> Self {
        Self::Right(Arc::default())
    }

    /// The password is wrong, and nobody has been refused for it yet.
    pub(crate) fn wrong() -> Self {
        Self::Wrong(Arc::default())
    }
}

/// How long and how many right answers are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How many right answers; the least used give way.
    pub capacity: u64,
    /// How long a right answer counts after its last use.
    pub lifetime: Duration,
}

/// How many wrong answers are remembered, and how many guesses that were refused unhashed. They are
/// apart from the right answers, so that a flood of guesses cannot push one of those out, and have no
/// lifetime.
const WRONG_CAPACITY: u64 = 10_000;

type Answers<K, T> = moka::sync::Cache<K, T, BuildHasherDefault<Uniform>>;

/// Remembered answers.
pub(crate) struct Cache {
    secret: [u8; 32],
    right: Answers<Mac, Arc<LastUse>>,
    wrong: Answers<Key, Arc<Refusals>>,
    throttled: Answers<Key, ()>,
}

impl Cache {
    /// An empty cache. The secret is the process's own and never stored.
    pub(crate) fn new(secret: [u8; 32], right: Bounds) -> Self {
        Self {
            secret,
            right: moka::sync::Cache::builder()
                .max_capacity(right.capacity)
                .time_to_idle(right.lifetime)
                .build_with_hasher(BuildHasherDefault::default()),
            wrong: newest(),
            throttled: newest(),
        }
    }

    /// The key for these credentials against this hash, which is one of the users of this number.
    pub(crate) fn key(&self, credentials: &Credentials, hash: &PasswordHash, users: u64) -> Key {
        let [name, password] = [credentials.claimed(), credentials.password()]
            .map(|field| u128::from(field.len() as u64));
        let mut mac = blake3::Hasher::new_keyed(&self.secret);
        // All lengths first, then all bytes: three pieces cost less than five.
        mac.update(&(name << u64::BITS | password).to_le_bytes())
            .update(credentials.pair());
        hash.fingerprint(&mut mac);
        let key = Key {
            mac: mac.finalize().into(),
            users,
        };
        mac.zeroize();
        key
    }

    /// The answer, if it is remembered. Never waits.
    pub(crate) fn recall(&self, key: &Key) -> Option<Answer> {
        match self.right.get(&key.mac) {
            Some(last_use) => Some(Answer::Right(last_use)),
            None => self.wrong.get(key).map(Answer::Wrong),
        }
    }

    /// Remembers an answer.
    pub(crate) fn remember(&self, key: Key, answer: &Answer) {
        match answer {
            Answer::Right(last_use) => self.right.insert(key.mac, Arc::clone(last_use)),
            Answer::Wrong(refusals) => self.wrong.insert(key, Arc::clone(refusals)),
        }
    }

    /// Remembers that a password was refused without being hashed.
    pub(crate) fn throttled(&self, key: Key) -> Guess {
        if self.throttled.entry(key).or_insert(()).is_fresh() {
            Guess::New
        } else {
            Guess::Repeated
        }
    }

    /// How many right and how many wrong answers are remembered, roughly.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.right.entry_count(), self.wrong.entry_count())
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache(***)")
    }
}

/// Where it is full the newest stays: what was asked for of former users, however often, must not
/// keep out what is asked for now.
fn newest<T: Clone + Send + Sync + 'static>() -> Answers<Key, T> {
    moka::sync::Cache::builder()
        .max_capacity(WRONG_CAPACITY)
        .eviction_policy(EvictionPolicy::lru())
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
    use crate::hash::Limits;
    use crate::request::Field;
    use crate::request::credentials::Presented;

    const A: &[u8] = b"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    const B: &[u8] = b"$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK";

    const BOUNDS: Bounds = Bounds {
        capacity: 9,
        lifetime: Duration::from_secs(60),
    };

    fn cache() -> Cache {
        Cache::new([1; 32], BOUNDS)
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

    fn key(users: u64, n: u64) -> Key {
        let mut mac = [0; 32];
        mac[..8].copy_from_slice(&n.to_le_bytes());
        Key { mac, users }
    }

    #[test]
    fn every_part_makes_another_key() {
        let cache = cache();
        let base = cache.key(&credentials("ab:cd"), &hash(A), 1);
        assert_eq!(base, cache.key(&credentials("ab:cd"), &hash(A), 1));
        let others = [
            cache.key(&credentials("a:bcd"), &hash(A), 1),
            cache.key(&credentials("abc:d"), &hash(A), 1),
            cache.key(&credentials("ab:cd "), &hash(A), 1),
            cache.key(&credentials("ab:cd"), &hash(B), 1),
            Cache::new([2; 32], BOUNDS).key(&credentials("ab:cd"), &hash(A), 1),
        ];
        for other in others {
            assert_ne!(base.mac, other.mac);
        }
    }

    #[test]
    fn wrong_answers_count_for_the_same_users_and_right_ones_for_the_same_hash() {
        let cache = cache();
        let [right, wrong] = ["ab:right", "ab:wrong"]
            .map(|pair| [1, 2].map(|users| cache.key(&credentials(pair), &hash(A), users)));
        cache.remember(right[0], &Answer::right());
        cache.remember(wrong[0], &Answer::wrong());
        assert!(matches!(cache.recall(&right[1]), Some(Answer::Right(_))));
        assert!(matches!(cache.recall(&wrong[0]), Some(Answer::Wrong(_))));
        assert!(cache.recall(&wrong[1]).is_none());
    }

    /// However long they are asked for, and whatever was asked for before.
    #[test]
    fn only_newer_answers_end_a_wrong_one() {
        let cache = cache();
        let policy = cache.wrong.policy();
        assert_eq!((policy.time_to_live(), policy.time_to_idle()), (None, None));
        for n in 0..WRONG_CAPACITY {
            cache.remember(key(1, n), &Answer::wrong());
            for _ in 0..20 {
                assert!(cache.recall(&key(1, n)).is_some());
            }
        }
        cache.remember(key(2, 7), &Answer::wrong());
        cache.wrong.run_pending_tasks();
        assert!(cache.recall(&key(2, 7)).is_some());
    }

    #[test]
    fn one_refusal_of_each_password_is_a_guess() {
        let cache = cache();
        for (number, expected) in [(1, Guess::New), (1, Guess::Repeated), (2, Guess::New)] {
            assert_eq!(cache.throttled(key(number, 1)), expected);
        }
        cache.remember(key(1, 1), &Answer::wrong());
        for expected in [Guess::New, Guess::Repeated, Guess::Repeated] {
            let Some(Answer::Wrong(refusals)) = cache.recall(&key(1, 1)) else {
                panic!("it is remembered");
            };
            assert_eq!(refusals.next(), expected);
        }
    }

    #[test]
    fn a_flood_of_wrong_answers_leaves_the_right_ones() {
        let cache = cache();
        let right = key(1, u64::MAX);
        cache.remember(right, &Answer::right());
        for n in 0..3 * WRONG_CAPACITY {
            cache.remember(key(1, n), &Answer::wrong());
        }
        cache.wrong.run_pending_tasks();
        assert!(matches!(cache.recall(&right), Some(Answer::Right(_))));
        assert!(cache.wrong.entry_count() <= WRONG_CAPACITY);
    }
}
