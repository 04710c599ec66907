//! What refusals are written in.

use std::fs;
use std::process::Command;

use super::shipped::impostor;
use crate::support::{Gate, Nginx, attempt, authorization, gated, line, repository, said, shipped};

/// Clients of registries and programs that ask for JSON get JSON, people a page, each with its type
/// whatever the URI looks like.
#[test]
fn people_get_a_page_and_registries_json() {
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let image = "Accept: image/avif,image/webp,*/*";
    let rows = [
        ("/", browser, "text/html"),
        ("/logo.png", browser, "text/html"),
        ("/logo.png", image, "text/html"),
        ("/data.json", browser, "text/html"),
        ("/", "Accept: */*", "text/html"),
        ("/", "X-None: 1", "text/html"),
        ("/v2x", "Accept: */*", "text/html"),
        ("/a?/v2/", "Accept: */*", "text/html"),
        ("/api", "Accept: application/json", "application/json"),
        (
            "/api",
            "Accept: application/problem+JSON",
            "application/json",
        ),
        (
            "/api",
            "Accept: text/html, application/json;q=0.9",
            "text/html",
        ),
        ("/v2/", browser, "application/json"),
        ("/v2", "X-None: 1", "application/json"),
        ("/v2/logo.png", image, "application/json"),
        ("/v2?a", browser, "application/json"),
        ("//v2/a", browser, "application/json"),
        ("/v2/moved/a", browser, "application/json"),
        ("/a%3fb", browser, "text/html"),
    ];
    let answers = [
        ("401 X\r\nWWW-Authenticate: Basic realm=\"r\"", 401),
        ("403 X\r\nX-Auth-Status: 404", 404),
        ("403 X\r\nX-Auth-Status: 403", 403),
        ("403 X\r\nX-Auth-Status: 429\r\nRetry-After: 7", 429),
        ("503 X\r\nX-Auth-Status: 503\r\nRetry-After: 7", 503),
        ("502 X", 503),
        ("400 X", 400),
        ("500 X", 500),
    ];
    for (answer, status) in answers {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        let (_folder, path, _requests) = impostor(answer.leak());
        let site = "add_header X-Site $uri always; rewrite ^/v2/moved/ /moved/ last;";
        let nginx = Nginx::start(&gated(&path, site));
        for (uri, header, kind) in rows {
            let response = nginx.ask(&format!("GET {uri}"), &[header]);
            let text = response.text();
            let told = format!("{status} {uri} {header}: {response:?} {text}");
            assert_eq!(response.status, status, "{told}");
            assert_eq!(response.header("content-type"), Some(kind), "{told}");
            let begins = match kind {
                "text/html" => "<!doctype html><html lang=\"en\"><title>",
                _ => "{\"errors\":[{\"code\":\"",
            };
            assert!(text.starts_with(begins), "{told}");
            assert!(
                !text.contains("$htgate") && !text.contains("\"\""),
                "{told}"
            );
            let keeps_headers = !matches!(status, 429 | 503);
            assert_eq!(response.header("x-site").is_some(), keeps_headers, "{told}");
            // A site may choose its headers by the path.
            let path = uri.split('?').next().unwrap_or_default();
            if keeps_headers && !["%", "//", "moved"].iter().any(|it| path.contains(it)) {
                let seen = response.header("x-site").unwrap_or_default();
                assert!(seen.starts_with(path), "{told}");
            }
            let has_version = response.header("docker-distribution-api-version").is_some();
            let is_registry = uri.starts_with("/v2") && uri != "/v2x";
            assert_eq!(has_version, is_registry && !keeps_headers, "{told}");
        }
    }
}

/// Pages of the site's own, as docs/nginx.md has them; and what the same lines do below the include.
#[test]
fn a_site_has_its_own_pages_above_the_include() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let text = fs::read_to_string(repository("docs/nginx.md")).unwrap();
    let mut examples = text.split("```nginx\n").skip(1);
    let example = examples
        .find(|it| it.contains("/login-needed.html"))
        .unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let http = |lines: &str| {
        let include = "include /etc/nginx/htgate-server.conf;";
        let lines = lines.replace(include, &shipped("htgate-server.conf", &gate.socket()));
        let http = shipped("htgate.conf", &gate.socket());
        format!("{http}\nserver {{ listen {{listen}}; root {{folder}}/www;\n{lines}\n}}")
    };
    let serve = |lines: &str| {
        Nginx::start_with(&http(lines), |root| {
            fs::write(root.join("login-needed.html"), "ask Alice for a login\n").unwrap();
            fs::write(root.join("denied.html"), "not for you\n").unwrap();
        })
    };
    let (right, old) = (authorization("alice", "secret"), "User-Agent: docker/1.4.1");
    let seen = |nginx: &Nginx, path: &str, headers: &[&str]| {
        let response = nginx.ask(&format!("GET {path}"), headers);
        assert_eq!(
            response.header("www-authenticate").is_some(),
            response.status == 401
        );
        (response.status, response.text())
    };

    let nginx = serve(example);
    let login = (401, "ask Alice for a login\n".to_owned());
    let denied = (403, "not for you\n".to_owned());
    assert_eq!(seen(&nginx, "/file", &[]), login);
    assert_eq!(seen(&nginx, "/file", &["Accept: application/json"]), login);
    // htgate's refusal of an old client, and nginx's own of a folder without an index.
    assert_eq!(seen(&nginx, "/file", &[&right, old]), denied);
    assert_eq!(seen(&nginx, "/", &[&right]), denied);
    // They are internal.
    assert_eq!(seen(&nginx, "/login-needed.html", &[]).0, 404);
    assert_eq!(seen(&nginx, "/file", &[&right]).1, "content\n");

    let file = nginx.folder.path().join("site.conf");
    let checked = http(example)
        .replace("{listen}", "443 ssl")
        .replace("{folder}", "/srv");
    fs::write(&file, checked).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_htgate"));
    let output = attempt(check.args(["check", "--nginx"]).arg(&file));
    assert!(output.status.success(), "{}", said(&output));

    let (above, below) = example.split_at(example.find("include ").unwrap());
    let nginx = serve(&format!("{below}\n{above}"));
    for (path, headers, status) in [
        ("/file", &[][..], 401),
        ("/file", &[&right, old], 404),
        ("/", &[right.as_str()], 403),
    ] {
        let (seen, text) = seen(&nginx, path, headers);
        assert_eq!(seen, status, "{path}: {text}");
        assert!(
            !text.contains("not for you") && !text.contains("ask Alice"),
            "{text}"
        );
    }
}
