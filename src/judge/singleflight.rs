//! One hash for all who ask the same at the same time. A flight is the finding out of one key's
//! verdict; who asks meanwhile follows it. When nobody waits for it any more, it gives its place
//! in the waiting room up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::oneshot;

use crate::judge::cache::{Cache, Key};
use crate::judge::pool::Place;

/// What came of holding a password against a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It matches.
    Right,
    /// It does not.
    Wrong,
    /// The hash function failed. Not remembered.
    Fault,
}

/// How a request that finds nothing remembered goes on.
pub(crate) enum Join {
    /// It was remembered just now.
    Known(bool),
    /// Another request is finding out already; this one hears of it.
    Follow(Seat),
    /// This one has to find out, and hears of it like all others.
    Lead(Flight, Seat),
}

/// The flights on their way, over the cache in which they land.
pub(crate) struct Flights {
    cache: Arc<Cache>,
    /// Held for a few instructions at a time, never across a hash or an await: a plain lock is
    /// the simplest that does, and only passwords that must be hashed come here.
    table: Mutex<HashMap<Key, Flying>>,
}

struct Flying {
    waiting: Vec<oneshot::Sender<Outcome>>,
    place: Weak<OnceLock<Place>>,
}

/// One who waits for a flight's outcome. The place in the waiting room is kept for as long as
/// anybody does.
#[must_use]
pub(crate) struct Seat {
    outcome: oneshot::Receiver<Outcome>,
    place: Arc<OnceLock<Place>>,
}

/// The duty to find out. Dropped without landing, it tells all who wait that it is called off.
#[must_use]
pub(crate) struct Flight {
    flights: Arc<Flights>,
    /// Gone when it has landed: what stands in the table under it then is another flight.
    key: Option<Key>,
}

impl Flights {
    /// None on their way.
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            table: Mutex::new(HashMap::new()),
        }
    }

    /// Joins the flight for a key, or starts it.
    pub(crate) fn join(self: &Arc<Self>, key: Key) -> Join {
        let (sender, outcome) = oneshot::channel();
        let mut table = self.table();
        // A flight remembers before it leaves the table, so looking again here, with the table
        // held, leaves no gap through which a second hash could start.
        if let Some(right) = self.cache.recall(&key) {
            return Join::Known(right);
        }
        if let Some(flying) = table.get_mut(&key) {
            flying.waiting.push(sender);
            // All others may have gone. Either it is being computed all the same, or it is just
            // being called off, and this one hears of that.
            let place = flying.place.upgrade().unwrap_or_default();
            flying.place = Arc::downgrade(&place);
            return Join::Follow(Seat { outcome, place });
        }
        let place = Arc::default();
        let flying = Flying {
            waiting: vec![sender],
            place: Arc::downgrade(&place),
        };
        table.insert(key, flying);
        let flights = Arc::clone(self);
        let key = Some(key);
        Join::Lead(Flight { flights, key }, Seat { outcome, place })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Flying>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Keeps this place for all who wait for the flight.
    pub(crate) fn keep(&self, place: Place) {
        // There is one leader, and it comes here once.
        let _ = self.place.set(place);
    }

    /// Waits for the outcome; none if the flight is called off.
    pub(crate) async fn outcome(self) -> Option<Outcome> {
        self.outcome.await.ok()
    }
}

impl Flight {
    /// Remembers the outcome and tells everyone who waits.
    pub(crate) fn land(mut self, outcome: Outcome) {
        let Some(key) = self.key.take() else {
            return;
        };
        match outcome {
            Outcome::Right => self.flights.cache.remember(key, true),
            Outcome::Wrong => self.flights.cache.remember(key, false),
            Outcome::Fault => (),
        }
        let flying = self.flights.table().remove(&key);
        for sender in flying.into_iter().flat_map(|flying| flying.waiting) {
            // Who hung up meanwhile needs no answer.
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let flying = self.key.and_then(|key| self.flights.table().remove(&key));
        // Outside the lock: who waits may come back at once.
        drop(flying);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::cache::Bounds;
    use crate::judge::pool::{Places, WaitingRoom};
    use crate::request::client::Client;

    const KEY: Key = [9; 32];

    fn flights() -> Arc<Flights> {
        let cache = Arc::new(Cache::new([1; 32], Bounds::default()));
        Arc::new(Flights::new(cache))
    }

    fn lead(flights: &Arc<Flights>) -> (Flight, Seat) {
        match flights.join(KEY) {
            Join::Lead(flight, seat) => (flight, seat),
            _ => panic!("must lead"),
        }
    }

    fn follow(flights: &Arc<Flights>) -> Seat {
        match flights.join(KEY) {
            Join::Follow(seat) => seat,
            _ => panic!("must follow"),
        }
    }

    #[test]
    fn one_flight_for_all_and_then_remembered() {
        for (outcome, remembered) in [
            (Outcome::Right, Some(true)),
            (Outcome::Wrong, Some(false)),
            (Outcome::Fault, None),
        ] {
            let flights = flights();
            let (flight, mut first) = lead(&flights);
            let mut second = follow(&flights);
            assert!(
                matches!(flights.join([8; 32]), Join::Lead(..)),
                "another key is another flight"
            );
            flight.land(outcome);
            for seat in [&mut first, &mut second] {
                assert_eq!(seat.outcome.try_recv(), Ok(outcome));
            }
            assert_eq!(flights.cache.recall(&KEY), remembered);
            match (flights.join(KEY), remembered) {
                (Join::Known(right), Some(expected)) => assert_eq!(right, expected),
                (Join::Lead(..), None) => (),
                _ => panic!("{outcome:?}"),
            }
        }
    }

    #[test]
    fn one_who_hangs_up_does_not_fail_the_others() {
        let flights = flights();
        let (flight, first) = lead(&flights);
        let mut second = follow(&flights);
        drop(first);
        flight.land(Outcome::Right);
        assert_eq!(second.outcome.try_recv(), Ok(Outcome::Right));
    }

    #[test]
    fn a_flight_that_is_called_off_releases_its_followers() {
        let flights = flights();
        let (flight, _first) = lead(&flights);
        let mut second = follow(&flights);
        drop(flight);
        assert!(second.outcome.try_recv().is_err());
        let (_next, mut third) = lead(&flights);
        assert!(
            third.outcome.try_recv().is_err(),
            "nobody has found out yet"
        );
    }

    /// The place is kept for the last one who waits, and no longer.
    #[test]
    fn nobody_waits_nobody_hashes() {
        let flights = flights();
        let places = Places { whole: 9, share: 9 };
        let room = WaitingRoom::open(places, 0, || Ok(())).unwrap();
        let (flight, first) = lead(&flights);
        first.keep(
            room.enter(Client::Unknown, false, move || flight.land(Outcome::Right))
                .unwrap(),
        );
        let second = follow(&flights);
        drop(first);
        assert_eq!(room.waiting(), 1);
        drop(second);
        assert_eq!(room.waiting(), 0);
        let _ = lead(&flights);
    }

    /// Its thread has begun when the last one goes: who comes then still follows.
    #[test]
    fn a_flight_outlives_those_who_wait() {
        let flights = flights();
        let (flight, first) = lead(&flights);
        drop(first);
        let mut late = follow(&flights);
        flight.land(Outcome::Right);
        assert_eq!(late.outcome.try_recv(), Ok(Outcome::Right));
    }
}
