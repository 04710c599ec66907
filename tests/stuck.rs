//! Whatever else is stuck, a user who is removed is refused, and a stop ends the process: a log that
//! nobody reads, a systemd that does not listen, a file system that hangs, files that are written all
//! the time. bindfs, a FUSE file system whose process is stopped, stands in for a network drive whose
//! server is gone: whoever asks it waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{
    Connection, EVENTS, Gate, POLL, Target, basic, eventually, folder, is_root, line, signal, skip,
};
use tempfile::TempDir;

/// An htgate of which nobody reads standard error.
struct Unread {
    folder: TempDir,
    child: Child,
}

impl Unread {
    fn start(environment: &[(&str, &Path)]) -> Self {
        let folder = folder();
        let users = folder.path().join("htpasswd");
        fs::write(
            &users,
            line("alice", "secret", 4) + &line("bob", "secret", 4),
        )
        .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_htgate"))
            .envs(environment.iter().copied())
            .arg("--htpasswd")
            .arg(&users)
            .arg("--listen")
            .arg(format!("unix:{}", folder.path().join("s").display()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let unread = Self { folder, child };
        eventually("htgate is up", Duration::from_secs(20), || {
            unread.connect().is_ok()
        });
        unread
    }

    fn connect(&self) -> std::io::Result<Connection> {
        Connection::open(&Target::Unix(self.folder.path().join("s")))
    }

    fn login(&self, user: &str) -> u16 {
        let header = format!("Authorization: {}", basic(user, "secret"));
        let mut connection = self.connect().unwrap();
        connection.ask("GET /auth", &[&header]).unwrap().status
    }

    fn text(&self, path: &str) -> String {
        let mut connection = self.connect().unwrap();
        connection.ask(&format!("GET {path}"), &[]).unwrap().text()
    }

    fn lost_lines(&self) -> f64 {
        let text = self.text("/metrics");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("htgate_lost_log_lines_total "));
        value.expect("the metric").parse().unwrap()
    }

    fn keep_alice_alone(&self) {
        fs::write(
            self.folder.path().join("htpasswd"),
            line("alice", "secret", 4),
        )
        .unwrap();
    }

    /// A stop must end it.
    fn stop(mut self) {
        signal(&self.child, "TERM");
        eventually("SIGTERM ends it", Duration::from_secs(5), || {
            self.child.try_wait().unwrap().is_some()
        });
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Refusals of several kinds, since each kind has only so many lines a second.
fn fill_the_log(htgate: &Unread) {
    let mut connection = htgate.connect().unwrap();
    let uri = format!("X-Original-URI: /{}", "x".repeat(250));
    let wrong = format!("Authorization: {}", basic("bob", "wrong"));
    let rows: [&[&str]; 3] = [
        &[&uri],
        &[&uri, &wrong],
        &[&uri, "User-Agent: docker/1.3.0"],
    ];
    eventually("lines are lost", Duration::from_secs(60), || {
        for headers in rows {
            for _ in 0..40 {
                assert_ne!(connection.ask("GET /auth", headers).unwrap().status, 204);
            }
        }
        htgate.lost_lines() > 0.0
    });
}

#[test]
fn a_log_that_nobody_reads() {
    let htgate = Unread::start(&[]);
    assert_eq!((htgate.login("alice"), htgate.login("bob")), (204, 204));
    fill_the_log(&htgate);
    htgate.keep_alice_alone();
    eventually("bob is refused", EVENTS, || htgate.login("bob") == 401);
    assert_eq!(htgate.login("alice"), 204);
    assert!(htgate.text("/readyz").ends_with("failed: none\n"));
    htgate.stop();
}

#[test]
fn a_log_that_is_read_again_says_what_was_lost() {
    let mut htgate = Unread::start(&[]);
    fill_the_log(&htgate);
    let mut stderr = htgate.child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
        text
    });
    thread::sleep(Duration::from_millis(500));
    htgate.stop();
    let text = reader.join().unwrap();
    assert!(
        text.contains("log lines were lost: nobody read standard error"),
        "{text}"
    );
    assert!(text.contains("SIGTERM: stopping"), "{text}");
    assert!(text.lines().all(|line| line.starts_with('[')), "{text}");
}

#[test]
fn a_systemd_that_does_not_listen() {
    let folder = folder();
    let path = folder.path().join("notify");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let htgate = Unread::start(&[("NOTIFY_SOCKET", &path)]);
    // More than the socket and our own queue hold.
    for _ in 0..100 {
        signal(&htgate.child, "HUP");
        thread::sleep(Duration::from_millis(5));
    }
    htgate.keep_alice_alone();
    eventually("bob is refused", EVENTS * 10, || htgate.login("bob") == 401);
    htgate.stop();
}

/// A folder that is also mounted elsewhere by a process that can be stopped.
struct Hanging {
    _folder: TempDir,
    mount: PathBuf,
    bindfs: Child,
}

impl Hanging {
    fn mount(test: &str) -> Option<Self> {
        if !is_root() || !Path::new("/dev/fuse").exists() {
            skip(test, "only root can mount a FUSE file system here");
            return None;
        }
        let folder = folder();
        let (below, mount) = (folder.path().join("below"), folder.path().join("mount"));
        fs::create_dir(&below).unwrap();
        fs::create_dir(&mount).unwrap();
        let bindfs = Command::new("bindfs")
            .args(["-f", "-o", "attr_timeout=0,entry_timeout=0,direct_io"])
            .args([&below, &mount])
            .stderr(Stdio::null())
            .spawn()
            .expect("bindfs is installed");
        let hanging = Self {
            _folder: folder,
            mount,
            bindfs,
        };
        let mounts = || fs::read_to_string("/proc/self/mounts").unwrap();
        let place = hanging.mount.display().to_string();
        eventually("it is mounted", Duration::from_secs(10), || {
            mounts().contains(&place)
        });
        Some(hanging)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = self.bindfs.kill();
        let _ = self.bindfs.wait();
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

/// After ten seconds of silence it is said, wherever somebody looks; after the end of it, no more.
fn check_silence(gate: &Gate, hanging: &Hanging, file: &Path) {
    let readyz = || gate.ask("GET /readyz", &[]).text();
    let silence = format!(
        "{}: the file system has not answered for 10 s",
        file.display()
    );
    let told = eventually("the silence is told", Duration::from_secs(30), || {
        readyz().contains(&silence)
    });
    assert!(told > Duration::from_secs(7), "{told:?} is too early");
    assert_eq!(gate.metric("htgate_reload_trouble"), 1.0);
    gate.wait_for_log(&silence);
    signal(&hanging.bindfs, "CONT");
    eventually("it is over", Duration::from_secs(10), || {
        readyz().ends_with("failed: none\n")
    });
    assert_eq!(gate.metric("htgate_reload_trouble"), 0.0);
    gate.wait_for_log("the file system answers again");
}

#[test]
fn a_configuration_file_that_hangs() {
    let Some(hanging) = Hanging::mount("a_configuration_file_that_hangs") else {
        return;
    };
    let config = hanging.mount.join("htgate.toml");
    fs::write(&config, "strikes = 20\n").unwrap();
    let users = line("alice", "secret", 4) + &line("bob", "secret", 4);
    let gate = Gate::start(&users, &["--config", config.to_str().unwrap()]);
    assert_eq!(gate.login("bob", "secret"), 204);
    signal(&hanging.bindfs, "STOP");
    thread::sleep(Duration::from_millis(1500));
    fs::write(gate.users(), line("alice", "secret", 4)).unwrap();
    eventually("bob is refused", EVENTS, || {
        gate.login("bob", "secret") == 401
    });
    assert_eq!(gate.login("alice", "secret"), 204);
    check_silence(&gate, &hanging, &config);
}

#[test]
fn a_users_file_that_hangs() {
    let Some(hanging) = Hanging::mount("a_users_file_that_hangs") else {
        return;
    };
    let users = hanging.mount.join("htpasswd");
    let text = line("alice", "secret", 4);
    fs::write(&users, &text).unwrap();
    let folder = folder();
    std::os::unix::fs::symlink(&users, folder.path().join("htpasswd")).unwrap();
    let mut gate = Gate::start_in(folder, &[]);
    signal(&hanging.bindfs, "STOP");
    let file = gate.users();
    check_silence(&gate, &hanging, &file);
    assert_eq!(gate.login("alice", "secret"), 204);
    fs::write(&users, text + &line("bob", "secret", 4)).unwrap();
    eventually("bob may enter", POLL, || gate.login("bob", "secret") == 204);
    signal(&hanging.bindfs, "STOP");
    thread::sleep(Duration::from_millis(1500));
    signal(&gate.child, "TERM");
    eventually("SIGTERM ends it", Duration::from_secs(5), || {
        gate.child.try_wait().unwrap().is_some()
    });
    signal(&hanging.bindfs, "CONT");
}

/// How a file is written again and again: what it holds already is overwritten, or another file is
/// moved over it.
#[derive(Clone, Copy, Debug)]
enum Writes {
    InPlace(Duration),
    Moved(Duration),
}

impl Writes {
    fn write(self, path: &Path, content: &str) {
        let pause = match self {
            Self::InPlace(pause) => {
                fs::write(path, content).unwrap();
                pause
            }
            Self::Moved(pause) => {
                let aside = path.with_extension("aside");
                fs::write(&aside, content).unwrap();
                fs::rename(&aside, path).unwrap();
                pause
            }
        };
        thread::sleep(pause);
    }
}

/// Writes a file all the time, as its content says at the time.
fn under_writes(
    path: &Path,
    writes: Writes,
    content: impl Fn() -> String + Sync,
    meanwhile: impl FnOnce(),
) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                writes.write(path, &content());
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
}

#[test]
fn a_configuration_file_that_is_written_all_the_time() {
    let folder = folder();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, "strikes = 20\n").unwrap();
    let users = line("alice", "secret", 4) + &line("bob", "secret", 4);
    let gate = Gate::start(&users, &["--config", config.to_str().unwrap()]);
    let number = std::sync::atomic::AtomicU32::new(0);
    let content = || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        format!("# {number}\nstrikes = 20\n")
    };
    under_writes(&config, Writes::InPlace(MILLISECOND), content, || {
        thread::sleep(Duration::from_secs(2));
        fs::write(gate.users(), line("alice", "secret", 4)).unwrap();
        let took = eventually("bob is refused", EVENTS, || {
            gate.login("bob", "secret") == 401
        });
        println!("refused after {took:?}");
    });
    assert_eq!(gate.login("alice", "secret"), 204);
}

