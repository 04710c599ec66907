//! The shipped nginx files before the real htgate: what a client of the site gets to see.
//! Every nginx here must also end with a clean error log.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::{Connection, Gate, Nginx, authorization, check_refusal, gated, line, shipped};

#[test]
fn answers() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let nginx = Nginx::start(&gated(&gate.socket(), ""));
    let good = authorization("alice", "secret");
    let bad = authorization("alice", "wrong");
    let unknown = authorization("eve", "secret");

    let response = nginx.ask("GET /file", &[&good]);
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "content\n")
    );
    assert_eq!(response.header("www-authenticate"), None);
    let rows: [&[&str]; 4] = [&[], &[&bad], &[&unknown], &["Authorization: Basic Og=="]];
    for headers in rows {
        check_refusal(&nginx.ask("GET /file", headers), 401, "UNAUTHORIZED");
        check_refusal(
            &nginx.ask("GET /no-such-file", headers),
            401,
            "UNAUTHORIZED",
        );
    }
    let old = "User-Agent: docker/1.4.1 go/go1.3.3";
    check_refusal(&nginx.ask("GET /file", &[old, &good]), 404, "UNSUPPORTED");
    assert_eq!(nginx.ask("GET /no-such-file", &[&good]).status, 404);
    // To HEAD the same, without the body.
    let response = nginx.ask("HEAD /file", &[&bad]);
    assert_eq!((response.status, response.body.len()), (401, 0));
    assert!(response.header("www-authenticate").is_some());
    assert_eq!(nginx.ask("HEAD /file", &[old, &good]).status, 404);
    // The server's own refusal stays its own: a folder without an index.
    let response = nginx.ask("GET /", &[&good]);
    assert_eq!(
        (response.status, response.header("content-type")),
        (403, Some("text/html"))
    );
    // Nobody from outside reaches the internal location.
    for target in ["/_htgate_auth", "//_htgate_auth", "/%5fhtgate_auth"] {
        assert_eq!(nginx.ask(&format!("GET {target}"), &[&good]).status, 404);
    }
    assert_eq!(nginx.ask("GET _htgate_auth", &[&good]).status, 400);
}

#[test]
fn the_registrys_header_is_on_refusals_under_v2_alone() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let nginx = Nginx::start(&gated(&gate.socket(), API_VERSION));
    let version = |path: &str, headers: &[&str]| {
        let response = nginx.ask(&format!("GET {path}"), headers);
        response
            .header("docker-distribution-api-version")
            .map(str::to_owned)
    };
    let old = "User-Agent: Go 1.1 package http";
    for path in ["/v2/", "/v2/team/app/manifests/1", "/v2"] {
        assert_eq!(
            version(path, &[]).as_deref(),
            Some("registry/2.0"),
            "{path}"
        );
        assert_eq!(
            version(path, &[old]).as_deref(),
            Some("registry/2.0"),
            "{path}"
        );
    }
    assert_eq!(version("/file", &[]), None);
    assert_eq!(version("/v2x", &[]), None);
}

#[test]
fn the_access_log_names_the_user_and_the_reason() {
    let gate = Gate::start(&line("al ice", "secret", 4), &[]);
    let lines = "access_log {folder}/gate.log htgate;";
    let nginx = Nginx::start(&gated(&gate.socket(), lines));
    nginx.ask("GET /file", &[&authorization("al ice", "secret")]);
    nginx.ask("GET /file", &[&authorization("forged", "x")]);
    nginx.ask("GET /file", &[]);
    let path = nginx.folder.path().join("gate.log");
    let complete = || fs::read_to_string(&path).unwrap().lines().count() == 3;
    crate::support::eventually("three lines", Duration::from_secs(5), complete);
    let log = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert!(
        lines[0].contains("- \"al%20ice\" [") && lines[0].ends_with(" ok"),
        "{log}"
    );
    assert!(
        lines[1].contains("- \"\" [") && lines[1].ends_with(" bad-credentials"),
        "{log}"
    );
    assert!(lines[2].ends_with(" no-credentials"), "{log}");
    assert!(!log.contains("forged"));
}

/// What a server with a registry in it has.
const API_VERSION: &str = "add_header Docker-Distribution-Api-Version $htgate_api_version always;";

/// A server in htgate's place that keeps what it is sent and answers as it is told.
pub(super) fn impostor(
    answer: &'static str,
) -> (
    tempfile::TempDir,
    std::path::PathBuf,
    mpsc::Receiver<String>,
) {
    let folder = crate::support::folder();
    let path = folder.path().join("impostor.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&path, everyone).unwrap();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            if sender.send(String::from_utf8(request).unwrap()).is_err() {
                return;
            }
        }
    });
    (folder, path, requests)
}

