//! Is this request allowed, and what may finding out cost? The order of checks. The only caller of
//! [`PasswordHash::matches`] on what a client sent.
//!
//! [`PasswordHash::matches`]: crate::hash::PasswordHash::matches

pub(crate) mod addresses;
pub(crate) mod cache;
mod pool;
mod singleflight;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use self::addresses::{Addresses, Allowance};
use self::cache::{Answer, Bounds, Cache, Key};
use self::pool::{Full, Pool};
use self::singleflight::{Join, Leader, Outcome, Singleflight, Waiter};
use crate::hash::PasswordHash;
use crate::observe::metrics::Metrics;
use crate::request::client::Client;
use crate::request::credentials::{Credentials, Presented};
use crate::request::{Field, Request};
use crate::rules::access::{Decision, Grounds, Who};
use crate::store::{Snapshot, Store};
use crate::system::priority;
use crate::token::{GrantedScopes, Scopes, Token};
use crate::verdict::{Challenge, Guess, Reason, UserName, Verdict};

/// What finding out may cost.
#[derive(Debug)]
pub(crate) struct JudgeSettings {
    /// How many passwords may wait to be hashed.
    pub queue: usize,
    /// How long a request waits for its password's turn.
    pub queue_timeout: Duration,
    /// How many passwords are hashed at once.
    pub hash_threads: usize,
    /// How often an address may be wrong.
    pub allowance: Allowance,
    /// How right passwords are remembered.
    pub cache: Bounds,
}

/// Judges requests by the store's current snapshot.
pub(crate) struct Judge {
    store: Arc<Store>,
    cache: Arc<Cache>,
    flights: Arc<Singleflight>,
    /// For requests that wait for the hash of another one. They take no slot of the queue, but a
    /// connection each.
    followers: Semaphore,
    pool: Pool,
    queue_timeout: Duration,
    addresses: Arc<Addresses>,
    metrics: Arc<Metrics>,
}

impl Judge {
    /// A judge that remembers nothing yet, with its hashing threads. So many `followers` may wait for
    /// hashes that others have asked for.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no randomness.
    pub(crate) fn start(
        settings: &JudgeSettings,
        followers: usize,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let cache = Arc::new(Cache::new(secret, settings.cache));
        let slots = i64::try_from(settings.queue).unwrap_or(i64::MAX);
        metrics.queue_capacity.set(slots);
        Ok(Self {
            store,
            flights: Arc::new(Singleflight::new(Arc::clone(&cache))),
            cache,
            followers: Semaphore::new(followers),
            pool: Pool::start(settings.queue, settings.hash_threads, priority::lower)?,
            queue_timeout: settings.queue_timeout,
            addresses: Arc::new(Addresses::new(settings.allowance)),
            metrics,
        })
    }

