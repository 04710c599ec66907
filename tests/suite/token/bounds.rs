//! What the token endpoint refuses, how, and what it says of that in its log.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{Gate, Response, Target, authorization, eventually, send};
use crate::token::scene::{SERVICE, ask, json, post, prepare, start, start_with, token_in, uri};

const GOOD: &str = "grant_type=password&service=registry.test&client_id=test&username=reader";

/// An error as registries' clients read it.
fn check_error(answer: &Response, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let challenge = answer.header("www-authenticate");
    let expected = r#"Basic realm="htgate", charset="UTF-8""#;
    assert_eq!(challenge, (status == 401).then_some(expected));
    let body = json(answer);
    assert!(body.get("token").is_none(), "{body}");
    assert_eq!(body["errors"][0]["code"], code, "{body}");
    body["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn queries_that_cannot_be_answered() {
    let gate = start(prepare());
    let scope = |count: usize| vec!["repository:team/a:pull"; count];
    let long = |length: usize| format!("repository:{}:pull", "a".repeat(length - 16));
    let at = |query: &str| format!("/token?{query}");
    let good = uri("/token", SERVICE, &[]);
    let rows: Vec<(String, &str)> = vec![
        ("/token".to_owned(), "service is missing"),
        (at("scope=repository:a:pull"), "service is missing"),
        (at("service="), "no tokens are given for this service"),
        (
            at("service=other.test"),
            "no tokens are given for this service",
        ),
        (
            at("service=REGISTRY.TEST"),
            "no tokens are given for this service",
        ),
        (
            format!("{good}&service={SERVICE}"),
            "service is there twice",
        ),
        (
            format!("{good}&service=other.test"),
            "service is there twice",
        ),
        (
            format!("{good}&scope=%zz"),
            "a parameter has a broken escape",
        ),
        (
            uri("/token", SERVICE, &scope(33)),
            "ask for at most 32 scopes at once",
        ),
        (
            uri("/token", SERVICE, &[&scope(33).join(" ")]),
            "ask for at most 32 scopes at once",
        ),
        (
            uri("/token", SERVICE, &[&long(4097)]),
            "scopes of more than 4096 bytes in all",
        ),
        (
            uri("/token", SERVICE, &[&long(4000), &long(97)]),
            "scopes of more than 4096 bytes in all",
        ),
    ];
    let credentials = authorization("reader", "secret");
    for (uri, expected) in &rows {
        // With credentials or without, even with wrong ones: nobody is asked for a password first.
        for headers in [
            &[][..],
            &[credentials.as_str()],
            &["Authorization: Basic x"],
        ] {
            let answer = gate.ask(&format!("GET {uri}"), headers);
            assert_eq!(check_error(&answer, 400, "UNSUPPORTED"), *expected, "{uri}");
            assert_eq!(answer.header("x-auth-reason"), Some("bad-request"));
        }
    }
    for uri in [
        uri("/token", SERVICE, &scope(32)),
        uri("/token", SERVICE, &[&long(4000), &long(96)]),
    ] {
        let answer = gate.ask(&format!("GET {uri}"), &[&credentials]);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let count = f64::from(u32::try_from(3 * rows.len()).unwrap());
    assert_eq!(
        gate.metric("htgate_token_answers_total{reason=\"bad-request\"}"),
        count
    );
}

#[test]
fn forms_that_cannot_be_answered() {
    let gate = start(prepare());
    let refresh = format!("grant_type=refresh_token&service={SERVICE}&refresh_token=x");
    let rows: Vec<(String, &str)> = vec![
        (String::new(), "service is missing"),
        (GOOD.to_owned(), "password is missing"),
        (
            format!("{GOOD}&password=secret&password=secret"),
            "password is there twice",
        ),
        (
            format!("{GOOD}&password=secret&username=admin"),
            "username is there twice",
        ),
        (
            format!("{GOOD}&password=secret&service=registry.test"),
            "service is there twice",
        ),
        (
            format!("{GOOD}&password=%"),
            "a parameter has a broken escape",
        ),
        (refresh, "the only grant_type is password"),
        (
            format!("service={SERVICE}&username=reader&password=secret"),
            "grant_type is missing",
        ),
        (
            format!("{GOOD}&password=secret&scope={}", ["a:b:c"; 33].join("+")),
            "ask for at most 32 scopes at once",
        ),
        (
            format!("{GOOD}&password=secret&scope={}", "a".repeat(4097)),
            "scopes of more than 4096 bytes in all",
        ),
        (padded(16 * 1024 + 1), "the body is too large"),
    ];
    for (form, expected) in &rows {
        let answer = post(&gate, &[], form);
        assert_eq!(
            check_error(&answer, 400, "UNSUPPORTED"),
            *expected,
            "{form}"
        );
    }
    assert_eq!(post(&gate, &[], &padded(16 * 1024)).status, 200);

    let form = format!("{GOOD}&password=secret");
    let not_a_form = "the body must be a form: application/x-www-form-urlencoded";
    let kinds = [
        "Content-Type: application/json",
        "Content-Type: multipart/form-data; boundary=x",
        "",
    ];
    for kind in kinds {
        let headers: &[&str] = if kind.is_empty() { &[] } else { &[kind] };
        let answer = send(&Target::Tcp(gate.tcp), "POST", "/token", headers, &form);
        assert_eq!(
            check_error(&answer, 400, "UNSUPPORTED"),
            not_a_form,
            "{kind}"
        );
    }
    // Two who ask at once are nobody; and a query says nothing for a form.
    let two = "a form holds its credentials itself; send no Authorization";
    let answer = post(&gate, &[&authorization("admin", "secret")], &form);
    assert_eq!(check_error(&answer, 400, "UNSUPPORTED"), two);
    let query = format!("/token?{form}");
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    let answer = send(&Target::Tcp(gate.tcp), "POST", &query, &[form_type], "");
    check_error(&answer, 400, "UNSUPPORTED");
}

/// A form of this length, all of it good.
fn padded(length: usize) -> String {
    let form = format!("{GOOD}&password=secret&account=");
    format!("{form}{}", "x".repeat(length - form.len()))
}

#[test]
fn other_methods_and_paths_are_not_there() {
    let gate = start(prepare());
    let query = uri("/token", SERVICE, &[]);
    for method in ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        let answer = send(&Target::Tcp(gate.tcp), method, &query, &[], "");
        assert_eq!(answer.status, 404, "{method}");
    }
    for path in ["/token/", "/Token", "//token", "/token/x", "/auth/token"] {
        let answer = gate.ask(&format!("GET {}", uri(path, SERVICE, &[])), &[]);
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[test]
fn who_cannot_be_known_is_asked_for_a_password() {
    let gate = start(prepare());
    let query = format!(
        "GET {}",
        uri("/token", SERVICE, &["repository:public/a:pull"])
    );
    let by_query = |header: &str| gate.ask(&query, &[header]);
    let by_form = |user: &str, password: &str| {
        let form = "grant_type=password&service=registry.test&client_id=test";
        post(
            &gate,
            &[],
            &format!("{form}&username={user}&password={password}"),
        )
    };
    let reader = authorization("reader", "secret");
    let answers = [
        by_query(&authorization("reader", "Secret")),
        by_query(&authorization("stranger", "secret")),
        by_query("Authorization: Basic ?"),
        by_query("Authorization: Bearer x"),
        gate.ask(&query, &[&reader, &reader]),
        by_form("reader", "Secret"),
        by_form("stranger", "secret"),
        by_form("reader%3Asec", "ret"),
        by_form("reader", ""),
    ];
    for (number, answer) in answers.iter().enumerate() {
        let message = check_error(answer, 401, "UNAUTHORIZED");
        assert_eq!(message, "authentication required");
        let is_malformed = matches!(number, 2..=4 | 7);
        let reason = ["bad-credentials", "malformed-credentials"][usize::from(is_malformed)];
        assert_eq!(answer.header("x-auth-reason"), Some(reason), "{number}");
        assert_eq!(answer.header("x-auth-user"), None);
        // Nothing tells who is a user.
        assert_eq!(answer.body, answers[0].body);
        let names = |answer: &Response| {
            let of_the_connection = ["date", "connection", "x-auth-reason"];
            let names = answer.headers.iter();
            let names = names.filter(|(name, _)| !of_the_connection.contains(&name.as_str()));
            names.cloned().collect::<BTreeSet<_>>()
        };
        assert_eq!(names(answer), names(&answers[0]));
    }
}

/// Nobody can say for which server it would be.
#[test]
fn two_servers_get_no_token() {
    let gate = start(prepare());
    let query = format!(
        "GET {}",
        uri("/token", SERVICE, &["repository:team/a:pull"])
    );
    let reader = authorization("reader", "secret");
    let server = "X-Original-Server: registry.test";
    assert_eq!(gate.ask(&query, &[&reader, server]).status, 200);
    check_error(
        &gate.ask(&query, &[&reader, server, server]),
        500,
        "UNKNOWN",
    );
}

#[test]
fn clients_that_are_turned_away() {
    let gate = start(prepare());
    let reader = authorization("reader", "secret");
    let query = format!("GET {}", uri("/token", SERVICE, &[]));
    let answer = gate.ask(&query, &[&reader, "User-Agent: docker/1.3.0"]);
    check_error(&answer, 404, "UNSUPPORTED");
    let form = format!("{GOOD}&password=secret");
    let answer = post(&gate, &["User-Agent: Go 1.1 package http"], &form);
    check_error(&answer, 404, "UNSUPPORTED");
    assert_eq!(gate.hashes(), 0);
    let answer = gate.ask(&query, &[&reader, "User-Agent: docker/28.2.2 go/go1.24"]);
    assert_eq!(answer.status, 200);
}

#[test]
fn guesses_in_queries_and_forms_count_together() {
    let gate = start(prepare());
    let address = "X-Real-IP: 192.0.2.1";
    let elsewhere = "X-Real-IP: 192.0.2.2";
    let query = format!("GET {}", uri("/token", SERVICE, &[]));
    let by_query = |password: &str, address: &str| {
        gate.ask(&query, &[&authorization("reader", password), address])
    };
    let by_form = |password: &str, address: &str| {
        post(&gate, &[address], &format!("{GOOD}&password={password}"))
    };
    // Something to remember.
    assert_eq!(by_query("secret", elsewhere).status, 200);
    for guess in 0..10 {
        let password = format!("guess-{guess}");
        // Once more is the same guess, however it is sent.
        for _ in 0..2 {
            assert_eq!(by_query(&password, address).status, 401);
            assert_eq!(by_form(&password, address).status, 401);
        }
    }
    assert_eq!(gate.metric("htgate_strikes_total"), 10.0);
    for answer in [by_query("another", address), by_form("one-more", address)] {
        check_error(&answer, 429, "TOOMANYREQUESTS");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(answer.header("x-auth-reason"), Some("throttled"));
    }
    // The same address at /auth; others, and what is remembered, go on.
    let auth = gate.login_from("192.0.2.1", "reader", "and-another");
    assert_eq!(auth.header("x-auth-status"), Some("429"));
    assert_eq!(by_query("another", elsewhere).status, 401);
    assert_eq!(by_query("secret", address).status, 200);
    assert_eq!(by_form("secret", address).status, 200);
    assert_eq!(gate.hashes(), 12);
}

#[test]
fn a_password_is_hashed_once() {
    let gate = start(prepare());
    let scopes = &["repository:team/app:pull"];
    for _ in 0..50 {
        assert_eq!(ask(&gate, "reader", scopes).status, 200);
        let form = format!("{GOOD}&password=secret&scope=repository:team/app:pull");
        assert_eq!(post(&gate, &[], &form).status, 200);
    }
    let uri = "X-Original-URI: /v2/team/app/manifests/1";
    let headers = [
        &authorization("reader", "secret"),
        "X-Original-Method: GET",
        uri,
    ];
    assert_eq!(gate.ask("GET /auth", &headers).status, 204);
    assert_eq!(gate.hashes(), 1);
    assert_eq!(
        gate.metric("htgate_token_answers_total{reason=\"ok\"}"),
        100.0
    );
    assert_eq!(gate.metric("htgate_decisions_total{reason=\"ok\"}"), 1.0);
}

fn audit(gate: &Gate) -> Vec<String> {
    let log = gate.log();
    let lines = log.lines().filter(|line| line.contains("htgate::audit"));
    lines
        .map(|line| line.split_once("] ").unwrap().1.to_owned())
        .collect()
}

#[test]
fn refusals_are_logged_and_secrets_are_not() {
    let gate = start_with(prepare(), &[], &[("RUST_LOG", "trace")]);
    let scope = "repository:team/app:pull";
    let address = "X-Real-IP: 192.0.2.7";
    let agent = "User-Agent: curl/8 (x)";
    let id = "X-Request-ID: 0123";
    // Somebody puts a password into a query, where it does not belong.
    let query = format!("GET {}&password=sesame-q", uri("/token", SERVICE, &[scope]));
    let wrong = authorization("reader", "sesame-1");
    let answer = gate.ask(&query, &[&wrong, address, agent, id]);
    assert_eq!(answer.status, 401);
    let form = format!("{GOOD}&scope={scope}&password=sesame-2");
    assert_eq!(post(&gate, &[address, agent, id], &form).status, 401);
    eventually("two lines", Duration::from_secs(10), || {
        audit(&gate).len() == 2
    });
    for (line, method) in audit(&gate).iter().zip(["GET", "POST"]) {
        assert_eq!(
            *line,
            format!(
                "address=192.0.2.7 user=reader reason=bad-credentials method={method} \
                 uri=/token user_agent=\"curl/8 (x)\" request_id=0123"
            )
        );
    }
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answer = gate.ask(&query, &[&authorization("reader", "secret"), address]);
        tokens.push(token_in(&answer));
        let answer = post(&gate, &[], &format!("{GOOD}&scope={scope}&password=secret"));
        tokens.push(token_in(&answer));
    }
    // A last refusal, of a kind of its own: what was to be logged before is there then.
    gate.ask(&query, &["User-Agent: docker/1.3.0"]);
    gate.wait_for_log("reason=user-agent");
    let log = gate.log();
    assert_eq!(audit(&gate).len(), 3, "no line for an answer:\n{log}");
    let secrets = ["sesame", "cmVhZGVyOn", "password=", "scope="];
    let signatures = tokens.iter().map(|token| token.rsplit('.').next().unwrap());
    for secret in secrets.into_iter().chain(signatures) {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
}
