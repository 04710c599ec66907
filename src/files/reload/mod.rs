//! From files to the store: watch, read, parse, replace or keep. Whatever is wrong with a file, the
//! last good snapshot stays, and the other files still take effect. Each file has a thread of its own,
//! so that a user can be removed even while another file cannot be read. The users come first.

mod current;
mod follow;
mod keys;
mod large;
mod rules;
mod source;
mod users;
mod watch;
mod watchdog;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use self::current::Current;
use self::follow::{Follower, Part, USERS};
use self::keys::Keys;
use self::rules::RulesFile;
use self::users::UsersFile;
use self::watch::{Notice, Wake};
use self::watchdog::{Watched, watch};
use crate::hash::{DecoySeed, Limits};
use crate::observe::metrics::Metrics;
use crate::store::{Files, Rules, Store};
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

/// Takes one line about why the snapshot is no longer renewed: to go on with users that may have
/// been removed would be worse than to end.
pub(crate) type End = mpsc::Sender<String>;

/// Asks the reload to look again, whatever the file system says. Clones ask the same one.
#[derive(Clone)]
pub(crate) struct Trigger(Vec<Sender<Wake>>);

impl Trigger {
    /// Asks, and does not wait. systemd gets its answer when all files have been looked at.
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
    /// A file that cannot be read, or rules that cannot be understood: one line with the file, what
    /// is wrong and what to do. Users without a single good line are a warning.
    pub(crate) fn start(
        sources: Sources,
        seed: DecoySeed,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let (poll, events) = (sources.poll, sources.events);
        let follow = |paths: &[&Path]| Notice::new(paths, poll, events);

        let notice = follow(&[&sources.users]);
        let users = UsersFile::open(sources.users, sources.limits)?;
        let mut files = Files {
            users: Arc::clone(&users.users),
            users_number: 0,
            faulty_lines: users.summary(),
            rules: Arc::new(sources.rules),
            signer: None,
        };
        let mut parts: Vec<(Notice, Box<dyn Part>)> = vec![(notice, Box::new(users))];
        if let Some((path, parse)) = sources.config {
            let notice = follow(&[&path]);
            parts.push((notice, Box::new(RulesFile::open(path, parse)?)));
        }
        if let Some(settings) = sources.token {
            let notice = follow(&[&settings.key, &settings.certificate]);
            parts.push((notice, Box::new(Keys::open(settings)?)));
        }
        for (_, part) in &parts {
            part.share(&mut files);
        }
        let current = Arc::new(Current::new(files, seed, metrics, parts.len()));
        let mut followers = Vec::<Follower>::new();
        for (number, (notice, mut part)) in parts.into_iter().enumerate() {
            part.report(&current.metrics);
            let users = followers.get(USERS).map(|users| users.notice.wake.clone());
            followers.push(Follower {
                number,
                part,
                notice,
                progress: Arc::default(),
                users,
            });
        }
        current.report_state();
        Ok(Self { current, followers })
    }

    /// The store that is kept up to date.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.current.store)
    }

    /// A way to ask for another look.
    pub(crate) fn trigger(&self) -> Trigger {
        let wakes = self.followers.iter().map(|one| one.notice.wake.clone());
        Trigger(wakes.collect())
    }

    /// Keeps the store up to date, on threads of its own, until the process ends, or reports why it
    /// cannot.
    pub(crate) fn run(self, end: &End) -> io::Result<()> {
        let watched = self.followers.iter().map(Watched::new).collect();
        let current = Arc::clone(&self.current);
        spawn("watchdog", end, move |end| watch(watched, &current, end))?;
        for follower in self.followers {
            let current = Arc::clone(&self.current);
            spawn("reload", end, move |_| follower.run(&current))?;
        }
        Ok(())
    }
}

/// Starts a thread whose end, even by a panic, is reported.
fn spawn(name: &str, end: &End, work: impl FnOnce(&End) + Send + 'static) -> io::Result<()> {
    struct Alive(End);

    impl Drop for Alive {
        fn drop(&mut self) {
            let _ = self.0.try_send("the reload ended unexpectedly".to_owned());
        }
    }

    let alive = Alive(end.clone());
    let thread = thread::Builder::new().name(name.to_owned());
    let work = move || {
        let alive = alive;
        work(&alive.0);
    };
    thread.spawn(work).map(drop)
}