    /// The store whose snapshots decide.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Brings up to date what is not counted but measured.
    pub(crate) fn measure(&self) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let (right, wrong) = self.cache.sizes();
        self.metrics.cached_right.set(gauge(right));
        self.metrics.cached_wrong.set(gauge(wrong));
        let queued = gauge(self.pool.queued() as u64);
        self.metrics.queue_length.set(queued);
    }

    /// Judges one request, and counts the verdict.
    pub(crate) async fn judge(&self, request: &Request<'_>) -> Verdict {
        let authorize = |snapshot: &Snapshot, user| authorize(user, snapshot, request);
        let verdict = self.authenticate(request, authorize).await;
        let verdict = verdict.unwrap_or_else(|refusal| refusal);
        self.metrics.count(verdict.reason());
        verdict
    }

    /// Signs a token for whoever asks, once that is authenticated. A request without credentials
    /// gets one as well, with what the rules allow everybody.
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
            let signer = snapshot.files.signer.as_deref().ok_or(Verdict::Fault)?;
            let who = known
                .as_ref()
                .map_or(Who::Anonymous, |user| Who::User(user.as_bytes()));
            let server = request.server_name();
            let grants = GrantedScopes::of(scopes, who, server, &snapshot.files.rules.access);
            signer
                .sign(known, grants, SystemTime::now())
                .map_err(|error| {
                    log::error!("{error}");
                    Verdict::Fault
                })
        };
        let token = self.authenticate(request, sign).await.flatten();
        let reason = match &token {
            Ok(token) if token.user.is_some() => Reason::Ok,
            Ok(_) => Reason::Anonymous,
            Err(refusal) => refusal.reason(),
        };
        self.metrics.count_token(reason.as_str());
        token
    }

    /// Finds out who asks, and lets the snapshot of that moment `conclude`; the user is `None` where
    /// there are no credentials.
    ///
    /// # Errors
    ///
    /// A refusal.
    async fn authenticate<T>(
        &self,
        request: &Request<'_>,
        conclude: impl Fn(&Snapshot, Option<UserName>) -> T,
    ) -> Result<T, Verdict> {
        let client = Client::new(request.real_ip);
        let mut presented = None;
        let mut learned = None;
        let mut deadline = None;
        // A second turn is taken only after a right answer, or where none came, and then by the
        // snapshot of that moment: a user who was removed while the hash was computed is refused.
        loop {
            let snapshot = self.store.read();
            check_agent(&snapshot, request.user_agent)?;
            let credentials = match &presented {
                Some(credentials) => credentials,
                None => match Presented::parse(request.authorization) {
                    Presented::Nothing => return Ok(conclude(&snapshot, None)),
                    Presented::Malformed(flaw, _) => {
                        let challenge = Challenge::Malformed(flaw);
                        return Err(Verdict::Challenge(challenge));
                    }
                    Presented::Credentials(credentials) => presented.insert(credentials),
                },
            };
            let (hash, is_user) = snapshot.hash_for(credentials.claimed());
            let key = (self.cache).key(credentials, hash, snapshot.files.users_number);
            let known = match learned.take() {
                Some((mac, answer)) if mac == key.mac => Some(answer),
                _ => self.cache.recall(&key),
            };
            match known {
                Some(Answer::Right(last_use)) if is_user => {
                    self.addresses.allow(client, &last_use);
                    return Ok(conclude(&snapshot, Some(UserName::proven(credentials))));
                }
                Some(answer) => return Err(refuse(&answer)),
                None => (),
            }
            let job = (hash.clone(), credentials.clone());
            drop(snapshot);
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.queue_timeout);
            // Boxed, or every request would carry the room that only a hash needs.
            match Box::pin(self.verify(key, client, job, deadline)).await? {
                // Whatever the users have become: if only a guess at a password that has changed
                // were hashed again, the time would tell whose it is.
                Some(wrong @ Answer::Wrong(_)) => return Err(refuse(&wrong)),
                right => learned = right.map(|right| (key.mac, right)),
            }
        }
    }

    /// Has a password hashed, or waits for somebody who does; no answer where that is called off,
    /// for reasons that need not be ours.
    async fn verify(
        &self,
        key: Key,
        client: Client,
        job: (PasswordHash, Credentials),
        deadline: Instant,
    ) -> Result<Option<Answer>, Verdict> {
        if let Some(wait) = self.addresses.wait(client) {
            let guess = self.cache.throttled(key);
            self.addresses.hold_back(client).await;
            return Err(Verdict::Throttle(wait, guess));
        }
        let (waiter, _follower) = match self.flights.join(key) {
            Join::Known(answer) => return Ok(Some(answer)),
            Join::Wait(waiter) => {
                let follower = self.followers.try_acquire();
                let busy = |_| Verdict::Busy(self.pool.clears_in());
                (waiter, Some(follower.map_err(busy)?))
            }
            Join::Lead(leader, waiter) => {
                self.enqueue(leader, &waiter, client, job)?;
                (waiter, None)
            }
        };
        match timeout_at(deadline.into(), waiter.outcome()).await {
            Ok(Ok(Some(answer))) => Ok(Some(answer)),
            Ok(Ok(None)) => Err(Verdict::Fault),
            Ok(Err(_)) => Ok(None),
            Err(_) => Err(Verdict::Busy(self.pool.clears_in())),
        }
    }

    /// Takes a slot in the queue for the hash that a leader needs.
    fn enqueue(
        &self,
        leader: Leader,
        waiter: &Waiter,
        client: Client,
        (hash, credentials): (PasswordHash, Credentials),
    ) -> Result<(), Verdict> {
        let turn = client.or_name(credentials.claimed());
        let (addresses, metrics) = (Arc::clone(&self.addresses), Arc::clone(&self.metrics));
        let job = move || {
            // In the meantime more from this address may have been wrong; then it is called off.
            let Some(trial) = addresses.begin_trial(client) else {
                return;
            };
            let outcome = check(&hash, &credentials, &metrics);
            if let Some(Answer::Wrong(_)) = outcome {
                trial.strike();
                metrics.strikes.inc();
            }
            leader.complete(&outcome);
        };
        let familiar = self.addresses.is_familiar(client);
        let slot = self.pool.enter(turn, familiar, job);
        waiter.keep(slot.map_err(|Full(retry_after)| Verdict::Busy(retry_after))?);
        Ok(())
    }
}

/// Refuses a wrong password. A right one of nobody, against a decoy, is wrong.
fn refuse(answer: &Answer) -> Verdict {
    let guess = match answer {
        Answer::Wrong(refusals) => refusals.next(),
        Answer::Right(_) => Guess::New,
    };
    Verdict::Challenge(Challenge::Wrong(guess))
}

fn check_agent(snapshot: &Snapshot, user_agent: Field<'_>) -> Result<(), Verdict> {
    let welcome = match user_agent {
        Field::Absent => true,
        Field::One(user_agent) => snapshot.files.rules.user_agents.admit(user_agent),
        Field::Repeated => false,
    };
    welcome.then_some(()).ok_or(Verdict::RefuseAgent)
}

fn check(hash: &PasswordHash, credentials: &Credentials, metrics: &Metrics) -> Outcome {
    let start = Instant::now();
    metrics.hashing.inc();
    let matches = catch_unwind(AssertUnwindSafe(|| hash.matches(credentials.password())));
    metrics.hashing.dec();
    metrics.hash_seconds.observe(start.elapsed().as_secs_f64());
    match matches.ok()? {
        true => Some(Answer::right()),
        false => Some(Answer::wrong()),
    }
}

/// Whether the rules allow it. Somebody without credentials may have some: what not everybody may
/// do asks for them.
fn authorize(user: Option<UserName>, snapshot: &Snapshot, request: &Request<'_>) -> Verdict {
    let who = match &user {
        Some(user) => Who::User(user.as_bytes()),
        None => Who::Anonymous,
    };
    match (snapshot.files.rules.access.decide(who, request), user) {
        (Decision::Allow(grounds), user) => Verdict::Allow {
            user,
            drops_mount: matches!(grounds, Grounds::Unmounted { .. }),
        },
        (Decision::Deny(_), Some(_)) => Verdict::Forbid,
        (Decision::Deny(_), None) => Verdict::Challenge(Challenge::NoCredentials),
    }
}
