//! Decisions by whole sets of rules.

use super::*;
use crate::request::{BodyType, Field};

/// Rules as people write them: users, repositories, actions.
pub(super) fn rule(users: &[&str], repositories: &[&str], actions: &[Action]) -> Rule {
    Rule {
        users: owned(users),
        repositories: owned(repositories),
        actions: actions.to_vec(),
        ..Rule::default()
    }
}

pub(super) fn site(users: &[&str], paths: &[&str], methods: &[&str]) -> Rule {
    Rule {
        users: owned(users),
        paths: owned(paths),
        methods: owned(methods),
        ..Rule::default()
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn groups() -> Groups {
    Groups::from([
        ("developers".to_owned(), group(1, &["alice", "bob"])),
        ("empty".to_owned(), group(2, &[])),
    ])
}

fn group(line: u64, members: &[&str]) -> Group {
    let members = owned(members);
    Group { line, members }
}

/// Each rule stands in the line of ten times its number.
pub(super) fn compile(rules: Vec<Rule>) -> Result<Access, crate::Fault> {
    Access::compile(groups(), (1..).map(|number| number * 10).zip(rules))
}

fn decide(access: &Access, user: &str, method: &str, uri: &str) -> Decision {
    decide_at(access, user, Field::Absent, method, uri)
}

fn decide_at(access: &Access, user: &str, server: Field<'_>, method: &str, uri: &str) -> Decision {
    let request = Request {
        method: Field::One(method.as_bytes()),
        uri: Field::One(uri.as_bytes()),
        content_type: BodyType::None,
        server,
        ..Request::default()
    };
    let who = match user {
        "" => Who::Anonymous,
        name => Who::User(name.as_bytes()),
    };
    access.decide(who, &request)
}

/// The number of the rule that allows it; 0 for the base, which needs none.
fn allowed_by(access: &Access, user: &str, method: &str, uri: &str) -> Option<usize> {
    match decide(access, user, method, uri) {
        Decision::Allow(Grounds::Rule(rule)) => Some(rule),
        Decision::Allow(Grounds::Base) => Some(0),
        Decision::Allow(Grounds::NoRules | Grounds::Unmounted(_)) => {
            panic!("there are rules, and nothing drops mounts")
        }
        Decision::Deny(_) => None,
    }
}

#[test]
fn without_rules_every_user_may_do_everything() {
    let access = Access::default();
    assert!(!access.has_rules());
    for uri in ["/v2/_catalog", "/v2/a/../b", "http://h/x", "*"] {
        let decision = decide(&access, "alice", "DELETE", uri);
        assert_eq!(decision, Decision::Allow(Grounds::NoRules), "{uri}");
        assert!(!decide(&access, "", "GET", uri).is_allow(), "{uri}");
    }
    // Nothing to read is no obstacle; something that cannot be read is.
    let user = Who::User(b"alice");
    assert!(access.decide(user, &Request::default()).is_allow());
    let doubled = Request {
        method: Field::Repeated,
        ..Request::default()
    };
    assert!(!access.decide(user, &doubled).is_allow());
}

#[test]
fn the_first_rule_that_allows_is_told() {
    use Action::{Catalog, Delete, Pull, Push};
    let access = compile(vec![
        rule(&["@developers"], &["team/**"], &[Pull, Push]),
        rule(&["bob", "carol"], &["team/app", "carol/*"], &[Push]),
        rule(&["*"], &["library/*"], &[Pull]),
        rule(&["anonymous"], &["public/**"], &[Pull]),
        rule(&["root"], &["**"], &[Pull, Push, Delete, Catalog]),
        rule(&["auditor"], &[], &[Catalog]),
    ])
    .unwrap();
    let rows: &[(&str, &str, &str, Option<usize>)] = &[
        ("alice", "GET", "/v2/team/app/manifests/1", Some(1)),
        ("alice", "PUT", "/v2/team/app/manifests/1", Some(1)),
        ("alice", "DELETE", "/v2/team/app/manifests/1", None),
        ("alice", "GET", "/v2/team/manifests/1", None),
        ("alice", "GET", "/v2/team2/app/manifests/1", None),
        ("bob", "PUT", "/v2/team/app/manifests/1", Some(1)),
        ("carol", "PUT", "/v2/team/app/manifests/1", Some(2)),
        ("carol", "GET", "/v2/team/app/manifests/1", Some(2)),
        ("carol", "PUT", "/v2/team/other/manifests/1", None),
        ("carol", "PUT", "/v2/carol/a/manifests/1", Some(2)),
        ("carol", "PUT", "/v2/carol/a/b/manifests/1", None),
        ("carol", "GET", "/v2/library/x/tags/list", Some(3)),
        ("eve", "GET", "/v2/library/x/tags/list", Some(3)),
        ("eve", "PUT", "/v2/library/x/manifests/1", None),
        ("eve", "GET", "/v2/public/x/tags/list", Some(4)),
        ("alice", "HEAD", "/v2/public/x/tags/list", Some(4)),
        ("", "GET", "/v2/public/x/tags/list", Some(4)),
        ("", "PUT", "/v2/public/x/manifests/1", None),
        ("", "GET", "/v2/library/x/tags/list", None),
        ("root", "DELETE", "/v2/team/app/manifests/1", Some(5)),
        ("root", "GET", "/v2/_catalog", Some(5)),
        ("auditor", "GET", "/v2/_catalog", Some(6)),
        ("auditor", "GET", "/v2/team/app/tags/list", None),
        ("alice", "GET", "/v2/_catalog", None),
        ("", "GET", "/v2/_catalog", None),
        ("eve", "GET", "/v2/", Some(0)),
        ("eve", "POST", "/v2/", None),
        ("", "GET", "/v2/", None),
        ("eve", "GET", "/", None),
        ("\u{fc}", "GET", "/v2/library/x/tags/list", Some(3)),
    ];
    for (user, method, uri, expected) in rows {
        let seen = allowed_by(&access, user, method, uri);
        assert_eq!(seen, *expected, "{user} {method} {uri}");
    }
    assert_eq!(access.line(2), Some(20));
    assert_eq!((access.line(0), access.line(7)), (None, None));
    let nameless = Who::User(b"\xfc");
    let request = Request {
        method: Field::One(b"GET"),
        uri: Field::One(b"/v2/library/x/tags/list"),
        ..Request::default()
    };
    assert!(access.decide(nameless, &request).is_allow());
}

#[test]
fn a_mount_needs_to_pull_from_every_repository() {
    use Action::{Pull, Push};
    let access = compile(vec![
        rule(&["alice"], &["team/app"], &[Push]),
        rule(&["alice"], &["library/*"], &[Pull]),
    ])
    .unwrap();
    let rows = [
        ("mount=sha256:a&from=library/x", true),
        ("mount=sha256:a&from=library%2Fx", true),
        ("mount=sha256:a&from=secret/x", false),
        ("mount=sha256:a&from=library/x&from=secret/x", false),
        ("mount=sha256:a&from=secret/x&from=library/x", false),
        ("%66rom=secret/x", false),
    ];
    for (query, expected) in rows {
        let uri = format!("/v2/team/app/blobs/uploads/?{query}");
        let decision = decide(&access, "alice", "POST", &uri);
        assert_eq!(decision.is_allow(), expected, "{query}");
        if query.contains("secret") {
            let why = Decision::Deny(Obstacle::NoRule("pull secret/x".to_owned()));
            assert_eq!(decision, why);
        }
    }
}

#[test]
fn other_sites_by_path_and_method() {
    let access = compile(vec![
        site(&["*"], &["/docs/**", "/"], &["GET", "HEAD"]),
        site(&["alice"], &["/api/*/items"], &["*"]),
        site(&["bob"], &["/**"], &["PROPFIND"]),
        site(&["anonymous"], &["/public/**"], &["GET"]),
    ])
    .unwrap();
    let rows: &[(&str, &str, &str, Option<usize>)] = &[
        ("eve", "GET", "/docs/", Some(1)),
        ("eve", "GET", "/docs/a/b.html?x=;%zz", Some(1)),
        ("eve", "GET", "/%64ocs/a", Some(1)),
        ("eve", "GET", "/docs", None),
        ("eve", "GET", "/docs2/a", None),
        ("eve", "GET", "/docs/../admin", None),
        ("eve", "GET", "/docs/%2e%2e/admin", None),
        ("eve", "GET", "/docs/..;/admin", None),
        ("eve", "GET", "//docs/a", None),
        ("eve", "POST", "/docs/a", None),
        ("eve", "GET", "/", Some(1)),
        ("alice", "DELETE", "/api/7/items", Some(2)),
        ("alice", "DELETE", "/api/7/8/items", None),
        ("alice", "DELETE", "/api//items", None),
        ("bob", "PROPFIND", "/anything/at/all/", Some(3)),
        ("bob", "PROPFIND", "/v2/a/tags/list", None),
        ("", "GET", "/public/a", Some(4)),
        ("", "HEAD", "/public/a", Some(4)),
        ("", "PUT", "/public/a", None),
        ("", "GET", "/docs/a", None),
        ("eve", "GET", "/public/a", Some(4)),
    ];
    for (user, method, uri, expected) in rows {
        let seen = allowed_by(&access, user, method, uri);
        assert_eq!(seen, *expected, "{user} {method} {uri}");
    }
}

#[test]
fn a_pattern_may_name_the_server_that_it_holds_on() {
    use Action::{Delete, Pull, Push};
    let access = compile(vec![
        rule(&["*"], &["//registry.example/team/*", "base"], &[Pull]),
        rule(&["alice"], &["//registry.example/**"], &[Push]),
        rule(&["alice"], &["//mirror.example/**"], &[Delete]),
        rule(&["alice"], &["library/*"], &[Pull]),
        site(&["anonymous"], &["//docs.example/**"], &["GET"]),
        site(&["alice"], &["//_/a", "//~^Docs$/b", "/c"], &["*"]),
    ])
    .unwrap();
    let one = |name: &'static str| Field::One(name.as_bytes());
    let (registry, docs) = (one("registry.example"), one("docs.example"));
    let app = "/v2/team/app/manifests/1";
    let base = "/v2/base/manifests/1";
    let mount = "/v2/team/app/blobs/uploads/?mount=sha256:0&from=library/x";
    let rows: &[(&str, Field<'_>, &str, &str, Option<usize>)] = &[
        ("eve", registry, "GET", app, Some(1)),
        ("eve", registry, "GET", base, Some(1)),
        ("eve", registry, "GET", "/v2/", Some(0)),
        ("eve", docs, "GET", app, None),
        ("eve", docs, "GET", base, Some(1)),
        ("eve", one("Registry.example"), "GET", app, None),
        ("eve", one("registry.example."), "GET", app, None),
        ("eve", one("registry.example:443"), "GET", app, None),
        ("eve", one(""), "GET", app, None),
        ("eve", Field::One(b"\xff"), "GET", app, None),
        ("eve", Field::Absent, "GET", app, None),
        ("eve", Field::Absent, "GET", base, Some(1)),
        ("eve", Field::One(b"\xff"), "GET", base, Some(1)),
        ("eve", Field::Repeated, "GET", base, None),
        ("alice", registry, "PUT", app, Some(2)),
        ("alice", registry, "DELETE", app, None),
        ("alice", one("mirror.example"), "DELETE", app, Some(3)),
        ("alice", one("mirror.example"), "PUT", app, None),
        // What is mounted is pulled on the same server.
        ("alice", registry, "POST", mount, Some(2)),
        ("alice", one("mirror.example"), "POST", mount, None),
        ("", docs, "GET", "/a", Some(5)),
        ("", registry, "GET", "/a", None),
        ("", Field::Absent, "GET", "/a", None),
        ("", docs, "GET", "/v2/", None),
        ("alice", one("_"), "PUT", "/a", Some(6)),
        ("alice", one("~^Docs$"), "PUT", "/b", Some(6)),
        ("alice", one("~^docs$"), "PUT", "/b", None),
        ("alice", docs, "PUT", "/c", Some(6)),
        ("alice", docs, "GET", "//docs.example/a", None),
    ];
    for (user, server, method, uri, expected) in rows {
        let seen = match decide_at(&access, user, *server, method, uri) {
            Decision::Allow(Grounds::Rule(rule)) => Some(rule),
            Decision::Allow(Grounds::Base) => Some(0),
            Decision::Allow(Grounds::NoRules | Grounds::Unmounted(_)) => {
                panic!("there are rules, and nothing drops mounts")
            }
            Decision::Deny(_) => None,
        };
        assert_eq!(seen, *expected, "{user} {server:?} {method} {uri}");
    }
    let doubled = decide_at(&access, "alice", Field::Repeated, "GET", "/c");
    assert_eq!(doubled, Decision::Deny(Obstacle::Unclear(Unclear::Headers)));
}

#[test]
fn what_cannot_be_meant_is_an_error_with_a_remedy() {
    use Action::{Catalog, Pull};
    let rows = [
        (
            rule(&["@developer"], &["a"], &[Pull]),
            "unknown group '@developer'; the nearest known one is '@developers'",
        ),
        (
            rule(&[""], &["a"], &[Pull]),
            "\"\" is not a user name; write",
        ),
        (
            rule(&["a:b"], &["a"], &[Pull]),
            "\"a:b\" is not a user name",
        ),
        (
            rule(&["a"], &["Team/App"], &[Pull]),
            "pattern \"Team/App\" can never match; no repository has such a name",
        ),
        (
            rule(&["a"], &["team-*"], &[Pull]),
            "pattern \"team-*\" can never match; a star is a whole component",
        ),
        (
            rule(&["a"], &["a/**"], &[Pull, Catalog]),
            "'catalog' lists every repository",
        ),
        (
            rule(&["a"], &["//s/**"], &[Catalog]),
            "'catalog' lists every repository, on every server; write it in a rule without",
        ),
        (
            rule(&["a"], &["**", "//s/a"], &[Catalog]),
            "'catalog' lists every repository, on every server",
        ),
        (
            site(&["a"], &["//Docs.example/**"], &["GET"]),
            "pattern \"//Docs.example/**\" can never match; after '//' comes the first server_name",
        ),
        (
            rule(&["a"], &["//registry.example"], &[Pull]),
            "pattern \"//registry.example\" can never match; after '//' comes",
        ),
        (
            rule(&["a"], &["a"], &[]),
            "'repositories' without 'actions'; add what is allowed, as in actions = [\"pull\"]",
        ),
        (
            rule(&["a"], &[], &[Catalog, Pull]),
            "'actions' without 'repositories'; add which ones",
        ),
        (
            site(&["a"], &["/"], &[]),
            "'paths' without 'methods'; add which ones (methods = [\"*\"] is any method)",
        ),
        (
            site(&["a"], &[], &["GET"]),
            "'methods' without 'paths'; add which ones",
        ),
        (
            Rule {
                paths: owned(&["/"]),
                ..rule(&["a"], &["a"], &[Pull])
            },
            "'paths' without 'methods'",
        ),
        (
            Rule {
                actions: vec![Pull],
                ..site(&["a"], &["/"], &["GET"])
            },
            "'actions' without 'repositories'",
        ),
        (
            rule(&["a"], &[], &[]),
            "it allows nothing; add 'repositories' with 'actions', or 'paths' with 'methods'",
        ),
        (
            site(&["a"], &["/v2/**"], &["*"]),
            "pattern \"/v2/**\" can never match; what is under /v2/ is the registry's",
        ),
        (
            site(&["a"], &["/"], &["get"]),
            "no request has the method \"get\"; write it as in 'GET' (methods = [\"*\"] is any",
        ),
        (
            site(&["a"], &["/"], &["*", "G*"]),
            "no request has the method \"G*\"",
        ),
    ];
    for (wrong, expected) in rows {
        let good = rule(&["*"], &["a"], &[Pull]);
        let error = compile(vec![good, wrong]).unwrap_err().to_string();
        let expected = format!("line 20: [[access]] rule 2: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
    for member in ["@developers", "*", "anonymous", ""] {
        let groups = Groups::from([("g".to_owned(), group(3, &["a", member]))]);
        let error = Access::compile(groups, []).unwrap_err().to_string();
        assert!(error.starts_with("line 3: [groups] g: "), "{error}");
    }
}

#[test]
fn unknown_users_are_named_with_their_first_rule() {
    let access = compile(vec![
        rule(&["*", "anonymous", "carol"], &["a"], &[Action::Pull]),
        rule(&["@developers", "carol"], &["b"], &[Action::Pull]),
    ])
    .unwrap();
    let unknown_users = access.unknown_users(|name| name == b"alice");
    assert_eq!(
        unknown_users.into_iter().collect::<Vec<_>>(),
        [("bob", 2), ("carol", 1)]
    );
}
