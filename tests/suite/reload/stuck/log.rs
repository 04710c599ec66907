//! A log that nobody reads, a systemd that does not listen, and requests that only fill the log.

use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use crate::reload::stuck::Unread;
use crate::support::{EVENTS, Gate, basic, eventually, folder, line, signal};

/// Refusals of several kinds, since each kind has only so many lines a second.
fn fill_the_log(htgate: &Unread) {
    let mut connection = htgate.connect().unwrap();
    let uri = format!("X-Original-URI: /{}", "x".repeat(250));
    let wrong = format!("Authorization: {}", basic("bob", "wrong"));
    let rows: [&[&str]; 3] = [
        &[&uri],
        &[&uri, &wrong],
        &[&uri, "User-Agent: docker/1.3.0"],
    ];
    eventually("lines are lost", Duration::from_secs(60), || {
        for headers in rows {
            for _ in 0..40 {
                assert_ne!(connection.ask("GET /auth", headers).unwrap().status, 204);
            }
        }
        htgate.lost_lines() > 0.0
    });
}

#[test]
fn a_log_that_nobody_reads() {
    let htgate = Unread::start(&[]);
    assert_eq!((htgate.login("alice"), htgate.login("bob")), (204, 204));
    fill_the_log(&htgate);
    htgate.keep_alice_alone();
    eventually("bob is refused", EVENTS, || htgate.login("bob") == 401);
    assert_eq!(htgate.login("alice"), 204);
    assert!(htgate.text("/readyz").ends_with("failed: none\n"));
    htgate.stop();
}

#[test]
fn a_log_that_is_read_again_says_what_was_lost() {
    let mut htgate = Unread::start(&[]);
    fill_the_log(&htgate);
    let mut stderr = htgate.child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
        text
    });
    thread::sleep(Duration::from_millis(500));
    htgate.stop();
    let text = reader.join().unwrap();
    assert!(
        text.contains("log lines were lost: standard error did not take them"),
        "{text}"
    );
    assert!(text.contains("SIGTERM: stopping"), "{text}");
    assert!(text.lines().all(|line| line.starts_with('[')), "{text}");
}

/// Nothing can be written there, and that is no reason to try without end.
#[test]
fn a_log_that_is_refused() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let htgate = Unread::start_with(&[], full.into());
    let spent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", htgate.child.id())).unwrap();
        let mut fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11);
        let mut ticks = || fields.next().unwrap().parse::<u64>().unwrap();
        ticks() + ticks()
    };
    // The log's thread may still be busy with the lines of the start.
    let mut lost = 0.0;
    eventually("the lines of the start are lost", EVENTS * 20, || {
        thread::sleep(Duration::from_millis(500));
        let now = htgate.lost_lines();
        now > 0.0 && std::mem::replace(&mut lost, now) == now
    });
    let before = spent();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(htgate.lost_lines(), lost);
    assert!(spent() - before < 100, "it works without end");
    htgate.keep_alice_alone();
    eventually("bob is refused", EVENTS, || htgate.login("bob") == 401);
    htgate.stop();
}

#[test]
fn a_systemd_that_does_not_listen() {
    let folder = folder();
    let path = folder.path().join("notify");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let htgate = Unread::start(&[("NOTIFY_SOCKET", &path)]);
    // More than the socket and our own queue hold.
    for _ in 0..100 {
        signal(&htgate.child, "HUP");
        thread::sleep(Duration::from_millis(5));
    }
    htgate.keep_alice_alone();
    eventually("bob is refused", EVENTS * 10, || htgate.login("bob") == 401);
    htgate.stop();
}

/// Bytes that HTTP does not allow never reach our code: the library answers, we count.
#[test]
fn what_the_http_library_refuses_is_counted_with_few_lines() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let good = format!("Authorization: {}", basic("alice", "secret"));
    let bad = |first: &str| {
        let mut connection = gate.connect();
        let request = format!("{first}\r\nHost: x\r\nUser-Agent: a\x01b\r\n{good}\r\n\r\n");
        connection.send(request.as_bytes()).unwrap();
        connection.read(first.starts_with("HEAD")).unwrap().status
    };
    let start = Instant::now();
    for _ in 0..150 {
        assert_eq!(bad("GET /auth HTTP/1.1"), 400);
        assert_eq!(bad("GET /auth HTTP/1.0"), 400);
        assert_eq!(bad("HEAD /auth HTTP/1.1"), 400);
    }
    let metric = "htgate_decisions_total{reason=\"malformed-request\"}";
    eventually("all are counted", Duration::from_secs(5), || {
        gate.metric(metric) == 450.0
    });
    let seconds = start.elapsed().as_secs() as usize + 1;
    let log = gate.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("reason=malformed-request") && line.contains("address="))
        .count();
    assert!((1..=100 * seconds).contains(&lines), "{lines} lines");
    assert!(!log.contains("stream error"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    assert_eq!(gate.login("alice", "secret"), 204);
}
