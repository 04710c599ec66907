//! NGINX Gateway Fabric: a real nginx with what its control plane makes of the shipped manifests, and
//! the real registry behind it.

mod external_auth;
mod fields;
mod rendered;
mod snippets;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use self::rendered::{Manifests, Pods};
use super::ingress::{self, UPLOADS};
use crate::support::{
    Gate, Nginx, Registry, Response, Skopeo, attempt, authorization, folder, free_port, image,
    said, send,
};

/// Everything that one way has: htgate as its files say, nginx before it, the registry behind.
struct Scene {
    gate: Gate,
    registry: Registry,
    nginx: Nginx,
    port: u16,
}

impl Scene {
    fn of(manifests: &Manifests) -> Self {
        let gate = ingress::gate(&["--front", &manifests.front()]);
        let registry = Registry::start();
        let pods = Pods {
            htgate: vec![gate.tcp.to_string()],
            registry: format!("unix:{}", registry.socket().display()),
        };
        let (nginx, port) = nginx(manifests, &pods, "");
        Self {
            gate,
            registry,
            nginx,
            port,
        }
    }

    fn send(&self, line: &str, headers: &[&str], body: &str) -> Response {
        let (method, uri) = line.split_once(' ').unwrap();
        send(&self.nginx.target(), method, uri, headers, body)
    }
}

/// nginx with what is made of the manifests, and its port; with these further lines in the http
/// context.
fn nginx(manifests: &Manifests, pods: &Pods, lines: &str) -> (Nginx, u16) {
    let port = free_port();
    let http = manifests.rendered(pods) + lines;
    let nginx = Nginx::start(&http.replace("{port}", &port.to_string()));
    (nginx, port)
}

/// What `htgate check` finds in what is made of the manifests: the words in brackets.
fn found(manifests: &Manifests) -> BTreeSet<String> {
    let pods = Pods {
        htgate: vec!["10.0.0.1:8080".to_owned()],
        registry: "10.0.0.2:5000".to_owned(),
    };
    let http = manifests.rendered(&pods);
    let http = http.replace("listen {listen};", "listen 443 ssl;");
    let http = http
        .replace("listen 127.0.0.1:{port};", "")
        .replace("{folder}", "/var/log");
    let folder = folder();
    let write = |file: &str, text: String| {
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        path
    };
    let front = manifests.front();
    let config = write(
        "htgate.toml",
        format!("front = '{front}'\n{}", ingress::RULES),
    );
    let nginx = write("nginx.conf", format!("events {{}} http {{ {http} }}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_htgate"));
    // The NetworkPolicies keep others from the port.
    command.args([
        "check",
        "--nginx-version",
        "1.31.3",
        "--ignore",
        "open-port",
        "--config",
    ]);
    let text = said(&attempt(command.arg(config).arg("--nginx").arg(nginx)));
    let words = text
        .lines()
        .filter_map(|line| line.strip_suffix(']')?.rsplit_once('['));
    words.map(|(_, word)| word.to_owned()).collect()
}

/// `nginx -T` of the Gateway's nginx, and what somebody may have got wrong in the manifests.
#[test]
fn check_finds_what_would_break_or_open_the_gate() {
    let route = |path: &str, value: Value| {
        Manifests::of(WAYS[0]).with("HTTPRoute", "registry", path, value)
    };
    let rows = [
        (Manifests::of(WAYS[0]), None),
        (Manifests::of(WAYS[1]), None),
        (
            route(
                "/spec/rules/0/filters/0/externalAuth/http/allowedHeaders",
                json!(["User-Agent"]),
            ),
            Some("missing-header"),
        ),
        (
            route("/spec/rules/0/matches/0/path/value", "/.*".into()),
            Some("taken-over"),
        ),
        (
            route("/spec/rules/1/filters/0/externalAuth/http/path", "/".into()),
            Some("no-gate"),
        ),
        (policy_of_the_route(), Some("body-limit")),
    ];
    for (manifests, expected) in rows {
        let expected = expected.map(str::to_owned);
        assert_eq!(found(&manifests), BTreeSet::from_iter(expected));
    }
}

/// The two ways.
const WAYS: [&str; 2] = ["external-auth.yaml", "snippets.yaml"];

#[test]
fn skopeo_pushes_and_pulls_through_both() {
    for way in WAYS {
        let scene = Scene::of(&Manifests::of(way));
        let skopeo = Skopeo::new(format!("127.0.0.1:{}", scene.port));
        let work = tempfile::tempdir().unwrap();
        let source = format!("dir:{}", image(work.path(), 3).display());
        let pushed = skopeo.copy(&source, "eve@eve/app:1");
        assert!(pushed.status.success(), "{way}: {}", said(&pushed));
        let pulled = format!("dir:{}", work.path().join("pulled").display());
        let pulled = skopeo.copy("eve@eve/app:1", &pulled);
        assert!(pulled.status.success(), "{way}: {}", said(&pulled));
        let refused = skopeo.copy(&source, "eve@secret/app:1");
        assert!(!refused.status.success(), "{way}: {}", said(&refused));
    }
}

