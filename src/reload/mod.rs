//! From files to the store: watch, settle, read, parse, replace or keep. Whatever is wrong with
//! a file, the last good snapshot stays; whatever is right with the other file takes effect.

mod gently;
mod keys;
mod source;
mod watch;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use self::gently::{drop_gently, gently, is_large, release};
use self::keys::Keys;
use self::source::Source;
use self::watch::Watching;
use crate::hash::{DecoySeed, Limits};
use crate::htpasswd::{LineErrors, Users};
use crate::metrics::Metrics;
use crate::settle::is_blank;
use crate::store::{Rules, Snapshot, Store, Trouble};
use crate::systemd;
use crate::token;

/// Reads the rules out of the configuration file's bytes. The error is one line.
pub type ParseRules = Box<dyn FnMut(&[u8]) -> Result<Rules, String> + Send>;

/// What to load, and how to notice that it changed.
pub struct Sources {
    /// The htpasswd file.
    pub users: PathBuf,
    /// What a hash may cost.
    pub limits: Limits,
    /// The configuration file, if there is one, and how to read rules from it.
    pub config: Option<(PathBuf, ParseRules)>,
    /// The key that signs tokens, if there is one.
    pub token: Option<token::Settings>,
    /// Rules where there is no configuration file.
    pub rules: Rules,
    /// How often the files are looked at without an event.
    pub poll: Duration,
    /// Whether to ask the system for events.
    pub events: bool,
}

/// Why the service cannot start: one line with the file, what is wrong and what to do.
#[derive(Debug)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// Asks the reload to look again, whatever the file system says. Clones ask the same one.
#[derive(Clone)]
pub struct Trigger(Sender<Wake>);

impl Trigger {
    /// Asks; does not wait.
    pub fn pull(&self) {
        // Without a receiver the process is about to end.
        let _ = self.0.send(Wake::Force);
    }
}

enum Wake {
    Look,
    Force,
    Missed(String),
}

/// Keeps a store up to date.
pub struct Reload {
    store: Arc<Store>,
    seed: DecoySeed,
    metrics: Arc<Metrics>,
    limits: Limits,
    users: Source,
    config: Option<(Source, ParseRules)>,
    keys: Option<Keys>,
    current_users: Arc<Users>,
    current_rules: Arc<Rules>,
    /// What was last said of users whom the rules name.
    strangers: String,
    poll: Duration,
    watching: Watching,
    wakes: Receiver<Wake>,
    /// Kept so that the receiver always has a sender.
    wake: Sender<Wake>,
}

impl Reload {
    /// Watches the files, then loads them for the first time: an edit in between is an event.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or rules that cannot be understood. Users without a single
    /// good line are a warning.
    pub fn start(
        sources: Sources,
        seed: DecoySeed,
        metrics: Arc<Metrics>,
    ) -> Result<Self, LoadError> {
        let (wake, wakes) = channel();
        let mut watching = Watching::new(&sources, &wake);
        let config = sources.config.as_ref().map(|(path, _)| path.as_path());
        let token = sources.token.as_ref();
        let keys = token.map(|token| [token.key.as_path(), &token.certificate]);
        let paths = [sources.users.as_path()].into_iter().chain(config);
        watching.follow(paths.chain(keys.into_iter().flatten()));

        let mut rules = sources.rules;
        let mut config = None;
        if let Some((path, mut parse)) = sources.config {
            let (source, parsed) = Source::open(path, |bytes| parse(bytes))?;
            rules = parsed;
            config = Some((source, parse));
        }
        let limits = sources.limits;
        let (users, (current_users, errors)) =
            Source::open(sources.users, |bytes| Ok(Users::parse(bytes, limits)))?;
        let keys = sources.token.map(|token| Keys::open(token, &metrics));
        let keys = keys.transpose()?;
        announce(users.path(), &current_users, &errors, &metrics);
        metrics.reloads.inc();
        let (current_users, current_rules) = (Arc::new(current_users), Arc::new(rules));
        let first = Snapshot::new(
            Arc::clone(&current_users),
            Arc::clone(&current_rules),
            keys.as_ref().map(Keys::signer),
            &seed,
        );
        let mut reload = Self {
            store: Arc::new(Store::new(first)),
            seed,
            metrics,
            limits,
            users,
            config,
            keys,
            current_users,
            current_rules,
            strangers: String::new(),
            poll: sources.poll,
            watching,
            wakes,
            wake,
        };
        reload.tell();
        reload.tell_strangers();
        Ok(reload)
    }

    /// The store that is kept up to date.
    pub fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// A way to ask for another look.
    pub fn trigger(&self) -> Trigger {
        Trigger(self.wake.clone())
    }

    /// Keeps the store up to date for as long as the process lives.
    pub fn run(mut self) -> ! {
        let mut next_poll = Instant::now() + self.poll;
        loop {
            let rest = next_poll.saturating_duration_since(Instant::now());
            let first = self.wakes.recv_timeout(rest).ok();
            if first.is_none() {
                next_poll = Instant::now() + self.poll;
            }
            let mut force = false;
            for wake in first.into_iter().chain(self.wakes.try_iter()) {
                match wake {
                    Wake::Look => (),
                    Wake::Force => force = true,
                    Wake::Missed(why) => log::warn!(
                        "file events were missed ({why}); looking every {:?} goes on",
                        self.poll
                    ),
                }
            }
            if force {
                systemd::reloading();
            }
            self.look(force);
            if force {
                systemd::ready();
            }
        }
    }

