use CheckRule as Rule;

use crate::check::Severity;

use super::*;

const SERVER: &str = "/etc/nginx/htgate-server.conf";
const LOCATIONS: &str = "/etc/nginx/htgate-locations.conf";
const GATE: &str = "/etc/nginx/htgate-gate.conf";
const HTTP: &str = "/etc/nginx/conf.d/htgate.conf";
const REGISTRY: &str = "/etc/nginx/conf.d/registry.conf";
const SITE: &str = "/etc/nginx/conf.d/site-example.conf";
const MAIN: &str = "/etc/nginx/nginx.conf";

/// What `nginx -T` prints of the shipped files, in the order in which nginx opens them.
fn shipped() -> Vec<(&'static str, String)> {
    [
        (
            MAIN,
            "user nginx;\nevents { }\nhttp {\n    include conf.d/*.conf;\n}\n",
        ),
        (HTTP, include_str!("../../../nginx/htgate.conf")),
        (REGISTRY, include_str!("../../../nginx/registry.conf")),
        (SERVER, include_str!("../../../nginx/htgate-server.conf")),
        (SITE, include_str!("../../../nginx/site-example.conf")),
        (
            LOCATIONS,
            include_str!("../../../nginx/htgate-locations.conf"),
        ),
        (GATE, include_str!("../../../nginx/htgate-gate.conf")),
    ]
    .map(|(path, text)| (path, text.to_owned()))
    .into()
}

fn print(files: &[(&str, String)]) -> String {
    let print_one =
        |(path, text): &(&str, String)| format!("# configuration file {path}:\n{text}\n");
    files.iter().map(print_one).collect()
}

/// Where a text stands in a file.
fn line_of(text: &str, part: &str) -> u64 {
    let (before, _) = text
        .split_once(part)
        .unwrap_or_else(|| panic!("{part} is not in:\n{text}"));
    before.matches('\n').count() as u64 + 1
}

#[test]
fn the_shipped_files_are_in_order() {
    assert_eq!(findings("-", &print(&shipped()), &Known::default()), []);
}

