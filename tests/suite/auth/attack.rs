//! What guessing costs, and whom: turns, shares, strikes, deadlines. Order and counts are
//! asserted, not times: one thread hashes, and something slow keeps it busy.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Connection, Gate, Nginx, Response, Target, another_address};
use crate::support::{authorization, basic, check_refusal, eventually, gated, line};

/// sched.h
const SCHED_IDLE: i32 = 5;
const PATIENCE: Duration = Duration::from_secs(100);

fn quick() -> String {
    line("alice", "secret", 4)
}

/// Alice's hash takes no time, slow's a good part of a second, and slowest's more than one.
fn users() -> String {
    quick() + &line("slow", "secret", 12) + &line("slowest", "secret", 14)
}

fn one_thread(options: &[&str]) -> Gate {
    Gate::start(&users(), &[&["--hash-threads", "1"], options].concat())
}

/// Asks and does not wait for the answer.
fn ask_and_hold(target: &Target, address: &str, user: &str, password: &str) -> Connection {
    let mut connection = Connection::open(target).unwrap();
    let request = format!(
        "GET /auth HTTP/1.1\r\nHost: x\r\nX-Real-IP: {address}\r\nAuthorization: {}\r\n\r\n",
        basic(user, password)
    );
    connection.send(request.as_bytes()).unwrap();
    connection
}

fn waiting(gate: &Gate) -> u64 {
    gate.metric("htgate_queue_length") as u64
}

/// Keeps the one hashing thread busy.
fn occupy(gate: &Gate) -> Connection {
    let target = Target::Tcp(gate.tcp);
    let connection = ask_and_hold(&target, &another_address(), "slowest", "occupied");
    eventually("the thread is busy", PATIENCE, || {
        gate.metric("htgate_hashing") == 1.0
    });
    connection
}

fn seconds(response: &Response) -> u64 {
    response.header("retry-after").unwrap().parse().unwrap()
}

fn check(response: &Response, status: u16, reason: &str) {
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

/// Those that wait when their address runs out of guesses are not tried any more.
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
fn forty_right_logins_of_one_address_at_once_are_all_allowed() {
    let office: String = (0..40)
        .map(|n| line(&format!("user{n}"), "secret", 4))
        .collect();
    let gate = Gate::start(&(users() + &office), &["--hash-threads", "1"]);
    let _busy = occupy(&gate);
    let target = Target::Tcp(gate.tcp);
    let logins: Vec<_> = (0..40)
        .map(|n| ask_and_hold(&target, "192.0.2.1", &format!("user{n}"), "secret"))
        .collect();
    eventually("all wait", PATIENCE, || waiting(&gate) == 40);
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
    let gate = Gate::start(&quick(), &[]);
    let tasks = fs::read_dir(format!("/proc/{}/task", gate.child.id())).unwrap();
    let mut seen = 0;
    for task in tasks {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap();
        // proc_pid_stat(5): field 41 is the policy; the name before has parentheses.
        let stat = fs::read_to_string(task.join("stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let policy: i32 = fields.split(' ').nth(38).unwrap().parse().unwrap();
        let hashes = name.starts_with("hash-");
        assert_eq!(policy == SCHED_IDLE, hashes, "{name}: {policy}");
        seen += usize::from(hashes);
    }
    assert!(seen > 0);
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
    let nginx = Nginx::start(&gated(&gate.socket(), ""));
    let ask = |password: &str| nginx.ask("GET /file", &[&authorization("alice", password)]);
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