#[test]
fn only_the_contracts_headers_reach_the_service() {
    let (_folder, path, requests) = impostor("HTTP/1.1 204 No Content\r\n\r\n");
    let lines = "server_name site.test;
                 location /upload { client_max_body_size 10; return 200; }
                 location /app { proxy_pass http://unix:{folder}/none; }";
    let nginx = Nginx::start(&gated(&path, lines));
    let headers = [
        "Authorization: Basic YTpi",
        "User-Agent: curl/8",
        "X-Original-URI: /forged",
        "X-Original-Server: forged",
        "X-Original-Method: FORGED",
        "X-Original-Content-Type: forged",
        "X-Real-IP: 6.6.6.6",
        "X-Request-ID: forged",
        "X-Auth-User: forged",
        "X-Forwarded-For: 6.6.6.6",
        "Cookie: a=b",
        "Accept: */*",
        "If-None-Match: x",
        "Range: bytes=0-0",
        "Content-Type: text/plain",
    ];
    nginx.ask("GET /file?a=b%20c", &headers);
    let request = requests.recv().unwrap();
    let (first, rest) = request.split_once("\r\n").unwrap();
    assert_eq!(first, "GET /auth HTTP/1.1");
    let mut lines: Vec<_> = rest.trim_end().split("\r\n").collect();
    lines.sort_unstable();
    let expected = [
        "Authorization: Basic YTpi",
        "Host: htgate",
        "User-Agent: curl/8",
        "X-Original-Content-Type: text/plain",
        "X-Original-Method: GET",
        "X-Original-Server: site.test",
        "X-Original-URI: /file?a=b%20c",
        "X-Real-IP: unix:",
    ];
    assert_eq!(lines, expected, "{request}");
}

#[test]
fn the_body_stays_with_the_application() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    // The site's own limit is small; the auth location must not have one.
    let lines = "client_max_body_size 1k;
                 location /upload { client_max_body_size 0; proxy_pass http://unix:{folder}/none; }";
    let nginx = Nginx::start(&gated(&gate.socket(), lines));
    let good = authorization("alice", "secret");
    let mut connection = Connection::open(&nginx.target()).unwrap();
    let body = "x".repeat(5000);
    let request = format!(
        "POST /file HTTP/1.1\r\nHost: x\r\n{good}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.send(request.as_bytes()).unwrap();
    // 413 is the site's limit, not a 500 from the subrequest.
    assert_eq!(connection.read(false).unwrap().status, 413);
}

#[test]
fn statuses_that_nginx_does_not_know_are_translated() {
    let rows = [
        (
            "403 Forbidden\r\nX-Auth-Status: 404",
            404,
            "UNSUPPORTED",
            None,
        ),
        ("403 Forbidden\r\nX-Auth-Status: 403", 403, "DENIED", None),
        (
            "403 Forbidden\r\nX-Auth-Status: 429\r\nRetry-After: 7",
            429,
            "TOOMANYREQUESTS",
            Some("7"),
        ),
        (
            "503 Unavailable\r\nX-Auth-Status: 503\r\nRetry-After: 5",
            503,
            "UNAVAILABLE",
            Some("5"),
        ),
        ("500 Error", 500, "UNKNOWN", None),
        ("302 Found\r\nLocation: /", 500, "UNKNOWN", None),
        ("404 Not Found", 500, "UNKNOWN", None),
        // Headers that HTTP does not allow are the client's fault.
        ("400 Bad Request", 400, "UNSUPPORTED", None),
        ("431 Too Large", 400, "UNSUPPORTED", None),
        ("502 Bad Gateway", 503, "UNAVAILABLE", Some("5")),
        ("504 Gateway Timeout", 503, "UNAVAILABLE", Some("5")),
    ];
    for (answer, status, code, retry_after) in rows {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        let (_folder, path, _requests) = impostor(answer.leak());
        let nginx = Nginx::start(&gated(&path, API_VERSION));
        for method in ["GET", "HEAD"] {
            let response = nginx.ask(&format!("{method} /v2/"), &[]);
            assert_eq!(response.header("retry-after"), retry_after);
            assert_eq!(
                response.header("docker-distribution-api-version"),
                Some("registry/2.0")
            );
            if method == "GET" {
                check_refusal(&response, status, code);
            }
            assert_eq!(response.status, status);
        }
    }
}

/// The files as they are shipped, on this nginx: the syntax, and the site that is no registry.
#[test]
fn the_shipped_site_example_works() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let site = shipped("site-example.conf", &gate.socket())
        .replace("listen 443 ssl;", "listen {listen};")
        .replace("ssl_certificate", "# ssl_certificate")
        .replace("/var/www/site", "{folder}/www")
        .replace("/var/www/half", "{folder}/www")
        .replace(
            "http://127.0.0.1:3000",
            "http://unix:{folder}/application.sock",
        );
    let application = "server { listen unix:{folder}/application.sock; location / {
        return 200 \"user=$http_x_forwarded_user authorization=$http_authorization\\n\"; } }";
    let http = format!(
        "{}\n{site}\n{application}",
        shipped("htgate.conf", &gate.socket())
    );
    let nginx = Nginx::start(&http);
    let root = nginx.folder.path().join("www");
    for (folder, file) in [("public", "open"), ("private", "closed")] {
        fs::create_dir(root.join(folder)).unwrap();
        fs::write(root.join(folder).join(file), format!("{file}\n")).unwrap();
    }
    let good = authorization("alice", "secret");
    assert_eq!(nginx.ask("GET /public/open", &[]).text(), "open\n");
    assert_eq!(nginx.ask("GET /file", &[]).status, 401);
    assert_eq!(nginx.ask("GET /file", &[&good]).text(), "content\n");
    assert_eq!(nginx.ask("GET /application/", &[]).status, 401);
    let forged = "X-Forwarded-User: root";
    let response = nginx.ask("GET /application/", &[&good, forged]);
    assert_eq!(response.text(), "user=alice authorization=\n");
    // The other server, with a password for one location.
    for (path, header, status) in [
        ("/file", "X-None: 1", 200),
        ("/private/closed", "X-None: 1", 401),
        ("/private/closed", &good, 200),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: half.example\r\n{header}\r\n\r\n");
        let mut connection = Connection::open(&nginx.target()).unwrap();
        connection.send(request.as_bytes()).unwrap();
        assert_eq!(connection.read(false).unwrap().status, status, "{path}");
    }
}

/// `htgate.conf` may lie in conf.d before anything includes the gate.
#[test]
fn the_http_file_alone_is_a_valid_configuration() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let server = "server { listen {listen}; root {folder}/www; access_log {folder}/a htgate; }";
    let nginx = Nginx::start(&format!(
        "{}\n{server}",
        shipped("htgate.conf", &gate.socket())
    ));
    assert_eq!(nginx.ask("GET /file", &[]).status, 200);
}

