//! Access rules as people live with them: mistakes at the start and at a reload, users who come
//! and go, and rules for sites that are no registry.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::support::{
    Gate, Nginx, attempt, authorization, basic, both_ways, check_refusal, eventually, gated, line,
    said,
};
use tempfile::TempDir;

fn folder(rules: &str) -> (TempDir, PathBuf) {
    let folder = crate::support::folder();
    let users = line("alice", "secret", 4) + &line("bob", "secret", 4);
    fs::write(folder.path().join("htpasswd"), users).unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, rules).unwrap();
    (folder, config)
}

fn start(rules: &str, options: &[&str]) -> (Gate, PathBuf) {
    let (folder, config) = folder(rules);
    let mut all = vec!["--config", config.to_str().unwrap()];
    all.extend(options);
    (Gate::start_in(folder, &all), config)
}

/// A rule that lets one user pull from one repository.
fn pull(user: &str, repository: &str) -> String {
    format!("[[access]]\nusers = ['{user}']\nrepositories = ['{repository}']\nactions = ['pull']\n")
}

/// Status, reason and the name of the user that `/auth` gives to these header fields.
fn ask(gate: &Gate, headers: &[&str]) -> (u16, String, Option<String>) {
    let response = gate.ask("GET /auth", headers);
    let text = |name| response.header(name).map(str::to_owned);
    let status = text("x-auth-status");
    assert_eq!(status.is_some(), response.status == 403, "{response:?}");
    assert_eq!(text("www-authenticate").is_some(), response.status == 401);
    (
        response.status,
        text("x-auth-reason").unwrap(),
        text("x-auth-user"),
    )
}

#[test]
fn answers_of_the_service() {
    let rules = pull("alice", "team/*") + &pull("anonymous", "public/**");
    let (gate, _) = start(&rules, &[]);
    let alice = format!("Authorization: {}", basic("alice", "secret"));
    let wrong = format!("Authorization: {}", basic("alice", "wrong"));
    let nobody = "Authorization: Basic Og==";
    let get = "X-Original-Method: GET";
    let team = "X-Original-URI: /v2/team/app/manifests/1";
    let public = "X-Original-URI: /v2/public/app/manifests/1";
    let base = "X-Original-URI: /v2/";
    let rows: &[(&[&str], u16, &str, Option<&str>)] = &[
        (&[&alice, get, team], 204, "ok", Some("alice")),
        (&[&alice, get, base], 204, "ok", Some("alice")),
        (&[&alice, get, public], 204, "ok", Some("alice")),
        (
            &[&alice, "X-Original-Method: PUT", team],
            403,
            "access",
            None,
        ),
        (
            &[&alice, get, "X-Original-URI: /v2/a/manifests/1"],
            403,
            "access",
            None,
        ),
        // With rules the two headers must be there, once, and mean something.
        (&[&alice], 403, "access", None),
        (&[&alice, get], 403, "access", None),
        (&[&alice, team], 403, "access", None),
        (&[&alice, get, get, team], 403, "access", None),
        (&[&alice, get, team, team], 403, "access", None),
        (&[&alice, get, team, base], 403, "access", None),
        (
            &[&alice, "X-Original-Method: G ET", team],
            403,
            "access",
            None,
        ),
        (&[&alice, get, "X-Original-URI: "], 403, "access", None),
        // A wrong password is a wrong password, whatever it is for.
        (&[&wrong, get, team], 401, "bad-credentials", None),
        (&[&wrong, get, public], 401, "bad-credentials", None),
        (&[get, public], 204, "anonymous", Some("")),
        (&[nobody, get, public], 204, "anonymous", Some("")),
        (
            &[nobody, "X-Original-Method: HEAD", public],
            204,
            "anonymous",
            Some(""),
        ),
        (
            &[nobody, "X-Original-Method: PUT", public],
            401,
            "no-credentials",
            None,
        ),
        (&[get, team], 401, "no-credentials", None),
        (&[get, base], 401, "no-credentials", None),
        (&[nobody, get, base], 401, "no-credentials", None),
        (&[], 401, "no-credentials", None),
        (&[get, public, public], 401, "no-credentials", None),
    ];
    for (headers, status, reason, user) in rows {
        let expected = (*status, (*reason).to_owned(), user.map(str::to_owned));
        assert_eq!(ask(&gate, headers), expected, "{headers:?}");
    }
    assert_eq!(
        gate.metric("htgate_decisions_total{reason=\"anonymous\"}"),
        3.0
    );
}

