//! Who is hashed next: turns, the length of the queue, deadlines. Order and counts are asserted, not
//! times: one thread hashes, and something slow keeps it busy.

use std::fs;
use std::thread;
use std::time::Duration;

use super::attack::{
    PATIENCE, ask_and_hold, check, occupy, one_thread, quick, seconds, users, waiting,
};
use crate::support::{Connection, Gate, Nginx, Target, another_address};
use crate::support::{authorization, check_refusal, eventually, gated, line};

/// sched.h
const SCHED_IDLE: i32 = 5;

/// Those that wait when their address runs out of guesses are not tried any more.
#[test]
fn a_burst_gets_no_more_guesses_than_one_after_the_other() {
    let gate = one_thread(&["--strikes", "3"]);
    let busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let hashes = gate.hashes();
    let burst: Vec<_> = (0..12)
        .map(|n| ask_and_hold(&target, "192.0.2.1", "alice", &n.to_string()))
        .collect();
    eventually("all wait", PATIENCE, || waiting(&gate) == 12);
    let reasons: Vec<_> = burst
        .into_iter()
        .map(|mut one| {
            one.read(false)
                .unwrap()
                .header("x-auth-reason")
                .unwrap()
                .to_owned()
        })
        .collect();
    let tried = reasons
        .iter()
        .filter(|reason| *reason == "bad-credentials")
        .count();
    assert_eq!((tried, reasons.len()), (3, 12), "{reasons:?}");
    assert_eq!(gate.hashes(), hashes + 1 + 3, "the slow one, and three");
    drop(busy);
}

/// One address has taken the whole queue; another one is next all the same.
#[test]
fn a_newcomer_is_next_however_much_one_address_asks() {
    let gate = one_thread(&["--queue", "16"]);
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let flood: Vec<_> = (0..16)
        .map(|n| ask_and_hold(&target, "192.0.2.1", "slow", &n.to_string()))
        .collect();
    eventually("the queue is full", PATIENCE, || waiting(&gate) == 16);
    check(
        &gate.login_from("192.0.2.1", "slow", "one more"),
        503,
        "busy",
    );
    let hashes = gate.hashes();
    check(&gate.login_from("192.0.2.2", "alice", "secret"), 204, "ok");
    // The one that was computed, at most one of the flood, and the newcomer's.
    assert!(
        gate.hashes() <= hashes + 3,
        "{} hashes",
        gate.hashes() - hashes
    );
    drop(flood);
}

/// After a restart nothing is remembered, and an office comes back at once.
#[test]
fn sixty_right_logins_of_one_address_at_once_are_all_allowed() {
    let office: String = (0..60)
        .map(|n| line(&format!("user{n}"), "secret", 4))
        .collect();
    let gate = Gate::start(&(users() + &office), &["--hash-threads", "1"]);
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let logins: Vec<_> = (0..60)
        .map(|n| ask_and_hold(&target, "192.0.2.1", &format!("user{n}"), "secret"))
        .collect();
    eventually("all wait", PATIENCE, || waiting(&gate) == 60);
    for mut login in logins {
        check(&login.read(false).unwrap(), 204, "ok");
    }
}

/// Turns are taken by /48: a provider gives one site that many networks of /64.
#[test]
fn one_ipv6_site_has_one_turn() {
    let gate = one_thread(&["--queue", "16"]);
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let flood: Vec<_> = (0..16)
        .map(|n| {
            ask_and_hold(
                &target,
                &format!("2001:db8:1:{n:x}::1"),
                "slow",
                &n.to_string(),
            )
        })
        .collect();
    eventually("the queue is full", PATIENCE, || waiting(&gate) == 16);
    let hashes = gate.hashes();
    let answer = gate.login_from("2001:db8:2::1", "alice", "secret");
    check(&answer, 204, "ok");
    assert!(gate.hashes() <= hashes + 3);
    drop(flood);
}

#[test]
fn who_has_logged_in_lately_goes_before_all_others() {
    let gate = one_thread(&[]);
    check(&gate.login_from("192.0.2.9", "alice", "secret"), 204, "ok");
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let flood: Vec<_> = (1..=8)
        .map(|n| {
            ask_and_hold(
                &target,
                &format!("198.51.100.{n}"),
                "slow",
                &format!("guess {n}"),
            )
        })
        .collect();
    eventually("eight addresses wait", PATIENCE, || waiting(&gate) == 8);
    let hashes = gate.hashes();
    let answer = gate.login_from("192.0.2.9", "alice", "another");
    check(&answer, 401, "bad-credentials");
    assert!(
        gate.hashes() <= hashes + 3,
        "{} hashes",
        gate.hashes() - hashes
    );
    drop(flood);
}

/// Of two threads that want a core, the one that hashes gets what the other one leaves.
#[test]
fn only_the_threads_that_hash_come_last() {
    let gate = Gate::start(&quick(), &["--hash-threads", "2"]);
    // The names of all threads, and whether they come last.
    let threads = || -> Vec<(String, bool)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", gate.child.id())).unwrap();
        let threads = tasks.flatten().map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).unwrap();
            // proc_pid_stat(5): field 41 is the policy; the name before has parentheses.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            let policy: i32 = fields.split(' ').nth(38).unwrap().parse().unwrap();
            (name, policy == SCHED_IDLE)
        });
        threads.collect()
    };
    // They step back themselves, before their first hash but maybe after htgate listens.
    let hashing = |name: &str| name.starts_with("hash-");
    eventually("both that hash step back", PATIENCE, || {
        let threads = threads().into_iter();
        let back = threads.filter(|(name, is_last)| hashing(name) && *is_last);
        back.count() == 2
    });
    for (name, is_last) in threads() {
        assert_eq!(is_last, hashing(&name), "{name}");
    }
}

