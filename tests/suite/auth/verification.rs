//! What is hashed, and how often. Counted, not timed: a hash is what takes the time.

use std::thread;

use crate::support::{Gate, basic, line};

#[test]
fn a_right_password_is_hashed_once() {
    let gate = Gate::start(&line("alice", "secret", 5), &[]);
    for _ in 0..20 {
        assert_eq!(gate.login("alice", "secret"), 204);
    }
    assert_eq!(gate.hashes(), 1);
}

#[test]
fn a_wrong_password_repeated_is_hashed_once() {
    let gate = Gate::start(&line("alice", "secret", 5), &[]);
    for _ in 0..100 {
        assert_eq!(gate.login("alice", "stale"), 401);
    }
    assert_eq!(gate.hashes(), 1);
    assert_eq!(gate.login("alice", "secret"), 204);
}

/// An unknown name must cost what a known one costs, the first time and when repeated: without
/// the decoy, the unknown name would cost no hash at all.
#[test]
fn an_unknown_user_costs_what_a_wrong_password_costs() {
    let sha = "alice:$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sb\
               HbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.\n";
    for users in [
        line("alice", "secret", 4),
        line("alice", "secret", 7),
        sha.into(),
    ] {
        let gate = Gate::start(&users, &[]);
        let work = |user: &str, password: &str| {
            let (count, seconds) = (gate.hashes(), gate.metric("htgate_hash_seconds_sum"));
            assert_eq!(gate.login(user, password), 401);
            let seconds = gate.metric("htgate_hash_seconds_sum") - seconds;
            (gate.hashes() - count, seconds)
        };
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for round in 0..15 {
            let password = format!("guess {round}");
            let (hashes, seconds) = work("alice", &password);
            assert_eq!(hashes, 1, "a wrong password is hashed");
            known.push(seconds);
            let (hashes, seconds) = work("eve", &password);
            assert_eq!(hashes, 1, "a decoy is hashed");
            unknown.push(seconds);
            assert_eq!(work("alice", &password).0, 0, "remembered");
            assert_eq!(work("eve", &password).0, 0, "remembered alike");
        }
        // One cost more or less is a factor of two. Noise only adds to a time: the least is compared.
        let ratio = least(&unknown) / least(&known);
        assert!(
            (0.67..1.5).contains(&ratio),
            "the decoy takes {ratio} of a user: {users}"
        );
    }
}

#[test]
fn the_answers_to_both_are_the_same_to_the_letter() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let answer = |user: &str| {
        let header = format!("Authorization: {}", basic(user, "wrong"));
        let mut response = gate.ask("GET /auth", &[&header]);
        response.headers.retain(|(name, _)| name != "date");
        response.headers.sort();
        format!("{response:?}")
    };
    for _ in 0..2 {
        assert_eq!(answer("alice"), answer("eve"));
    }
}

/// A decoy is a user's own format and cost, in the file's proportions.
#[test]
fn decoys_follow_the_file() {
    let users = line("a", "x", 4) + &line("b", "x", 8);
    let gate = Gate::start(&users, &[]);
    let mut slow = 0;
    for name in 0..40 {
        let seconds = gate.metric("htgate_hash_seconds_sum");
        gate.login(&format!("unknown {name}"), "x");
        let seconds = gate.metric("htgate_hash_seconds_sum") - seconds;
        let calibration = gate.metric("htgate_hash_seconds_sum");
        gate.login("b", &format!("wrong {name}"));
        let cost_eight = gate.metric("htgate_hash_seconds_sum") - calibration;
        slow += usize::from(seconds > cost_eight / 4.0);
    }
    assert!(
        (5..=35).contains(&slow),
        "{slow} of 40 unknown names cost the higher price"
    );
}

#[test]
fn requests_that_ask_the_same_at_once_cost_one_hash() {
    let gate = Gate::start(&line("alice", "secret", 10), &[]);
    for (password, status) in [("secret", 204), ("wrong", 401)] {
        let before = gate.hashes();
        thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| assert_eq!(gate.login("alice", password), status));
            }
        });
        assert_eq!(gate.hashes(), before + 1);
    }
}

#[test]
fn one_who_hangs_up_does_not_fail_the_others() {
    let gate = Gate::start(&line("alice", "secret", 11), &[]);
    let mut first = gate.connect();
    let request = format!(
        "GET /auth HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n",
        basic("alice", "secret")
    );
    first.send(request.as_bytes()).unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| gate.login("alice", "secret"));
        thread::sleep(std::time::Duration::from_millis(20));
        drop(first);
        assert_eq!(second.join().unwrap(), 204);
    });
    assert_eq!(gate.hashes(), 1);
}

/// While every hashing thread is busy, what is remembered is answered, and so is everything else.
#[test]
fn hashing_holds_up_nobody_else() {
    let users = line("alice", "secret", 4) + &line("slow", "secret", 13);
    let gate = Gate::start(&users, &["--workers", "1", "--hash-threads", "1"]);
    assert_eq!(gate.login("alice", "secret"), 204);
    thread::scope(|scope| {
        let slow = scope.spawn(|| gate.login("slow", "wrong"));
        crate::support::eventually(
            "the hash has begun",
            std::time::Duration::from_secs(5),
            || gate.ask("GET /healthz", &[]).status == 200,
        );
        for _ in 0..100 {
            assert_eq!(gate.login("alice", "secret"), 204);
        }
        assert!(
            !slow.is_finished(),
            "all that was answered while one hash was computed"
        );
        assert_eq!(slow.join().unwrap(), 401);
    });
}

#[test]
fn a_full_queue_says_so_at_once() {
    let users = line("slow", "secret", 12);
    let gate = Gate::start(&users, &["--hash-threads", "1", "--queue", "2"]);
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = |n: u32| {
            let header = format!("Authorization: {}", basic("slow", &n.to_string()));
            gate.ask("GET /auth", &[&header])
        };
        let all: Vec<_> = (0..12).map(|n| scope.spawn(move || ask(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let busy: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(!busy.is_empty() && busy.len() < 12, "{answers:?}");
    for answer in busy {
        assert_eq!(answer.header("x-auth-status"), Some("503"));
        assert_eq!(answer.header("x-auth-reason"), Some("busy"));
        assert!(
            answer
                .header("retry-after")
                .unwrap()
                .parse::<u32>()
                .unwrap()
                > 0
        );
        assert!(answer.body.is_empty());
    }
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status, 401 | 503))
    );
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
