//! `htgate explain`: what it says of a request, and its exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{attempt, line, said};

const RULES: &str = "[[access]]
users = ['alice']
repositories = ['team/**']
actions = ['pull']

[[access]]
users = ['anonymous']
repositories = ['public/**']
actions = ['pull']

[[access]]
users = ['carol']
repositories = ['//registry.example/carol/*']
actions = ['push']
";

fn explain(config: &Path, arguments: &[&str]) -> Output {
    attempt(
        Command::new(env!("CARGO_BIN_EXE_htgate"))
            .args(["explain", "--config"])
            .arg(config)
            .args(arguments),
    )
}

#[test]
fn explain_says_who_may_what_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let users = folder.path().join("htpasswd");
    fs::write(&users, line("bob", "secret", 4)).unwrap();
    let users = users.to_str().unwrap();
    let manifest = "/v2/team/app/manifests/1";
    let rows: &[(&[&str], i32, &[&str])] = &[
        (
            &["--user", "alice", "--method", "GET", "--uri", manifest],
            0,
            &[
                "allowed: by rule 1, in line 1",
                "user: alice",
                "seen as: pull team/app",
            ],
        ),
        (
            &["--user", "alice", "--method", "PUT", "--uri", manifest],
            1,
            &[
                "denied: no rule allows push team/app",
                "request: PUT /v2/team/app/manifests/1",
            ],
        ),
        (
            &[
                "--user",
                "alice",
                "--method",
                "POST",
                "--uri",
                "/v2/team/app/blobs/uploads/?from=x",
            ],
            1,
            &[
                "denied: no rule allows pull x",
                "seen as: push team/app, pull x",
            ],
        ),
        (
            &[
                "--user",
                "alice",
                "--method",
                "GET",
                "--uri",
                "/v2/team/../x/tags/list",
            ],
            1,
            &[
                "denied: no rule can allow what is not clear",
                "seen as: the path can be read in two",
            ],
        ),
        (
            &[
                "--user",
                "eve",
                "--method",
                "GET",
                "--uri",
                "/v2/",
                "--htpasswd",
                users,
            ],
            1,
            &["denied: the user is unknown", "user: eve (not in "],
        ),
        (
            &[
                "--user",
                "bob",
                "--method",
                "GET",
                "--uri",
                "/v2/",
                "--htpasswd",
                users,
            ],
            0,
            &["allowed: every user may", "seen as: the registry's base"],
        ),
        (
            &["--method", "GET", "--uri", "/v2/public/x/tags/list"],
            0,
            &[
                "allowed: by rule 2, in line 6",
                "user: none (anonymous)",
                "seen as: pull public/x",
            ],
        ),
        (
            &["--method", "GET", "--uri", "/v2/"],
            1,
            &["denied: credentials are needed"],
        ),
        (
            &[
                "--user",
                "carol",
                "--method",
                "POST",
                "--uri",
                "/v2/carol/app/blobs/uploads/",
                "--server",
                "registry.example",
            ],
            0,
            &[
                "allowed: by rule 3, in line 11",
                "server: registry.example\n",
                "seen as: push carol/app",
            ],
        ),
        (
            &[
                "--user",
                "carol",
                "--method",
                "POST",
                "--uri",
                "/v2/carol/app/blobs/uploads/",
            ],
            1,
            &["denied: no rule allows push carol/app"],
        ),
        (
            &[
                "--user",
                "carol",
                "--method",
                "POST",
                "--uri",
                "/v2/carol/app/blobs/uploads/",
                "--server",
                "registry.example",
                "--content-type",
                "multipart/form-data",
            ],
            1,
            &["seen as: an upload must not be a form"],
        ),
        (&["--method", "GET"], 2, &["--uri"]),
        (
            &[
                "--user",
                "alice",
                "--method",
                "GET",
                "--uri",
                "/",
                "--htpasswd",
                "/none",
            ],
            1,
            &["/none: the file does not exist; create it"],
        ),
    ];
    for (arguments, code, expected) in rows {
        let output = explain(&config, arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        for part in *expected {
            assert!(
                text.contains(part),
                "{arguments:?}: {part} is not in {text}"
            );
        }
    }
    fs::write(&config, "# no rules\n").unwrap();
    let output = explain(
        &config,
        &["--user", "x", "--method", "PUT", "--uri", manifest],
    );
    assert!(output.status.success() && said(&output).contains("no access rules"));
    fs::write(&config, RULES.replace("alice", "@g")).unwrap();
    let output = explain(
        &config,
        &["--user", "x", "--method", "PUT", "--uri", manifest],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("unknown group '@g'"),
        "{}",
        said(&output)
    );
    let nowhere = Command::new(env!("CARGO_BIN_EXE_htgate"))
        .args(["explain", "--method", "GET", "--uri", "/"])
        .env_remove("HTGATE_CONFIG")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn explain_says_what_a_token_would_grant() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let users = folder.path().join("htpasswd");
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    let users = users.to_str().unwrap();
    let too_many = ["repository:a:pull"; 33].join(" ");
    // Who asks, for which scopes: the exit code, and parts of the answer.
    let rows: &[(&str, &str, i32, &[&str])] = &[
        (
            "alice",
            "repository:team/app:pull",
            0,
            &[
                "granted: repository:team/app:pull\n",
                "user: alice\n",
                "scope: repository:team/app:pull\n",
                "seen as: repository:team/app:pull\n",
            ],
        ),
        (
            "alice",
            "repository:team/app:pull,push",
            1,
            &[
                "granted in part: repository:team/app:pull\n",
                "seen as: repository:team/app:pull,push\n",
            ],
        ),
        (
            "alice",
            "repository:team/app:* repository:public/x:pull",
            1,
            &[
                "granted in part: repository:public/x:pull repository:team/app:pull\n",
                "seen as: repository:public/x:pull repository:team/app:pull,push,delete\n",
            ],
        ),
        (
            "alice",
            "repository:other:pull registry:catalog:*",
            1,
            &["denied: no rule allows any of it\n"],
        ),
        (
            "",
            "repository:public/x:pull",
            0,
            &[
                "granted: repository:public/x:pull\n",
                "user: none (anonymous)\n",
            ],
        ),
        (
            "",
            "repository:team/app:pull",
            1,
            &["denied: credentials are needed for this\n"],
        ),
        (
            "alice",
            "repository:team/App:pull",
            1,
            &[
                "denied: this asks for nothing\n",
                "scope: repository:team/App:pull\n",
                "seen as: nothing that a registry knows\n",
            ],
        ),
        (
            "eve",
            "repository:public/x:pull",
            1,
            &["denied: the user is unknown\n", "user: eve (not in "],
        ),
        ("alice", &too_many, 1, &["ask for at most 32 scopes"]),
    ];
    for (user, scopes, code, expected) in rows {
        let mut arguments = vec!["--htpasswd", users];
        if !user.is_empty() {
            arguments.extend(["--user", user]);
        }
        let together = [&arguments[..], &["--scope", scopes]].concat();
        let apart = scopes.split(' ').flat_map(|scope| ["--scope", scope]);
        let apart = arguments.into_iter().chain(apart).collect();
        for arguments in [together, apart] {
            let output = explain(&config, &arguments);
            let text = said(&output);
            assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
            for part in *expected {
                assert!(
                    text.contains(part),
                    "{arguments:?}: {part} is not in {text}"
                );
            }
        }
    }
    // Tokens are granted for the server that asks for them.
    let scope = "repository:carol/app:push";
    for (server, code, expected) in [
        (
            "registry.example",
            0,
            "granted: repository:carol/app:push\n",
        ),
        ("docs.example", 1, "denied: no rule allows any of it\n"),
    ] {
        let arguments = ["--user", "carol", "--scope", scope, "--server", server];
        let output = explain(&config, &arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{server}: {text}");
        let server = format!("server: {server}\n");
        assert!(text.contains(expected) && text.contains(&server), "{text}");
    }
    // It is one or the other.
    for other in ["--method", "--uri", "--content-type"] {
        let output = explain(&config, &["--scope", "repository:a:pull", other, "x"]);
        assert_eq!(output.status.code(), Some(2), "{other}: {}", said(&output));
    }
}