#[test]
fn rules_are_reloaded_and_a_mistake_keeps_the_last_but_no_removed_user() {
    both_ways(|options, patience| {
        let (gate, config) = start(&pull("*", "old/*"), options);
        let may = |user: &str, repository: &str| {
            let credentials = format!("Authorization: {}", basic(user, "secret"));
            let uri = format!("X-Original-URI: /v2/{repository}/x/tags/list");
            ask(&gate, &[&credentials, "X-Original-Method: GET", &uri]).0
        };
        assert_eq!((may("alice", "old"), may("alice", "new")), (204, 403));
        fs::write(&config, pull("*", "new/*")).unwrap();
        eventually("the new rules", patience, || may("alice", "new") == 204);
        assert_eq!(may("alice", "old"), 403);

        fs::write(&config, pull("*", "old/*") + &pull("@developers", "**")).unwrap();
        let readyz = || gate.ask("GET /readyz", &[]).text();
        let mistake = "line 5: [[access]] rule 2: unknown group '@developers'";
        eventually("the mistake is told", patience, || {
            readyz().contains(mistake)
        });
        gate.wait_for_log("the last good rules stay");
        assert_eq!(gate.metric("htgate_last_reload_successful"), 0.0);
        assert_eq!((may("alice", "old"), may("alice", "new")), (403, 204));
        // Users go all the same.
        fs::write(gate.users(), line("bob", "secret", 4)).unwrap();
        eventually("alice is refused", patience, || may("alice", "new") == 401);
        assert_eq!((may("bob", "old"), may("bob", "new")), (403, 204));

        fs::write(&config, pull("*", "old/*")).unwrap();
        eventually("the fixed rules", patience, || may("bob", "old") == 204);
        assert!(readyz().ends_with("failed: none\n"));
        assert_eq!(gate.metric("htgate_last_reload_successful"), 1.0);
    });
}

#[test]
fn rules_that_are_gone_stay_until_a_restart() {
    both_ways(|options, patience| {
        let rules = pull("bob", "old/*") + "[groups]\ng = ['alice']\n";
        let (mut gate, config) = start(&rules, options);
        let may = |gate: &Gate, repository: &str| {
            let credentials = format!("Authorization: {}", basic("bob", "secret"));
            let uri = format!("X-Original-URI: /v2/{repository}/x/tags/list");
            ask(gate, &[&credentials, "X-Original-Method: GET", &uri]).0
        };
        let one = &rules[..rules.find("[groups]").unwrap()];
        // A file that looks as if it were begun is given a second.
        let patience = patience + Duration::from_secs(1);
        let gone = "is gone; put it back, or restart htgate to do without it; the last good rules";
        let rows = [
            ("", "the file is empty; write settings or rules into it"),
            ("# rules\n", &format!("[[access]] {gone}")),
            ("[groups]\ng = ['alice']\n", "[groups] without [[access]]"),
            (one, &format!("[groups] {gone}")),
            (
                &one[..one.find("actions").unwrap()],
                "rule 1: 'repositories' without 'actions'",
            ),
        ];
        for (text, expected) in rows {
            fs::write(&config, text).unwrap();
            eventually(expected, patience, || {
                assert_eq!(
                    (may(&gate, "old"), may(&gate, "new")),
                    (204, 403),
                    "{text:?}"
                );
                gate.ask("GET /readyz", &[]).text().contains(expected)
            });
            gate.wait_for_log(expected);
            assert_eq!(
                gate.metric("htgate_last_reload_successful"),
                0.0,
                "{text:?}"
            );
        }
        fs::write(&config, "# rules\n").unwrap();
        gate.child.kill().unwrap();
        gate.child.wait().unwrap();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(options);
        gate.start_again(&all);
        assert_eq!(may(&gate, "new"), 204);
    });
}

#[test]
fn users_who_are_not_there_are_a_warning() {
    both_ways(|options, patience| {
        let (gate, config) = start(&(pull("alice", "a") + &pull("carol", "a")), options);
        gate.wait_for_log(
            "the access rules name users who are not in the users file: \"carol\" (rule 2)",
        );
        fs::write(gate.users(), line("carol", "secret", 4)).unwrap();
        eventually("alice is missed", patience, || {
            gate.log()
                .contains("not in the users file: \"alice\" (rule 1)")
        });
        fs::write(
            &config,
            "[groups]\ng = ['dave']\n".to_owned() + &pull("@g", "a"),
        )
        .unwrap();
        eventually("dave is missed", patience, || {
            gate.log()
                .contains("not in the users file: \"dave\" (rule 1)")
        });
        let readyz = gate.ask("GET /readyz", &[]).text();
        assert!(readyz.ends_with("failed: none\n"), "{readyz}");
    });
}

