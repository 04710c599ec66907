//! What clients see of refusals, and what htgate sees of a body's type.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use crate::nginx::sites::backends::gone;
use crate::nginx::sites::scene::{SITE, Site, gate, serve};
use crate::support::{
    Connection, Nginx, Response, another_address, authorization, check_refusal, folder,
};

const HEADERS: &str = r"set_real_ip_from unix:; real_ip_header X-Test-Address;
    add_header Strict-Transport-Security max-age=63072000 always;
    add_header Content-Security-Policy default-src always;
    add_header Access-Control-Allow-Origin $http_origin always;";

fn start(server: &'static str, gate: &Path) -> Nginx {
    serve(
        &Site {
            http: HEADERS,
            server,
            ..SITE
        },
        gate,
        Path::new("/none"),
        &|text| text,
    )
}

/// Sends these bytes, and reads what comes until the connection ends.
fn exchange(nginx: &Nginx, request: &[u8]) -> Response {
    let mut connection = Connection::open(&nginx.target()).unwrap();
    connection.send(request).unwrap();
    connection.read(request.starts_with(b"HEAD ")).unwrap()
}

/// The headers of a site are on what is refused for htgate as well, except where nginx takes one
/// list of them or another: with Retry-After.
#[test]
fn refusals_keep_the_servers_headers() {
    let folder = folder();
    let (gate, gone) = (gate(), gone(folder.path()));
    for server in [
        "include htgate-server.conf;",
        "include htgate-locations.conf; location / { include htgate-gate.conf; }",
    ] {
        let (nginx, away) = (start(server, &gate.socket()), start(server, &gone));
        let ask_from = |nginx: &Nginx, address: &str, header: &str| {
            let address = format!("X-Test-Address: {address}");
            let origin = "Origin: https://else.test";
            nginx.ask("GET /file.txt", &[header, &address, origin])
        };
        let ask = |nginx: &Nginx, header: &str| ask_from(nginx, &another_address(), header);
        let right = authorization("alice", "secret");
        let mut rows = vec![
            (200, true, ask(&nginx, &right)),
            (401, true, ask(&nginx, "X-None: 1")),
            (401, true, ask(&nginx, &authorization("alice", "wrong"))),
            (404, true, ask(&nginx, "User-Agent: docker/1.3.0")),
            (400, true, ask(&nginx, "User-Agent: a\x01b")),
            (503, false, ask(&away, &right)),
        ];
        let guesser = another_address();
        for guess in 0..10 {
            let guess = authorization("alice", &format!("{guess} {server}"));
            ask_from(&nginx, &guesser, &guess);
        }
        let last = authorization("alice", server);
        rows.push((429, false, ask_from(&nginx, &guesser, &last)));
        for (status, kept, answer) in rows {
            assert_eq!(answer.status, status, "{answer:?}");
            let expected = [
                ("strict-transport-security", "max-age=63072000"),
                ("content-security-policy", "default-src"),
                ("access-control-allow-origin", "https://else.test"),
            ];
            for (name, value) in expected {
                assert_eq!(answer.header(name), kept.then_some(value), "{answer:?}");
            }
            assert_eq!(answer.header("retry-after").is_some(), !kept, "{answer:?}");
        }
    }
}

/// A header that HTTP does not allow is the client's fault, in every version and for every method.
#[test]
fn a_malformed_header_is_a_400() {
    let gate = gate();
    let nginx = start("include htgate-server.conf;", &gate.socket());
    let right = authorization("alice", "secret");
    let last = "Connection: close\r\n\r\n";
    for byte in ["\x01", "\x7f"] {
        for request in [
            "GET /file.txt HTTP/1.1",
            "GET /file.txt HTTP/1.0",
            "HEAD /file.txt HTTP/1.1",
        ] {
            let ask = |agent: &str| {
                let head = format!(
                    "{request}\r\nHost: site.test\r\n{right}\r\nUser-Agent: {agent}\r\n{last}"
                );
                exchange(&nginx, head.as_bytes())
            };
            let answer = ask(&format!("a{byte}b"));
            assert_eq!(answer.status, 400, "{byte:?}: {answer:?}");
            if request.starts_with("GET ") {
                check_refusal(&answer, 400, "UNSUPPORTED");
            }
            // And the connection to htgate that it came over spoils nothing.
            assert_eq!(ask("a b").status, 200);
        }
    }
}

/// In htgate's place, one who says what nginx told him of the body's type.
#[test]
fn htgate_is_told_the_bodys_type_or_that_there_is_none() {
    let folder = folder();
    let path = folder.path().join("spy.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                seen.push(byte[0]);
            }
            let seen = String::from_utf8(seen).unwrap();
            let lines = seen
                .lines()
                .filter_map(|line| line.strip_prefix("X-Original-Content-Type: "));
            let lines: Vec<_> = lines.collect();
            let answer = format!(
                "HTTP/1.1 204 No\r\nX-Auth-User: {}\r\n\r\n",
                lines.join("|")
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let form = "Content-Type: application/x-www-form-urlencoded";
    let bytes = "Content-Type: application/octet-stream";
    let rows: [(&[&str], &str); 8] = [
        (&[], "none"),
        (&["Content-Type:"], "none"),
        (&[form], "application/x-www-form-urlencoded"),
        (&["content-TYPE: a/b; charset=c"], "a/b; charset=c"),
        // Not this header, although nginx calls its variable the same.
        (
            &["Content_Type: application/octet-stream", form],
            "application/x-www-form-urlencoded",
        ),
        (&["Content_Type: application/octet-stream"], "none"),
        // The first, as the registry takes it; later versions of nginx join the two.
        (&[form, bytes], "application/x-www-form-urlencoded"),
        (&[bytes, form], "application/octet-stream"),
    ];
    let lines = "underscores_in_headers on; include htgate-server.conf;
        location / { add_header X-Seen $htgate_user; }";
    let nginx = start(lines, &path);
    for (headers, expected) in rows {
        let answer = nginx.ask("GET /file.txt", headers);
        let seen = answer.header("x-seen").unwrap_or_default();
        let first = seen.split(", ").next();
        assert_eq!(first, Some(expected), "{headers:?}: {answer:?}");
    }
}
