//! Requests and scopes, beside an independent reader: the routes of a registry as distribution's
//! api/v2 descriptors and reference/regexp.go have them, and digests as the OCI image
//! specification (descriptor.md) has them, which are more.

use std::sync::LazyLock;

use regex::Regex;

use super::fields;
use crate::config::Settings;
use crate::request::credentials::Presented;
use crate::request::{BodyType, Field, Request};
use crate::rules::access::{Access, Action, Decision, Operation, RequestLine, Who};
use crate::token::{Ask, GrantedScopes};

/// What is allowed is what a registry will do: the same repository, by an action that the method
/// cannot exceed. What is taken for a path outside is none of the registry's.
pub fn request(data: &[u8]) {
    let [method, uri, content_type] = fields(data);
    let request = Request {
        method: Field::One(method),
        uri: Field::One(uri),
        content_type: match content_type {
            b"" => BodyType::Unknown,
            b"none" => BodyType::None,
            _ => BodyType::Named(content_type),
        },
        ..Request::default()
    };
    let allowed = |who| matches!(RULES.decide(who, &request), Decision::Allow(_));
    let Ok(line) = RequestLine::read(&request) else {
        assert!(!allowed(Who::User(b"admin")));
        return;
    };
    let path = decode(uri.split(|byte| *byte == b'?').next().unwrap()).expect("it was read");
    let Ok(operation) = line.operation() else {
        assert!(!allowed(Who::User(b"admin")));
        return;
    };
    let routed = route(&path, method);
    match &operation {
        Operation::Repository { action, name, .. } => {
            assert_eq!(routed, Some((*action, *name)), "{path}");
        }
        Operation::Base => assert!(matches!(&path[..], "/v2/" | "/v2"), "{path}"),
        Operation::Catalog => assert_eq!(path, "/v2/_catalog"),
        Operation::Path { .. } => assert!(!path.starts_with("/v2/"), "{path}"),
    }
    if allowed(Who::User(b"puller")) {
        let (action, name) = routed.unwrap_or((Action::Pull, "team/"));
        assert!(
            action == Action::Pull && (name.starts_with("team/") || name.starts_with("public/")),
            "{path}"
        );
        assert!(matches!(method, b"GET" | b"HEAD"), "{path}");
    }
    if allowed(Who::Anonymous) {
        let (action, name) = routed.expect("nothing else is everybody's");
        assert!(
            action == Action::Pull && name.starts_with("public/"),
            "{path}"
        );
    }
}

/// What a registry does there.
fn route<'a>(path: &'a str, method: &[u8]) -> Option<(Action, &'a str)> {
    let found = ROUTES.captures(path)?;
    let name = found.get(1)?.as_str();
    let is_upload = found.get(2).is_some();
    let action = match method {
        _ if is_upload => Action::Push,
        b"GET" | b"HEAD" => Action::Pull,
        b"DELETE" => Action::Delete,
        _ => Action::Push,
    };
    Some((action, name))
}

/// A token holds what was asked for and is allowed, and nothing else; a form's name and password
/// are read as a header's.
pub fn token(data: &[u8]) {
    let (is_form, text) = match data.split_first() {
        Some((first, text)) => (first % 2 == 1, text),
        None => return,
    };
    let ask = if is_form {
        Ask::from_form(text, SERVICE)
    } else {
        Ask::from_query(text, SERVICE)
    };
    let Ok(ask) = ask else {
        return;
    };
    assert_eq!(ask.credentials.is_some(), is_form);
    if let Some(basic) = &ask.credentials
        && let Presented::Credentials(it) = Presented::parse(Field::One(basic))
    {
        assert!(!it.claimed().contains(&b':') && !it.pair().iter().any(u8::is_ascii_control));
    }
    let asked: Vec<_> = text
        .split(|byte| *byte == b'&')
        .filter_map(decode_form)
        .collect();
    let of = |who, rules: &Access| GrantedScopes::of(&ask.scopes, who, None, rules).scope();
    for (who, prefix, actions) in [
        (Who::Anonymous, "public/", &["pull"][..]),
        (Who::User(b"puller"), "team/", &["pull"]),
        (Who::User(b"admin"), "", &["pull", "push", "delete", "*"]),
        (Who::User(b"nobody"), "public/", &["pull"]),
    ] {
        let granted = of(who, &RULES);
        for scope in granted.split_terminator(' ') {
            let (name, words) = scope.rsplit_once(':').unwrap();
            let name = name.split_once(':').unwrap().1;
            let may_pull_all = matches!(who, Who::User(_)) && name.starts_with("public/");
            assert!(name.starts_with(prefix) || may_pull_all, "{scope}");
            assert!(NAME.is_match(name), "{scope}");
            assert!(
                words.split(',').all(|word| actions.contains(&word)),
                "{scope}"
            );
            assert!(
                asked.iter().any(|it| it.contains(&format!(":{name}:"))),
                "{scope}"
            );
        }
    }
}

fn decode_form(text: &[u8]) -> Option<String> {
    let spaced: Vec<_> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    decode(&spaced)
}

/// Without percent-encoding; what is not UTF-8 is replaced.
fn decode(text: &[u8]) -> Option<String> {
    let mut pieces = text.split(|byte| *byte == b'%');
    let mut bytes = pieces.next()?.to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let digits = str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

const SERVICE: &str = "registry";
const COMPONENT: &str = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const LABEL: &str = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";

fn name() -> String {
    format!(r"(?:{LABEL}(?:\.{LABEL})*(?::[0-9]+)?/)?{COMPONENT}(?:/{COMPONENT})*")
}

static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^(?:{}|catalog)$", name())).unwrap());

/// The name, and where it is about an upload, which.
static ROUTES: LazyLock<Regex> = LazyLock::new(|| {
    let tag = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}";
    let digest = "[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+";
    let places = format!(
        "tags/list|manifests/(?:{tag}|{digest})|referrers/{digest}|blobs/{digest}\
         |(blobs/uploads/?(?:[a-zA-Z0-9_.=-]+)?)"
    );
    Regex::new(&format!("^/v2/({})/(?:{places})$", name())).unwrap()
});

static RULES: LazyLock<Access> = LazyLock::new(|| {
    let rules = br#"
        [[access]]
        users = ["admin"]
        actions = ["pull", "push", "delete", "catalog"]
        repositories = ["**"]
        [[access]]
        users = ["puller"]
        actions = ["pull"]
        repositories = ["team/**"]
        [[access]]
        users = ["anonymous"]
        actions = ["pull"]
        repositories = ["public/**"]
    "#;
    Settings::parse(rules).unwrap().rules().unwrap().access
});
