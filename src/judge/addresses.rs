//! What is known of client addresses: from which of them somebody has logged in lately, how often
//! each has been wrong, and how fast it is refused. Names of users are not counted: a limit on them
//! would let anyone lock a user out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::request::client::Client;

/// What an address may do before it has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// How many distinct wrong passwords an address may show, ...
    pub strikes: u32,
    /// ... and for how long after the last of them they count.
    pub lifetime: Duration,
}

/// All addresses that anything is known of; each list has a bound.
pub(crate) struct Addresses {
    allowance: Allowance,
    start: Instant,
    /// Those with a right password in the last hour.
    familiar: Cache<Client, ()>,
    strikes: Cache<Client, Arc<Strikes>>,
    /// How many passwords of each address are being hashed; no more than there are threads.
    trials: Mutex<HashMap<Client, u32>>,
    trial_ended: Condvar,
    tarpit: Semaphore,
}

/// Distinct wrong passwords of one address, and what came of them. Changed in its place: the cache
/// frees what is replaced only when no thread that hashes, and waits for a core, is inside it.
#[derive(Debug, Default)]
struct Strikes {
    /// When the last one was, in milliseconds since the start, and in the lowest bits how many count.
    counted: AtomicU64,
    refusals: Refusals,
}

/// In which second an address has been refused last, and how often in that second.
#[derive(Debug, Default)]
struct Refusals(AtomicU64);

/// From where, and in which minute, a remembered password was last used. With it an address is
/// kept familiar once a minute, and not at each request.
#[derive(Debug, Default)]
pub(crate) struct LastUse(AtomicU64);

impl Addresses {
    /// Nothing is known of any.
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            start: Instant::now(),
            familiar: Cache::builder()
                .max_capacity(MOST_ADDRESSES)
                .time_to_idle(FAMILIAR)
                .build(),
            strikes: Cache::builder()
                .max_capacity(MOST_ADDRESSES)
                .time_to_idle(allowance.lifetime)
                // The newest stays: a flood of addresses must not keep one more from being counted.
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            trials: Mutex::default(),
            trial_ended: Condvar::new(),
            tarpit: Semaphore::new(MOST_HELD),
        }
    }

    /// Somebody at this address has shown a right password. Nothing else makes or keeps an address
    /// familiar.
    pub(crate) fn allow(&self, client: Client, last_use: &LastUse) {
        let Some(mark) = mark(client) else {
            return;
        };
        let minute = self.start.elapsed().as_secs() / 60;
        let now = minute << u32::BITS | u64::from(mark);
        if last_use.0.load(Ordering::Relaxed) != now {
            last_use.0.store(now, Ordering::Relaxed);
            self.familiar.insert(client, ());
        }
    }

    /// Whether somebody at this address has shown a right password within the last hour. Asking
    /// keeps nothing familiar.
    pub(crate) fn is_familiar(&self, client: Client) -> bool {
        self.familiar.contains_key(&client)
    }

    /// Lets a password of this address be hashed, or nothing if the address has to wait. Where those
    /// that are being hashed could use its strikes up, this waits for them, on a thread that hashes:
    /// otherwise every thread could try one more password than is allowed.
    pub(crate) fn begin_trial(&self, client: Client) -> Option<Trial<'_>> {
        let mut trials = self.trials();
        loop {
            let left = self.strikes_left(client, Instant::now())?;
            let running = trials.entry(client).or_default();
            if *running < left {
                *running += 1;
                return Some(Trial {
                    addresses: self,
                    client,
                });
            }
            let woken = self.trial_ended.wait(trials);
            trials = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn trials(&self) -> MutexGuard<'_, HashMap<Client, u32>> {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long an address has to wait until another password from it is tried, if it has to.
    pub(crate) fn wait(&self, client: Client) -> Option<Duration> {
        self.wait_at(client, Instant::now())
    }

    /// Holds a refusal back where an address asks for more of them than any honest client would, so
    /// that it keeps neither nginx nor us from those who are allowed.
    pub(crate) async fn hold_back(&self, client: Client) {
        if let Some(_held) = self.tarpit(client, self.start.elapsed().as_secs()) {
            sleep(HOLD).await;
        }
    }

    fn tarpit(&self, client: Client, second: u64) -> Option<SemaphorePermit<'_>> {
        let is_flood = self.strikes.get(&client)?.refusals.count(second) > BURST;
        is_flood.then(|| self.tarpit.try_acquire().ok()).flatten()
    }

    fn strike_at(&self, client: Client, now: Instant) {
        let strikes = self.strikes.get_with(client, Arc::default);
        let now = self.milliseconds(now);
        let _ = (strikes.counted).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
            let (last, count) = unpack(known);
            let before = self.left(last, now).map_or(0, |_| count);
            Some(now << COUNT_BITS | u64::from(before + 1).min(MOST_COUNTED))
        });
    }

    fn wait_at(&self, client: Client, now: Instant) -> Option<Duration> {
        let (left, count) = self.counting(client, now)?;
        (count >= self.allowed(client)).then_some(left)
    }

    /// How many more passwords may be wrong, if any.
    fn strikes_left(&self, client: Client, now: Instant) -> Option<u32> {
        let count = self.counting(client, now).map_or(0, |(_, count)| count);
        let left = self.allowed(client).saturating_sub(count);
        (left > 0).then_some(left)
    }

    /// How long strikes still count, and how many, if any do.
    fn counting(&self, client: Client, now: Instant) -> Option<(Duration, u32)> {
        let known = self.strikes.get(&client)?.counted.load(Ordering::Relaxed);
        let (last, count) = unpack(known);
        let left = self.left(last, self.milliseconds(now))?;
        Some((left, count))
    }

    fn allowed(&self, client: Client) -> u32 {
        let factor = match client {
            // They would be everybody's.
            Client::Unknown | Client::Name(_) => return u32::MAX,
            _ if self.is_familiar(client) => FAMILIAR_FACTOR,
            _ => 1,
        };
        self.allowance.strikes.saturating_mul(factor)
    }

    /// How long strikes still count, if they do.
    fn left(&self, last: u64, now: u64) -> Option<Duration> {
        let age = Duration::from_millis(now.saturating_sub(last));
        let left = self.allowance.lifetime.saturating_sub(age);
        (!left.is_zero()).then_some(left)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_millis() as u64
    }
}

