//! A thousand random requests for tokens: the registry takes every one of them, and never for
//! more than the rules grant and the client asked for. What the rules say is told here a second
//! time, without htgate's own words for it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Connection, Target, authorization};
use crate::token::jwt::claims;
use crate::token::scene::{
    SERVICE, bearer, certificate, configure, prepare, registry, start, token_in, uri,
};

/// Nobody, and four who have passwords; the last one has no rule of his own. Those with more
/// rights come more often.
const NAMES: [&str; 8] = [
    "", "admin", "admin", "admin", "reader", "pusher", "pusher", "deleter",
];

/// Who may do what, where.
const GRANTED: &[(&[&str], &[&str], &[&str])] = &[
    (&["admin"], &["**"], &["push", "delete", "catalog"]),
    (&["reader", "pusher"], &["shared/*"], &["pull"]),
    (&["reader"], &["team/**"], &["pull"]),
    (&["reader"], &[], &["catalog"]),
    (&["pusher"], &["pusher/**", "team/*/open"], &["push"]),
    (&["pusher"], &["**/cache"], &["pull", "delete"]),
    (&["*"], &["library/*"], &["pull"]),
    (
        &["anonymous"],
        &["public/**", "host.test:5000/public/*"],
        &["pull"],
    ),
    (&["anonymous"], &["drop"], &["push"]),
];

const REPOSITORIES: [&str; 16] = [
    "a",
    "cache",
    "drop",
    "host.test:5000/public/app",
    "library/base",
    "library/deep/base",
    "public",
    "public/app",
    "public/app/web",
    "pusher/app",
    "shared/app",
    "shared/app/cache",
    "tags/list",
    "team/app",
    "team/app/open",
    "team2/app",
];

const ACTIONS: [&str; 10] = [
    "pull", "pull", "pull", "push", "push", "delete", "*", "*", "admin", "",
];

/// What asks for nothing.
const NONSENSE: [&str; 24] = [
    "",
    "x",
    ":::",
    "repository",
    "repository:team/app",
    "repository:team/app:PULL",
    "repository:team/app:pull;push",
    "repository:team/app:pull,Push",
    "repository:Team/app/:pull",
    "repository:team//app:*",
    "repository:team/../app:*",
    "repository:/team/app:*",
    "repository:team/app/:*",
    "repository:team%2Fapp:*",
    "repository:team/app\u{0}:*",
    "repository:te\u{e4}m:*",
    "repository:**:*",
    "repository:*:pull",
    "repository(class):team/app:*",
    "Repository:team/app:*",
    "plugin:team/app:*",
    "registry:catalog:pull",
    "registry:catalog",
    "registry:*:*",
];

/// One scope that a client asks for.
#[derive(Clone, Debug)]
enum Scope {
    Repository(&'static str, Vec<&'static str>, bool),
    Catalog,
    Nonsense(&'static str),
}

impl Scope {
    fn text(&self) -> String {
        match self {
            Self::Repository(name, actions, is_plugin) => {
                let kind = if *is_plugin {
                    "repository(plugin)"
                } else {
                    "repository"
                };
                format!("{kind}:{name}:{}", actions.join(","))
            }
            Self::Catalog => "registry:catalog:*".to_owned(),
            Self::Nonsense(text) => (*text).to_owned(),
        }
    }

    fn any() -> impl Strategy<Value = Self> {
        let actions = proptest::collection::vec(proptest::sample::select(&ACTIONS), 1..4);
        let name = proptest::sample::select(&REPOSITORIES);
        let repository = (name, actions, prop::bool::weighted(0.1))
            .prop_map(|(name, actions, is_plugin)| Self::Repository(name, actions, is_plugin));
        prop_oneof![
            6 => repository,
            1 => Just(Self::Catalog),
            2 => proptest::sample::select(&NONSENSE).prop_map(Self::Nonsense),
        ]
    }
}

/// A component of a pattern is itself, or `*`; `**` is any number of them, at the end at least one.
fn fits(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (["**"], name) => !name.is_empty(),
        (["**", rest @ ..], name) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        (["*", pattern @ ..], [_, name @ ..]) => fits(pattern, name),
        ([one, pattern @ ..], [other, name @ ..]) => one == other && fits(pattern, name),
        _ => false,
    }
}

