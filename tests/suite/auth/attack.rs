//! What guessing costs, and whom: strikes and refusals.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Connection, Gate, Response, Target, another_address};
use crate::support::{basic, eventually, line};

pub(super) const PATIENCE: Duration = Duration::from_secs(100);

pub(super) fn quick() -> String {
    line("alice", "secret", 4)
}

/// Alice's hash takes no time, slow's a good part of a second, and slowest's more than one.
pub(super) fn users() -> String {
    quick() + &line("slow", "secret", 12) + &line("slowest", "secret", 14)
}

pub(super) fn one_thread(options: &[&str]) -> Gate {
    Gate::start(&users(), &[&["--hash-threads", "1"], options].concat())
}

/// Asks and does not wait for the answer.
pub(super) fn ask_and_hold(
    target: &Target,
    address: &str,
    user: &str,
    password: &str,
) -> Connection {
    let mut connection = Connection::open(target).unwrap();
    let request = format!(
        "GET /auth HTTP/1.1\r\nHost: x\r\nX-Real-IP: {address}\r\nAuthorization: {}\r\n\r\n",
        basic(user, password)
    );
    connection.send(request.as_bytes()).unwrap();
    connection
}

pub(super) fn waiting(gate: &Gate) -> u64 {
    gate.metric("htgate_queue_length") as u64
}

/// Keeps the one hashing thread busy.
pub(super) fn occupy(gate: &Gate) -> Connection {
    let target = Target::Tcp(gate.tcp);
    let connection = ask_and_hold(&target, &another_address(), "slowest", "occupied");
    eventually("the thread is busy", PATIENCE, || {
        gate.metric("htgate_hashing") == 1.0
    });
    connection
}

pub(super) fn seconds(response: &Response) -> u64 {
    response.header("retry-after").unwrap().parse().unwrap()
}

pub(super) fn check(response: &Response, status: u16, reason: &str) {
    let shown = if status == 429 { 403 } else { status };
    assert_eq!(response.status, shown, "{response:?}");
    assert_eq!(response.header("x-auth-reason"), Some(reason));
    assert!(response.body.is_empty());
    if matches!(status, 429 | 503) {
        let word = status.to_string();
        assert_eq!(response.header("x-auth-status"), Some(word.as_str()));
        assert!((1..=60).contains(&seconds(response)));
    }
}

#[test]
fn ten_wrong_passwords_are_the_end_for_one_address_alone() {
    let gate = Gate::start(&quick(), &[]);
    check(&gate.login_from("192.0.2.2", "alice", "secret"), 204, "ok");
    for address in ["192.0.2.1", "2001:db8::1"] {
        for guess in 0..10 {
            // Known and unknown names are counted alike.
            let user = if guess % 2 == 0 { "alice" } else { "eve" };
            let answer = gate.login_from(address, user, &format!("{address} {guess}"));
            check(&answer, 401, "bad-credentials");
        }
        let hashes = gate.hashes();
        for user in ["alice", "eve"] {
            check(
                &gate.login_from(address, user, "one more"),
                429,
                "throttled",
            );
        }
        // It asks for what is remembered: the wrong …
        let again = format!("{address} 3");
        check(
            &gate.login_from(address, "eve", &again),
            401,
            "bad-credentials",
        );
        // … and the right. A neighbour in the same IPv6 network is the same.
        let neighbour = address.replace("::1", "::2");
        check(&gate.login_from(&neighbour, "eve", "x"), 429, "throttled");
        check(&gate.login_from(address, "alice", "secret"), 204, "ok");
        assert_eq!(gate.hashes(), hashes, "a throttled address costs no hash");
        // Many may share an address from which somebody has logged in: ten times as many.
        for guess in 10..100 {
            let answer = gate.login_from(address, "eve", &format!("{address} {guess}"));
            check(&answer, 401, "bad-credentials");
        }
        check(&gate.login_from(address, "eve", "x"), 429, "throttled");
    }
    check(
        &gate.login_from("2001:db8:0:1::1", "eve", "x"),
        401,
        "bad-credentials",
    );
    check(
        &gate.login_from("192.0.2.3", "alice", "x"),
        401,
        "bad-credentials",
    );
}

#[test]
fn a_stale_password_is_one_strike_however_often_it_comes() {
    let gate = Gate::start(&quick(), &["--strikes", "2"]);
    for _ in 0..1000 {
        check(
            &gate.login_from("192.0.2.1", "alice", "stale"),
            401,
            "bad-credentials",
        );
    }
    assert_eq!(gate.hashes(), 1);
    check(&gate.login_from("192.0.2.1", "alice", "secret"), 204, "ok");
}

#[test]
fn retry_after_tells_the_truth() {
    let gate = Gate::start(&quick(), &["--strikes", "2", "--strike-seconds", "3"]);
    for guess in ["1", "2"] {
        check(
            &gate.login_from("192.0.2.1", "alice", guess),
            401,
            "bad-credentials",
        );
    }
    let refusal = gate.login_from("192.0.2.1", "alice", "secret");
    check(&refusal, 429, "throttled");
    assert!(seconds(&refusal) <= 3);
    thread::sleep(Duration::from_secs(seconds(&refusal)));
    check(&gate.login_from("192.0.2.1", "alice", "secret"), 204, "ok");
}

#[test]
fn refusals_are_at_once_until_they_are_a_flood() {
    let gate = Gate::start(&quick(), &["--strikes", "1"]);
    check(&gate.login_from("192.0.2.1", "alice", "secret"), 204, "ok");
    let target = Target::Tcp(gate.tcp);
    let address = "X-Real-IP: 192.0.2.1";
    let wrong = format!("Authorization: {}", basic("alice", "wrong"));
    let right = format!("Authorization: {}", basic("alice", "secret"));
    for guess in 0..10 {
        let answer = gate.login_from("192.0.2.1", "alice", &format!("guess {guess}"));
        check(&answer, 401, "bad-credentials");
    }
    // More than a hundred a second are held back, on each connection for itself.
    let until = Instant::now() + Duration::from_secs(3);
    let guessers: Vec<_> = (0..8)
        .map(|_| {
            let (target, wrong) = (target.clone(), wrong.clone());
            thread::spawn(move || {
                let mut connection = Connection::open(&target).unwrap();
                let mut count = 0;
                while Instant::now() < until {
                    let answer = connection.ask("GET /auth", &[address, &wrong]).unwrap();
                    check(&answer, 429, "throttled");
                    count += 1;
                }
                count
            })
        })
        .collect();
    // Who is remembered is not, and comes from the same address.
    let mut connection = Connection::open(&target).unwrap();
    let mut let_in = 0;
    while Instant::now() < until {
        let answer = connection.ask("GET /auth", &[address, &right]).unwrap();
        check(&answer, 204, "ok");
        let_in += 1;
    }
    let refused: usize = guessers.into_iter().map(|g| g.join().unwrap()).sum();
    // A hundred in each second that has begun, and one more on each connection.
    assert!((100..=4 * (100 + 8)).contains(&refused), "{refused}");
    assert!(let_in > refused, "{let_in} and {refused}");
}
