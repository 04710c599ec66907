//! What these tests begin with: users, rules and a key in a folder, htgate in it, and a registry
//! that believes the key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Gate, RULES, Registry, Response, Target, attempt, authorization, folder, line, said, send,
};

/// For whom tokens are signed.
pub(super) const SERVICE: &str = "registry.test";

/// Their password is `secret`.
pub(super) const USERS: [&str; 4] = ["admin", "reader", "pusher", "deleter"];

/// A folder with users, rules, and a key with its certificate, ready for htgate.
pub(super) fn prepare() -> TempDir {
    prepare_with("", &[])
}

/// The same with these further lines in `[token]`, and a key made with these options.
pub(super) fn prepare_with(settings: &str, options: &[&str]) -> TempDir {
    let folder = folder();
    let users: String = USERS.map(|user| line(user, "secret", 4)).concat();
    fs::write(folder.path().join("htpasswd"), users).unwrap();
    make_key(&folder.path().join("keys"), options);
    configure(folder.path(), settings, RULES);
    folder
}

/// Writes htgate.toml.
pub(super) fn configure(folder: &Path, settings: &str, rules: &str) {
    let keys = folder.join("keys");
    let keys = keys.display();
    let service = if settings.contains("service") {
        String::new()
    } else {
        format!("service = '{SERVICE}'")
    };
    let text = format!(
        "[token]\nkey = '{keys}/token.key'\ncertificate = '{keys}/token.crt'\n{service}\n\
         {settings}\n{rules}"
    );
    fs::write(folder.join("htgate.toml"), text).unwrap();
}

/// `htgate token init`: token.key, token.crt and token.jwks.
pub(super) fn make_key(folder: &Path, options: &[&str]) {
    let output = htgate(&[&["token", "init", folder.to_str().unwrap()], options].concat());
    assert!(output.status.success(), "{}", said(&output));
}

pub(super) fn htgate(arguments: &[&str]) -> Output {
    attempt(Command::new(env!("CARGO_BIN_EXE_htgate")).args(arguments))
}

/// Starts htgate in a folder that is prepared.
pub(super) fn start(folder: TempDir) -> Gate {
    start_with(folder, &[], &[])
}

/// The same with these options, and this in its environment.
pub(super) fn start_with(folder: TempDir, options: &[&str], environment: &[(&str, &str)]) -> Gate {
    let config = folder.path().join("htgate.toml").display().to_string();
    let options = [&["--config", &config], options].concat();
    Gate::start_in_with(folder, &options, environment)
}

/// htgate, and a registry that believes its key.
pub(super) fn gate_and_registry(folder: TempDir) -> (Gate, Registry) {
    let gate = start(folder);
    let registry = registry(&certificate(&gate));
    (gate, registry)
}

/// A registry that believes the keys of this bundle.
pub(super) fn registry(bundle: &Path) -> Registry {
    Registry::start_with_tokens("http://realm.test/auth/token", bundle)
}

pub(super) fn key(gate: &Gate) -> PathBuf {
    gate.folder.path().join("keys/token.key")
}

pub(super) fn certificate(gate: &Gate) -> PathBuf {
    gate.folder.path().join("keys/token.crt")
}

/// A token for a user, or for nobody if the name is empty.
pub(super) fn token(gate: &Gate, user: &str, scopes: &[&str]) -> String {
    let answer = ask(gate, user, scopes);
    assert_eq!(answer.status, 200, "{user} {scopes:?}: {answer:?}");
    token_in(&answer)
}

pub(super) fn token_in(answer: &Response) -> String {
    json(answer)["token"].as_str().unwrap().to_owned()
}

pub(super) fn json(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Asks for one.
pub(super) fn ask(gate: &Gate, user: &str, scopes: &[&str]) -> Response {
    let credentials = authorization(user, "secret");
    let headers: &[&str] = if user.is_empty() {
        &[]
    } else {
        &[&credentials]
    };
    gate.ask(&format!("GET {}", uri("/token", SERVICE, scopes)), headers)
}

/// The target of a request for a token.
pub(super) fn uri(path: &str, service: &str, scopes: &[&str]) -> String {
    let scopes: String = scopes
        .iter()
        .map(|scope| format!("&scope={}", escape(scope)))
        .collect();
    format!("{path}?service={}{scopes}", escape(service))
}

/// Percent-encoding of all that may need it.
pub(super) fn escape(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// POSTs a form to htgate.
pub(super) fn post(gate: &Gate, headers: &[&str], form: &str) -> Response {
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    let headers = [&[form_type], headers].concat();
    send(&Target::Tcp(gate.tcp), "POST", "/token", &headers, form)
}

/// Shows the registry a token. 200 if it takes it.
pub(super) fn show(registry: &Registry, token: &str) -> Response {
    request(registry, token, "GET", "/v2/")
}

/// Does something at the registry with a token.
pub(super) fn request(registry: &Registry, token: &str, method: &str, uri: &str) -> Response {
    send(&registry.target(), method, uri, &[&bearer(token)], "")
}

pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}
