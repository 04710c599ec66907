//! The order of checks. The only caller of [`PasswordHash::matches`].
//!
//! [`PasswordHash::matches`]: crate::hash::PasswordHash::matches

pub(crate) mod cache;
pub(crate) mod pace;
pub(crate) mod pool;
pub(crate) mod singleflight;
pub(crate) mod strikes;
pub(crate) mod successes;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::{sleep, timeout_at};

use crate::hash::PasswordHash;
use crate::judge::cache::Cache;
use crate::judge::pace::Pace;
use crate::judge::pool::{Full, NoPlace, WaitingRoom};
use crate::judge::singleflight::{Flight, Flights, Join, Outcome, Seat};
use crate::judge::strikes::Strikes;
use crate::judge::successes::Successes;
use crate::observe::metrics::Metrics;
use crate::request::client::Client;
use crate::request::credentials::{Credentials, Presented};
use crate::request::{Field, Request};
use crate::rules::access::Who;
use crate::store::{Snapshot, Store};
use crate::system::priority::Pauses;
use crate::token::{Grants, Scopes, Token};
use crate::verdict::{Challenge, Reason, UserName, Verdict};

/// Judges requests by the store's current snapshot.
pub(crate) struct Judge {
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
    /// How many passwords and requests can be worked on at the same time.
    pub cores: u32,
    /// Who has guessed wrong.
    pub strikes: Arc<Strikes>,
    /// How fast that is said.
    pub pace: Pace,
    /// Who has guessed right.
    pub successes: Successes,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Judge {
    /// Judges one request, and counts the verdict.
    pub(crate) async fn judge(&self, request: &Request<'_>) -> Verdict {
        let admit = |snapshot: &Snapshot, known: Option<UserName>| match known {
            Some(user) => admit_user(user, snapshot, request),
            None => admit_anonymous(snapshot, request),
        };
        let verdict = self.identify(request, admit).await;
        let verdict = verdict.unwrap_or_else(|refusal| refusal);
        self.metrics.count(verdict.reason());
        verdict
    }

    /// Signs a token for who asks, if it can be told who that is. Nobody in particular gets one,
    /// too, with what the rules let anybody do.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub(crate) async fn issue(
        &self,
        request: &Request<'_>,
        scopes: &Scopes,
    ) -> Result<Token, Verdict> {
        let sign = |snapshot: &Snapshot, known: Option<UserName>| {
            if !request.original_is_clean() {
                return Err(Verdict::Fault);
            }
            let signer = snapshot.signer().ok_or(Verdict::Fault)?;
            let who = known
                .as_ref()
                .map_or(Who::Anonymous, |user| Who::User(user.as_bytes()));
            let server = request.server_name();
            let grants = Grants::of(scopes, who, server, snapshot.access());
            signer
                .sign(known, grants, SystemTime::now())
                .map_err(|error| {
                    log::error!("{error}");
                    Verdict::Fault
                })
        };
        let token = self.identify(request, sign).await.flatten();
        let reason = match &token {
            Ok(token) if token.user.is_some() => Reason::Ok,
            Ok(_) => Reason::Anonymous,
            Err(refusal) => refusal.reason(),
        };
        self.metrics.count_token(reason.as_str());
        token
    }

    /// Finds out who asks, and what the snapshot of that moment makes of them; `None` is somebody
    /// without credentials. The error is a refusal.
    async fn identify<T>(
        &self,
        request: &Request<'_>,
        conclude: impl Fn(&Snapshot, Option<UserName>) -> T,
    ) -> Result<T, Verdict> {
        let concluded = self.find_out(request, conclude).await;
        if let Err(Verdict::Throttle(_)) = concluded
            && let Some(hold) = self.pace.hold(Client::new(request.real_ip))
        {
            sleep(hold.time).await;
        }
        concluded
    }

