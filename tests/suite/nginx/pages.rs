//! What refusals are written in.

use std::process::Command;

use super::shipped::impostor;
use crate::support::{Gate, Nginx, attempt, authorization, gated, line, said, shipped};

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
        let nginx = Nginx::start(&gated(&path, "add_header X-Site yes always;"));
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
            let has_version = response.header("docker-distribution-api-version").is_some();
            let is_registry = uri == "/v2" || uri.starts_with("/v2/");
            assert_eq!(has_version, is_registry && !keeps_headers, "{told}");
        }
    }
}

/// A page of the site's own, as docs/nginx.md has it.
#[test]
fn a_site_has_its_own_page_above_the_include() {
    let gate = Gate::start(&line("alice", "secret", 4), &[]);
    let include = shipped("htgate-server.conf", &gate.socket());
    let http = format!(
        "{}\nserver {{ listen {{listen}}; root {{folder}}/www;\n\
         error_page 401 /login-needed.html;\n{include}\n\
         location = /login-needed.html {{ internal; auth_request off; }} }}",
        shipped("htgate.conf", &gate.socket()),
    );
    let nginx = Nginx::start(&http);
    let page = nginx.folder.path().join("www/login-needed.html");
    std::fs::write(page, "ask Alice for a login\n").unwrap();
    let refused = nginx.ask("GET /file", &[]);
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (401, "ask Alice for a login\n")
    );
    assert!(refused.header("www-authenticate").is_some());
    assert_eq!(
        nginx.ask("GET /login-needed.html", &[]).status,
        404,
        "it is internal"
    );
    let allowed = nginx.ask("GET /file", &[&authorization("alice", "secret")]);
    assert_eq!(allowed.text(), "content\n");

    let file = nginx.folder.path().join("site.conf");
    std::fs::write(
        &file,
        http.replace("{listen}", "443 ssl")
            .replace("{folder}", "/srv"),
    )
    .unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_htgate"));
    let output = attempt(check.args(["check", "--nginx"]).arg(&file));
    assert!(output.status.success(), "{}", said(&output));
}