/// Whether the rules let this user do it.
fn may(user: &str, action: &str, repository: &str) -> bool {
    GRANTED.iter().any(|(users, patterns, actions)| {
        let is_meant = users.contains(&user)
            || users.contains(&"anonymous")
            || (users.contains(&"*") && !user.is_empty());
        let is_action =
            actions.contains(&action) || (action == "pull" && actions.contains(&"push"));
        let components: Vec<_> = repository.split('/').collect();
        let is_there = action == "catalog"
            || patterns
                .iter()
                .any(|pattern| fits(&pattern.split('/').collect::<Vec<_>>(), &components));
        is_meant && is_action && is_there
    })
}

fn rules() -> String {
    let mut text = String::new();
    for (users, patterns, actions) in GRANTED {
        write!(
            text,
            "[[access]]\nusers = {users:?}\nactions = {actions:?}\n"
        )
        .unwrap();
        if !patterns.is_empty() {
            writeln!(text, "repositories = {patterns:?}").unwrap();
        }
    }
    text
}

/// One request for a token, and what is done with it.
#[derive(Clone, Debug)]
struct Case {
    user: &'static str,
    /// For each `scope` parameter its scopes, between blanks.
    scopes: Vec<Vec<Scope>>,
    probes: Vec<(&'static str, &'static str, &'static str)>,
}

fn case() -> impl Strategy<Value = Case> {
    let scopes = proptest::collection::vec(proptest::collection::vec(Scope::any(), 0..4), 0..4);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "mount", "catalog",
    ];
    let repository = || proptest::sample::select(&REPOSITORIES);
    let probe = (
        proptest::sample::select(methods.to_vec()),
        repository(),
        repository(),
    );
    let probes = proptest::collection::vec(probe, 4);
    (proptest::sample::select(&NAMES), scopes, probes).prop_map(|(user, scopes, probes)| Case {
        user,
        scopes,
        probes,
    })
}

impl Case {
    fn asked(&self, action: &str, repository: &str) -> bool {
        self.scopes.iter().flatten().any(|scope| match scope {
            Scope::Repository(name, actions, _) => {
                *name == repository && (actions.contains(&action) || actions.contains(&"*"))
            }
            Scope::Catalog => action == "catalog",
            Scope::Nonsense(_) => false,
        })
    }

    /// Whether the token shall let its holder do it.
    fn has(&self, action: &str, repository: &str) -> bool {
        self.asked(action, repository) && may(self.user, action, repository)
    }

    /// What the `access` claim shall say.
    fn expected(&self) -> BTreeMap<(String, String), Vec<&'static str>> {
        let mut expected = BTreeMap::new();
        for name in REPOSITORIES {
            let has = |action: &&'static str| self.has(action, name);
            let actions: Vec<_> = ["delete", "pull", "push"].into_iter().filter(has).collect();
            if !actions.is_empty() {
                expected.insert(("repository".to_owned(), name.to_owned()), actions);
            }
        }
        if self.has("catalog", "") {
            expected.insert(("registry".to_owned(), "catalog".to_owned()), vec!["*"]);
        }
        expected
    }

    /// What a probe asks of the registry, and whether the token is enough for it.
    fn probe(&self, (method, name, from): (&str, &str, &str)) -> (String, bool) {
        let pushes = self.has("pull", name) && self.has("push", name);
        let manifest = format!("/v2/{name}/manifests/{DIGEST}");
        match method {
            "GET" | "HEAD" => (format!("{method} {manifest}"), self.has("pull", name)),
            // All of these fail for other reasons: nothing is written.
            "PUT" => (format!("PUT {manifest}"), pushes),
            "POST" => (
                format!("POST /v2/{name}/blobs/uploads/?digest=none"),
                pushes,
            ),
            "PATCH" => (format!("PATCH /v2/{name}/blobs/uploads/{UPLOAD}"), pushes),
            "DELETE" => (format!("DELETE {manifest}"), self.has("delete", name)),
            "mount" => (
                format!("POST /v2/{name}/blobs/uploads/?mount={DIGEST}&from={from}"),
                pushes && self.has("pull", from),
            ),
            _ => ("GET /v2/_catalog".to_owned(), self.has("catalog", "")),
        }
    }
}