#[test]
fn a_mistake_stops_the_start() {
    let rows = [
        (
            "[[access]]\nuser = ['a']\n",
            "line 2: [[access]] rule 1: unknown key 'user'; the nearest known one is 'users'",
        ),
        (
            "[[access]]\nrepositories = ['a']\n",
            "line 1: [[access]] rule 1: 'users' is missing; write it as in users = ",
        ),
        (
            "\n[[access]]\nusers = ['a']\nactions = ['pul']\n",
            "line 4: [[access]] rule 1: unknown action 'pul'; the nearest known one is 'pull'",
        ),
        (
            "[[acess]]\n",
            "line 1: unknown section 'acess'; the nearest known one is '[[access]]'",
        ),
        (
            &("[groups]\ng = ['@h']\n".to_owned() + &pull("@g", "a")),
            "line 2: [groups] g: \"@h\" is not a user name",
        ),
        (
            "[groups]\ng = ['h']\n",
            "line 1: [groups] without [[access]]; ",
        ),
        ("", "the file is empty; write settings or rules into it"),
        (" \n", "the file is empty; write settings or rules into it"),
        (
            "[[access]]\nusers = ['a']\npaths = ['/']\n",
            "line 1: [[access]] rule 1: 'paths' without 'methods'; add which ones (methods = \
             [\"*\"] is any method)",
        ),
        (
            "[user_agent]\ndeny = ['x']\n",
            "line 1: [user_agent] has no 'except'; write both lists, an empty one as except = []",
        ),
        (
            &pull("a", "//Registry.example/a"),
            "line 1: [[access]] rule 1: pattern \"//Registry.example/a\" can never match; after",
        ),
        ("front = 'apache'\n", "line 1: 'front' cannot be 'apache'; "),
        (
            &pull("@g", "a"),
            "line 1: [[access]] rule 1: unknown group '@g'; name its members in [groups]",
        ),
        (
            &pull("a", "A/B"),
            "line 1: [[access]] rule 1: pattern \"A/B\" can never match",
        ),
        (
            &("# x\n".to_owned() + &pull("a", "b") + &pull("a", "a*")),
            "line 6: [[access]] rule 2: pattern \"a*\"",
        ),
    ];
    for (rules, expected) in rows {
        let (folder, config) = folder(rules);
        let output = attempt(
            Command::new(env!("CARGO_BIN_EXE_htgate"))
                .arg("--htpasswd")
                .arg(folder.path().join("htpasswd"))
                .arg("--config")
                .arg(&config)
                .args(["--listen", "127.0.0.1:0"]),
        );
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{rules}: {text}");
        let expected = format!("htgate: {}: {expected}", config.display());
        assert!(text.starts_with(&expected), "{rules}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_site_that_is_no_registry() {
    let rules = "
        [[access]]
        users = ['*']
        paths = ['/file', '/docs/**']
        methods = ['GET']
        [[access]]
        users = ['bob']
        paths = ['/admin/**']
        methods = ['*']
        [[access]]
        users = ['anonymous']
        paths = ['/public/**']
        methods = ['GET']";
    let (gate, _) = start(rules, &[]);
    let lines =
        "location ~ ^/(docs|admin|public|v2)/ { proxy_pass http://unix:{folder}/app.sock; }";
    let application = "server { listen unix:{folder}/app.sock;
        location / { return 200 \"$request_method $uri for '$http_x_user'\\n\"; } }";
    let http = gated(&gate.socket(), lines) + application;
    let nginx = Nginx::start(&http);
    let (alice, bob) = (
        authorization("alice", "secret"),
        authorization("bob", "secret"),
    );
    let rows: &[(&str, &[&str], u16)] = &[
        ("GET /file", &[&alice], 200),
        ("HEAD /file", &[&alice], 200),
        ("PUT /file", &[&alice], 403),
        ("GET /docs/a/b", &[&alice], 200),
        ("GET /%64ocs/a", &[&alice], 200),
        ("GET /docs/%C3%A9", &[&alice], 200),
        ("GET /docs/../admin/x", &[&alice], 403),
        ("GET /docs/%2e%2e/admin/x", &[&bob], 403),
        ("GET /docs//a", &[&alice], 403),
        ("GET /admin/x", &[&alice], 403),
        ("GET /admin/x", &[], 401),
        ("GET /admin/x", &[&bob], 200),
        ("DELETE /admin/x?y=;%zz", &[&bob], 200),
        ("GET /public/x", &[], 200),
        ("GET /public/x", &["Authorization: Basic Og=="], 200),
        ("GET /public/x", &[&authorization("alice", "wrong")], 401),
        ("POST /public/x", &[], 401),
        ("GET /public/x", &[&alice], 200),
        ("GET /v2/x", &[&bob], 403),
    ];
    for (request_line, headers, status) in rows {
        let response = nginx.ask(request_line, headers);
        assert_eq!(response.status, *status, "{request_line}: {response:?}");
        if *status == 403 {
            check_refusal(&response, 403, "DENIED");
        }
    }
}
