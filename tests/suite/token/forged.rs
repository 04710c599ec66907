//! What a registry refuses, each beside its twin that it takes.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Connection, Registry, Response, authorization, run};
use crate::token::jwt::{self, Parts, claims, header};
use crate::token::scene::{
    SERVICE, bearer, certificate, gate_and_registry, key, make_key, prepare, prepare_with, request,
    show, start, token, token_in, uri,
};

const PULL: &[&str] = &["repository:team/app:pull"];

/// Taken at the registry's base and for what it grants.
fn check_taken(registry: &Registry, token: &str, why: &str) {
    assert_eq!(show(registry, token).status, 200, "{why}");
    // There is no such image; somebody who may not pull would not learn that.
    let pulled = request(registry, token, "GET", "/v2/team/app/manifests/1");
    assert_eq!(pulled.status, 404, "{why}: {pulled:?}");
}

fn check_refused(registry: &Registry, token: &str, why: &str) {
    for uri in ["/v2/", "/v2/team/app/manifests/1"] {
        check_answer(&request(registry, token, "GET", uri), why);
    }
}

fn check_answer(answer: &Response, why: &str) {
    assert_eq!(answer.status, 401, "{why}: {answer:?}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer "), "{why}: {challenge}");
    assert!(answer.text().contains("UNAUTHORIZED"), "{why}: {answer:?}");
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs().try_into().unwrap()
}

#[test]
fn a_token_for_another_service_or_by_another_issuer() {
    let (gate, registry) = gate_and_registry(prepare());
    check_taken(&registry, &token(&gate, "admin", PULL), "its own");
    let rows = [
        ("service = 'other.test'", "other.test", "htgate"),
        ("issuer = 'somebody else'", SERVICE, "somebody else"),
    ];
    for (settings, service, issuer) in rows {
        // Another htgate with the same key.
        let folder = prepare_with(settings, &[]);
        for file in ["token.key", "token.crt"] {
            fs::copy(
                gate.folder.path().join("keys").join(file),
                folder.path().join("keys").join(file),
            )
            .unwrap();
        }
        let other = start(folder);
        let answer = other.ask(
            &format!("GET {}", uri("/token", service, PULL)),
            &[&authorization("admin", "secret")],
        );
        let foreign = token_in(&answer);
        let bundle = certificate(&gate);
        let theirs = Registry::start_for(service, issuer, "http://realm.test", &bundle);
        check_taken(&theirs, &foreign, settings);
        check_refused(&registry, &foreign, settings);
    }
}

#[test]
fn a_token_that_is_over_or_has_not_begun() {
    let (gate, registry) = gate_and_registry(prepare());
    let good = token(&gate, "admin", PULL);
    let at = |name: &str, seconds: i64| {
        let mut claims = claims(&good);
        claims[name] = json!(now() + seconds);
        jwt::sign(&header(&good), &claims, &key(&gate))
    };
    // Beyond the 60 s that registries allow clocks to differ.
    let rows = [("exp", 300, -90), ("nbf", -10, 90)];
    for (name, taken, refused) in rows {
        check_taken(&registry, &at(name, taken), name);
        check_refused(&registry, &at(name, refused), name);
    }
}

#[test]
fn a_token_of_another_key() {
    let (gate, registry) = gate_and_registry(prepare());
    let good = token(&gate, "admin", PULL);
    let (header, claims) = (header(&good), claims(&good));
    check_taken(
        &registry,
        &jwt::sign(&header, &claims, &key(&gate)),
        "signed by hand",
    );

    let other = gate.folder.path().join("other");
    make_key(&other, &[]);
    let other_key = other.join("token.key");
    let forged = jwt::sign(&header, &claims, &other_key);
    check_refused(
        &registry,
        &forged,
        "another key with the certificate of ours",
    );

    // All of it another's: what a rotated key's tokens are to a registry without it.
    let folder = prepare();
    fs::remove_dir_all(folder.path().join("keys")).unwrap();
    fs::rename(&other, folder.path().join("keys")).unwrap();
    let stranger = start(folder);
    let foreign = token(&stranger, "admin", PULL);
    let theirs = crate::token::scene::registry(&certificate(&stranger));
    check_taken(
        &theirs,
        &foreign,
        "a stranger's at a registry that knows it",
    );
    check_refused(&registry, &foreign, "a stranger's");

    // Its key in the token itself, once under the name of ours.
    let stranger_key = key(&stranger);
    let jwk = jwk(&certificate(&stranger));
    let mut named = jwk.clone();
    named["kid"] = json!(libtrust_id(&certificate(&gate)));
    for jwk in [jwk, named] {
        let header = json!({ "typ": "JWT", "alg": "ES256", "jwk": jwk });
        check_refused(
            &registry,
            &jwt::sign(&header, &claims, &stranger_key),
            "with its jwk",
        );
    }
    let by_name = json!({ "typ": "JWT", "alg": "ES256", "kid": libtrust_id(&certificate(&gate)) });
    check_taken(
        &registry,
        &jwt::sign(&by_name, &claims, &key(&gate)),
        "our key by its name",
    );
    check_refused(
        &registry,
        &jwt::sign(&by_name, &claims, &stranger_key),
        "under our key's name",
    );
    // Our certificate beside the stranger's, in either order.
    let x5c =
        |certificates: [&Value; 2]| json!({ "typ": "JWT", "alg": "ES256", "x5c": certificates });
    let strangers = jwt::header(&foreign);
    let (ours, theirs) = (&header["x5c"][0], &strangers["x5c"][0]);
    for order in [[ours, theirs], [theirs, ours]] {
        let forged = jwt::sign(&x5c(order), &claims, &stranger_key);
        check_refused(&registry, &forged, "a chain of both certificates");
    }
}

