//! The filter ExternalAuth.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::{Manifests, Pods, Scene, UPLOADS, ingress, nginx};
use crate::support::{Gate, Nginx, Response, authorization, eventually, free_port, run, said};

const FILE: &str = "external-auth.yaml";

#[test]
fn answers() {
    let scene = Scene::of(&Manifests::of(FILE));
    scene.registry.fill("eve/app", "eve's");
    let eve = authorization("eve", "secret");
    let wrong = authorization("eve", "wrong");
    let old = "User-Agent: docker/1.4.1 go/go1.3.3";
    let (list, foreign) = ("GET /v2/eve/app/tags/list", "GET /v2/secret/app/tags/list");
    let rows: &[(&str, &[&str], u16)] = &[
        ("GET /v2/", &[], 401),
        ("HEAD /v2/", &[], 401),
        ("GET /v2", &[], 401),
        ("GET /v2/", &[&wrong], 401),
        ("GET /v2/", &["Authorization: Basic Og=="], 401),
        ("GET /v2/", &[&eve], 200),
        (list, &[&eve], 200),
        (foreign, &[&eve], 403),
        (list, &[&eve, old], 403),
        ("POST /v2/eve/app/blobs/uploads/", &[], 401),
        ("GET /", &[&eve], 404),
        ("GET /file", &[&eve], 404),
        // Nobody asks htgate from outside.
        (
            "GET /_ngf-internal-ext-auth-default_registry_rule0",
            &[&eve],
            404,
        ),
        (
            "GET /_ngf-internal-ext-auth-default_registry_rule1",
            &[],
            404,
        ),
    ];
    for (line, headers, status) in rows {
        let answer = scene.send(line, headers, "");
        assert_eq!(answer.status, *status, "{line} {headers:?}");
        let challenge = (*status == 401).then_some(r#"Basic realm="htgate", charset="UTF-8""#);
        assert_eq!(answer.header("www-authenticate"), challenge, "{line}");
        // Of the registry's answers, and of the refusals.
        let version = (*status != 404).then_some("registry/2.0");
        assert_eq!(
            answer.header("docker-distribution-api-version"),
            version,
            "{line}"
        );
        for field in [
            "x-auth-user",
            "x-auth-reason",
            "x-auth-status",
            "retry-after",
        ] {
            assert_eq!(answer.header(field), None, "{line}");
        }
        if matches!(status, 401 | 403) {
            assert_eq!(answer.header("content-type"), Some("text/html"), "{line}");
        }
    }
    // No address is known, so nobody is held back for another's guesses.
    for guess in 0..15 {
        let guess = authorization("eve", &format!("guess {guess}"));
        assert_eq!(scene.send(list, &[&guess], "").status, 401);
    }
    assert_eq!(scene.send(list, &[&eve], "").status, 200);
    let log = scene.gate.log();
    assert!(log.contains("reason=bad-credentials"), "{log}");
    assert!(log.contains("reason=user-agent"), "{log}");
}

/// A stand-in for htgate or for the registry, by what it answers.
fn stand_in(answer: &str) -> String {
    format!("server {{ listen unix:{{folder}}/stand-in.sock; {answer} }}")
}

const STAND_IN: &str = "unix:{folder}/stand-in.sock";

#[test]
fn without_an_answer_from_htgate_everything_is_refused() {
    let away = format!("127.0.0.1:{}", free_port());
    let rows = [
        ("away", away.as_str(), ""),
        ("busy", STAND_IN, "return 503;"),
        ("an inner fault", STAND_IN, "return 500;"),
        ("not htgate", STAND_IN, "return 404;"),
        ("moved", STAND_IN, "return 301 /elsewhere;"),
    ];
    for (what, htgate, answer) in rows {
        let pods = Pods {
            htgate: vec![htgate.to_owned()],
            registry: format!("127.0.0.1:{}", free_port()),
        };
        let (nginx, _) = nginx(&Manifests::of(FILE), &pods, &stand_in(answer));
        for headers in [&[][..], &[authorization("eve", "secret").as_str()]] {
            let answer = nginx.ask("GET /v2/", headers);
            let seen = (answer.status, answer.header("retry-after"));
            assert_eq!(seen, (500, None), "{what}");
        }
    }
}

/// A registry that says what it got, behind htgate.
fn with_echo(manifests: &Manifests) -> (Gate, Nginx) {
    let gate = ingress::gate(&["--front", &manifests.front()]);
    let pods = Pods {
        htgate: vec![gate.tcp.to_string()],
        registry: STAND_IN.to_owned(),
    };
    let echo = "location / { return 200 \
                '$http_authorization|$http_x_auth_user|$http_content_type|$request_uri'; }";
    let (nginx, _) = nginx(manifests, &pods, &stand_in(echo));
    (gate, nginx)
}

#[test]
fn what_the_registry_gets() {
    let (_gate, nginx) = with_echo(&Manifests::of(FILE));
    let admin = authorization("admin", "secret");
    let json = "Content-Type: application/json";
    let claim = "X-Auth-User: eve";
    let rows = [
        ("GET /v2/", "|admin||/v2/"),
        (
            "PUT /v2/a/manifests/1",
            "|admin|application/json|/v2/a/manifests/1",
        ),
        (
            "GET /v2/a/tags/list?n=1&last=%41",
            "|admin||/v2/a/tags/list?n=1&last=%41",
        ),
        (
            "PUT /v2/a/b/blobs/uploads/1-2?digest=sha256:0",
            "|admin|application/octet-stream|/v2/a/b/blobs/uploads/1-2?digest=sha256:0",
        ),
        (
            "POST /v2/a/blobs/uploads/",
            "|admin|application/octet-stream|/v2/a/blobs/uploads/",
        ),
        (
            "POST /v2/a/blobs/uploads",
            "|admin|application/octet-stream|/v2/a/blobs/uploads",
        ),
    ];
    for (line, expected) in rows {
        let mut headers = vec![admin.as_str(), claim];
        if line.starts_with('P') {
            headers.push(json);
        }
        let answer = nginx.ask(line, &headers);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, expected),
            "{line}"
        );
    }
}

