//! What is beside nginx's configuration and decides what is found in it: exceptions, the version of
//! nginx, and the rules.

use std::fs;
use std::process::Output;

use super::check;
use crate::support::{folder, line, repository, said};

/// A site with one open location in line 6 of its file, and nothing else to find.
const SITE: &str = "server {
    listen 443 ssl;
    server_name Site.example www.site.example;
    include /e/htgate-server.conf;
    location / { proxy_pass http://127.0.0.1:3000; proxy_set_header Authorization ''; }
    location /healthz { auth_request off; proxy_pass http://127.0.0.1:3000; }
}
";

/// A gate that somebody wrote by hand, with what every gate must send.
const BY_HAND: &str = "server { listen 443 ssl; server_name site.example; auth_request /auth;
    location = /auth { internal; error_page 599 /none; proxy_pass http://htgate/auth;
    proxy_http_version 1.1; proxy_set_header Connection '';
    proxy_pass_request_body off; proxy_pass_request_headers off; client_max_body_size 0;
    proxy_set_header Content-Length ''; proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header Authorization $http_authorization;
    proxy_set_header User-Agent $http_user_agent;
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Original-URI $request_uri; } }
";

/// Checks this site with the shipped files, as `nginx -T` would print them.
fn check_site(site: &str, arguments: &[&str]) -> Output {
    let folder = folder();
    let shipped = |file: &str| fs::read_to_string(repository(&format!("nginx/{file}"))).unwrap();
    let printed = format!(
        "# configuration file /e/nginx.conf:\nhttp {{ include /e/*.d/*.conf; }}\n\
         # configuration file /e/a.d/htgate.conf:\n{}\n\
         # configuration file /e/a.d/site.conf:\n{site}\n\
         # configuration file /e/htgate-server.conf:\n{}\n",
        shipped("htgate.conf"),
        shipped("htgate-server.conf"),
    );
    let path = folder.path().join("printed");
    fs::write(&path, printed).unwrap();
    check(&[&["--nginx", &path.display().to_string()], arguments].concat())
}

#[test]
fn exceptions_are_declared_in_the_file_and_by_place() {
    let found = "/e/a.d/site.conf:6: this location passes requests on without a password";
    let seen = |site: &str, arguments: &[&str]| {
        let output = check_site(site, arguments);
        (output.status.code(), said(&output))
    };
    let (code, text) = seen(SITE, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with(found) && text.contains("Errors: 1."),
        "{text}"
    );

    let behind = SITE.replace(
        "http://127.0.0.1:3000; }",
        "http://127.0.0.1:3000; } # htgate check: ignore open-location",
    );
    let above = SITE.replace(
        "    location /healthz",
        "    # htgate check: ignore open-location\n    location /healthz",
    );
    let both = SITE.replace(
        "    location /healthz",
        "    # htgate check: ignore bypass open-location\n    location /healthz",
    );
    for meant in [&behind, &above, &both] {
        let (code, text) = seen(meant, &[]);
        assert_eq!(
            (code, text.as_str()),
            (Some(0), "Errors: 0. Notes: 0.\n"),
            "{meant}"
        );
    }
    // Of another rule, or in another line.
    let other = SITE.replace(
        "    location /healthz",
        "    # htgate check: ignore bypass\n    location /healthz",
    );
    let far = SITE.replace(
        "    location / {",
        "    # htgate check: ignore open-location\n    location / {",
    );
    for not_meant in [&other, &far] {
        assert_eq!(seen(not_meant, &[]).0, Some(1), "{not_meant}");
    }
    let (_, text) = seen(
        &SITE.replace(
            "    location /h",
            "    # htgate check: ignore opn\n    location /h",
        ),
        &[],
    );
    assert!(
        text.contains("site.conf:6: there is no rule 'opn'; use one of settings, "),
        "{text}"
    );

    for (ignored, code) in [
        ("open-location", 0),
        ("open-location@site.conf", 0),
        ("open-location@site.conf:6", 0),
        ("open-location@/e/a.d/site.conf:6", 0),
        ("open-location@a.d/site.conf", 0),
        ("open-location@site.conf:7", 1),
        ("open-location@e.conf:6", 1),
        ("bypass@site.conf:6", 1),
    ] {
        let (seen, text) = seen(SITE, &["--ignore", ignored]);
        assert_eq!(seen, Some(code), "{ignored}: {text}");
    }
}

