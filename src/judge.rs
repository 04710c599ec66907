//! The order of checks. The only caller of [`PasswordHash::matches`].
//!
//! [`PasswordHash::matches`]: crate::hash::PasswordHash::matches

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::access::Who;
use crate::cache::{Cache, Join, Key, Outcome};
use crate::credentials::{Credentials, Presented};
use crate::hash::PasswordHash;
use crate::metrics::Metrics;
use crate::request::{Field, Request};
use crate::store::{Snapshot, Store};
use crate::verdict::{Challenge, UserName, Verdict};
use crate::waiting::WaitingRoom;

/// Judges requests by the store's current snapshot.
pub struct Judge {
    /// Where the current snapshot is read.
    pub store: Arc<Store>,
    /// What is remembered of passwords.
    pub cache: Arc<Cache>,
    /// Where passwords wait to be hashed.
    pub room: WaitingRoom,
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
        let mut credentials = None;
        let mut learned = None;
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
                    Presented::Nothing => return admit_anonymous(&snapshot, request),
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
                return conclude(right & is_user, credentials, &snapshot, request);
            }
            let hash = hash.clone();
            drop(snapshot);
            match self.find_out(key, hash, credentials).await {
                Ok(right) => learned = Some((key, right)),
                Err(verdict) => return verdict,
            }
        }
    }

    /// Waits for the hash, one for all who ask the same at the same time.
    async fn find_out(
        &self,
        key: Key,
        hash: PasswordHash,
        credentials: &Credentials,
    ) -> Result<bool, Verdict> {
        let outcome = match self.cache.join(key) {
            Join::Known(right) => return Ok(right),
            Join::Follow(outcome) => outcome,
            Join::Lead(mut flight, outcome) => {
                let credentials = credentials.clone();
                let metrics = Arc::clone(&self.metrics);
                let job = move || {
                    if flight.is_awaited() {
                        flight.land(hold_against(&hash, &credentials, &metrics));
                    }
                };
                self.room.enter(job).map_err(|_full| Verdict::Busy)?;
                outcome
            }
        };
        match outcome.await {
            Ok(Outcome::Right) => Ok(true),
            Ok(Outcome::Wrong) => Ok(false),
            Ok(Outcome::Fault) => Err(Verdict::Fault),
            // The flight was called off: its leader found the room full.
            Err(_) => Err(Verdict::Busy),
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

fn conclude(
    proven: bool,
    credentials: &Credentials,
    snapshot: &Snapshot,
    request: &Request<'_>,
) -> Verdict {
    if !proven {
        return Verdict::Challenge(Challenge::BadCredentials);
    }
    let who = Who::User(credentials.claimed());
    if !snapshot.access().decide(who, request).is_allow() {
        return Verdict::Forbid;
    }
    Verdict::Allow(UserName::proven(credentials))
}

/// Who sent no credentials may have some: what nobody may do asks for them.
fn admit_anonymous(snapshot: &Snapshot, request: &Request<'_>) -> Verdict {
    if snapshot.access().decide(Who::Anonymous, request).is_allow() {
        return Verdict::AllowAnonymous;
    }
    Verdict::Challenge(Challenge::NoCredentials)
}
