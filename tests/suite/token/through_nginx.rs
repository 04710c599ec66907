//! The token endpoint behind nginx, with the shipped files.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::thread;

use crate::support::{Connection, Nginx, Response, authorization, folder, repository, run, send};
use crate::token::scene::{
    SERVICE, bearer, certificate, gate_and_registry, json, prepare, registry, start, token_in, uri,
};

/// The http context of the shipped files before a registry and this socket of htgate's.
fn shipped(
    registry: &crate::support::Registry,
    gate: &std::path::Path,
    folder: &std::path::Path,
) -> String {
    let certificate = folder.join("certificate");
    run(std::process::Command::new(repository("compose/certificate.sh")).arg(&certificate));
    registry.behind_tokens(gate, "", &certificate)
}

/// An error of nginx's own, as clients can read it.
fn check_own(answer: &Response, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let code = format!("{{\"errors\":[{{\"code\":\"{code}\"");
    assert!(answer.text().starts_with(&code), "{answer:?}");
}

#[test]
fn who_asks_while_there_is_no_htgate_shall_come_again() {
    let (mut gate, registry) = gate_and_registry(prepare());
    let http = shipped(&registry, &gate.socket(), gate.folder.path());
    let nginx = Nginx::start(&http);
    let query = format!("GET {}", uri("/auth/token", SERVICE, &[]));
    assert_eq!(nginx.ask(&query, &[]).status, 200);
    gate.child.kill().unwrap();
    gate.child.wait().unwrap();
    check_own(&nginx.ask(&query, &[]), 503, "UNAVAILABLE");
}

