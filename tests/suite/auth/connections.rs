//! Guesses that wait hold a connection each: those who need not wait still get one.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::attack::{PATIENCE, ask_and_hold, check, quick, waiting};
use crate::support::{
    Connection, Gate, Target, another_address, authorization, eventually, line, signal,
};

/// With the soft limit of a shell, 1,050 guesses wait, and warm users get connections.
#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let gate = start("-S -n 1024", &["--queue", "2000"]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", gate.child.id())).unwrap();
    let mut words = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap()
        .split_whitespace();
    assert_eq!(words.next(), words.next(), "{limits}");
    check(&gate.login_from("192.0.2.9", "alice", "secret"), 204, "ok");
    let _guesses = guesses(&gate, "guess", 1 + 1050);
    eventually("all but one wait", PATIENCE, || waiting(&gate) == 1050);
    for _ in 0..50 {
        check(&gate.login_from("192.0.2.9", "alice", "secret"), 204, "ok");
    }
    assert!(!gate.log().contains("may be open"), "{}", gate.log());
}

/// Where there is no more to be had, that is said, and half of the connections are free of those that
/// wait for a turn. Another quarter is free of those that repeat what is being hashed already.
#[test]
fn a_low_hard_limit_is_said_and_leaves_room_for_warm_users() {
    let gate = start("-n 1024", &["--workers", "2"]);
    gate.wait_for_log(
        "only 1024 files may be open, so 472 passwords may wait instead of 1024; allow 2128 \
         (LimitNOFILE= in systemd, ulimits in compose, ulimit -n), or use --queue 472",
    );
    check(&gate.login_from("192.0.2.9", "alice", "secret"), 204, "ok");
    let busy = || gate.metric("htgate_decisions_total{reason=\"busy\"}") as u64;
    let _guesses = guesses(&gate, "guess", 1 + 472);
    eventually("the queue is full", PATIENCE, || waiting(&gate) == 472);
    for mut guess in guesses(&gate, "another", 578) {
        check(&guess.read(false).unwrap(), 503, "busy");
    }
    let target = Target::Tcp(gate.tcp);
    let _repeated: Vec<_> = (0..300)
        .map(|_| ask_and_hold(&target, "192.0.2.1", "slow", "guess 0"))
        .collect();
    eventually("236 of them wait", PATIENCE, || busy() == 578 + 64);
    for _ in 0..50 {
        check(&gate.login_from("192.0.2.9", "alice", "secret"), 204, "ok");
    }
}

/// A clock that stood still is no reason to refuse a request that came in the meantime.
#[test]
fn a_request_that_came_to_a_frozen_htgate_is_answered_on_waking() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let good = authorization("alice", "secret");
    let request = format!("GET /auth HTTP/1.1\r\nHost: test\r\n{good}\r\n\r\n");
    let targets = [Target::Tcp(gate.tcp), Target::Unix(gate.socket())];
    let mut connections = targets.map(|target| Connection::open(&target).unwrap());
    // All threads have seen the connections once they answer on later ones.
    for _ in 0..10 {
        check(&gate.login_from("192.0.2.9", "alice", "secret"), 204, "ok");
    }
    signal(&gate.child, "STOP");
    for connection in &mut connections {
        connection.send(request.as_bytes()).unwrap();
    }
    // actix_http gives a new connection five seconds for its first request, if nobody says more.
    thread::sleep(Duration::from_secs(6));
    signal(&gate.child, "CONT");
    for connection in &mut connections {
        assert_eq!(connection.read(false).unwrap().status, 204);
    }
}

fn start(limit: &str, options: &[&str]) -> Gate {
    let own = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: own.maximum,
        ..own
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    // A hash of this cost does not end while a test lasts.
    let slow = quick().replace("alice:$2y$04$", "slow:$2y$24$");
    let gate = [
        "--hash-threads",
        "1",
        "--max-bcrypt-cost",
        "24",
        "--queue-seconds",
        "3600",
    ];
    Gate::start_limited(&(quick() + &slow), limit, &[&gate, options].concat())
}

/// Guesses from as many addresses. The first of all is hashed; the others wait, or are answered.
fn guesses(gate: &Gate, name: &str, count: usize) -> Vec<Connection> {
    let target = Target::Tcp(gate.tcp);
    (0..count)
        .map(|n| ask_and_hold(&target, &another_address(), "slow", &format!("{name} {n}")))
        .collect()
}
