//! nginx before an htgate that is stopped, hung or killed: nobody passes.
//! Every nginx here must also end with a clean error log.

use std::thread;
use std::time::Duration;

use crate::support::{Connection, Gate, Nginx, authorization, check_refusal, gated, line, signal};

/// Refusals from every state of the service: never a pass, and never a line in nginx's log that
/// is worse than an error.
#[test]
fn a_service_that_is_gone_lets_nobody_pass() {
    let mut gate = Gate::start(&line("alice", "secret", 4), &[]);
    let nginx = Nginx::start(&gated(&gate.socket(), ""));
    let good = authorization("alice", "secret");
    assert_eq!(nginx.ask("GET /file", &[&good]).status, 200);
    signal(&gate.child, "STOP");
    let mut hung = Connection::open(&nginx.target()).unwrap();
    let request = format!("GET /file HTTP/1.1\r\nHost: x\r\n{good}\r\n\r\n");
    hung.send(request.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    gate.child.kill().unwrap();
    gate.child.wait().unwrap();
    check_refusal(&hung.read(false).unwrap(), 503, "UNAVAILABLE");
    for _ in 0..5 {
        check_refusal(&nginx.ask("GET /file", &[&good]), 503, "UNAVAILABLE");
    }
    // Started anew, it serves at once over the same path, and a stop is no worse than a kill.
    gate.start_again(&[]);
    assert_eq!(nginx.ask("GET /file", &[&good]).status, 200);
    signal(&gate.child, "TERM");
    gate.child.wait().unwrap();
    check_refusal(&nginx.ask("GET /file", &[&good]), 503, "UNAVAILABLE");
    let log = nginx.error_log();
    assert!(log.contains("Connection refused"), "{log}");
}

#[test]
fn a_service_that_hangs_is_not_waited_for_forever() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let nginx = Nginx::start(&gated(&gate.socket(), ""));
    let good = authorization("alice", "secret");
    signal(&gate.child, "STOP");
    let response = nginx.ask("GET /file", &[&good]);
    signal(&gate.child, "CONT");
    check_refusal(&response, 503, "UNAVAILABLE");
    crate::support::eventually("all is well again", Duration::from_secs(20), || {
        nginx.ask("GET /file", &[&good]).status == 200
    });
}

/// Killed in the middle of load, with right and wrong passwords on many connections.
#[test]
fn killed_under_load_it_lets_no_wrong_password_pass() {
    let mut gate = Gate::start(&line("alice", "secret", 4), &[]);
    let nginx = Nginx::start(&gated(&gate.socket(), ""));
    let target = nginx.target();
    let (stop, stopped) = (std::sync::atomic::AtomicBool::new(false), |status: u16| {
        status == 200
    });
    thread::scope(|scope| {
        let load = |header: String, may_pass: bool| {
            let (stop, target) = (&stop, &target);
            move || {
                let (mut passed, mut refused) = (0_u32, 0_u32);
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let asked = Connection::open(target)
                        .and_then(|mut connection| connection.ask("GET /file", &[&header]));
                    let Ok(response) = asked else { continue };
                    assert!(may_pass || !stopped(response.status), "{response:?}");
                    passed += u32::from(stopped(response.status));
                    refused += u32::from(!stopped(response.status));
                }
                (passed, refused)
            }
        };
        let good = authorization("alice", "secret");
        let right: Vec<_> = (0..4)
            .map(|_| scope.spawn(load(good.clone(), true)))
            .collect();
        let wrong: Vec<_> = (0..4)
            .map(|n| scope.spawn(load(authorization("alice", &format!("x{n}")), false)))
            .collect();
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(300));
            gate.child.kill().unwrap();
            gate.child.wait().unwrap();
            thread::sleep(Duration::from_millis(100));
            gate.start_again(&[]);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let passed: u32 = right.into_iter().map(|load| load.join().unwrap().0).sum();
        let refused: u32 = wrong.into_iter().map(|load| load.join().unwrap().1).sum();
        assert!(
            passed > 100 && refused > 100,
            "{passed} passed, {refused} refused"
        );
    });
}