/// As docs/fleet.md has it: nginx repeats a POST only where that is said to be harmless.
#[test]
fn where_one_htgate_is_silent_another_is_shown_the_form() {
    let (gate, registry) = gate_and_registry(prepare());
    let silent = gate.folder.path().join("silent.sock");
    let _listener = UnixListener::bind(&silent).unwrap();
    fs::set_permissions(&silent, Permissions::from_mode(0o666)).unwrap();
    let one = format!("server unix:{} ", gate.socket().display());
    let both = format!("server unix:{}; {one}", silent.display());
    let http = shipped(&registry, &gate.socket(), gate.folder.path());
    assert!(http.contains(&one), "{http}");
    let http = http.replace(&one, &both);
    let nginx = Nginx::start(&http.replace("proxy_read_timeout 15s;", "proxy_read_timeout 1s;"));
    let form = "grant_type=password&service=registry.test&client_id=test&username=reader\
                &password=secret";
    let headers = ["Content-Type: application/x-www-form-urlencoded"];
    for _ in 0..2 {
        let answer = send(&nginx.target(), "POST", "/auth/token", &headers, form);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let log = nginx.error_log();
    assert!(log.contains("upstream timed out"), "{log}");
}

#[test]
fn clients_get_the_answer_and_nothing_that_is_meant_for_nginx() {
    let (gate, registry) = gate_and_registry(prepare());
    let http = shipped(&registry, &gate.socket(), gate.folder.path());
    let nginx = Nginx::start(&http);
    let query = uri("/auth/token", SERVICE, &["repository:team/app:pull"]);
    let form = "grant_type=password&service=registry.test&client_id=test&username=reader";
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    let post = |headers: &[&str], password: &str| {
        let body = format!("{form}&password={password}");
        send(&nginx.target(), "POST", "/auth/token", headers, &body)
    };
    let get = |headers: &[&str]| nginx.ask(&format!("GET {query}"), headers);
    let good = get(&[&authorization("reader", "secret")]);
    let rows = [
        (200, &good),
        (200, &get(&[])),
        (401, &get(&[&authorization("reader", "wrong")])),
        (404, &get(&["User-Agent: docker/1.3.0"])),
        (400, &nginx.ask("GET /auth/token?service=other", &[])),
        (200, &post(&[form_type], "secret")),
        (401, &post(&[form_type], "wrong")),
        (400, &post(&["Content-Type: text/plain"], "secret")),
    ];
    for (status, answer) in rows {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("x-auth-user"), None, "{answer:?}");
        assert_eq!(answer.header("x-auth-reason"), None, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let challenge = r#"Basic realm="htgate", charset="UTF-8""#;
        let expected = (status == 401).then_some(challenge);
        assert_eq!(answer.header("www-authenticate"), expected);
        assert_eq!(json(answer).get("errors").is_some(), status != 200);
    }
    // What it says outside of it is the registry's own, and it is asked through nginx, too.
    let ask = |headers: &[&str]| nginx.ask("GET /v2/", headers);
    assert_eq!(ask(&[&bearer(&token_in(&good))]).status, 200);
    check_challenge(&ask(&[]));
    check_challenge(&ask(&[&authorization("reader", "secret")]));
    let size = "x".repeat(17 * 1024);
    let large = send(&nginx.target(), "POST", "/auth/token", &[form_type], &size);
    check_own(&large, 413, "UNSUPPORTED");
    // nginx would need its disk for many small chunks.
    let chunks = [form_type, "Transfer-Encoding: chunked"];
    let request = format!(
        "POST /auth/token HTTP/1.1\r\nHost: test\r\n{}\r\n\r\n1\r\ng\r\n0\r\n\r\n",
        chunks.join("\r\n")
    );
    let mut connection = Connection::open(&nginx.target()).unwrap();
    connection.send(request.as_bytes()).unwrap();
    check_own(&connection.read(false).unwrap(), 411, "UNSUPPORTED");
    for path in ["/auth", "/token", "/readyz", "/metrics", "/auth/token/"] {
        assert_eq!(nginx.ask(&format!("GET {path}"), &[]).status, 404, "{path}");
    }
    let log = nginx.access_log() + &nginx.error_log();
    for secret in ["secret", "wrong", token_in(&good).as_str()] {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
}

fn check_challenge(answer: &Response) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    let expected = "Bearer realm=\"http://realm.test/auth/token\",service=\"registry.test\"";
    assert!(challenge.starts_with(expected), "{challenge}");
}

/// Guesses count for the address that nginx sees, and not for the one that a client tells.
#[test]
fn guesses_count_for_the_address_that_nginx_sees() {
    let (gate, registry) = gate_and_registry(prepare());
    let http = shipped(&registry, &gate.socket(), gate.folder.path());
    let nginx = Nginx::start(&format!(
        "set_real_ip_from unix:; real_ip_header X-Test-Address;\n{http}"
    ));
    let query = format!("GET {}", uri("/auth/token", SERVICE, &[]));
    let guess = |guess: u8, address: &str| {
        let told = format!("X-Real-IP: 10.0.0.{guess}");
        let seen = format!("X-Test-Address: {address}");
        nginx.ask(
            &query,
            &[
                &authorization("reader", &format!("guess-{guess}")),
                &told,
                &seen,
            ],
        )
    };
    for number in 0..10 {
        assert_eq!(guess(number, "192.0.2.1").status, 401);
    }
    let answer = guess(10, "192.0.2.1");
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(guess(11, "192.0.2.2").status, 401);
}

/// A server in htgate's place sees what nginx passes on.
#[test]
fn nothing_but_what_htgate_reads_is_passed_on() {
    let folder = folder();
    let socket = folder.path().join("spy.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    let gate = start(prepare());
    let registry = registry(&certificate(&gate));
    let nginx = Nginx::start(&shipped(&registry, &socket, folder.path()));
    let form = "grant_type=password";
    let rows: [(&str, &str, &[&str]); 2] = [
        (
            "GET",
            "",
            &[
                "authorization",
                "user-agent",
                "x-real-ip",
                "content-length",
                "host",
                "origin",
                "sec-fetch-site",
            ],
        ),
        (
            "POST",
            form,
            &[
                "authorization",
                "content-length",
                "content-type",
                "host",
                "origin",
                "sec-fetch-site",
                "user-agent",
                "x-real-ip",
            ],
        ),
    ];
    for (method, body, expected) in rows {
        let spy = thread::spawn({
            let listener = listener.try_clone().unwrap();
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut seen = Vec::new();
                while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
                    let mut piece = [0; 4096];
                    let length = stream.read(&mut piece).unwrap();
                    seen.extend_from_slice(&piece[..length]);
                }
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(seen).unwrap()
            }
        });
        let mut headers = vec![
            "Authorization: Basic eDp5",
            "User-Agent: test/1",
            "Cookie: a=b",
            "Origin: https://evil.example",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: no-cors",
            "X-Real-IP: 10.0.0.1",
            "X-Request-ID: forged",
            "X-Original-Method: GET",
            "X-Original-URI: /v2/",
            "X-Forwarded-For: 10.0.0.1",
            "X-Auth-User: admin",
            "Accept-Encoding: gzip",
        ];
        if !body.is_empty() {
            headers.push("Content-Type: application/x-www-form-urlencoded");
        }
        let answer = send(&nginx.target(), method, "/auth/token?a=b", &headers, body);
        assert_eq!(answer.status, 200);
        let seen = spy.join().unwrap();
        assert!(
            seen.starts_with(&format!("{method} /token?a=b HTTP/1.1\r\n")),
            "{seen}"
        );
        let head = seen.split("\r\n\r\n").next().unwrap();
        let mut names: Vec<_> = head
            .lines()
            .skip(1)
            .map(|line| line.split_once(':').unwrap().0.to_lowercase())
            .collect();
        names.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected, "{seen}");
        for forged in ["forged", "10.0.0.1", "admin"] {
            assert!(!seen.contains(forged), "{seen}");
        }
    }
}
