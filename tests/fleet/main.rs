//! Several htgates behind one nginx, as the shipped files have it: what becomes of one of them is
//! nothing that somebody with a right password notices. A binary of its own, so that
//! nothing runs beside these: where all cores are busy with other tests, passwords wait.
//!
//! `FLEET_ROUNDS` says how often each htgate is treated in each manner. From ten rounds on, one that
//! freezes does so for 20 s.

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

#[path = "../suite/support/mod.rs"]
mod support;

mod clients;
mod scene;
mod single;
mod tally;

use std::env;
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use clients::Clients;
use scene::{Fleet, Treatment};
use support::{Response, authorization, check_refusal, eventually};
use tally::Tally;

/// The tests run side by side, for most of the time they wait; but one wants the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

#[test]
fn one_that_is_gone_is_not_missed() {
    campaign(&[Treatment::Kill, Treatment::Terminate]);
}

#[test]
fn one_that_is_replaced_is_not_missed() {
    campaign(&[Treatment::Restart, Treatment::Upgrade]);
}

#[test]
fn one_that_freezes_is_waited_for_once() {
    campaign(&[Treatment::Freeze(freeze())]);
}

/// Nobody answers: clients hear so within 15 s, and when to come again.
#[test]
fn all_away_is_a_503() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let mut fleet = Fleet::start(100);
    let good = authorization("warm0", "secret");
    let ask = |fleet: &Fleet| fleet.nginx.ask("GET /file", &[&good]);
    assert_eq!(ask(&fleet).status, 200);
    for place in 0..3 {
        fleet.freeze(place);
    }
    let start = Instant::now();
    check_away(&ask(&fleet));
    let took = start.elapsed();
    println!("all frozen: 503 after {took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    for place in 0..3 {
        fleet.thaw(place);
    }
    let is_back = |fleet: &Fleet| ask(fleet).status == 200;
    let took = eventually("they are back", Duration::from_secs(20), || is_back(&fleet));
    println!("all thawed: 200 after {took:?}");
    for place in 0..3 {
        fleet.kill(place);
    }
    let start = Instant::now();
    check_away(&ask(&fleet));
    let took = start.elapsed();
    println!("all killed: 503 after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    for place in 0..3 {
        fleet.start_again(place);
    }
    let took = eventually("they are back", Duration::from_secs(20), || is_back(&fleet));
    println!("all started again: 200 after {took:?}");
}

fn check_away(response: &Response) {
    check_refusal(response, 503, "UNAVAILABLE");
    assert_eq!(response.header("retry-after"), Some("5"), "{response:?}");
}

fn campaign(treatments: &[Treatment]) {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let cold = 2_000 * rounds();
    let mut fleet = Fleet::start(cold);
    let tallies: Vec<_> = treatments.iter().map(|_| Tally::default()).collect();
    let clients = Clients::of(&fleet.nginx, &fleet.registry, cold, &tallies);
    let start = Instant::now();
    thread::scope(|scope| {
        // A campaign that fails must not leave its clients running: the scope would wait for ever.
        let _until_the_end = clients.begin(scope);
        for round in 0..rounds() {
            for place in 0..fleet.gates.len() {
                for (number, treatment) in treatments.iter().enumerate() {
                    clients.count_for(number);
                    fleet.treat(place, *treatment, round);
                }
            }
        }
    });
    let took = start.elapsed();
    println!("{}", tally::HEADER);
    for (treatment, tally) in treatments.iter().zip(&tallies) {
        println!("{}", tally.row(&treatment.name()));
    }
    let asked: usize = tallies.iter().map(Tally::asked).sum();
    let rate = asked as f64 / took.as_secs_f64();
    println!("{rate:.0} requests a second for {} s", took.as_secs());
    for tally in &tallies {
        tally.check();
    }
    assert!(rate > 50.0, "{rate} requests a second are no load");
}

fn rounds() -> usize {
    let rounds = env::var("FLEET_ROUNDS").map(|rounds| rounds.parse());
    rounds.unwrap_or(Ok(3)).expect("FLEET_ROUNDS is a number")
}

/// From so many rounds on there is time for more.
const LONG: usize = 10;

/// Longer than nginx waits for an answer: the rest of the time goes by without that htgate.
fn freeze() -> Duration {
    Duration::from_secs(if rounds() < LONG { 7 } else { 20 })
}
