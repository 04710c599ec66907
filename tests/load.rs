//! What must hold while thousands of requests a second go on: revocation, replacement, memory.
//! A file of its own, for nothing else shall run beside these.

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

#[path = "suite/support/mod.rs"]
mod support;

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{Connection, Gate, basic, eventually, line, run};

/// Asks with the header on one connection, so many times a second, until told to stop. Calls
/// back with each status.
fn ask_steadily(gate: &Gate, header: &str, per_second: u32, stop: &AtomicBool, seen: impl Fn(u16)) {
    let mut connection = gate.connect();
    let pause = Duration::from_secs(1) / per_second;
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        seen(connection.ask("GET /auth", &[header]).unwrap().status);
        next += pause;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// A removed user is refused soon, while 1,000 warm requests a second of that very user and of
/// another go on, and is not let in once afterwards.
#[test]
fn a_removed_user_is_refused_in_time_and_for_good() {
    let rows: [(&[&str], Duration); 2] = [
        (&[], Duration::from_millis(250)),
        (&["--watch", "poll"], Duration::from_secs(2)),
    ];
    for (options, limit) in rows {
        let (alice, bob) = (line("alice", "secret", 4), line("bob", "secret", 4));
        let gate = Gate::start(&alice, options);
        let headers = ["alice", "bob"].map(|u| format!("Authorization: {}", basic(u, "secret")));
        let mut times = Vec::new();
        for _ in 0..5 {
            let both = alice.clone() + &bob;
            fs::write(gate.users(), &both).unwrap();
            eventually("bob may enter", Duration::from_secs(5), || {
                gate.login("bob", "secret") == 204
            });
            let stop = AtomicBool::new(false);
            let (accepted, last_accepted) = (AtomicU64::new(0), AtomicU64::new(0));
            let start = Instant::now();
            thread::scope(|scope| {
                scope.spawn(|| {
                    ask_steadily(&gate, &headers[0], 500, &stop, |status| {
                        assert_eq!(status, 204)
                    });
                });
                scope.spawn(|| {
                    let refused = AtomicBool::new(false);
                    ask_steadily(&gate, &headers[1], 500, &stop, |status| {
                        if status == 204 {
                            assert!(!refused.load(Ordering::Relaxed), "let in after a refusal");
                            accepted.fetch_add(1, Ordering::Relaxed);
                            let now = start.elapsed().as_millis() as u64;
                            last_accepted.store(now, Ordering::Relaxed);
                        } else {
                            refused.store(true, Ordering::Relaxed);
                        }
                    });
                });
                thread::sleep(Duration::from_millis(200));
                run(Command::new("htpasswd")
                    .arg("-D")
                    .arg(gate.users())
                    .arg("bob"));
                let removed = start.elapsed().as_millis() as u64;
                thread::sleep(limit * 2);
                stop.store(true, Ordering::Relaxed);
                let took = last_accepted
                    .load(Ordering::Relaxed)
                    .saturating_sub(removed);
                times.push(Duration::from_millis(took));
            });
            assert!(
                accepted.load(Ordering::Relaxed) > 20,
                "the requests were warm"
            );
        }
        times.sort();
        println!("{options:?}: refused after {times:?}");
        assert!(times[2] <= limit, "{options:?}: {times:?}");
    }
}

/// Files replaced a thousand times in every manner: who stands in all of them never notices.
#[test]
fn a_thousand_replacements_give_no_wrong_answer() {
    let alice = line("alice", "secret", 4);
    let many: String = (0..500)
        .map(|n| alice.replace("alice", &format!("user{n}")))
        .collect();
    // Alice stands at the end: a torn reading would lose her.
    let files = [format!("{many}{alice}"), format!("# other\n{many}{alice}")];
    let gate = Gate::start(&files[0], &[]);
    let wrong_answers = (0..3).find_map(|_| wrong_answers_while_replaced(&gate, &files));
    assert_eq!(wrong_answers.expect("a disk that does not stall"), 0);
    let reloads = gate.metric("htgate_reloads_total");
    assert!(reloads > 5.0, "{reloads} reloads");
}

/// Replaces the users a thousand times, and counts what Alice is refused. `None` if she was, and
/// the disk kept a file empty, between truncating and writing it, for so long that htgate had to
/// take it for what was meant.
fn wrong_answers_while_replaced(gate: &Gate, files: &[String; 2]) -> Option<u64> {
    let stop = AtomicBool::new(false);
    let asked = AtomicU64::new(0);
    let refused = AtomicU64::new(0);
    let header = format!("Authorization: {}", basic("alice", "secret"));
    let wrong = format!("Authorization: {}", basic("alice", "wrong"));
    let mut longest_write = Duration::ZERO;
    thread::scope(|scope| {
        scope.spawn(|| {
            ask_steadily(gate, &header, 2000, &stop, |status| {
                asked.fetch_add(1, Ordering::Relaxed);
                refused.fetch_add(u64::from(status != 204), Ordering::Relaxed);
            });
        });
        scope.spawn(|| ask_steadily(gate, &wrong, 500, &stop, |status| assert_eq!(status, 401)));
        for n in 0..1000 {
            let file = &files[n % 2];
            if n % 4 < 3 {
                let aside = gate.users().with_extension("new");
                fs::write(&aside, file).unwrap();
                fs::rename(&aside, gate.users()).unwrap();
            } else {
                let start = Instant::now();
                fs::write(gate.users(), file).unwrap();
                longest_write = longest_write.max(start.elapsed());
            }
            thread::sleep(Duration::from_millis(if n % 49 == 0 { 80 } else { 3 }));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (asked, refused) = (asked.into_inner(), refused.into_inner());
    println!("{asked} answers, {refused} refusals, longest write {longest_write:?}");
    assert!(asked > 1000);
    (refused == 0 || longest_write < EMPTY_COUNTS).then_some(refused)
}

/// An empty file that stays so for this long is what its writer meant (`BEGUN_QUIET` in
/// `src/files/stable_read.rs`).
const EMPTY_COUNTS: Duration = Duration::from_secs(1);

/// After a million requests one user's gate is still small.
#[test]
fn memory_after_a_million_requests() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let url = format!("http://{}/auth", gate.tcp);
    let header = format!("Authorization: {}", basic("alice", "secret"));
    let decided = || gate.metric("htgate_decisions_total{reason=\"ok\"}");
    while decided() < 1_000_000.0 {
        run(Command::new("wrk").args(["-t2", "-c32", "-d5", "-H", &header, &url]));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", gate.child.id())).unwrap();
    let field = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = field.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{kilobytes} kB resident after {} requests", decided());
    assert!(kilobytes < 20_000, "{kilobytes} kB");
    assert_eq!(gate.hashes(), 1);
    assert!(Connection::open(&support::Target::Unix(gate.socket())).is_ok());
}
