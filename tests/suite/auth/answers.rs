//! `/auth` as nginx meets it: every header shape of the contract, and what comes back.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::support::{Connection, Gate, Response, Target, basic, line};

/// Asserts the parts that every answer shares.
fn check(response: &Response, status: u16, reason: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(
        response.header("x-auth-reason"),
        Some(reason),
        "{response:?}"
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.body.is_empty(), "{response:?}");
    if status != 204 {
        assert_eq!(response.header("content-length"), Some("0"));
    }
    let challenge = (status == 401).then_some(r#"Basic realm="htgate", charset="UTF-8""#);
    assert_eq!(
        response.header("www-authenticate"),
        challenge,
        "{response:?}"
    );
    assert_eq!(response.header("x-auth-user").is_some(), status == 204);
    let expected = match reason {
        "user-agent" => Some("404"),
        "access" => Some("403"),
        _ => None,
    };
    assert_eq!(response.header("x-auth-status"), expected, "{response:?}");
}

#[test]
fn header_shapes() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let good = format!("Authorization: {}", basic("alice", "secret"));
    let wrong = format!("Authorization: {}", basic("alice", "Secret"));
    let unknown = format!("Authorization: {}", basic("eve", "secret"));
    let long = format!("Authorization: Basic {}", "A".repeat(9000));
    let long_user = format!("Authorization: {}", basic(&"u".repeat(513), "x"));
    let long_password = format!("Authorization: {}", basic("alice", &"x".repeat(1025)));
    let rows: &[(&[&str], u16, &str)] = &[
        (&[], 401, "no-credentials"),
        (&["Authorization: Basic Og=="], 401, "no-credentials"),
        (&[&good], 204, "ok"),
        (&["authorization: bAsIc   YWxpY2U6c2VjcmV0"], 204, "ok"),
        (&[&wrong], 401, "bad-credentials"),
        (&[&unknown], 401, "bad-credentials"),
        (&[&good, &good], 401, "malformed-credentials"),
        (
            &["Authorization: Basic\tYWxpY2U6c2VjcmV0"],
            401,
            "malformed-credentials",
        ),
        (
            &["Authorization: Basic YWxpY2U6c2VjcmV0=="],
            401,
            "malformed-credentials",
        ),
        (&["Authorization: Basic"], 401, "malformed-credentials"),
        (&["Authorization: Bearer abc"], 401, "malformed-credentials"),
        // ":secret", "alice", and "alice:sec\nret".
        (
            &["Authorization: Basic OnNlY3JldA=="],
            401,
            "malformed-credentials",
        ),
        (
            &["Authorization: Basic YWxpY2U="],
            401,
            "malformed-credentials",
        ),
        (
            &["Authorization: Basic YWxpY2U6c2VjCnJldA=="],
            401,
            "malformed-credentials",
        ),
        (&[&long], 401, "malformed-credentials"),
        (&[&long_user], 401, "malformed-credentials"),
        (&[&long_password], 401, "malformed-credentials"),
        (
            &["User-Agent: docker/1.4.1 go/go1.3.3", &good],
            403,
            "user-agent",
        ),
        (&["User-Agent: Go 1.1 package http"], 403, "user-agent"),
        (
            &["User-Agent: curl/8", "User-Agent: curl/8", &good],
            403,
            "user-agent",
        ),
        (&["User-Agent: Go-http-client/1.1", &good], 204, "ok"),
        (&["User-Agent: docker/1.5.0-dev", &good], 204, "ok"),
        (
            &["X-Original-Method: GET", "X-Original-URI: /v2/", &good],
            204,
            "ok",
        ),
        (
            &["X-Original-URI: /a", "X-Original-URI: /a", &good],
            403,
            "access",
        ),
        (
            &["X-Original-Method: GET", "X-Original-Method: GET", &good],
            403,
            "access",
        ),
        (&["X-Original-URI: a b", &good], 403, "access"),
        (
            &["X-Original-URI: /a", "X-Original-URI: /a", &wrong],
            401,
            "bad-credentials",
        ),
    ];
    // All on one connection: no answer may break it.
    let mut connection = gate.connect();
    for (headers, status, reason) in rows {
        let response = connection.ask("GET /auth", headers).unwrap();
        println!("{headers:?}");
        check(&response, *status, reason);
    }
}