/// When the last strike was, and how many count.
fn unpack(counted: u64) -> (u64, u32) {
    (counted >> COUNT_BITS, (counted & MOST_COUNTED) as u32)
}

impl Refusals {
    /// Counts one, and says how many there have been in this second.
    fn count(&self, second: u64) -> u64 {
        let count = |known: u64| known.max(second << u32::BITS).saturating_add(1);
        let known = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
                Some(count(known))
            });
        count(known.unwrap_or_default()) & u64::from(u32::MAX)
    }
}

/// A password that is being hashed.
#[must_use]
pub(crate) struct Trial<'a> {
    addresses: &'a Addresses,
    client: Client,
}

impl Trial<'_> {
    /// Counts the password, which was wrong, and ends.
    pub(crate) fn strike(self) {
        self.addresses.strike_at(self.client, Instant::now());
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let mut trials = self.addresses.trials();
        if let Entry::Occupied(mut running) = trials.entry(self.client) {
            *running.get_mut() -= 1;
            if *running.get() == 0 {
                running.remove();
            }
        }
        drop(trials);
        self.addresses.trial_ended.notify_all();
    }
}

/// Tells addresses apart. Where two look alike, the second one may miss being kept familiar.
fn mark(client: Client) -> Option<u32> {
    match client {
        Client::V4(address) => Some(u32::from_ne_bytes(address)),
        Client::V6([a, b, c, d, e, f, g, h]) => {
            Some(u32::from_ne_bytes([a, b, c, d]) ^ u32::from_ne_bytes([e, f, g, h]).rotate_left(7))
        }
        Client::Unknown | Client::Name(_) => None,
    }
}

