//! Files that are written all the time, and a process that has no file descriptors left.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::reload::stuck::Unread;
use crate::support::{Connection, EVENTS, Gate, Target, basic, eventually, folder, line};

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
        Writes::InPlace(5 * MILLISECOND),
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

/// Without a file descriptor nobody could look at the users file.
#[test]
fn as_many_connections_as_the_system_allows() {
    let folder = folder();
    let socket = folder.path().join("s");
    let (alice, bob) = (line("alice", "secret", 4), line("bob", "secret", 4));
    let users = folder.path().join("htpasswd");
    fs::write(&users, alice.clone() + &bob).unwrap();
    let script = format!(
        "ulimit -n 256; exec {} --htpasswd {} --listen unix:{}",
        env!("CARGO_BIN_EXE_htgate"),
        users.display(),
        socket.display()
    );
    let child = Command::new("sh")
        .args(["-c", &script])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let htgate = Unread { folder, child };
    let connect = || Connection::open(&Target::Unix(socket.clone()));
    eventually("htgate is up", Duration::from_secs(20), || {
        connect().is_ok()
    });
    let header = format!("Authorization: {}", basic("bob", "secret"));
    let mut warm = connect().unwrap();
    assert_eq!(warm.ask("GET /auth", &[&header]).unwrap().status, 204);
    let idle: Vec<_> = (0..400).map_while(|_| connect().ok()).collect();
    assert!(idle.len() > 256, "{} connections", idle.len());
    thread::sleep(Duration::from_millis(500));
    htgate.keep_alice_alone();
    eventually("bob is refused", EVENTS, || {
        warm.ask("GET /auth", &[&header]).unwrap().status == 401
    });
    drop(idle);
    eventually("others are served", Duration::from_secs(10), || {
        htgate.login("alice") == 204
    });
    htgate.stop();
}

/// Neither the old files nor the new ones give bob the right.
#[test]
fn users_who_are_removed_get_no_right_on_the_way() {
    let folder = folder();
    let config = folder.path().join("htgate.toml");
    let rule =
        |user: &str| format!("[[access]]\nusers = ['{user}']\npaths = ['/b']\nmethods = ['GET']\n");
    let (alice, bob) = (line("alice", "secret", 4), line("bob", "secret", 4));
    let users = alice.clone() + &bob;
    fs::write(&config, rule("alice")).unwrap();
    let gate = Gate::start(&users, &["--config", config.to_str().unwrap()]);
    let ask = |connection: &mut Connection, user: &str| {
        let header = format!("Authorization: {}", basic(user, "secret"));
        let headers = [
            &header,
            "X-Original-Method: GET",
            "X-Original-URI: /b",
            "X-Real-IP: 192.0.2.1",
        ];
        connection.ask("GET /auth", &headers).unwrap().status
    };
    let mut connection = gate.connect();
    assert_eq!(ask(&mut connection, "alice"), 204);
    assert_eq!(ask(&mut connection, "bob"), 403);
    for _ in 0..15 {
        fs::write(gate.users(), &alice).unwrap();
        fs::write(&config, rule("bob")).unwrap();
        eventually("the new rules", EVENTS, || {
            assert_ne!(ask(&mut connection, "bob"), 204);
            ask(&mut connection, "alice") == 403
        });
        // The rules first, so that bob never has the right while he is there.
        fs::write(&config, rule("alice")).unwrap();
        eventually("the old rules", EVENTS, || {
            ask(&mut connection, "alice") == 204
        });
        fs::write(gate.users(), &users).unwrap();
        eventually("bob is there again", EVENTS, || {
            ask(&mut connection, "bob") == 403
        });
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