/// A word for the operator, and the name where it is one; nothing of it for the client.
#[test]
fn what_is_malformed_is_told_in_the_log_alone() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let long = basic("alice", &"x".repeat(1025));
    let double = basic("x", "y").replace("Basic ", "");
    let rows: &[(&str, &str, &str)] = &[
        ("Bearer YWxpY2U6c2VjcmV0", "\"\"", "not-basic"),
        ("Basic", "\"\"", "not-basic"),
        ("Basic alice:secret", "\"\"", "not-base64"),
        // "secret", and the Base64 of a whole pair.
        ("Basic c2VjcmV0", "\"\"", "no-colon"),
        (
            &format!("Basic {}", BASE64_STANDARD.encode(&double)),
            "\"\"",
            "no-colon",
        ),
        (&basic("alice", "secret\n"), "alice", "control-character"),
        (&long, "alice", "too-long"),
        (&basic("", "secret"), "\"\"", "no-name"),
    ];
    let answer = |value: &str| {
        let header = format!("Authorization: {value}");
        let mut answer = gate.ask("GET /auth", &[&header]);
        answer.headers.retain(|(name, _)| name != "date");
        answer.headers.sort();
        answer
    };
    let wrong = answer(&basic("alice", "wrong"));
    assert_eq!(wrong.header("x-auth-reason"), Some("bad-credentials"));
    for (value, name, word) in rows {
        let answer = answer(value);
        let but_for_reason = |answer: &Response| {
            let headers = answer.headers.iter();
            let headers = headers.filter(|(name, _)| name != "x-auth-reason");
            (answer.status, headers.cloned().collect::<Vec<_>>())
        };
        assert_eq!(but_for_reason(&answer), but_for_reason(&wrong), "{value}");
        assert_eq!(
            answer.header("x-auth-reason"),
            Some("malformed-credentials")
        );
        gate.wait_for_log(&format!(
            "user={name} reason=malformed-credentials detail={word} method="
        ));
    }
    let log = gate.log();
    assert!(!log.contains("secret") && !log.contains(&double), "{log}");
    assert_eq!(gate.hashes(), 1);
    let counted = gate.metric("htgate_decisions_total{reason=\"malformed-credentials\"}");
    assert_eq!(counted, 8.0);
}

#[test]
fn malformed_credentials_cost_no_hash() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let long = format!("Authorization: {}", basic("alice", &"x".repeat(1025)));
    for header in [
        "Authorization: Basic YWxpY2U=",
        "Authorization: Basic YWxpY2U6c2VjCnJldA==",
        &long,
    ] {
        assert_eq!(gate.ask("GET /auth", &[header]).status, 401);
    }
    assert_eq!(gate.hashes(), 0);
}

#[test]
fn any_method_any_query_and_no_body_is_read() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let good = format!("Authorization: {}", basic("alice", "secret"));
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        check(
            &gate.ask(&format!("{method} /auth?a=b&c"), &[&good]),
            204,
            "ok",
        );
        check(
            &gate.ask(&format!("{method} /auth?a=b&c"), &[]),
            401,
            "no-credentials",
        );
    }
    let mut connection = gate.connect();
    // The announced body never comes; the answer does.
    let response = connection
        .ask("POST /auth", &[&good, "Content-Length: 100"])
        .unwrap();
    check(&response, 204, "ok");
}