/// Of [`Strikes::counted`]; the others are for 34 years.
const COUNT_BITS: u32 = 24;
const MOST_COUNTED: u64 = (1 << COUNT_BITS) - 1;
/// On each list.
const MOST_ADDRESSES: u64 = 100_000;
/// How long an address stays familiar after its last allowed request.
const FAMILIAR: Duration = Duration::from_secs(3600);
/// Many people share a familiar address, and each may mistype.
const FAMILIAR_FACTOR: u32 = 10;
/// So many refusals of one address a second are at once: docker repeats a wrong password about a
/// hundred times a push.
const BURST: u64 = 100;
/// Longer, and clients give up and try again.
const HOLD: Duration = Duration::from_secs(1);
/// At the same time. nginx has some hundred connections at the least; each of these takes two of
/// them, and allowed requests need the rest.
const MOST_HELD: usize = 128;

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const CLIENT: Client = Client::V4([192, 0, 2, 1]);
    const OTHER: Client = Client::V4([192, 0, 2, 2]);

    fn addresses() -> Addresses {
        Addresses::new(Allowance {
            strikes: 3,
            lifetime: Duration::from_secs(60),
        })
    }

    fn strike(addresses: &Addresses, client: Client) {
        addresses.strike_at(client, Instant::now());
    }

    /// Three may be wrong, so the fourth waits for one of the first three.
    #[test]
    fn no_more_are_tried_at_once_than_may_be_wrong() {
        let addresses = addresses();
        let begin = || addresses.begin_trial(CLIENT).unwrap();
        let (first, second, third) = (begin(), begin(), begin());
        thread::scope(|scope| {
            let fourth = scope.spawn(|| addresses.begin_trial(CLIENT).map(Trial::strike));
            let _other = addresses.begin_trial(OTHER).unwrap();
            first.strike();
            second.strike();
            assert!(addresses.wait(CLIENT).is_none(), "the third may be right");
            third.strike();
            assert!(fourth.join().unwrap().is_none());
        });
        let (fourth, fifth) = (addresses.begin_trial(OTHER), addresses.begin_trial(OTHER));
        thread::scope(|scope| {
            let right = addresses.begin_trial(OTHER).unwrap();
            let next = scope.spawn(|| addresses.begin_trial(OTHER).is_some());
            drop(right);
            assert!(next.join().unwrap());
        });
        drop((fourth, fifth));
        assert!(addresses.trials().is_empty());
    }

    #[test]
    fn strikes_end_after_the_last_one() {
        let addresses = addresses();
        let at = |seconds| addresses.start + Duration::from_secs(seconds);
        let wait = |seconds| addresses.wait_at(CLIENT, at(seconds)).map(|w| w.as_secs());
        for second in [0, 20, 40] {
            assert_eq!(wait(second), None);
            addresses.strike_at(CLIENT, at(second));
        }
        // Looking prolongs nothing.
        assert_eq!((wait(40), wait(99), wait(100)), (Some(60), Some(1), None));
        addresses.strike_at(CLIENT, at(101));
        assert_eq!(wait(101), None, "what has ended does not come back");
        assert_eq!(addresses.wait_at(OTHER, at(40)), None);
    }

    #[test]
    fn a_familiar_address_has_ten_times_the_strikes() {
        let addresses = addresses();
        addresses.allow(CLIENT, &LastUse::default());
        for number in 0..30 {
            assert_eq!(addresses.wait(CLIENT), None, "{number}");
            strike(&addresses, CLIENT);
        }
        assert!(addresses.wait(CLIENT).is_some());
        assert!(addresses.is_familiar(CLIENT) && !addresses.is_familiar(OTHER));
    }

    #[test]
    fn one_password_from_two_addresses_keeps_both_familiar() {
        let (addresses, last_use) = (addresses(), LastUse::default());
        addresses.allow(CLIENT, &last_use);
        addresses.allow(OTHER, &last_use);
        assert!(addresses.is_familiar(CLIENT) && addresses.is_familiar(OTHER));
    }

    #[test]
    fn many_addresses_do_not_add_up() {
        let addresses = addresses();
        for number in 0..200_000_u32 {
            strike(&addresses, Client::V4(number.to_be_bytes()));
        }
        for _ in 0..3 {
            strike(&addresses, CLIENT);
        }
        addresses.strikes.run_pending_tasks();
        assert!(addresses.strikes.entry_count() <= MOST_ADDRESSES);
        assert!(addresses.wait(CLIENT).is_some(), "the newest count");
    }

    #[test]
    fn an_unknown_address_has_no_end_of_strikes_and_is_never_familiar() {
        let addresses = addresses();
        for _ in 0..100 {
            addresses.begin_trial(Client::Unknown).unwrap().strike();
        }
        assert_eq!(addresses.wait(Client::Unknown), None);
        addresses.allow(Client::Unknown, &LastUse::default());
        assert!(!addresses.is_familiar(Client::Unknown));
    }

    #[test]
    fn a_burst_is_at_once_and_a_flood_is_held_back_up_to_a_bound() {
        let addresses = addresses();
        strike(&addresses, CLIENT);
        for second in [0, 1, 7] {
            let tarpit = || addresses.tarpit(CLIENT, second);
            for number in 0..BURST {
                assert!(tarpit().is_none(), "{number}");
            }
            let held: Vec<_> = (0..1000).filter_map(|_| tarpit()).collect();
            assert_eq!(held.len(), MOST_HELD);
            drop(held);
            assert!(tarpit().is_some());
        }
        assert!(addresses.tarpit(OTHER, 7).is_none());
    }
}
