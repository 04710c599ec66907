//! The whole gate in a SnippetsFilter.

use std::fs;

use super::{Manifests, Pods, Scene, nginx};
use crate::support::{Target, authorization, check_refusal, free_port, repository, send, yaml};

const FILE: &str = "snippets.yaml";

#[test]
fn answers() {
    let scene = Scene::of(&Manifests::of(FILE));
    scene.registry.fill("eve/app", "eve's");
    // By TCP, where the client has an address.
    let target = Target::Tcp(([127, 0, 0, 1], scene.port).into());
    let eve = authorization("eve", "secret");
    let wrong = authorization("eve", "wrong");
    let old = "User-Agent: docker/1.4.1 go/go1.3.3";
    let (list, foreign) = ("/v2/eve/app/tags/list", "/v2/secret/app/tags/list");
    let ask = |uri: &str, headers: &[&str]| send(&target, "GET", uri, headers, "");
    let rows: &[(&str, &[&str], u16, &str)] = &[
        ("/v2/", &[], 401, "UNAUTHORIZED"),
        ("/v2/", &[&wrong], 401, "UNAUTHORIZED"),
        // Everything of this host name, and not only what the route leads to.
        ("/", &[], 401, "UNAUTHORIZED"),
        ("/file", &[], 401, "UNAUTHORIZED"),
        (foreign, &[&eve], 403, "DENIED"),
        (list, &[&eve, old], 404, "UNSUPPORTED"),
    ];
    for (uri, headers, status, code) in rows {
        check_refusal(&ask(uri, headers), *status, code);
    }
    assert_eq!(ask(list, &[&eve]).status, 200);
    let version = |uri: &str, headers: &[&str]| {
        let answer = ask(uri, headers);
        answer
            .header("docker-distribution-api-version")
            .map(str::to_owned)
    };
    assert_eq!(version("/v2/", &[&eve]).as_deref(), Some("registry/2.0"));
    assert_eq!(version("/v2/", &[]).as_deref(), Some("registry/2.0"));
    // The address is known, and a guesser is held back.
    let held_back = (0..200).find_map(|guess| {
        let guess = authorization("eve", &format!("guess {guess}"));
        let answer = ask(list, &[&guess]);
        (answer.status != 401).then_some(answer)
    });
    let held_back = held_back.expect("an end of guesses");
    check_refusal(&held_back, 429, "TOOMANYREQUESTS");
    assert!(held_back.header("retry-after").is_some(), "{held_back:?}");
    assert_eq!(ask(list, &[&eve]).status, 200);
    let log = scene.nginx.access_log();
    assert!(log.contains("127.0.0.1 - \"eve\" ["), "{log}");
    assert!(log.contains(" throttled\n"), "{log}");
}

#[test]
fn without_htgate_everything_is_refused() {
    let pods = Pods {
        htgate: vec![format!("127.0.0.1:{}", free_port())],
        registry: format!("127.0.0.1:{}", free_port()),
    };
    let (nginx, _) = nginx(&Manifests::of(FILE), &pods, "");
    for uri in ["/v2/", "/"] {
        let answer = nginx.ask(&format!("GET {uri}"), &[&authorization("eve", "secret")]);
        check_refusal(&answer, 503, "UNAVAILABLE");
        assert_eq!(answer.header("retry-after"), Some("5"), "{uri}");
    }
}

/// The snippets are the shipped files, but for where htgate and the registry are.
#[test]
fn the_snippets_are_the_shipped_files() {
    let read = |file: &str| fs::read_to_string(repository(file)).unwrap();
    let objects = yaml::objects(&read(&format!("kubernetes/{FILE}")));
    let filter = objects.iter().find(|it| it["kind"] == "SnippetsFilter");
    let snippets = filter.unwrap()["spec"]["snippets"].as_array().unwrap();
    let snippet = |context: &str| {
        let snippet = snippets.iter().find(|it| it["context"] == context);
        directives(snippet.unwrap()["value"].as_str().unwrap())
    };
    let (gate, registry) = (read("nginx/htgate.conf"), read("nginx/registry.conf"));
    let upstreams = registry.split_once("\nserver {").unwrap().0;
    let gate = gate.replace("include /etc/nginx/htgate-fleet*.conf;", "");
    let http = gate.replace(
        "unix:/run/htgate/htgate.sock",
        "htgate.default.svc.cluster.local:8080",
    ) + &upstreams.replace(
        "server registry:5000;",
        "server registry.default.svc.cluster.local:5000;",
    );
    assert_eq!(snippet("http"), directives(&http));
    let of_the_server = registry
        .split_once("include /etc/nginx/htgate-server.conf;")
        .unwrap()
        .1;
    let of_the_server = of_the_server.split_once("error_page 497").unwrap().0;
    // gateway.yaml has its size of bodies.
    let of_the_server = of_the_server
        .replace("/var/log/nginx/access.log", "/dev/stdout")
        .replace("client_max_body_size 0;", "");
    let server = read("nginx/htgate-server.conf") + &of_the_server;
    assert_eq!(snippet("http.server"), directives(&server));
}

/// The lines of nginx's configuration, without comments and indentation.
fn directives(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}