/// Given a shipped file with one thing in it replaced: the one rule it breaks, and the text in
/// whose line it is found.
#[test]
fn planted_faults() {
    let auth = "location = _htgate_auth";
    let app = "proxy_pass http://127.0.0.1:3000;";
    let rows: &[(&str, &str, &str, CheckRule, &str)] = &[
        (SERVER, "    internal;\n", "", Rule::MissingInternal, auth),
        (
            SERVER,
            "    proxy_pass_request_body off;\n",
            "",
            Rule::BodyPassed,
            auth,
        ),
        (
            SERVER,
            "proxy_pass_request_body off",
            "proxy_pass_request_body on",
            Rule::BodyPassed,
            "proxy_pass_request_body on",
        ),
        (
            SERVER,
            "    proxy_set_header Content-Length '';\n",
            "",
            Rule::BodyPassed,
            auth,
        ),
        (
            SERVER,
            "client_max_body_size 0",
            "client_max_body_size 10m",
            Rule::BodyLimit,
            "10m",
        ),
        (
            SERVER,
            "    client_max_body_size 0;\n",
            "",
            Rule::BodyLimit,
            auth,
        ),
        (
            HTTP,
            "    keepalive 32;\n",
            "",
            Rule::NoKeepalive,
            "upstream htgate",
        ),
        (
            SERVER,
            "    proxy_http_version 1.1;\n",
            "",
            Rule::NoKeepalive,
            auth,
        ),
        (
            SERVER,
            "proxy_http_version 1.1",
            "proxy_http_version 1.0",
            Rule::NoKeepalive,
            "1.0;",
        ),
        (
            SERVER,
            "    proxy_set_header Connection '';\n",
            "",
            Rule::NoKeepalive,
            auth,
        ),
        (
            SERVER,
            "Connection ''",
            "Connection $http_connection",
            Rule::NoKeepalive,
            "Connection $http_connection",
        ),
        (
            SERVER,
            "http://htgate/auth",
            "http://127.0.0.1:8080/auth",
            Rule::NoKeepalive,
            "http://127.0.0.1:8080/auth",
        ),
        (
            SERVER,
            "proxy_cache off",
            "proxy_cache zone",
            Rule::ProxyCache,
            "proxy_cache zone",
        ),
        (
            SERVER,
            "satisfy all",
            "satisfy any",
            Rule::SatisfyAny,
            "satisfy any",
        ),
        (
            SERVER,
            "error_page 401 @htgate_401",
            "error_page 401 =200 /login.html",
            Rule::ErrorPage,
            "error_page 401",
        ),
        (
            SERVER,
            "error_page 403 = @htgate_403",
            "error_page 404 403 =200 @htgate_403",
            Rule::ErrorPage,
            "error_page 404 403",
        ),
        (
            SERVER,
            "error_page 401 @htgate_401",
            "error_page 401 =302 https://login.example/",
            Rule::ErrorPage,
            "error_page 401",
        ),
        (
            SITE,
            app,
            "proxy_pass http://127.0.0.1:3000; error_page 401 = /public/;",
            Rule::ErrorPage,
            app,
        ),
        (
            SITE,
            "        auth_request off;\n",
            "        auth_request off;\n        proxy_pass http://elsewhere;\n",
            Rule::OpenLocation,
            "auth_request off",
        ),
        (
            SITE,
            "        auth_request off;\n",
            "        auth_request off;\n        if ($arg_x) { proxy_pass http://127.0.0.1:1; }\n",
            Rule::OpenLocation,
            "auth_request off",
        ),
        (
            REGISTRY,
            "$htgate_api_version always",
            "$htgate_api_version",
            Rule::ApiHeader,
            "add_header",
        ),
        (
            SERVER,
            "$htgate_api_version always",
            "$htgate_api_version",
            Rule::ApiHeader,
            "add_header Docker",
        ),
        (
            REGISTRY,
            "server registry:5000",
            "server 10.1.2.3:5000",
            Rule::OpenPort,
            "10.1.2.3",
        ),
        (
            SITE,
            "127.0.0.1:3000",
            "0.0.0.0:3000",
            Rule::OpenPort,
            "0.0.0.0:3000",
        ),
        (
            HTTP,
            "unix:/run/htgate/htgate.sock fail_timeout=1s;\n    #",
            "192.168.1.2:8080;\n    #",
            Rule::OpenPort,
            "192.168.1.2",
        ),
        (
            SITE,
            "server {\n",
            "server { listen 3000; root /srv; }\nserver {\n",
            Rule::OpenPort,
            "listen 3000",
        ),
        (
            SITE,
            "server {\n",
            "server {\n location / { proxy_pass http://127.0.0.1:3000/; }\n}\nserver {\n",
            Rule::Bypass,
            "http://127.0.0.1:3000/;",
        ),
        (
            REGISTRY,
            "server {\n",
            "server {\n listen 80;\n location /v2/ { proxy_pass http://registry; }\n}\nserver {\n",
            Rule::Bypass,
            "location /v2/ { proxy_pass",
        ),
        (
            MAIN,
            "http {",
            "stream { server { listen 5001; proxy_pass registry:5000; } }\nhttp {",
            Rule::Bypass,
            "stream",
        ),
        (
            SERVER,
            "    proxy_pass_request_headers off;\n",
            "",
            Rule::ClientHeaders,
            auth,
        ),
        (
            SERVER,
            "    proxy_set_header X-Real-IP $remote_addr;\n",
            "",
            Rule::MissingHeader,
            auth,
        ),
        (
            SERVER,
            "X-Real-IP $remote_addr",
            "X-Real-IP $http_x_forwarded_for",
            Rule::MissingHeader,
            "X-Real-IP",
        ),
        (
            SERVER,
            "    proxy_set_header X-Original-Method $request_method;\n",
            "",
            Rule::MissingHeader,
            auth,
        ),
        (
            SERVER,
            "    proxy_set_header X-Original-URI $request_uri;\n",
            "",
            Rule::MissingHeader,
            auth,
        ),
        (
            SERVER,
            "X-Original-URI $request_uri",
            "X-Original-URI $uri",
            Rule::MissingHeader,
            "X-Original-URI",
        ),
        (
            SERVER,
            "    proxy_set_header Authorization $http_authorization;\n",
            "",
            Rule::MissingHeader,
            auth,
        ),
        (
            SITE,
            "location /application/ {\n",
            "location /application/ {\n        auth_request /elsewhere;\n",
            Rule::NoGate,
            "auth_request /elsewhere",
        ),
        (SITE, "root /var/www/site;", "root 'x;", Rule::Syntax, ""),
    ];
    for (path, from, to, rule, place) in rows {
        let mut files = shipped();
        let (_, text) = files.iter_mut().find(|(file, _)| file == path).unwrap();
        assert!(text.contains(from), "{from}");
        *text = text.replacen(from, to, 1);
        let line = (!place.is_empty()).then(|| line_of(text, place));
        let seen = findings("-", &print(&files), &Known::default());
        let faults = seen
            .iter()
            .filter(|it| it.rule.severity() == Severity::Error);
        let places: Vec<_> = faults
            .map(|it| (it.rule, &*it.file, it.fault.line))
            .collect();
        match line {
            Some(line) => assert_eq!(
                places,
                [(*rule, *path, Some(line))],
                "{from} -> {to}: {seen:#?}"
            ),
            None => assert_eq!((seen[0].rule, &*seen[0].file), (*rule, *path), "{seen:#?}"),
        }
    }
}

