//! Events that ask for another look. The only file that names `notify`. Directories are watched, not
//! files: a file that is replaced takes its watch with it.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::AllDone;

/// Why to look.
pub(super) enum Wake {
    Look,
    /// Dropped after the look.
    Await(#[expect(dead_code, reason = "its end is what counts")] Sender<()>),
    /// Look whatever the file system says. Dropped after the look.
    Force(#[expect(dead_code, reason = "its end is what counts")] Arc<AllDone>),
    Missed(String),
}

/// How changes of some files are noticed: by events where there are any, and by the clock.
pub(super) struct Notice {
    watcher: Option<RecommendedWatcher>,
    /// Each watched directory with its device and inode: another one may take its name.
    directories: BTreeMap<PathBuf, (u64, u64)>,
    /// The failures that have been logged.
    failures: Vec<String>,
    pub(super) poll: Duration,
    wakes: Receiver<Wake>,
    /// Kept so that the receiver always has a sender.
    pub(super) wake: Sender<Wake>,
    shared: Arc<Shared>,
}

/// What the watcher's thread reads and writes as well.
#[derive(Default)]
struct Shared {
    /// Whether an event waits to be looked at: one is enough, and they may come fast.
    event: AtomicBool,
    trail: Mutex<Trail>,
}

impl Notice {
    /// Watches these files from now on.
    pub(super) fn new(paths: &[&Path], poll: Duration, events: bool) -> Self {
        let (wake, wakes) = channel();
        let shared = Arc::<Shared>::default();
        let watcher = events.then(|| {
            // Only here: the end of a notifier is reported.
            let notifier = Notifier(wake.clone(), Arc::clone(&shared));
            notify::recommended_watcher(move |event| notifier.handle(event))
        });
        if let Some(Err(error)) = &watcher {
            log::warn!("no file events ({error}); files are looked at every {poll:?}");
        }
        let mut notice = Self {
            watcher: watcher.and_then(Result::ok),
            directories: BTreeMap::new(),
            failures: Vec::new(),
            poll,
            wakes,
            wake,
            shared,
        };
        notice.follow(paths);
        notice
    }

    /// All that has come since the last time, or nothing if nothing comes until the deadline.
    pub(super) fn wait_until(&self, deadline: Instant) -> Vec<Wake> {
        let rest = deadline.saturating_duration_since(Instant::now());
        let first = self.wakes.recv_timeout(rest).ok();
        // Before the look, which does not see what comes from now on.
        self.shared.event.store(false, Ordering::Relaxed);
        let wakes: Vec<_> = first.into_iter().chain(self.wakes.try_iter()).collect();
        let poll = self.poll;
        for wake in &wakes {
            if let Wake::Missed(why) = wake {
                log::warn!("file events were missed ({why}); looking every {poll:?} goes on");
            }
        }
        wakes
    }

    /// Watches each directory in which a change could make these paths lead to other files now.
    pub(super) fn follow(&mut self, paths: &[&Path]) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut trail = Trail::default();
        paths.iter().for_each(|path| trail.walk(path));
        // A directory that is absent now is looked for again at the next poll.
        let identity = |directory: &PathBuf| {
            let metadata = fs::metadata(directory).ok()?;
            Some((directory.clone(), (metadata.dev(), metadata.ino())))
        };
        let wanted: BTreeMap<_, _> = trail.directories.iter().filter_map(identity).collect();
        // Set before the watches, so that the first event already finds it.
        *self
            .shared
            .trail
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trail;
        self.directories.retain(|directory, identity| {
            let stays = wanted.get(directory) == Some(identity);
            if !stays {
                // The kernel may have dropped it already, together with the directory.
                let _ = watcher.unwatch(directory);
            }
            stays
        });
        let mut failures = Vec::new();
        for (directory, identity) in wanted {
            let Entry::Vacant(entry) = self.directories.entry(directory) else {
                continue;
            };
            match watcher.watch(entry.key(), RecursiveMode::NonRecursive) {
                Ok(()) => {
                    entry.insert(identity);
                }
                Err(error) => failures.push(format!("{}: {error}", entry.key().display())),
            }
        }
        let poll = self.poll;
        for failure in failures.iter().filter(|it| !self.failures.contains(it)) {
            log::warn!("cannot watch {failure}; changes there are noticed within {poll:?}");
        }
        self.failures = failures;
    }
}

/// Sends [`Wake::Look`] for each event that may matter.
struct Notifier(Sender<Wake>, Arc<Shared>);

impl Notifier {
    fn handle(&self, event: notify::Result<Event>) {
        let Self(wake, shared) = self;
        let why = match event {
            Ok(event) if event.need_rescan() => Wake::Missed("its queue overflowed".to_owned()),
            Ok(event) if self.matters(&event) && !shared.event.swap(true, Ordering::Relaxed) => {
                Wake::Look
            }
            Ok(_) => return,
            Err(error) => Wake::Missed(error.to_string()),
        };
        // Without a receiver the process is about to end.
        let _ = wake.send(why);
    }

    fn matters(&self, event: &Event) -> bool {
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        if matches!(event.kind, EventKind::Access(_)) && event.kind != written {
            // Our own reading causes such an event.
            return false;
        }
        let trail = self.1.trail.lock().unwrap_or_else(PoisonError::into_inner);
        event.paths.iter().any(|path| trail.passes(path))
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let _ = self.0.send(Wake::Missed("the watcher ended".to_owned()));
    }
}

/// The way of a path through all its links: each directory in which a step is taken that could
/// lead elsewhere later, and the steps' own names.
#[derive(Debug, Default)]
struct Trail {
    directories: BTreeSet<PathBuf>,
    steps: BTreeSet<PathBuf>,
}

impl Trail {
    fn passes(&self, path: &Path) -> bool {
        self.steps.contains(path) || self.directories.contains(path)
    }

    fn walk(&mut self, path: &Path) {
        let Ok(path) = std::path::absolute(path) else {
            return;
        };
        let mut ahead = steps(&path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            if step == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&step);
            let target = fs::read_link(&next);
            if ahead.is_empty() || target.is_ok() {
                self.directories.insert(at.clone());
                self.steps.insert(next.clone());
            }
            let Ok(target) = target else {
                at = next;
                continue;
            };
            links += 1;
            if links > MOST_LINKS {
                return;
            }
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            let mut rest = steps(&target);
            rest.append(&mut ahead);
            ahead = rest;
        }
    }
}

fn steps(path: &Path) -> VecDeque<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}

/// As many as Linux follows before it returns ELOOP (path_resolution(7)).
const MOST_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_trail_of_a_kubernetes_volume() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("..2026_1")).unwrap();
        fs::write(root.join("..2026_1/htpasswd"), "").unwrap();
        symlink("..2026_1", root.join("..data")).unwrap();
        symlink("..data/htpasswd", root.join("htpasswd")).unwrap();
        let mut trail = Trail::default();
        trail.walk(&root.join("htpasswd"));
        let directories = [root.clone(), root.join("..2026_1")];
        assert_eq!(trail.directories, BTreeSet::from(directories));
        let steps = ["htpasswd", "..data", "..2026_1/htpasswd"].map(|step| root.join(step));
        assert_eq!(trail.steps, BTreeSet::from(steps));
        assert!(!trail.passes(&root.join("another")));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        let mut trail = Trail::default();
        trail.walk(&root.join("a"));
        assert!(trail.directories.contains(&root));
    }
}
