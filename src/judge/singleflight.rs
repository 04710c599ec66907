//! One hash for everybody who asks the same at the same time. The first request for a key leads:
//! it has the password hashed; those that come in the meantime wait for its outcome. When none of
//! them waits any more, the slot in the queue is given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::oneshot;

use super::cache::{Answer, Cache, Key};
use super::pool::Slot;

/// What came of checking a password: an answer, or none because the hash function failed. A failure
/// is not remembered.
pub(crate) type Outcome = Option<Answer>;

/// How a request that finds nothing remembered goes on.
pub(crate) enum Join {
    /// The answer has been remembered just now.
    Known(Answer),
    /// Another request leads.
    Wait(Waiter),
    /// This one leads, and waits for the outcome like all others.
    Lead(Leader, Waiter),
}

/// The keys that are being worked on, over the cache that remembers the answers.
pub(crate) struct Singleflight {
    cache: Arc<Cache>,
    /// Held for a few instructions at a time, never across a hash or an await: a plain lock is
    /// the simplest that does, and only passwords that must be hashed come here.
    table: Mutex<HashMap<Key, Flight>>,
}

struct Flight {
    waiting: Vec<oneshot::Sender<Outcome>>,
    slot: Weak<OnceLock<Slot>>,
}

/// A request that waits for the outcome. The slot in the queue is kept for as long as one does.
#[must_use]
pub(crate) struct Waiter {
    outcome: oneshot::Receiver<Outcome>,
    slot: Arc<OnceLock<Slot>>,
}

/// The duty to find out. Dropped without completing, it tells all waiters that it is called off.
#[must_use]
pub(crate) struct Leader {
    flights: Arc<Singleflight>,
    /// None once it has completed: what stands in the table under the key is then another flight.
    key: Option<Key>,
}

impl Singleflight {
    /// Nothing is being worked on.
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            table: Mutex::new(HashMap::new()),
        }
    }

    /// Waits for the key's leader, or becomes it.
    pub(crate) fn join(self: &Arc<Self>, key: Key) -> Join {
        let (sender, outcome) = oneshot::channel();
        let mut table = self.table();
        // A leader remembers before it leaves the table, so looking again here, with the table
        // held, leaves no gap through which a second hash could start.
        if let Some(answer) = self.cache.recall(&key) {
            return Join::Known(answer);
        }
        if let Some(flight) = table.get_mut(&key) {
            flight.waiting.push(sender);
            // All others may have gone. Either it is being computed all the same, or it is just
            // being called off, and this one hears of that.
            let slot = flight.slot.upgrade().unwrap_or_default();
            flight.slot = Arc::downgrade(&slot);
            return Join::Wait(Waiter { outcome, slot });
        }
        let slot = Arc::default();
        let flight = Flight {
            waiting: vec![sender],
            slot: Arc::downgrade(&slot),
        };
        table.insert(key, flight);
        let flights = Arc::clone(self);
        let key = Some(key);
        Join::Lead(Leader { flights, key }, Waiter { outcome, slot })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Flight>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Keeps this slot for all who wait for the same key.
    pub(crate) fn keep(&self, slot: Slot) {
        // There is one leader, and it comes here once.
        let _ = self.slot.set(slot);
    }

    /// Waits for the outcome.
    ///
    /// # Errors
    ///
    /// When the leader is called off.
    pub(crate) async fn outcome(self) -> Result<Outcome, oneshot::error::RecvError> {
        self.outcome.await
    }
}