/// There is no quiet moment to wait for: whole files take effect one by one.
#[test]
fn a_users_file_that_is_written_all_the_time() {
    let (alice, bob) = (line("alice", "secret", 4), line("bob", "secret", 4));
    for writes in [
        Writes::InPlace(30 * MILLISECOND),
        Writes::Moved(MILLISECOND),
    ] {
        let gate = Gate::start(&(alice.clone() + &bob), &[]);
        let with_bob = AtomicBool::new(true);
        let content = || {
            let with_bob = with_bob.load(Ordering::Relaxed);
            alice.clone() + if with_bob { &bob } else { "" }
        };
        under_writes(&gate.users(), writes, content, || {
            thread::sleep(Duration::from_secs(2));
            assert_eq!(gate.login("bob", "secret"), 204);
            with_bob.store(false, Ordering::Relaxed);
            let took = eventually("bob is refused", Duration::from_secs(15), || {
                gate.login("bob", "secret") == 401
            });
            println!("{writes:?}: refused after {took:?}");
        });
        assert_eq!(gate.login("alice", "secret"), 204);
    }
}

/// Bytes that HTTP does not allow never reach our code: the library answers, we count.
#[test]
fn what_the_http_library_refuses_is_counted_with_few_lines() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let good = format!("Authorization: {}", basic("alice", "secret"));
    let bad = |first: &str| {
        let mut connection = gate.connect();
        let request = format!("{first}\r\nHost: x\r\nUser-Agent: a\x01b\r\n{good}\r\n\r\n");
        connection.send(request.as_bytes()).unwrap();
        connection.read(first.starts_with("HEAD")).unwrap().status
    };
    let start = Instant::now();
    for _ in 0..150 {
        assert_eq!(bad("GET /auth HTTP/1.1"), 400);
        assert_eq!(bad("GET /auth HTTP/1.0"), 400);
        assert_eq!(bad("HEAD /auth HTTP/1.1"), 400);
    }
    let metric = "htgate_decisions_total{reason=\"malformed-request\"}";
    eventually("all are counted", Duration::from_secs(5), || {
        gate.metric(metric) == 450.0
    });
    let seconds = start.elapsed().as_secs() as usize + 1;
    let log = gate.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("reason=malformed-request") && line.contains("address="))
        .count();
    assert!((1..=100 * seconds).contains(&lines), "{lines} lines");
    assert!(!log.contains("stream error"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(gate.login("alice", "secret"), 204);
}

const MILLISECOND: Duration = Duration::from_millis(1);
