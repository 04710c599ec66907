//! The token endpoint's answers, asked straight: what is in a token, and who gets one.

use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::{Gate, Response, authorization, line, run, said};
use crate::token::jwt::{self, Parts, claims, granted, header};
use crate::token::scene::{
    SERVICE, ask, certificate, gate_and_registry, json, make_key, post, prepare, prepare_with,
    registry, request, show, start, token, token_in, uri,
};

/// What every token's answer has.
fn check_answer(answer: &Response, scope: Option<&str>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = json(answer);
    let token = token_in(answer);
    assert_eq!(body["access_token"], token.as_str());
    assert_eq!(body["expires_in"], 300);
    let issued = body["issued_at"].as_str().unwrap();
    let issued: jiff::Timestamp = issued.parse().unwrap();
    assert_eq!(claims(&token)["iat"], issued.as_second());
    assert_eq!(body.get("scope").and_then(|scope| scope.as_str()), scope);
    assert!(body.get("refresh_token").is_none(), "{body}");
    assert_eq!(
        body.as_object().unwrap().len(),
        4 + usize::from(scope.is_some())
    );
}

#[test]
fn a_query_with_basic_and_a_form_get_the_same() {
    let (gate, registry) = gate_and_registry(prepare());
    let scope = "repository:team/app:pull,push,delete";
    let by_query = ask(&gate, "deleter", &[scope]);
    check_answer(&by_query, None);
    let form = |rest: &str| format!("grant_type=password&service={SERVICE}&client_id=test{rest}");
    let rest = format!("&username=deleter&password=secret&scope={scope}&access_type=online");
    let by_form = post(&gate, &[], &form(&rest));
    let expected = "repository:team/app:pull,delete";
    check_answer(&by_form, Some(expected));
    let before = SystemTime::now() - Duration::from_secs(60);
    let mut ids = Vec::new();
    for answer in [&by_query, &by_form] {
        let token = token_in(answer);
        assert_eq!(granted(&token), expected);
        assert_eq!(show(&registry, &token).status, 200);
        let claims = claims(&token);
        let number = |name: &str| claims[name].as_u64().unwrap();
        let seconds = before
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert!(
            (seconds..seconds + 120).contains(&number("iat")),
            "{claims}"
        );
        assert_eq!(number("exp"), number("iat") + 300);
        assert_eq!(number("nbf"), number("iat") - 10);
        for (name, value) in [("iss", "htgate"), ("aud", SERVICE), ("sub", "deleter")] {
            assert_eq!(claims[name], value, "{claims}");
        }
        ids.push(claims["jti"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    // The form's type may have a parameter.
    let charset = "Content-Type: Application/X-WWW-Form-URLEncoded; charset=utf-8";
    let target = crate::support::Target::Tcp(gate.tcp);
    let answer = crate::support::send(&target, "POST", "/token", &[charset], &form(&rest));
    check_answer(&answer, Some(expected));
    // A form for nothing in particular, as for `docker login`.
    let login = post(&gate, &[], &form("&username=reader&password=secret"));
    check_answer(&login, Some(""));
    assert_eq!(show(&registry, &token_in(&login)).status, 200);
}

#[test]
fn scopes_are_granted_as_far_as_the_rules_go() {
    let (gate, registry) = gate_and_registry(prepare());
    let everything = "repository:pusher/a:pull,push,delete";
    let rows: &[(&str, &[&str], &str)] = &[
        ("admin", &[], ""),
        ("admin", &["repository:pusher/a:*"], everything),
        (
            "pusher",
            &["repository:pusher/a:*"],
            "repository:pusher/a:pull,push",
        ),
        ("reader", &["repository:team/a:*"], "repository:team/a:pull"),
        ("reader", &["repository:team/a:push"], ""),
        ("admin", &["registry:catalog:*"], "registry:catalog:*"),
        ("reader", &["registry:catalog:*"], ""),
        ("", &["registry:catalog:*"], ""),
        (
            "",
            &["repository:public/a:pull,push"],
            "repository:public/a:pull",
        ),
        ("", &["repository:team/a:pull"], ""),
        (
            "reader",
            &["repository:public/a:pull"],
            "repository:public/a:pull",
        ),
        (
            "pusher",
            &["repository:pusher/a:pull,push", "repository:shared/b:pull"],
            "repository:pusher/a:pull,push repository:shared/b:pull",
        ),
        (
            "pusher",
            &["repository:pusher/a:pull,push repository:shared/b:pull repository:team/c:pull"],
            "repository:pusher/a:pull,push repository:shared/b:pull",
        ),
        (
            "pusher",
            &["repository:pusher/a:pull", "repository:pusher/a:push"],
            "repository:pusher/a:pull,push",
        ),
        (
            "admin",
            &["repository(plugin):team/a:pull"],
            "repository:team/a:pull",
        ),
        (
            "admin",
            &["nonsense", "repository:team/a:pull"],
            "repository:team/a:pull",
        ),
    ];
    for (user, scopes, expected) in rows {
        let token = token(&gate, user, scopes);
        assert_eq!(granted(&token), *expected, "{user} asks for {scopes:?}");
        assert_eq!(show(&registry, &token).status, 200, "{user} {scopes:?}");
        assert_eq!(claims(&token)["sub"], *user);
    }
}

/// Who is nobody: without credentials, or with the empty name and the empty password.
#[test]
fn nobody_gets_a_token_too() {
    let (gate, registry) = gate_and_registry(prepare());
    let query = format!(
        "GET {}",
        uri("/token", SERVICE, &["repository:public/a:pull"])
    );
    let form = format!(
        "grant_type=password&service={SERVICE}&scope=repository:public/a:pull&username=&password="
    );
    for answer in [
        gate.ask(&query, &[]),
        gate.ask(&query, &["Authorization: Basic Og=="]),
        post(&gate, &[], &form),
    ] {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-auth-reason"), Some("anonymous"));
        assert_eq!(answer.header("x-auth-user"), Some(""));
        let token = token_in(&answer);
        assert_eq!(claims(&token)["sub"], "");
        let status = |uri: &str| request(&registry, &token, "GET", uri).status;
        assert_eq!(status("/v2/"), 200);
        assert_eq!(status("/v2/public/a/manifests/1"), 404);
        assert_eq!(status("/v2/team/a/manifests/1"), 401);
    }
    let answers = gate.metric("htgate_token_answers_total{reason=\"anonymous\"}");
    assert_eq!(answers, 3.0);
}

/// Without rules a user may do everything, and nobody nothing.
#[test]
fn without_rules() {
    let folder = prepare();
    crate::token::scene::configure(folder.path(), "", "");
    let (gate, _registry) = gate_and_registry(folder);
    let scopes = &["registry:catalog:* repository:a:*"];
    let all = "registry:catalog:* repository:a:pull,push,delete";
    assert_eq!(granted(&token(&gate, "reader", scopes)), all);
    assert_eq!(granted(&token(&gate, "", scopes)), "");
}

#[test]
fn without_a_key_there_is_no_such_endpoint() {
    let gate = Gate::start(&line("admin", "secret", 4), &[]);
    let credentials = authorization("admin", "secret");
    let query = uri("/token", SERVICE, &[]);
    assert_eq!(
        gate.ask(&format!("GET {query}"), &[&credentials]).status,
        404
    );
    assert_eq!(
        post(&gate, &[&credentials], "grant_type=password").status,
        404
    );
    assert_eq!(gate.ask("GET /auth", &[&credentials]).status, 204);
    assert!(!gate.ask("GET /readyz", &[]).text().contains("token"));
    assert!(
        !gate
            .ask("GET /metrics", &[])
            .text()
            .contains("htgate_token_answers_total")
    );
}

/// Its path, issuer and lifetime are settings.
#[test]
fn as_it_is_set() {
    let settings = "path = '/auth/token'\nissuer = 'me'\nlifetime_seconds = 60";
    let gate = start(prepare_with(settings, &[]));
    let credentials = authorization("admin", "secret");
    let ask = |path: &str| gate.ask(&format!("GET {}", uri(path, SERVICE, &[])), &[&credentials]);
    assert_eq!(ask("/token").status, 404);
    let answer = ask("/auth/token");
    assert_eq!(json(&answer)["expires_in"], 60);
    let claims = claims(&token_in(&answer));
    assert_eq!(claims["iss"], "me");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
}

/// Both algorithms and all names of a key, at Debian's registry 2.8: it knows no thumbprints.
#[test]
fn algorithms_and_names_of_the_key() {
    let rows = [
        ("es256", "x5c", true),
        ("rs256", "x5c", true),
        ("es256", "libtrust", true),
        ("rs256", "libtrust", true),
        ("es256", "jwk-thumbprint", false),
        ("rs256", "jwk-thumbprint", false),
    ];
    for (algorithm, key_id, is_taken) in rows {
        let settings = format!("key_id = '{key_id}'");
        let (gate, registry) =
            gate_and_registry(prepare_with(&settings, &["--algorithm", algorithm]));
        let token = token(&gate, "admin", &["repository:team/app:pull"]);
        let header = header(&token);
        assert_eq!(header["alg"], algorithm.to_uppercase());
        assert_eq!(header["typ"], "JWT");
        assert_eq!(header.get("x5c").is_some(), key_id == "x5c", "{header}");
        assert_eq!(header.get("kid").is_some(), key_id != "x5c", "{header}");
        let expected = if is_taken { 200 } else { 401 };
        let answer = show(&registry, &token);
        assert_eq!(answer.status, expected, "{algorithm} {key_id}: {answer:?}");
        check_signature(&gate, &token, algorithm);
    }
}

/// What openssl says of it.
fn check_signature(gate: &Gate, token: &str, algorithm: &str) {
    let place = |name: &str| gate.folder.path().join(name).display().to_string();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = Parts::of(token).0[2].clone();
    assert_eq!(jwt::encode(&bytes), signature);
    if algorithm == "es256" {
        bytes = jwt::der(&bytes);
    }
    std::fs::write(place("signed"), signed).unwrap();
    std::fs::write(place("signature"), bytes).unwrap();
    let public = run(Command::new("openssl")
        .args(["x509", "-pubkey", "-noout", "-in"])
        .arg(certificate(gate)));
    std::fs::write(place("public"), public.stdout).unwrap();
    let verified = run(Command::new("openssl").args([
        "dgst",
        "-sha256",
        "-verify",
        &place("public"),
        "-signature",
        &place("signature"),
        &place("signed"),
    ]));
    assert!(said(&verified).contains("Verified OK"));
}

#[test]
fn keys_that_other_tools_made() {
    let rows: &[(&str, &[&str])] = &[
        (
            "SEC 1",
            &["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
        ),
        (
            "PKCS#8",
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ],
        ),
        ("RSA in PKCS#1", &["genrsa", "-traditional", "2048"]),
        (
            "RSA in PKCS#8",
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:3072",
            ],
        ),
    ];
    for (what, make) in rows {
        let folder = prepare();
        let place = |name: &str| folder.path().join("keys").join(name).display().to_string();
        let (key, certificate) = (place("token.key"), place("token.crt"));
        std::fs::remove_file(&certificate).unwrap();
        // The key's file stays, so that its mode does.
        let made = run(Command::new("openssl").args(*make)).stdout;
        std::fs::write(&key, made).unwrap();
        run(Command::new("openssl").args([
            "req",
            "-x509",
            "-new",
            "-key",
            &key,
            "-days",
            "365",
            "-subj",
            "/CN=tokens",
            "-out",
            &certificate,
        ]));
        let (gate, registry) = gate_and_registry(folder);
        let token = token(&gate, "admin", &[]);
        assert_eq!(show(&registry, &token).status, 200, "{what}");
    }
}

/// The bundle holds the root alone; the token brings what lies between.
#[test]
fn a_certificate_that_leads_to_the_bundle() {
    let folder = prepare();
    let keys = folder.path().join("keys");
    let script = "set -e; cd \"$0\"
        own() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \
            -subj /CN=root -keyout root.key -out root.crt; }
        signed() { openssl req -new -key $1.key -subj /CN=$1 | openssl x509 -req -days 9 \
            -CA $2.crt -CAkey $2.key -CAcreateserial -extfile $1.ext -out $1.crt; }
        own
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out middle.key
        echo basicConstraints=critical,CA:true >middle.ext
        signed middle root
        echo keyUsage=digitalSignature >token.ext
        signed token middle
        cat middle.crt >>token.crt";
    run(Command::new("sh").args(["-c", script]).arg(&keys));
    let gate = start(folder);
    let token = token(&gate, "admin", &[]);
    assert_eq!(header(&token)["x5c"].as_array().unwrap().len(), 2);
    let taken = registry(&keys.join("root.crt"));
    assert_eq!(show(&taken, &token).status, 200);
    let other = gate.folder.path().join("other");
    make_key(&other, &[]);
    let refused = registry(&other.join("token.crt"));
    assert_eq!(show(&refused, &token).status, 401);
}

/// A registry whose bundle holds another key knows nothing of ours, and its challenge says where
/// tokens come from.
#[test]
fn the_registry_sends_who_has_none_to_the_realm() {
    let gate = start(prepare());
    let other = gate.folder.path().join("other");
    make_key(&other, &[]);
    let registry = registry(&other.join("token.crt"));
    let answer = request(
        &registry,
        &token(&gate, "admin", &[]),
        "GET",
        "/v2/_catalog",
    );
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        Some(
            "Bearer realm=\"http://realm.test/auth/token\",service=\"registry.test\",\
             scope=\"registry:catalog:*\",error=\"invalid_token\""
        )
    );
}
