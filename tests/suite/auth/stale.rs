//! Robots with a password that was right once: what they cost, and whom they must not lock out.
//! Counted, not timed.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::attack::{ask_and_hold, check, occupy, users, waiting};
use crate::support::{Gate, Target, eventually, folder, line, signal};

const PATIENCE: Duration = Duration::from_secs(20);

/// Replaces a file as a careful program does, and waits until it is in effect.
fn replace(gate: &Gate, path: &Path, content: &str) {
    let reloads = gate.metric("htgate_reloads_total");
    let aside = path.with_extension("new");
    fs::write(&aside, content).unwrap();
    fs::rename(aside, path).unwrap();
    eventually("the change is in effect", PATIENCE, || {
        gate.metric("htgate_reloads_total") > reloads
    });
}

#[test]
fn one_hash_and_one_strike_for_as_long_as_the_users_do_not_change() {
    let folder = folder();
    let users = line("alice", "secret", 4);
    fs::write(folder.path().join("htpasswd"), &users).unwrap();
    let config = folder.path().join("htgate.toml");
    let rules = |agent: &str| format!("[user_agent]\ndeny = ['{agent}']\nexcept = []\n");
    fs::write(&config, rules("^evil/0")).unwrap();
    let gate = Gate::start_in(folder, &["--config", config.to_str().unwrap()]);
    for round in 1..=20 {
        for _ in 0..50 {
            let answer = gate.login_from("192.0.2.1", "alice", "stale");
            check(&answer, 401, "bad-credentials");
        }
        // Neither other rules, nor another look, nor a file that says the same change the users.
        replace(&gate, &config, &rules(&format!("^evil/{round}")));
        fs::write(gate.users(), &users).unwrap();
        signal(&gate.child, "HUP");
    }
    assert_eq!(gate.hashes(), 1);
    assert_eq!(gate.metric("htgate_strikes_total"), 1.0);
}

/// A repeated guess is hashed again whoever's password has changed, and for a name that is nobody's
/// as well: what it costs says nothing about the name.
#[test]
fn after_a_change_of_the_users_every_guess_is_hashed_once_more() {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|user| line(user, "secret", 4));
    let gate = Gate::start(&format!("{alice}{bob}"), &[]);
    let guess = |user: &str| {
        let hashes = gate.hashes();
        for _ in 0..20 {
            assert_eq!(gate.login(user, "guess"), 401);
        }
        gate.hashes() - hashes
    };
    let names = ["alice", "bob", "eve"];
    assert_eq!(names.map(guess), [1, 1, 1]);
    let changed = line("alice", "another", 4);
    for users in [
        format!("{changed}{bob}"),
        format!("{changed}{bob}{carol}"),
        format!("{changed}{carol}"),
        format!("{changed}{bob}{carol}"),
    ] {
        replace(&gate, &gate.users(), &users);
        assert_eq!(names.map(guess), [1, 1, 1], "{users}");
    }
}

/// Thirty build jobs with old passwords share an address with people who log in for the first time
/// since the start. Somebody there has logged in before.
#[test]
fn thirty_stale_robots_keep_no_colleague_out() {
    let office: String = (0..10)
        .map(|n| line(&format!("user{n}"), "secret", 4))
        .collect();
    let gate = Gate::start(&(users() + &office), &["--hash-threads", "1"]);
    check(&gate.login_from("192.0.2.1", "alice", "secret"), 204, "ok");
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let hold = |user: &str, password: &str| ask_and_hold(&target, "192.0.2.1", user, password);
    let robots: Vec<_> = (0..30)
        .map(|n| hold("alice", &format!("old {n}")))
        .collect();
    eventually("the robots wait", PATIENCE, || waiting(&gate) == 30);
    let people: Vec<_> = (0..10)
        .map(|n| hold(&format!("user{n}"), "secret"))
        .collect();
    eventually("all wait", PATIENCE, || waiting(&gate) == 40);
    for mut one in people {
        check(&one.read(false).unwrap(), 204, "ok");
    }
    for mut one in robots {
        check(&one.read(false).unwrap(), 401, "bad-credentials");
    }
}

/// The file is what revokes, not a clock: a password is remembered since its last use.
#[test]
fn who_asks_twice_a_second_is_never_cold() {
    let gate = Gate::start(&line("alice", "secret", 4), &["--cache-seconds", "3"]);
    let (mut asked, mut last) = (0, None::<Instant>);
    let mut hashes = 0;
    // Three times as long as a password is remembered. A machine that stops for too long is no user
    // who asks twice a second: then it begins again.
    while asked < 18 {
        assert_eq!(gate.login_from("192.0.2.1", "alice", "secret").status, 204);
        let now = Instant::now();
        if last.is_none_or(|last| now - last > Duration::from_secs(2)) {
            (asked, hashes) = (0, gate.hashes());
        }
        last = Some(now);
        asked += 1;
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(gate.hashes(), hashes);
}

/// One after the other or all at once, with threads for all of them.
#[test]
fn a_stranger_who_guesses_gets_ten_hashes_a_minute() {
    let gate = Gate::start(&users(), &["--hash-threads", "16"]);
    let target = Target::Tcp(gate.tcp);
    let burst: Vec<_> = (0..100)
        .map(|n| ask_and_hold(&target, "192.0.2.1", "slow", &n.to_string()))
        .collect();
    let answers: Vec<_> = burst
        .into_iter()
        .map(|mut one| one.read(false).unwrap())
        .collect();
    let refused = answers.iter().filter(|answer| answer.status == 401);
    assert_eq!((refused.count(), gate.hashes()), (10, 10));
    for n in 100..150 {
        check(
            &gate.login_from("192.0.2.1", "slow", &n.to_string()),
            429,
            "throttled",
        );
    }
    assert_eq!(gate.hashes(), 10);
}