#[test]
fn a_thousand_tokens_are_taken_and_never_for_more_than_was_granted() {
    let folder = prepare();
    configure(folder.path(), "", &rules());
    let gate = start(folder);
    let registry = registry(&certificate(&gate));
    let to_gate = RefCell::new(Connection::open(&Target::Tcp(gate.tcp)).unwrap());
    let to_registry = RefCell::new(Connection::open(&registry.target()).unwrap());
    let (tokens, granted, refused) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |count: &Cell<u32>| count.set(count.get() + 1);

    let config = Config {
        cases: 1000,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&case(), |case| {
        let scopes: Vec<_> = case
            .scopes
            .iter()
            .map(|scopes| scopes.iter().map(Scope::text).collect::<Vec<_>>().join(" "))
            .collect();
        let scopes: Vec<_> = scopes.iter().map(String::as_str).collect();
        let credentials = authorization(case.user, "secret");
        let credentials = credentials.as_str();
        let headers: &[&str] = if case.user.is_empty() {
            &[]
        } else {
            &[credentials]
        };
        let query = format!("GET {}", uri("/token", SERVICE, &scopes));
        let answer = to_gate.borrow_mut().ask(&query, headers).unwrap();
        prop_assert_eq!(answer.status, 200, "{:?}", answer);
        let token = token_in(&answer);
        add(&tokens);

        let mut seen = BTreeMap::new();
        let claims = claims(&token);
        for grant in claims["access"].as_array().unwrap() {
            let text = |name: &str| grant[name].as_str().unwrap().to_owned();
            let actions = grant["actions"].as_array().unwrap();
            let mut actions: Vec<_> = actions.iter().map(|a| a.as_str().unwrap()).collect();
            actions.sort_unstable();
            let twice = seen.insert((text("type"), text("name")), actions);
            prop_assert!(twice.is_none(), "{}", claims);
        }
        prop_assert_eq!(&seen, &case.expected());

        let header = bearer(&token);
        let ask = |line: &str| {
            let headers: &[&str] = if line.starts_with('P') {
                &[&header, "Content-Length: 0"]
            } else {
                &[&header]
            };
            to_registry.borrow_mut().ask(line, headers).unwrap()
        };
        let base = ask("GET /v2/");
        prop_assert_eq!(base.status, 200, "{:?}", base);
        // What the client has asked for is tried beside what is random.
        let asked = case
            .scopes
            .iter()
            .flatten()
            .filter_map(|scope| match scope {
                Scope::Repository(name, ..) => Some(*name),
                Scope::Catalog | Scope::Nonsense(_) => None,
            });
        let asked = asked.take(3).flat_map(|name| {
            ["GET", "PUT", "DELETE", "mount"].map(|method| (method, name, case.probes[0].2))
        });
        for probe in case.probes.iter().copied().chain(asked) {
            let (line, is_enough) = case.probe(probe);
            let answer = ask(&line);
            prop_assert_eq!(answer.status != 401, is_enough, "{}: {:?}", line, answer);
            add(if is_enough { &granted } else { &refused });
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (tokens, granted, refused) = (tokens.get(), granted.get(), refused.get());
    println!("{tokens} tokens, {granted} requests granted, {refused} refused");
    assert_eq!(tokens, 1000);
    // Both happen often, or the probes would show nothing.
    assert!(granted > 500 && refused > 500, "{granted} {refused}");
}

/// Of nothing that is there.
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const UPLOAD: &str = "00000000-0000-4000-8000-000000000000";