impl Leader {
    /// Remembers the answer and tells all waiters.
    pub(crate) fn complete(mut self, outcome: &Outcome) {
        let Some(key) = self.key.take() else {
            return;
        };
        if let Some(answer) = outcome {
            self.flights.cache.remember(key, answer);
        }
        let flight = self.flights.table().remove(&key);
        for sender in flight.into_iter().flat_map(|flight| flight.waiting) {
            // One that has hung up needs no answer.
            let _ = sender.send(outcome.clone());
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let flight = self.key.and_then(|key| self.flights.table().remove(&key));
        // Outside the lock: a waiter may come back at once.
        drop(flight);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::judge::cache::Bounds;
    use crate::judge::pool::Pool;
    use crate::request::client::Client;

    const KEY: Key = Key {
        mac: [9; 32],
        users: 1,
    };

    fn flights() -> Arc<Singleflight> {
        let bounds = Bounds {
            capacity: 9,
            lifetime: Duration::from_secs(60),
        };
        let cache = Arc::new(Cache::new([1; 32], bounds));
        Arc::new(Singleflight::new(cache))
    }

    fn lead(flights: &Arc<Singleflight>) -> (Leader, Waiter) {
        match flights.join(KEY) {
            Join::Lead(leader, waiter) => (leader, waiter),
            _ => panic!("must lead"),
        }
    }

    fn wait(flights: &Arc<Singleflight>) -> Waiter {
        match flights.join(KEY) {
            Join::Wait(waiter) => waiter,
            _ => panic!("must wait"),
        }
    }

    /// Right, wrong, or failed.
    fn word(outcome: &Outcome) -> Option<bool> {
        outcome.as_ref().map(|it| matches!(it, Answer::Right(_)))
    }

    #[test]
    fn one_hash_for_all_and_then_remembered() {
        for outcome in [Some(Answer::right()), Some(Answer::wrong()), None] {
            let flights = flights();
            let (leader, mut first) = lead(&flights);
            let mut second = wait(&flights);
            // Of other users, too: when one password changes, a guess at it waits for a hash of its
            // own, and a guess at another one must not be quicker.
            for other in [
                Key {
                    mac: [8; 32],
                    ..KEY
                },
                Key { users: 2, ..KEY },
            ] {
                assert!(
                    matches!(flights.join(other), Join::Lead(..)),
                    "another key has another leader"
                );
            }
            leader.complete(&outcome);
            for waiter in [&mut first, &mut second] {
                let heard = waiter.outcome.try_recv().unwrap();
                assert_eq!(word(&heard), word(&outcome));
            }
            assert_eq!(word(&flights.cache.recall(&KEY)), word(&outcome));
            match (flights.join(KEY), &outcome) {
                (Join::Known(answer), Some(_)) => assert_eq!(word(&Some(answer)), word(&outcome)),
                (Join::Lead(..), None) => (),
                _ => panic!("{outcome:?}"),
            }
        }
    }

    #[test]
    fn one_that_hangs_up_does_not_fail_the_others() {
        let flights = flights();
        let (leader, first) = lead(&flights);
        let mut second = wait(&flights);
        drop(first);
        leader.complete(&Some(Answer::right()));
        assert_eq!(word(&second.outcome.try_recv().unwrap()), Some(true));
    }

    #[test]
    fn a_leader_that_is_called_off_releases_its_waiters() {
        let flights = flights();
        let (leader, _first) = lead(&flights);
        let mut second = wait(&flights);
        drop(leader);
        assert!(second.outcome.try_recv().is_err());
        let (_next, mut third) = lead(&flights);
        assert!(
            third.outcome.try_recv().is_err(),
            "nobody has found out yet"
        );
    }

    /// The slot is kept for the last one that waits, and no longer.
    #[test]
    fn nobody_waits_nobody_hashes() {
        let flights = flights();
        let pool = Pool::start(9, 0, || Ok(())).unwrap();
        let (leader, first) = lead(&flights);
        let job = move || leader.complete(&Some(Answer::right()));
        first.keep(pool.enter(Client::Unknown, false, job).unwrap());
        let second = wait(&flights);
        drop(first);
        assert_eq!(pool.queued(), 1);
        drop(second);
        assert_eq!(pool.queued(), 0);
        let _ = lead(&flights);
    }

    /// The hash has begun when the last waiter goes: one that comes then still hears of it.
    #[test]
    fn a_leader_outlives_its_waiters() {
        let flights = flights();
        let (leader, first) = lead(&flights);
        drop(first);
        let mut late = wait(&flights);
        leader.complete(&Some(Answer::right()));
        assert_eq!(word(&late.outcome.try_recv().unwrap()), Some(true));
    }
}
