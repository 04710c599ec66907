//! Who has guessed wrong too often: distinct wrong passwords by address, within a sliding window.
//! Names of users are not counted: a limit on them would let anybody lock anybody out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::request::client::Client;

/// What an address may do before it has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// So many distinct wrong passwords …
    pub strikes: usize,
    /// … within this time.
    pub window: Duration,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            strikes: 10,
            window: Duration::from_secs(60),
        }
    }
}

/// The strikes of all addresses.
pub(crate) struct Strikes {
    allowance: Allowance,
    start: Instant,
    /// Held for a lookup at a time. Only passwords that nothing is remembered of come here.
    ages: Mutex<Ages>,
}

/// Two generations: when the younger one is a window old, or full, it becomes the older one, and
/// what was older is forgotten. So nothing is forgotten within its window unless the addresses
/// are very many, and nobody ever walks through them.
struct Ages {
    younger: HashMap<Client, Times>,
    older: HashMap<Client, Times>,
    since: Instant,
}

/// The last strikes, oldest first, in ticks since the start: four bytes each, for they may be
/// very many.
type Times = VecDeque<u32>;

impl Strikes {
    /// No strikes yet.
    pub(crate) fn new(allowance: Allowance) -> Self {
        let start = Instant::now();
        Self {
            allowance,
            start,
            ages: Mutex::new(Ages {
                younger: HashMap::new(),
                older: HashMap::new(),
                since: start,
            }),
        }
    }

    /// Counts a wrong password that has not been counted before.
    pub(crate) fn add(&self, client: Client) {
        self.add_at(client, Instant::now());
    }

    /// How long an address has to wait until one more password of its is tried, if it has to.
    pub(crate) fn wait(&self, client: Client) -> Option<Duration> {
        self.wait_at(client, Instant::now())
    }

    fn add_at(&self, client: Client, now: Instant) {
        let Allowance { strikes, window } = self.allowance;
        let mut ages = self.ages();
        ages.grow(now, window);
        let mut times = ages
            .younger
            .remove(&client)
            .or_else(|| ages.older.remove(&client))
            .unwrap_or_default();
        while times.len() >= strikes {
            times.pop_front();
        }
        times.push_back(self.tick(now));
        ages.younger.insert(client, times);
    }

    fn wait_at(&self, client: Client, now: Instant) -> Option<Duration> {
        let Allowance { strikes, window } = self.allowance;
        let ages = self.ages();
        let times = ages
            .younger
            .get(&client)
            .or_else(|| ages.older.get(&client))?;
        let first = times.front().filter(|_| times.len() >= strikes)?;
        let wait = window.saturating_sub(TICK * self.tick(now).saturating_sub(*first));
        (!wait.is_zero()).then_some(wait)
    }

    fn tick(&self, now: Instant) -> u32 {
        let ticks = now.saturating_duration_since(self.start).as_millis() / TICK.as_millis();
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    fn ages(&self) -> MutexGuard<'_, Ages> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ages {
    fn grow(&mut self, now: Instant, window: Duration) {
        let old = now.saturating_duration_since(self.since) >= window;
        if old || self.younger.len() >= MOST_ADDRESSES {
            self.older = std::mem::take(&mut self.younger);
            self.since = now;
        }
    }
}

/// In each generation. With ten strikes each they take some 15 MB together.
const MOST_ADDRESSES: usize = 50_000;
/// 32 bits of them are 13 years.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client = Client::Unknown;

    fn strikes() -> Strikes {
        Strikes::new(Allowance {
            strikes: 3,
            window: Duration::from_secs(60),
        })
    }

    #[test]
    fn the_window_slides() {
        let strikes = strikes();
        let start = strikes.start;
        let at = |seconds| start + Duration::from_secs(seconds);
        let wait = |seconds| strikes.wait_at(CLIENT, at(seconds)).map(|w| w.as_secs());
        for second in [0, 20, 40] {
            assert_eq!(wait(second), None);
            strikes.add_at(CLIENT, at(second));
        }
        assert_eq!((wait(40), wait(59), wait(60)), (Some(20), Some(1), None));
        // One more takes the place of the oldest: the next one leaves at 80.
        strikes.add_at(CLIENT, at(65));
        assert_eq!((wait(65), wait(80), wait(200)), (Some(15), None, None));
    }

    #[test]
    fn every_address_has_its_own() {
        let strikes = strikes();
        for _ in 0..5 {
            strikes.add(CLIENT);
        }
        assert!(strikes.wait(CLIENT).is_some());
        assert_eq!(strikes.wait(Client::V4([192, 0, 2, 1])), None);
    }

    #[test]
    fn a_million_addresses_do_not_add_up() {
        let strikes = strikes();
        for number in 0..1_000_000_u32 {
            strikes.add(Client::V4(number.to_be_bytes()));
        }
        let ages = strikes.ages();
        assert!(ages.younger.len() <= MOST_ADDRESSES && ages.older.len() <= MOST_ADDRESSES);
        drop(ages);
        for _ in 0..3 {
            strikes.add(CLIENT);
        }
        assert!(strikes.wait(CLIENT).is_some(), "the newest still count");
    }
}