    async fn find_out<T>(
        &self,
        request: &Request<'_>,
        conclude: impl Fn(&Snapshot, Option<UserName>) -> T,
    ) -> Result<T, Verdict> {
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
                return Err(Verdict::RefuseAgent);
            }
            let credentials = match &credentials {
                Some(credentials) => credentials,
                None => match Presented::parse(request.authorization) {
                    Presented::Nothing => return Ok(conclude(&snapshot, None)),
                    Presented::Unusable => {
                        return Err(Verdict::Challenge(Challenge::BadCredentials));
                    }
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
                if !proven {
                    return Err(Verdict::Challenge(Challenge::BadCredentials));
                }
                self.successes.note(client);
                return Ok(conclude(&snapshot, Some(UserName::proven(credentials))));
            }
            let hash = hash.clone();
            drop(snapshot);
            if let Some(wait) = self.strikes.wait(client) {
                return Err(Verdict::Throttle(wait));
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
            let seat = match self.flights.join(key) {
                Join::Known(right) => {
                    learned = Some((key, right));
                    continue;
                }
                Join::Follow(seat) => seat,
                Join::Lead(flight, seat) => {
                    self.take_off(flight, &seat, client, hash, credentials.clone())?;
                    seat
                }
            };
            learned = match timeout_at(deadline.into(), seat.outcome()).await {
                Ok(Some(Outcome::Right)) => Some((key, true)),
                Ok(Some(Outcome::Wrong)) => Some((key, false)),
                Ok(Some(Outcome::Fault)) => return Err(Verdict::Fault),
                // Called off by whoever led it, for reasons that need not be ours.
                Ok(None) => None,
                Err(_) => return Err(Verdict::Busy(self.room.clears_in())),
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
        let cores = self.cores;
        let job = move || {
            // More of this address may have been found wrong meanwhile. Then the flight is off.
            if strikes.wait(client).is_some() {
                return;
            }
            let outcome = hold_against(&hash, &credentials, &metrics, cores);
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

fn hold_against(
    hash: &PasswordHash,
    credentials: &Credentials,
    metrics: &Metrics,
    cores: u32,
) -> Outcome {
    let start = Instant::now();
    metrics.hashing.inc();
    // Whoever is let in meanwhile shall not wait for a core that this keeps.
    let (pauses, seen) = (Pauses::new(), Cell::new(metrics.let_in()));
    let needed = || {
        let now = metrics.let_in();
        let count = u32::try_from(now - seen.get()).unwrap_or(u32::MAX);
        let needed = (LET_IN.saturating_mul(count) / cores).min(LONGEST_REST);
        if needed < SHORTEST_REST {
            return Duration::ZERO;
        }
        seen.set(now);
        needed
    };
    let pause = || pauses.rest_for(needed);
    let matches = catch_unwind(AssertUnwindSafe(|| {
        hash.matches_with_pauses(credentials.password(), &pause)
    }));
    metrics.hashing.dec();
    metrics.hash_seconds.observe(start.elapsed().as_secs_f64());
    match matches {
        Ok(true) => Outcome::Right,
        Ok(false) => Outcome::Wrong,
        Err(_) => Outcome::Fault,
    }
}

fn admit_user(user: UserName, snapshot: &Snapshot, request: &Request<'_>) -> Verdict {
    let who = Who::User(user.as_bytes());
    if !snapshot.access().decide(who, request).is_allow() {
        return Verdict::Forbid;
    }
    Verdict::Allow(user)
}

/// Who sent no credentials may have some: what nobody may do asks for them.
fn admit_anonymous(snapshot: &Snapshot, request: &Request<'_>) -> Verdict {
    if snapshot.access().decide(Who::Anonymous, request).is_allow() {
        return Verdict::AllowAnonymous;
    }
    Verdict::Challenge(Challenge::NoCredentials)
}

/// About what a request that is let in takes nginx and us, of one core.
const LET_IN: Duration = Duration::from_micros(60);
/// The system makes some 50 microseconds more of it (`PR_SET_TIMERSLACK` of prctl(2)).
const SHORTEST_REST: Duration = Duration::from_micros(100);
/// Three times what is worked between two rests: hashing goes on on the busiest machine.
const LONGEST_REST: Duration = Duration::from_micros(900);