    /// Looks at both files once and takes over what changed.
    fn look(&mut self, force: bool) {
        let config = self.config.as_ref().map(|(source, _)| source.path());
        let keys = self.keys.as_ref().map(Keys::paths);
        let paths = [self.users.path()].into_iter().chain(config);
        self.watching
            .follow(paths.chain(keys.into_iter().flatten()));

        let mut changed = false;
        let had_rules = self.current_rules.access.has_rules();
        // Half a file without its rules would let every user do everything.
        let lost_rules = |bytes: &[u8]| had_rules && !bytes.windows(6).any(|w| w == b"access");
        if let Some((source, parse)) = &mut self.config
            && let Some(bytes) = source.refresh(force, lost_rules, &|| ())
        {
            match parse(&bytes) {
                Ok(rules) => {
                    if had_rules && !rules.access.has_rules() {
                        log::warn!(
                            "{}: no access rules any more, so every user may do everything",
                            source.path().display()
                        );
                    }
                    self.current_rules = Arc::new(rules);
                    changed = true;
                    source.accept();
                    log::info!("{}: rules loaded", source.path().display());
                }
                Err(error) => source.refuse(&format!("{error}; the last good rules stay")),
            }
        }
        let had_users = self.current_users.count() > 0;
        let lost_users = |bytes: &[u8]| had_users && is_blank(bytes);
        let large = is_large(self.users.path(), &self.current_users);
        let (source, limits) = (&mut self.users, self.limits);
        let fresh = gently(large, |pause| {
            let bytes = source.refresh(force, lost_users, pause)?;
            let users = Users::parse_with_pauses(&bytes, limits, pause);
            release(bytes, pause);
            Some(users)
        });
        if let Some((users, errors)) = fresh {
            announce(self.users.path(), &users, &errors, &self.metrics);
            self.current_users = Arc::new(users);
            changed = true;
        }
        if changed {
            self.renew(large);
        }
        // Afterwards: no key that changes all the time keeps a removed user alive.
        if let Some(keys) = &mut self.keys
            && keys.refresh(force, &self.metrics)
        {
            self.renew(large);
            changed = true;
        }
        if self.report() || changed {
            self.tell();
        }
    }

    /// Lets all that is current take effect.
    fn renew(&mut self, large: bool) {
        let old = self.store.replace(Snapshot::new(
            Arc::clone(&self.current_users),
            Arc::clone(&self.current_rules),
            self.keys.as_ref().map(Keys::signer),
            &self.seed,
        ));
        drop_gently(large, old);
        self.metrics.reloads.inc();
        self.tell_strangers();
    }

    /// Says which users the rules name that there are not. They may come yet.
    fn tell_strangers(&mut self) {
        let is_user = |name: &[u8]| self.current_users.find(name).is_some();
        let strangers = self.current_rules.access.strangers(is_user);
        let mut told: Vec<_> = strangers
            .iter()
            .take(MOST_STRANGERS)
            .map(|(name, rule)| format!("{name:?} (rule {rule})"))
            .collect();
        if strangers.len() > told.len() {
            told.push(format!("and {} more", strangers.len() - told.len()));
        }
        let told = told.join(", ");
        if told != self.strangers && !told.is_empty() {
            log::warn!(
                "{}: the access rules name users who are not in it: {told}",
                self.users.path().display()
            );
        }
        self.strangers = told;
    }

    /// Reports what keeps the files from taking effect; says whether that is news.
    fn report(&self) -> bool {
        let config = self
            .config
            .as_ref()
            .and_then(|(source, _)| source.trouble());
        let keys = self.keys.iter().flat_map(Keys::troubles);
        let troubles: Vec<_> = self
            .users
            .trouble()
            .into_iter()
            .chain(config)
            .chain(keys)
            .collect();
        self.metrics
            .reload_trouble
            .set(i64::from(!troubles.is_empty()));
        let what = troubles.join("; ");
        let known = self.store.trouble();
        if known.map_or(what.is_empty(), |known| known.what == what) {
            return false;
        }
        let trouble = (!what.is_empty()).then(|| Trouble {
            what,
            since: SystemTime::now(),
        });
        self.store.report(trouble);
        true
    }

    /// Keeps the line in `systemctl status` true.
    fn tell(&self) {
        let users = self.current_users.count();
        systemd::status(&match self.store.trouble() {
            None => format!("users: {users}"),
            Some(trouble) => format!("users: {users}; last reload failed: {}", trouble.what),
        });
    }
}

/// So many are named in one line of the log.
const MOST_STRANGERS: usize = 10;

fn announce(path: &Path, users: &Users, errors: &LineErrors, metrics: &Metrics) {
    let path = path.display();
    for error in errors.first() {
        log::warn!("{path}:{}: {}", error.line, error.fault);
    }
    let untold = errors.count() - errors.first().len() as u64;
    if untold > 0 {
        log::warn!("{path}: {untold} more lines are left out; mend the first ones and look again");
    }
    let weak: u64 = users
        .kinds()
        .iter()
        .filter(|(kind, _)| kind.is_weak())
        .map(|(_, count)| count)
        .sum();
    if weak > 0 {
        log::warn!(
            "{path}: {weak} users have a password that is found too easily if the file is stolen; \
             set their passwords anew with 'htpasswd -B -C 10 FILE USER'"
        );
    }
    if users.count() == 0 {
        log::warn!("{path}: no users, so nobody can log in; add one with 'htpasswd -B FILE USER'");
    }
    let kinds: Vec<_> = users
        .kinds()
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    log::info!(
        "{path}: users loaded: {} ({})",
        users.count(),
        kinds.join(", ")
    );
    metrics
        .users
        .set(i64::try_from(users.count()).unwrap_or(i64::MAX));
    metrics
        .faulty_lines
        .set(i64::try_from(errors.count()).unwrap_or(i64::MAX));
}