#[test]
fn a_password_is_hashed_by_one_of_several_and_one_of_them_may_go() {
    let manifests = Manifests::of(FILE);
    let mut gates = [0, 1].map(|_| ingress::gate(&["--front", &manifests.front()]));
    let pods = Pods {
        htgate: gates.iter().map(|gate| gate.tcp.to_string()).collect(),
        registry: STAND_IN.to_owned(),
    };
    let (nginx, _) = nginx(&manifests, &pods, &stand_in("return 200;"));
    let users = ["eve", "admin"].map(|user| authorization(user, "secret"));
    let ask = |user: &str| nginx.ask("GET /v2/", &[user]).status;
    for _ in 0..6 {
        assert_eq!(users.each_ref().map(|user| ask(user)), [200, 200]);
    }
    let hashes: Vec<u64> = gates.iter().map(Gate::hashes).collect();
    assert_eq!(hashes.iter().sum::<u64>(), 2, "{hashes:?}");
    for (gate, expected) in gates.iter_mut().zip([200, 500]) {
        gate.child.kill().unwrap();
        gate.child.wait().unwrap();
        assert_eq!(users.each_ref().map(|user| ask(user)), [expected; 2]);
    }
}

/// NGINX Gateway Fabric's nginx keeps connections open by itself; older ones do so only where they are
/// told to, and its control plane tells them nothing.
#[test]
fn questions_share_a_connection_where_nginx_keeps_it_by_itself() {
    let pods = Pods {
        htgate: vec![STAND_IN.to_owned()],
        registry: STAND_IN.to_owned(),
    };
    let answer = "location = /auth { access_log {folder}/asked.log asked; return 204; }
                  location / { return 200; }";
    let lines = format!("log_format asked '$connection'; {}", stand_in(answer));
    let (nginx, _) = nginx(&Manifests::of(FILE), &pods, &lines);
    for _ in 0..5 {
        assert_eq!(nginx.ask("GET /v2/", &[]).status, 200);
    }
    let asked = nginx.folder.path().join("asked.log");
    let asked = || std::fs::read_to_string(&asked).unwrap();
    eventually("five questions", Duration::from_secs(10), || {
        asked().lines().count() == 5
    });
    let asked = asked();
    let connections: BTreeSet<&str> = asked.lines().collect();
    let version = said(&run(Command::new("/usr/sbin/nginx").arg("-v")));
    let version = version.split_once("nginx/").unwrap().1.trim();
    let numbers = version.split('.').map(|it| it.parse().unwrap_or(0));
    let keeps = numbers.collect::<Vec<u32>>() >= vec![1, 29, 7];
    assert_eq!(connections.len(), if keeps { 1 } else { 5 }, "{version}");
}

/// Why the route says it twice: each alone keeps a form out, neither lets it in.
#[test]
fn the_type_of_uploads_is_listed_and_set() {
    let eve = authorization("eve", "secret");
    let urlencoded = "Content-Type: application/x-www-form-urlencoded";
    let send = |is_listed: bool, is_set: bool| -> (Response, bool) {
        let mut manifests = Manifests::of(FILE);
        if !is_listed {
            let path = "/spec/rules/0/filters/0/externalAuth/http/allowedHeaders";
            manifests = manifests.with("HTTPRoute", "registry", path, json!(["User-Agent"]));
        }
        if !is_set {
            let path = "/spec/rules/0/filters/1/requestHeaderModifier/set";
            manifests = manifests.with("HTTPRoute", "registry", path, json!([]));
        }
        let scene = Scene::of(&manifests);
        let secret = scene.registry.fill("secret/app", "a secret");
        let [form, _] = ingress::bodies(&secret);
        let answer = scene.send(&format!("POST {UPLOADS}"), &[&eve, urlencoded], &form);
        let is_mounted = ingress::has(&scene.registry, "eve/app", &secret);
        (answer, is_mounted)
    };
    let rows = [
        (true, true, 403, false),
        (true, false, 403, false),
        (false, true, 202, false),
        (false, false, 201, true),
    ];
    for (is_listed, is_set, status, mounted) in rows {
        let (answer, is_mounted) = send(is_listed, is_set);
        let seen = (answer.status, is_mounted);
        assert_eq!(seen, (status, mounted), "{is_listed} {is_set}");
    }
}

/// What docs warn of: nginx looks for the question's location among the regular expressions as well,
/// and takes what an application says there for htgate's answer.
#[test]
fn a_regular_expression_that_matches_the_question_opens_the_gate() {
    let shipped = with_echo(&Manifests::of(FILE));
    assert_eq!(shipped.1.ask("GET /v2/", &[]).status, 401);
    let path = "/spec/rules/0/matches/0/path/value";
    let wide = Manifests::of(FILE).with("HTTPRoute", "registry", path, "/.*".into());
    let wide = with_echo(&wide);
    assert_eq!(wide.1.ask("GET /v2/", &[]).status, 200);
}