#[test]
fn values_are_inherited_as_nginx_does_it() {
    let check = |change: &dyn Fn(&str, String) -> String, expected: &[CheckRule]| {
        let mut files = shipped();
        for (path, text) in &mut files {
            *text = change(path, std::mem::take(text));
        }
        let seen: Vec<_> = findings("-", &print(&files), &Known::default())
            .iter()
            .map(|it| it.rule)
            .collect();
        assert_eq!(seen, expected);
    };
    let without = |line: &'static str| {
        move |path: &str, text: String| match path {
            SERVER => text.replace(line, ""),
            MAIN => text.replace("http {", &format!("http {{\n{line}")),
            _ => text,
        }
    };
    // What a level around it says once holds, and both places are named once.
    check(&without("    client_max_body_size 0;\n"), &[]);
    check(&without("    proxy_http_version 1.1;\n"), &[]);
    check(&without("    proxy_pass_request_body off;\n"), &[]);
    // A level with headers of its own inherits none.
    check(
        &without("    proxy_set_header X-Real-IP $remote_addr;\n"),
        &[Rule::MissingHeader],
    );
    // Set for all, and unset where it counts.
    let cache = |path: &str, text: String| match path {
        MAIN => text.replace("http {", "http {\nproxy_cache zone;\nsatisfy any;"),
        _ => text,
    };
    check(&cache, &[]);
    let both = |path: &str, text: String| {
        let text = cache(path, text);
        text.replace("    proxy_cache off;\n", "")
            .replace("satisfy all;\n", "")
    };
    check(&both, &[Rule::ProxyCache, Rule::SatisfyAny]);
    // Ways that are closed otherwise, or open to this machine alone, are no ways.
    for guard in [
        "auth_basic x;",
        "deny all;",
        "listen 127.0.0.1:81;",
        "listen unix:/run/x;",
    ] {
        let closed = move |path: &str, text: String| match path {
            SITE => format!(
                "{text}server {{ {guard} location / {{ proxy_pass http://127.0.0.1:3000; }} }}"
            ),
            _ => text,
        };
        check(&closed, &[]);
    }
}