#[test]
fn a_layer_of_known_length_may_be_large() {
    let layer = "x".repeat(3 << 20);
    for way in WAYS {
        let scene = Scene::of(&Manifests::of(way));
        assert_eq!(upload(&scene, &layer), 202, "{way}");
    }
    // nginx would look at the length again where it asks, and there it has its default.
    assert_eq!(upload(&Scene::of(&policy_of_the_route()), &layer), 500);
}

/// The size of bodies in a policy of the route, and not of the Gateway.
fn policy_of_the_route() -> Manifests {
    let path = "/spec/targetRef/kind";
    Manifests::of(WAYS[0]).with("ClientSettingsPolicy", "registry", path, "HTTPRoute".into())
}

/// Begins an upload and sends this in one piece.
fn upload(scene: &Scene, layer: &str) -> u16 {
    let eve = authorization("eve", "secret");
    let begun = scene.send(&format!("POST {UPLOADS}"), &[&eve], "");
    assert_eq!(begun.status, 202, "{begun:?}");
    let place = begun.header("location").unwrap();
    let place = &place[place.find("/v2/").unwrap()..];
    let stream = "Content-Type: application/octet-stream";
    scene
        .send(&format!("PATCH {place}"), &[&eve, stream], layer)
        .status
}

#[test]
fn a_form_in_the_body_of_an_upload_mounts_nothing() {
    let urlencoded = "Content-Type: application/x-www-form-urlencoded";
    let plain = "Content-Type: text/plain";
    let parts = "Content-Type: multipart/form-data; boundary=b";
    // Two types at once: nginx 1.22 passes on the first one, later ones both.
    let (refused, either) = (&[403][..], &[202, 403][..]);
    let rows: &[(&[&str], &[u16])] = &[
        (&[urlencoded], refused),
        (
            &["content-type: Application/X-WWW-Form-UrlEncoded"],
            refused,
        ),
        (&[parts], refused),
        (&["Content-Type: Multipart/Mixed; boundary=b"], refused),
        (&[urlencoded, plain], refused),
        (&[plain, urlencoded], either),
        (&[urlencoded, "X-Original-Content-Type: none"], refused),
        (
            &[urlencoded, "Method: GET", "Path: /v2/eve/app/tags/list"],
            refused,
        ),
        (&[urlencoded, "X-Original-Method: GET"], refused),
        // The same bytes are only bytes where they are not called a form.
        (&[], &[202]),
        (&["Content-Type: application/octet-stream"], &[202]),
        (
            &["X-Original-Content-Type: application/x-www-form-urlencoded"],
            &[202],
        ),
        (&["Content_Type: application/x-www-form-urlencoded"], &[202]),
    ];
    let eve = authorization("eve", "secret");
    for way in WAYS {
        let scene = Scene::of(&Manifests::of(way));
        let secret = scene.registry.fill("secret/app", "a secret");
        for (headers, expected) in rows {
            let headers = [&[eve.as_str()][..], headers].concat();
            for body in ingress::bodies(&secret) {
                let status = scene
                    .send(&format!("POST {UPLOADS}"), &headers, &body)
                    .status;
                assert!(expected.contains(&status), "{way} {headers:?}: {status}");
                assert!(
                    !ingress::has(&scene.registry, "eve/app", &secret),
                    "{headers:?}"
                );
            }
        }
    }
}

#[test]
fn what_a_client_claims_changes_nothing() {
    let eve = authorization("eve", "secret");
    for way in WAYS {
        let scene = Scene::of(&Manifests::of(way));
        scene.registry.fill("secret/app", "a secret");
        scene.registry.fill("eve/app", "eve's");
        for claim in ingress::CLAIMS {
            let headers = [&[eve.as_str()][..], claim].concat();
            let ask = |name: &str| {
                scene
                    .send(&format!("GET /v2/{name}/tags/list"), &headers, "")
                    .status
            };
            assert_eq!(
                (ask("eve/app"), ask("secret/app")),
                (200, 403),
                "{way} {claim:?}"
            );
        }
    }
}

/// Only one of them can leave the query of an upload out.
#[test]
fn mounts() {
    for (way, of_a_secret) in WAYS.iter().zip([403, 202]) {
        let scene = Scene::of(&Manifests::of(way));
        let secret = scene.registry.fill("secret/app", "a secret");
        let mount = |user: &str| {
            let uri = format!("{UPLOADS}?mount={secret}&from=secret/app");
            scene
                .send(
                    &format!("POST {uri}"),
                    &[&authorization(user, "secret")],
                    "",
                )
                .status
        };
        assert_eq!(mount("eve"), of_a_secret, "{way}");
        assert!(!ingress::has(&scene.registry, "eve/app", &secret), "{way}");
        assert_eq!(mount("admin"), 201, "{way}");
        assert!(ingress::has(&scene.registry, "eve/app", &secret), "{way}");
    }
}