/// Where the contract says «as nginx does», nginx is asked. (One difference is meant: a line that
/// is a user's name without a colon makes nginx skip the line after it, too.)
#[test]
fn the_same_verdicts_as_nginx_auth_basic() {
    let (a, b) = (line("alice", "secret", 4), line("bob", "secret", 4));
    let alice_too = line("alice", "other", 4);
    let commented = a.trim_end().to_owned() + ":a comment\n";
    let no_newline = a.trim_end().to_owned();
    let truncated: String = a.chars().take(50).chain("\n".chars()).collect();
    let long = line("long", &"x".repeat(72), 4);
    let files = [
        a.clone() + &b,
        a.clone() + &alice_too,
        format!("# alice\n\n{a}{b}"),
        commented + &b,
        no_newline.clone(),
        b.clone() + &truncated + &a,
        b.clone() + "alice:\n" + &a,
        b.clone() + ":x\n" + &a,
        long.clone(),
        String::new(),
    ];
    let credentials = [
        ("alice", "secret"),
        ("alice", "other"),
        ("alice", ""),
        ("bob", "secret"),
        ("", "secret"),
        ("# alice", "secret"),
        ("long", &"x".repeat(72)),
        ("long", &"x".repeat(73)),
        ("long", &"x".repeat(71)),
    ];
    for file in files {
        let gate = Gate::start(&file, &[]);
        let basic_server = format!(
            "server {{ listen {{listen}}; root {{folder}}/www;
             auth_basic htgate; auth_basic_user_file {}; }}",
            gate.users().display()
        );
        let nginx = Nginx::start(&basic_server);
        for (user, password) in credentials {
            let header = authorization(user, password);
            let theirs = nginx.ask("GET /file", &[&header]).status == 200;
            let ours = gate.ask("GET /auth", &[&header]).status == 204;
            assert_eq!(ours, theirs, "{user}:{password} in\n{file}");
        }
    }
}

#[test]
fn htpasswd_itself_agrees() {
    let users = line("alice", "secret", 4) + &line("ül", "pässwörd", 5);
    let gate = Gate::start(&users, &[]);
    for (user, password) in [
        ("alice", "secret"),
        ("alice", "Secret"),
        ("ül", "pässwörd"),
        ("ül", "password"),
    ] {
        let output = crate::support::attempt(
            Command::new("htpasswd")
                .arg("-vb")
                .arg(gate.users())
                .args([user, password]),
        );
        let ours = gate.login(user, password) == 204;
        assert_eq!(ours, output.status.success(), "{user}");
    }
}