#[test]
fn findings_name_the_versions_that_they_hold_for() {
    let hand = &BY_HAND
        .replace(
            "proxy_http_version 1.1; proxy_set_header Connection '';",
            "",
        )
        .replace("http://htgate", "http://gate");
    let hand = &format!("upstream gate {{ server unix:/run/htgate/htgate.sock; }}\n{hand}");
    let old = [
        "every request opens a connection to htgate",
        "HTTP/1.0 closes the connection to htgate",
        "nginx asks htgate to close each connection",
    ];
    let text = said(&check_site(hand, &[]));
    for what in old {
        assert!(
            text.contains(&format!("before nginx 1.29.7, {what}")),
            "{what}: {text}"
        );
    }
    let text = said(&check_site(hand, &["--nginx-version", "1.22.1"]));
    for what in old {
        assert!(text.contains(&format!(": {what}")), "{what}: {text}");
    }
    for version in ["1.29.7", "1.30.0", "2.0.0"] {
        let text = said(&check_site(hand, &["--nginx-version", version]));
        assert_eq!(text, "Errors: 0. Notes: 0.\n", "{version}");
    }
    // What is written there holds for all.
    let written = hand
        .replace(
            "internal;",
            "internal; proxy_http_version 1.0; proxy_set_header Connection close;",
        )
        .replace("htgate.sock;", "htgate.sock; keepalive 0;");
    let text = said(&check_site(&written, &["--nginx-version", "1.30.0"]));
    assert!(text.contains("Errors: 3."), "{text}");
    let second = hand.replace("internal;", "internal; proxy_http_version 2;");
    let text = said(&check_site(&second, &["--nginx-version", "1.30.0"]));
    assert!(
        text.contains("htgate does not speak HTTP/2") && text.contains("Errors: 1."),
        "{text}"
    );
    let output = check_site(hand, &["--nginx-version", "1.22"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("use three numbers, such as 1.29.7"),
        "{}",
        said(&output)
    );
}

#[test]
fn rules_need_headers_and_servers() {
    let folder = folder();
    let users = folder.path().join("htpasswd");
    let config = folder.path().join("htgate.toml");
    super::write(&users, &line("alice", "secret", 10), 0o640);
    let rule = |pattern: &str| {
        format!("[[access]]\nusers = ['*']\nrepositories = ['{pattern}']\nactions = ['pull']\n")
    };
    let site = SITE.replace(
        "    location /healthz { auth_request off; proxy_pass http://127.0.0.1:3000; }\n",
        "",
    );
    let seen = |text: &str, site: &str| {
        super::write(&config, text, 0o644);
        let [users, config] = [&users, &config].map(|it| it.display().to_string());
        let text = said(&check_site(
            site,
            &["--htpasswd", &users, "--config", &config],
        ));
        let findings = text.lines().filter(|line| line.ends_with(']'));
        findings.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(seen(&rule("team/**"), &site), [""; 0]);
    assert_eq!(seen(&rule("//site.example/team/**"), &site), [""; 0]);
    let other = seen(&rule("//www.site.example/team/**"), &site);
    assert!(
        other[0].contains("a rule names '//www.site.example/'")
            && other[0].ends_with("[unknown-server]"),
        "{other:?}"
    );

    let missing = |text: &str| {
        seen(text, BY_HAND)
            .iter()
            .map(|it| {
                let (_, header) = it.split_once("htgate is not sent ").unwrap();
                header.split(';').next().unwrap().to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(missing(&rule("team/**")), ["X-Original-Content-Type"]);
    assert_eq!(
        missing(&rule("//site.example/team/**")),
        ["X-Original-Content-Type", "X-Original-Server"]
    );
    assert_eq!(
        missing("[[access]]\nusers = ['*']\npaths = ['/**']\nmethods = ['*']\n"),
        [""; 0]
    );
    // Other fronts send what they have.
    let ingress = format!("front = 'ingress-nginx'\n{}", rule("team/**"));
    assert_eq!(missing(&ingress), [""; 0]);
}
