//! From files to the store: watch, settle, read, parse, replace or keep. Whatever is wrong with
//! a file, the last good snapshot stays; whatever is right with another file takes effect. Each has
//! a thread of its own, so that a removed user goes even while another file cannot be read; the users
//! come first.

mod current;
mod follow;
mod keys;
mod large;
mod rules;
mod source;
mod users;
mod watch;
mod watchdog;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use self::current::{Current, Files};
use self::follow::{Follower, Part, USERS};
use self::keys::Keys;
use self::rules::RulesFile;
use self::users::UsersFile;
use self::watch::{Notice, Wake};
use self::watchdog::Watchdog;
use crate::hash::{DecoySeed, Limits};
use crate::observe::metrics::Metrics;
use crate::store::{Rules, Store};
use crate::system::systemd;
use crate::{Fault, token};

/// Reads the rules out of the configuration file's bytes.
pub(crate) type ParseRules = Box<dyn FnMut(&[u8]) -> Result<Rules, Fault> + Send>;

/// What to load, and how to notice that it changed.
pub(crate) struct Sources {
    /// The htpasswd file.
    pub users: PathBuf,
    /// What a hash may cost.
    pub limits: Limits,
    /// The configuration file, if there is one, and how to read rules from it.
    pub config: Option<(PathBuf, ParseRules)>,
    /// The key that signs tokens, if there is one.
    pub token: Option<token::TokenSettings>,
    /// Rules where there is no configuration file.
    pub rules: Rules,
    /// How often the files are looked at without an event.
    pub poll: Duration,
    /// Whether to ask the system for events.
    pub events: bool,
}

/// Why the service cannot start: one line with the file, what is wrong and what to do.
#[derive(Debug)]
pub(crate) struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// Why nobody renews the snapshot any more. To go on with users that may have been removed would be
/// worse than to end.
#[derive(Debug)]
pub(crate) enum ReloadEnd {
    /// A thread ended.
    Fault,
    /// The file system has been silent for too long. One line: where, what.
    Silence(String),
}

/// Asks the reload to look again, whatever the file system says. Clones ask the same one.
#[derive(Clone)]
pub(crate) struct Trigger(Vec<Sender<Wake>>);

impl Trigger {
    /// Asks; does not wait. systemd is told when all files have been looked at.
    pub(crate) fn pull(&self) {
        systemd::reloading();
        let all_done = Arc::new(AllDone);
        for wake in &self.0 {
            // Without a receiver the process is about to end.
            let _ = wake.send(Wake::Force(Arc::clone(&all_done)));
        }
    }
}

/// Dropped by the last file that was looked at.
struct AllDone;

impl Drop for AllDone {
    fn drop(&mut self) {
        systemd::ready();
    }
}

/// Keeps a store up to date.
pub(crate) struct Reload {
    current: Arc<Current>,
    followers: Vec<Follower>,
}

impl Reload {
    /// Watches the files, then loads them for the first time: an edit in between is an event.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or rules that cannot be understood. Users without a single
    /// good line are a warning.
    pub(crate) fn start(
        sources: Sources,
        seed: DecoySeed,
        metrics: Arc<Metrics>,
    ) -> Result<Self, LoadError> {
        let (poll, events) = (sources.poll, sources.events);
        let follow = |paths: &[&Path]| Notice::new(paths, poll, events);

        let notice = follow(&[&sources.users]);
        let users = UsersFile::open(sources.users, sources.limits)?;
        let mut files = Files {
            users: users.users(),
            rules: Arc::new(sources.rules),
            signer: None,
        };
        let mut parts: Vec<(Notice, Box<dyn Part>)> = vec![(notice, Box::new(users))];
        if let Some((path, parse)) = sources.config {
            let notice = follow(&[&path]);
            let rules = RulesFile::open(path, parse)?;
            parts.push((notice, Box::new(rules)));
        }
        if let Some(settings) = sources.token {
            let notice = follow(&[&settings.key, &settings.certificate]);
            let keys = Keys::open(settings)?;
            parts.push((notice, Box::new(keys)));
        }
        for (_, part) in &parts {
            part.share(&mut files);
        }
        let current = Arc::new(Current::new(files, seed, metrics, parts.len()));
        let mut followers = Vec::<Follower>::new();
        for (place, (notice, mut part)) in parts.into_iter().enumerate() {
            part.announce(current.metrics());
            let users = followers.get(USERS).map(Follower::wake);
            followers.push(Follower::new(place, part, notice, users));
        }
        current.tell();
        Ok(Self { current, followers })
    }

    /// The store that is kept up to date.
    pub(crate) fn store(&self) -> Arc<Store> {
        self.current.store()
    }

    /// A way to ask for another look.
    pub(crate) fn trigger(&self) -> Trigger {
        Trigger(self.followers.iter().map(Follower::wake).collect())
    }

    /// Keeps the store up to date until the process ends, or says why it cannot.
    ///
    /// # Errors
    ///
    /// When the system gives no threads.
    pub(crate) fn run(self, end: &mpsc::Sender<ReloadEnd>) -> io::Result<()> {
        let watchdog = Watchdog::new(&self.followers, Arc::clone(&self.current));
        spawn("watchdog", end, |end| watchdog.run(&end))?;
        for follower in self.followers {
            let current = Arc::clone(&self.current);
            spawn("reload", end, move |_| follower.run(&current))?;
        }
        Ok(())
    }
}

/// A thread whose end, be it by a panic, is told.
fn spawn(
    name: &str,
    end: &mpsc::Sender<ReloadEnd>,
    work: impl FnOnce(mpsc::Sender<ReloadEnd>) + Send + 'static,
) -> io::Result<()> {
    struct Alive(mpsc::Sender<ReloadEnd>);

    impl Drop for Alive {
        fn drop(&mut self) {
            let _ = self.0.try_send(ReloadEnd::Fault);
        }
    }

    let (alive, end) = (Alive(end.clone()), end.clone());
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _alive = alive;
            work(end);
        })?;
    Ok(())
}