/// With all places taken, somebody with a place of his own in mind gets one of the longest queue.
#[test]
fn a_full_room_makes_place_at_the_cost_of_the_greediest() {
    let gate = one_thread(&["--queue", "4"]);
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let mut flood: Vec<_> = (0..4)
        .map(|n| {
            let one = ask_and_hold(&target, "192.0.2.1", "slow", &n.to_string());
            eventually("it waits", PATIENCE, || waiting(&gate) == n + 1);
            one
        })
        .collect();
    check(&gate.login_from("192.0.2.1", "slow", "more"), 503, "busy");
    let newcomer = ask_and_hold(&target, "192.0.2.2", "slow", "guess");
    let displaced = flood.pop().unwrap().read(false).unwrap();
    check(&displaced, 503, "busy");
    assert_eq!(waiting(&gate), 4);
    drop(newcomer);
}

#[test]
fn nobody_waits_longer_than_the_deadline() {
    let gate = one_thread(&["--queue-seconds", "1"]);
    let target = Target::Tcp(gate.tcp);
    let _busy = occupy(&gate);
    let flood: Vec<_> = (0..6)
        .map(|n| ask_and_hold(&target, &another_address(), "slow", &n.to_string()))
        .collect();
    let reasons: Vec<_> = flood
        .into_iter()
        .map(|mut one| one.read(false).unwrap())
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(!reasons.is_empty(), "six hashes take longer than a second");
    for answer in reasons {
        check(&answer, 503, "busy");
    }
    eventually("nobody waits", PATIENCE, || waiting(&gate) == 0);
    // Those that were answered so are not hashed after all.
    assert!(gate.hashes() < 8, "{} hashes", gate.hashes());
}

#[test]
fn who_hangs_up_gives_the_place_up() {
    let gate = one_thread(&[]);
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let gone = ask_and_hold(&target, "192.0.2.1", "slow", "1");
    let _stays = ask_and_hold(&target, "192.0.2.1", "slow", "2");
    eventually("both wait", PATIENCE, || waiting(&gate) == 2);
    drop(gone);
    eventually("one has gone", PATIENCE, || waiting(&gate) == 1);
}

/// The same through nginx, and what its clients get when they are refused.
#[test]
fn nginx_passes_refusals_and_hang_ups_on() {
    let gate = one_thread(&["--strikes", "2", "--strike-seconds", "2", "--queue", "1"]);
    let known = "set_real_ip_from unix:; real_ip_header X-Test-Address;";
    let nginx = Nginx::start(&gated(&gate.socket(), known));
    let address = "X-Test-Address: 192.0.2.1";
    let ask = |password: &str| {
        let authorization = authorization("alice", password);
        nginx.ask("GET /file", &[&authorization, address])
    };
    for guess in ["1", "2"] {
        assert_eq!(ask(guess).status, 401);
    }
    let answer = ask("3");
    check_refusal(&answer, 429, "TOOMANYREQUESTS");
    thread::sleep(Duration::from_secs(seconds(&answer)));
    let _busy = occupy(&gate);
    let hold = |user: &str| {
        let mut one = Connection::open(&nginx.target()).unwrap();
        let header = authorization(user, "held");
        one.send(format!("GET /file HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n").as_bytes())
            .unwrap();
        one
    };
    let held = hold("slow");
    eventually("it waits", PATIENCE, || waiting(&gate) == 1);
    drop(held);
    eventually("it has gone", PATIENCE, || waiting(&gate) == 0);
    let _other = ask_and_hold(&Target::Tcp(gate.tcp), "192.0.2.1", "slow", "other");
    eventually("another waits", PATIENCE, || waiting(&gate) == 1);
    let answer = ask("x");
    check_refusal(&answer, 503, "UNAVAILABLE");
    assert!(seconds(&answer) >= 1);
}

/// Without an address nobody is struck, and a flood under one name does not hold up another name.
#[test]
fn without_an_address_turns_are_taken_by_claimed_name() {
    let gate = Gate::start(
        &users(),
        &[
            "--hash-threads",
            "1",
            "--strikes",
            "1",
            "--queue",
            "16",
            "--front",
            "gateway-fabric",
        ],
    );
    let ask = |user: &str, password: &str| {
        // What this front does not set is not read.
        let mut one = ask_and_hold(&Target::Tcp(gate.tcp), "192.0.2.1", user, password);
        one.read(false).unwrap()
    };
    for guess in 0..20 {
        check(&ask("alice", &guess.to_string()), 401, "bad-credentials");
    }
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let flood: Vec<_> = (0..16)
        .map(|n| ask_and_hold(&target, "192.0.2.1", "slow", &n.to_string()))
        .collect();
    eventually("the queue is full", PATIENCE, || waiting(&gate) == 16);
    let hashes = gate.hashes();
    check(&ask("alice", "secret"), 204, "ok");
    assert!(gate.hashes() <= hashes + 3);
    drop(flood);
}
