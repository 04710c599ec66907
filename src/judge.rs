//! The order of checks. The only caller of [`PasswordHash::matches`].
//!
//! [`PasswordHash::matches`]: crate::hash::PasswordHash::matches

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::cache::Cache;
use crate::client::Client;
use crate::credentials::{Credentials, Presented};
use crate::flights::{Flight, Flights, Join, Outcome, Seat};
use crate::hash::PasswordHash;
use crate::metrics::Metrics;
use crate::request::{Field, Request};
use crate::store::Store;
use crate::strikes::Strikes;
use crate::successes::Successes;
use crate::verdict::{Challenge, UserName, Verdict};
use crate::waiting::{Full, NoPlace, WaitingRoom};

/// Judges requests by the store's current snapshot.
pub struct Judge {
    /// Where the current snapshot is read.
    pub store: Arc<Store>,
    /// What is remembered of passwords.
    pub cache: Arc<Cache>,
    /// What is being found out of them.
    pub flights: Arc<Flights>,
    /// Where passwords wait to be hashed.
    pub room: WaitingRoom,
    /// How long they may.
    pub patience: Duration,
    /// Who has guessed wrong.
    pub strikes: Arc<Strikes>,
    /// Who has not.
    pub successes: Successes,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Judge {
    /// Judges one request, and counts the verdict.
    pub async fn judge(&self, request: &Request<'_>) -> Verdict {
        let verdict = self.decide(request).await;
        self.metrics.count(verdict.reason());
        verdict
    }

    async fn decide(&self, request: &Request<'_>) -> Verdict {
        let client = Client::new(request.real_ip);
        let mut credentials = None;
        let mut learned = None;
        let mut deadline = None;
        // A second turn is taken only after a hash, and then by the snapshot of that moment: who
        // was removed while the hash was computed is not let in by it.
        loop {
            let snapshot = self.store.read();
            let welcome = match request.user_agent {
                Field::Absent => true,
                Field::One(user_agent) => snapshot.user_agents().admit(user_agent),
                Field::Repeated => false,
            };
            if !welcome {
                return Verdict::RefuseAgent;
            }
            let credentials = match &credentials {
                Some(credentials) => credentials,
                None => match Presented::parse(request.authorization) {
                    Presented::Nothing => return Verdict::Challenge(Challenge::NoCredentials),
                    Presented::Unusable => return Verdict::Challenge(Challenge::BadCredentials),
                    Presented::Credentials(presented) => credentials.insert(presented),
                },
            };
            let (hash, is_user) = snapshot.hash_for(credentials.claimed());
            let key = self.cache.key(credentials, hash);
            let right = match learned {
                Some((learned_key, right)) if learned_key == key => Some(right),
                _ => self.cache.recall(&key),
            };
            if let Some(right) = right {
                let proven = right & is_user;
                if proven {
                    self.successes.note(client);
                }
                return conclude(proven, credentials, request);
            }
            let hash = hash.clone();
            drop(snapshot);
            if let Some(wait) = self.strikes.wait(client) {
                return Verdict::Throttle(wait);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
            let seat = match self.flights.join(key) {
                Join::Known(right) => {
                    learned = Some((key, right));
                    continue;
                }
                Join::Follow(seat) => seat,
                Join::Lead(flight, seat) => {
                    match self.take_off(flight, &seat, client, hash, credentials.clone()) {
                        Ok(()) => seat,
                        Err(verdict) => return verdict,
                    }
                }
            };
            learned = match timeout_at(deadline.into(), seat.outcome()).await {
                Ok(Some(Outcome::Right)) => Some((key, true)),
                Ok(Some(Outcome::Wrong)) => Some((key, false)),
                Ok(Some(Outcome::Fault)) => return Verdict::Fault,
                // Called off by whoever led it, for reasons that need not be ours.
                Ok(None) => None,
                Err(_) => return Verdict::Busy(self.room.clears_in()),
            };
        }
    }

    /// Takes a place in the waiting room for the hash that a flight needs.
    fn take_off(
        &self,
        flight: Flight,
        seat: &Seat,
        client: Client,
        hash: PasswordHash,
        credentials: Credentials,
    ) -> Result<(), Verdict> {
        let (strikes, metrics) = (Arc::clone(&self.strikes), Arc::clone(&self.metrics));
        let job = move || {
            // More of this address may have been found wrong meanwhile. Then the flight is off.
            if strikes.wait(client).is_some() {
                return;
            }
            let outcome = hold_against(&hash, &credentials, &metrics);
            if outcome == Outcome::Wrong {
                strikes.add(client);
                metrics.strikes.inc();
            }
            flight.land(outcome);
        };
        match self.room.enter(client, self.successes.has(client), job) {
            Ok(place) => {
                seat.keep(place);
                Ok(())
            }
            Err(NoPlace { full, retry_after }) => Err(match full {
                Full::Share => Verdict::Throttle(retry_after),
                Full::Whole => Verdict::Busy(retry_after),
            }),
        }
    }
}

fn hold_against(hash: &PasswordHash, credentials: &Credentials, metrics: &Metrics) -> Outcome {
    let start = Instant::now();
    let matches = catch_unwind(AssertUnwindSafe(|| hash.matches(credentials.password())));
    metrics.hash_seconds.observe(start.elapsed().as_secs_f64());
    match matches {
        Ok(true) => Outcome::Right,
        Ok(false) => Outcome::Wrong,
        Err(_) => Outcome::Fault,
    }
}

fn conclude(proven: bool, credentials: &Credentials, request: &Request<'_>) -> Verdict {
    if !proven {
        return Verdict::Challenge(Challenge::BadCredentials);
    }
    if !request.original_is_clean() {
        return Verdict::Forbid;
    }
    Verdict::Allow(UserName::proven(credentials))
}
