use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

use super::*;

/// What happens to a file, and its content then.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Its content changes in its place.
    Write(&'static str),
    /// Another file takes its name.
    Replace(&'static str),
    Remove,
}

/// A clock that goes on only while somebody waits, and what happens at which of its milliseconds.
struct Script {
    path: PathBuf,
    now: Cell<Duration>,
    acts: RefCell<VecDeque<(u64, Act)>>,
}

impl Waiting for Script {
    fn step(&self) {}

    fn now(&self) -> Duration {
        self.now.get()
    }

    fn sleep(&self, time: Duration) {
        self.now.set(self.now() + time);
        let mut acts = self.acts.borrow_mut();
        while let Some((time, act)) = acts.front().copied()
            && Duration::from_millis(time) <= self.now()
        {
            acts.pop_front();
            self.act(act);
        }
    }
}

impl Script {
    fn act(&self, act: Act) {
        match act {
            Act::Write(text) => fs::write(&self.path, text).unwrap(),
            Act::Replace(text) => {
                let other = self.path.with_extension("other");
                fs::write(&other, text).unwrap();
                fs::rename(other, &self.path).unwrap();
            }
            Act::Remove => fs::remove_file(&self.path).unwrap(),
        }
    }
}

/// Content or complaint, and after how many milliseconds.
fn play(first: Act, acts: impl IntoIterator<Item = (u64, Act)>) -> (Result<String, String>, u128) {
    let folder = tempfile::tempdir().unwrap();
    let script = Script {
        path: folder.path().join("htpasswd"),
        now: Cell::default(),
        acts: RefCell::new(acts.into_iter().collect()),
    };
    fs::write(&script.path, "").unwrap();
    script.act(first);
    let read = read_stable(&script.path, is_blank, &script);
    let read = read.map(|it| String::from_utf8(it.bytes).unwrap());
    let read = read.map_err(|fault| fault.to_string());
    (read, script.now().as_millis())
}

#[test]
fn a_file_is_read_when_it_has_been_quiet() {
    use Act::{Remove, Replace, Write};
    type Row = (Act, &'static [(u64, Act)], &'static str, u128);
    let rows: [Row; 15] = [
        (Write("a"), &[], "a", 50),
        // Once it is read, nobody asks.
        (Write("a"), &[(51, Write("b"))], "a", 50),
        (Write("a"), &[(50, Write("b"))], "b", 100),
        (Write("a"), &[(5, Write("b"))], "b", 55),
        (Write("a"), &[(30, Write("ab"))], "ab", 80),
        (Write("a"), &[(30, Replace("a"))], "a", 80),
        (Write("a"), &[(30, Write("b")), (35, Write("a"))], "a", 85),
        (Write("a"), &[(30, Write("b")), (80, Write("c"))], "c", 130),
        // Nothing is what a write begins with.
        (Write(""), &[], "", 1000),
        (Write("\n"), &[], "\n", 1000),
        (Write("a"), &[(30, Write("")), (700, Write("b"))], "b", 750),
        (Write(""), &[(1000, Write("b"))], "b", 1050),
        // It may be gone for a moment.
        (Write("a"), &[(20, Remove), (40, Replace("b"))], "b", 90),
        (Remove, &[(45, Write("a"))], "a", 95),
        (Remove, &[(50, Write("a"))], "a", 100),
    ];
    for (first, acts, expected, time) in rows {
        let played = play(first, acts.iter().copied());
        assert_eq!(
            played,
            (Ok(expected.to_owned()), time),
            "{first:?} {acts:?}"
        );
    }
}

#[test]
fn a_file_that_stays_away_is_named() {
    let gone = Err("the file does not exist; create it, or correct the path".to_owned());
    assert_eq!(
        play(Act::Remove, [(55, Act::Write("a"))]),
        (gone.clone(), 50)
    );
    assert_eq!(play(Act::Write("a"), [(30, Act::Remove)]), (gone, 80));
}

/// After a second it need only keep its content for 10 ms.
#[test]
fn a_file_that_is_replaced_all_the_time_is_read_after_a_second() {
    let every = |step: usize, act: fn(u64) -> Act| {
        let acts = (step as u64..9000).step_by(step);
        play(Act::Write("start"), acts.map(move |time| (time, act(time))))
    };
    let same = every(20, |_| Act::Replace("same"));
    assert_eq!(same, (Ok("same".to_owned()), 1030));
    let same = every(5, |_| Act::Write("same"));
    assert_eq!(same, (Ok("same".to_owned()), 1015));
    // The file that was read stays as it is, whatever takes its name.
    let other = every(5, |time| {
        Act::Replace(if time % 10 == 0 { "even" } else { "odd" })
    });
    assert_eq!(other, (Ok("odd".to_owned()), 1015));
}

#[test]
fn a_file_that_keeps_changing_is_given_up() {
    let acts = (1..2000).map(|turn| {
        (
            turn * 5,
            Act::Write(["one", "two", "three"][turn as usize % 3]),
        )
    });
    let text = "the file keeps changing; write a temporary file and rename it into place";
    assert_eq!(
        play(Act::Write("start"), acts),
        (Err(text.to_owned()), 5005)
    );
}

#[test]
fn only_a_file_at_rest_is_read_once() {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, "line\n").unwrap();
    let fresh = look(&path).unwrap();
    assert!(!fresh.is_at_rest());
    for (modified, changed, expected) in [
        (now - 100, now - 100, true),
        (now - 100, now - 10, false),
        (now - 10, now - 100, false),
        (now - 100, now + 100, false),
        (now + 100, now - 100, false),
        (0, 0, true),
        (-1, -1, false),
    ] {
        let seen = Fingerprint {
            modified: (modified, 0),
            changed: (changed, 0),
            ..fresh
        };
        assert_eq!(seen.is_at_rest(), expected, "{modified} {changed}");
    }
    let start = Instant::now();
    assert_eq!(read_first(&path).unwrap().bytes, b"line\n");
    assert!(start.elapsed() >= QUIET, "it was changed just now");
}

#[test]
fn what_is_no_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let fifo = folder.path().join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for (path, expected) in [
        (folder.path(), "this is a directory"),
        (&socket, "this is a socket"),
        (&fifo, "this is a FIFO"),
        (Path::new("/dev/null"), "this is a device"),
        (&folder.path().join("none"), "does not exist"),
    ] {
        let error = read_stable(path, is_blank, &|| ())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_older_file_with_kept_times_is_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("htpasswd"), folder.path().join("other"));
    fs::write(&path, "new\n").unwrap();
    let before = look(&path).unwrap();
    fs::write(&other, "old\n").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(old)
        .unwrap();
    fs::rename(&other, &path).unwrap();
    assert_ne!(look(&path).unwrap(), before);
}

#[test]
fn a_file_that_nobody_can_reach_is_an_orphan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, "").unwrap();
    let file = File::open(&path).unwrap();
    assert!(!Fingerprint::of(&file.metadata().unwrap()).is_orphan());
    fs::remove_file(&path).unwrap();
    assert!(Fingerprint::of(&file.metadata().unwrap()).is_orphan());
}
