//! Robots with a password that was right once: what they cost, and whom they must not lock out.
//! Counted, not timed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::attack::check;
use crate::support::{Gate, eventually, folder, line, signal};

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
