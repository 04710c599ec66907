//! Patterns that name their server, with the names that a real nginx has for its servers.

use std::fs;

use crate::support::{Gate, Nginx, authorization, line};

/// The `server_name` lines of nginx's servers; a `Host` that reaches each; and the name by which a
/// rule knows the server.
const SERVERS: &[(&str, &str, &str)] = &[
    // The first is the default server.
    ("server_name _;", "nobody.example", "_"),
    (
        "server_name Docs.Example www.docs.example;",
        "docs.example",
        "docs.example",
    ),
    (
        "server_name Docs2.Example www.docs2.example;",
        "WWW.docs2.example:80",
        "docs2.example",
    ),
    (
        "server_name *.Wild.example;",
        "a.wild.example",
        "*.wild.example",
    ),
    ("server_name tail.*;", "tail.example", "tail.*"),
    ("server_name .dot.example;", "a.dot.example", "dot.example"),
    (
        r"server_name ~^Re[0-9]\.example$;",
        "re7.example",
        r"~^Re[0-9]\.example$",
    ),
    (
        r"server_name ~^(?<n>x+)\.example$ y.example;",
        "y.example",
        r"~^(?<n>x+)\.example$",
    ),
];

/// A server that asks htgate by lines of its own, and says which name it has.
fn server(names: &str, socket: &str) -> String {
    format!(
        "server {{
            listen {{listen}};
            {names}
            location / {{
                auth_request /auth;
                root {{folder}}/www;
                add_header X-Server-Name \"$server_name\" always;
            }}
            location = /auth {{
                internal;
                proxy_pass http://unix:{socket}:/auth;
                proxy_pass_request_headers off;
                proxy_pass_request_body off;
                proxy_set_header Content-Length '';
                proxy_set_header Authorization $http_authorization;
                proxy_set_header X-Original-Method $request_method;
                proxy_set_header X-Original-URI $request_uri;
                proxy_set_header X-Original-Server $server_name;
            }}
        }}\n"
    )
}

#[test]
fn a_pattern_holds_on_the_server_that_it_names() {
    let mut rules = String::new();
    // One user for each server.
    let user = |number: usize| format!("user-{number}");
    for (number, (_, _, name)) in SERVERS.iter().enumerate() {
        rules += &format!(
            "[[access]]\nusers = ['{}']\npaths = ['//{name}/file']\nmethods = ['GET']\n",
            user(number)
        );
    }
    rules += "[[access]]\nusers = ['everywhere']\npaths = ['/file']\nmethods = ['GET']\n";
    let folder = crate::support::folder();
    let first = line("everywhere", "secret", 4);
    let hash = first.split_once(':').unwrap().1.to_owned();
    let users = (0..SERVERS.len()).map(|number| format!("{}:{hash}", user(number)));
    fs::write(
        folder.path().join("htpasswd"),
        first + &users.collect::<String>(),
    )
    .unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, rules).unwrap();
    let config = config.display().to_string();
    let gate = Gate::start_in(folder, &["--config", &config]);

    let socket = gate.socket().display().to_string();
    // A server without a name is reached by an address of its own.
    let nameless = server("", &socket).replace("{listen}", "unix:{folder}/nameless.sock");
    let all: String = SERVERS
        .iter()
        .map(|(names, ..)| server(names, &socket))
        .collect();
    let nginx = Nginx::start(&(all + &nameless));

    let ask = |target: &crate::support::Target, host: &str, user: &str| {
        let credentials = authorization(user, "secret");
        let request = format!(
            "GET /file HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\nConnection: close\r\n\r\n"
        );
        let mut connection = crate::support::Connection::open(target).unwrap();
        connection.send(request.as_bytes()).unwrap();
        connection.read(false).unwrap()
    };
    for (here, (_, host, name)) in SERVERS.iter().enumerate() {
        let response = ask(&nginx.target(), host, "everywhere");
        assert_eq!(response.status, 200, "{host}: {response:?}");
        assert_eq!(response.header("x-server-name"), Some(*name), "{host}");
        for (there, (_, _, other)) in SERVERS.iter().enumerate() {
            let status = ask(&nginx.target(), host, &user(there)).status;
            let expected = if there == here { 200 } else { 403 };
            assert_eq!(status, expected, "{host} and the rule for {other}");
        }
    }
    let nameless = crate::support::Target::Unix(nginx.folder.path().join("nameless.sock"));
    assert_eq!(ask(&nameless, "docs.example", "everywhere").status, 200);
    for there in 0..SERVERS.len() {
        assert_eq!(ask(&nameless, "docs.example", &user(there)).status, 403);
    }
}
