//! What the log says of refusals.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Gate, Nginx, authorization, eventually, gated, line};

const PATIENCE: Duration = Duration::from_secs(10);

fn audit(gate: &Gate) -> Vec<String> {
    let log = gate.log();
    let lines = log.lines().filter(|line| line.contains("htgate::audit"));
    lines.map(str::to_owned).collect()
}

/// The only such line, when it is there.
fn one(gate: &Gate) -> String {
    eventually("a line", PATIENCE, || !audit(gate).is_empty());
    let lines = audit(gate);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

/// A browser's request behind nginx: everything that is known of it, its address first.
#[test]
fn one_line_for_a_refusal_and_none_for_a_pass() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let http = format!(
        "set_real_ip_from unix:; real_ip_header X-Test-Address;\n{}",
        gated(&gate.socket(), "")
    );
    let nginx = Nginx::start(&http);
    let ask = |password: &str, address: &str| {
        let address = format!("X-Test-Address: {address}");
        let headers = [
            &authorization("alice", password),
            "User-Agent: curl/8 (x)",
            &address,
        ];
        nginx.ask("GET /file?n=1", &headers).status
    };
    assert_eq!(ask("secret", "192.0.2.1"), 200);
    assert_eq!(ask("sesame", "192.0.2.1"), 401);
    let line = one(&gate);
    let (before, fields) = line.split_once("] ").unwrap();
    assert!(before.ends_with("WARN  htgate::audit"), "{line}");
    let (fields, id) = fields.rsplit_once(' ').unwrap();
    assert_eq!(
        fields,
        "address=192.0.2.1 user=alice reason=bad-credentials method=GET uri=\"/file?n=1\" \
         user_agent=\"curl/8 (x)\""
    );
    // For a front that sends one.
    assert_eq!(id, "request_id=\"\"");
    assert!(!line.contains("sesame"));
}

#[test]
fn json_has_the_same_fields() {
    let gate = Gate::start(&line("alice", "secret", 4), &["--log-format", "json"]);
    let headers = [
        "User-Agent: docker/1.3.0",
        "X-Real-IP: 2001:db8::1",
        "X-Original-URI: /v2/",
    ];
    assert_eq!(gate.ask("GET /auth", &headers).status, 403);
    let line = one(&gate);
    let (before, after) = line.split_once(",\"level\"").unwrap();
    assert!(before.starts_with("{\"time\":\"2"), "{line}");
    let expected = [
        ":\"WARN\",\"target\":\"htgate::audit\",\"address\":\"2001:db8::1\",\"user\":\"\",",
        "\"reason\":\"user-agent\",\"method\":\"\",\"uri\":\"/v2/\",",
        "\"user_agent\":\"docker/1.3.0\",\"request_id\":\"\"}",
    ];
    assert_eq!(after, expected.concat());
}

/// Nothing that a client sends begins a line of its own, or another field.
#[test]
fn values_cannot_forge() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let headers = [
        &authorization("x address=192.0.2.66 user=y\" z", "sesame"),
        "User-Agent: a\" address=192.0.2.66\tb\u{202e}",
    ];
    assert_eq!(gate.ask("GET /auth", &headers).status, 401);
    let line = one(&gate);
    let (_, fields) = line.split_once("] ").unwrap();
    assert_eq!(
        fields,
        "address=unknown user=\"x address=192.0.2.66 user=y\\\" z\" reason=bad-credentials \
         method=\"\" uri=\"\" user_agent=\"a\\\" address=192.0.2.66\\tb\\u{202e}\" request_id=\"\""
    );
}

/// A flood of one kind is counted, and does not hide a refusal of another kind.
#[test]
fn a_flood_is_told_in_few_lines() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let mut connection = gate.connect();
    let header = authorization("alice", "wrong");
    for _ in 0..3000 {
        connection.ask("GET /auth", &[&header]).unwrap();
    }
    gate.ask("GET /auth", &["User-Agent: docker/1.3.0"]);
    let told = |lines: &[String], word: &str| lines.iter().filter(|l| l.contains(word)).count();
    let left_out = |lines: &[String]| -> usize {
        let counts = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once("left_out=")?;
            rest.strip_suffix(" reason=bad-credentials")?
                .parse::<usize>()
                .ok()
        });
        counts.sum()
    };
    eventually("all are told or counted", PATIENCE, || {
        let lines = audit(&gate);
        told(&lines, "user=alice") + left_out(&lines) == 3000
    });
    let lines = audit(&gate);
    assert!(left_out(&lines) > 0, "{lines:?}");
    assert_eq!(told(&lines, "reason=user-agent"), 1);
}

/// Floods of every kind from one network, with passwords that are nobody's and one that is known to be
/// wrong, hide no guess from another network, nor one from their own.
#[test]
fn a_flood_from_one_network_hides_no_guess() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let flood = "X-Real-IP: 2001:db8:1:2::3";
    let old = authorization("alice", "old");
    let left_out = |reason: &str| {
        let log = gate.log();
        let mut lines = log.lines().filter(|line| line.contains("left_out="));
        lines.any(|line| line.ends_with(&format!(" reason={reason}")))
    };
    let stop = AtomicBool::new(false);
    // Where the test fails, nobody says stop.
    let end = Instant::now() + 5 * PATIENCE;
    thread::scope(|scope| {
        for header in ["Authorization: Basic !", &old] {
            let (mut connection, stop) = (gate.connect(), &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && Instant::now() < end {
                    connection.ask("GET /auth", &[flood, header]).unwrap();
                }
            });
        }
        eventually("lines are left out", PATIENCE, || {
            left_out("bad-credentials") && left_out("malformed-credentials")
        });
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8:2::1", "2001:db8:1:9::1"] {
            gate.login_from(address, "eve", address);
            gate.wait_for_log(&format!(
                "address={address} user=eve reason=bad-credentials method="
            ));
        }
        stop.store(true, Ordering::Relaxed);
    });
}