/// The public half, as `htgate token jwks` prints it.
fn jwk(certificate: &std::path::Path) -> Value {
    let output = crate::token::scene::htgate(&["token", "jwks", certificate.to_str().unwrap()]);
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut jwk = set["keys"][0].clone();
    // Registry 2.8 wants to know it by its own name.
    jwk["kid"] = json!(libtrust_id(certificate));
    jwk
}

/// Base32 of the first 30 bytes of SHA-256 over the public key, in groups of four.
fn libtrust_id(certificate: &std::path::Path) -> String {
    let script = "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform der |
                  openssl dgst -sha256 -binary | head -c 30 | base32 -w 0";
    let output = run(Command::new("sh").args(["-c", script]).arg(certificate));
    let groups: Vec<_> = output.stdout.chunks(4).collect();
    String::from_utf8(groups.join(&b':')).unwrap()
}

/// One bit of each byte of each part.
#[test]
fn a_token_with_one_bit_changed() {
    let (gate, registry) = gate_and_registry(prepare());
    let good = token(&gate, "admin", PULL);
    check_taken(&registry, &good, "untouched");
    let parts = Parts::of(&good);
    assert_eq!(parts.join(), good);
    let mut connection = Connection::open(&registry.target()).unwrap();
    let mut changed = 0;
    for part in 0..3 {
        for place in 0..parts.0[part].len() {
            let mut bytes = parts.0[part].clone();
            bytes[place] ^= 1 << (place % 8);
            let header = bearer(&parts.with(part, &bytes));
            let answer = connection.ask("GET /v2/", &[&header]).unwrap();
            check_answer(&answer, &format!("part {part}, byte {place}"));
            changed += 1;
        }
    }
    println!("{changed} changed tokens");
    assert!(changed > 500, "{changed}");
    check_taken(&registry, &good, "afterwards");
}

#[test]
fn a_token_put_together_from_others() {
    let (gate, registry) = gate_and_registry(prepare());
    let good = token(&gate, "reader", PULL);
    let more = token(&gate, "admin", &["repository:team/app:pull,push,delete"]);
    for token in [&good, &more] {
        check_taken(&registry, token, "untouched");
    }
    let (own, other) = (Parts::of(&good), Parts::of(&more));
    let texts: Vec<_> = good.split('.').collect();
    let (first, second, third) = (texts[0], texts[1], texts[2]);
    let rows = [
        ("the claims of another", own.with(1, &other.0[1])),
        ("the signature of another", own.with(2, &other.0[2])),
        ("no signature", format!("{first}.{second}.")),
        ("no signature, and no point", format!("{first}.{second}")),
        ("no claims", format!("{first}..{third}")),
        ("no header", format!(".{second}.{third}")),
        ("half a signature", own.with(2, &own.0[2][..32])),
        ("a signature of zeros", own.with(2, &[0; 64])),
        ("a signature twice", own.with(2, &own.0[2].repeat(2))),
        ("a fourth part", format!("{good}.{third}")),
        ("nothing", String::new()),
    ];
    for (why, token) in rows {
        check_refused(&registry, &token, why);
    }
}

#[test]
fn a_token_of_another_algorithm() {
    let (gate, registry) = gate_and_registry(prepare());
    let good = token(&gate, "admin", PULL);
    let parts = Parts::of(&good);
    let claims = claims(&good);
    let with = |algorithm: &str| {
        let mut header = header(&good);
        header["alg"] = json!(algorithm);
        header
    };
    let by_hand = jwt::sign(&with("ES256"), &claims, &key(&gate));
    check_taken(&registry, &by_hand, "signed by hand");
    for name in ["none", "None", "NONE", ""] {
        let header = with(name);
        let bare = json!({ "typ": "JWT", "alg": name });
        for header in [&header, &bare] {
            let unsigned = jwt::unsigned(header, &claims);
            check_refused(&registry, &format!("{unsigned}."), name);
            check_refused(&registry, &unsigned, name);
            let signature = jwt::encode(&parts.0[2]);
            check_refused(&registry, &format!("{unsigned}.{signature}"), name);
        }
    }
    for name in ["ES384", "ES512", "RS256", "PS256", "EdDSA"] {
        check_refused(
            &registry,
            &jwt::sign(&with(name), &claims, &key(&gate)),
            name,
        );
    }
    // What everybody knows of the key, taken for a shared secret.
    let script = "openssl x509 -in \"$0\" -pubkey -noout";
    let public = |script: &str| {
        run(Command::new("sh")
            .args(["-c", script])
            .arg(certificate(&gate)))
        .stdout
    };
    let secrets = [
        public(script),
        public(&format!("{script} | openssl pkey -pubin -outform der")),
        public("openssl x509 -in \"$0\" -outform der"),
        fs::read(certificate(&gate)).unwrap(),
    ];
    let id = libtrust_id(&certificate(&gate));
    for secret in secrets {
        let bare = json!({ "typ": "JWT", "alg": "HS256" });
        let named = json!({ "typ": "JWT", "alg": "HS256", "kid": id });
        for header in [with("HS256"), bare, named] {
            let token = jwt::sign_with_secret(&header, &claims, &secret);
            check_refused(&registry, &token, "HS256");
        }
    }
}