#[test]
fn user_names_are_percent_encoded() {
    let names = [
        ("alice", "alice"),
        ("al ice", "al%20ice"),
        ("50%", "50%25"),
        ("é", "%C3%A9"),
    ];
    let users: String = names
        .iter()
        .map(|(name, _)| line(name, "secret", 4))
        .collect();
    let gate = Gate::start(&users, &[]);
    for (name, encoded) in names {
        let header = format!("Authorization: {}", basic(name, "secret"));
        let response = gate.ask("GET /auth", &[&header]);
        assert_eq!(response.header("x-auth-user"), Some(encoded));
    }
    // The same name in Latin-1 is another name: bytes, not text.
    assert_eq!(
        gate.ask("GET /auth", &["Authorization: Basic 6TpzZWNyZXQ="])
            .status,
        401
    );
}

#[test]
fn the_other_endpoints() {
    let gate = Gate::start(&format!("{}bad line\n", line("alice", "secret", 4)), &[]);
    let response = gate.ask("GET /healthz", &[]);
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "alive\n")
    );
    let response = gate.ask("GET /readyz", &[]);
    assert_eq!(response.status, 200);
    let text = response.text();
    let start = "ready\nusers: 1\nfaulty lines: 1, the first in line 2: no colon; write";
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with("Z\nlast reload failed: none\n"), "{text}");
    assert_eq!(gate.login("alice", "secret"), 204);
    assert_eq!(gate.login("alice", "wrong"), 401);
    assert_eq!(gate.metric("htgate_decisions_total{reason=\"ok\"}"), 1.0);
    assert_eq!(
        gate.metric("htgate_decisions_total{reason=\"bad-credentials\"}"),
        1.0
    );
    assert_eq!(gate.metric("htgate_users"), 1.0);
    assert_eq!(gate.metric("htgate_faulty_lines"), 1.0);
    for path in ["/", "/auth/", "/auth/x", "/Auth", "/metrics/", "/v2/"] {
        assert_eq!(gate.ask(&format!("GET {path}"), &[]).status, 404, "{path}");
    }
    assert_eq!(gate.ask("POST /metrics", &[]).status, 404);
}

#[test]
fn several_listeners_of_each_kind() {
    let folder = crate::support::folder();
    std::fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    let second = folder.path().join("second.sock");
    let second_option = format!("unix:{}", second.display());
    let options = [
        "--listen",
        "[::1]:0",
        "--listen",
        &second_option,
        "--socket-mode",
        "0666",
    ];
    let gate = Gate::start_in(folder, &options);
    // The last of them; a gate counts as started with its first Unix socket.
    gate.wait_for_log("second.sock (mode");
    let log = gate.log();
    let (_, v6) = log
        .split_once("listening on [::1]:")
        .expect("an IPv6 listener");
    let v6 = format!("[::1]:{}", v6.lines().next().unwrap());
    let targets = [
        Target::Tcp(gate.tcp),
        Target::Tcp(v6.parse().unwrap()),
        Target::Unix(gate.socket()),
        Target::Unix(second.clone()),
    ];
    for target in targets {
        let response = Connection::open(&target)
            .unwrap()
            .ask("GET /healthz", &[])
            .unwrap();
        assert_eq!(response.status, 200, "{target:?}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&second.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o666);
}

#[test]
fn the_realm_and_user_agents_can_be_chosen() {
    let folder = crate::support::folder();
    std::fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    let config = folder.path().join("htgate.toml");
    std::fs::write(
        &config,
        "realm = 'the \"realm\"'\n[user_agent]\ndeny = ['^evil']\nexcept = []\n",
    )
    .unwrap();
    let gate = Gate::start_in(folder, &["--config", config.to_str().unwrap()]);
    let response = gate.ask("GET /auth", &["User-Agent: Go 1.1 package http"]);
    let challenge = r#"Basic realm="the \"realm\"", charset="UTF-8""#;
    assert_eq!(response.header("www-authenticate"), Some(challenge));
    check(
        &gate.ask("GET /auth", &["User-Agent: evil/1"]),
        403,
        "user-agent",
    );
}
