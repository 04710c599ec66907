//! `htgate check`: planted faults with their lines, our own files without any, and what else is
//! printed from the command line's definition.

mod blocks;
mod meant;
mod nginx;
mod tokens;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{attempt, folder, line, run, said};
use serde_json::Value;

fn check(arguments: &[&str]) -> Output {
    attempt(
        Command::new(env!("CARGO_BIN_EXE_htgate"))
            .arg("check")
            .args(arguments),
    )
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn users_by_format_and_every_fault_with_its_line() {
    let folder = folder();
    let path = folder.path().join("htpasswd");
    let file = path.display().to_string();
    let good = format!(
        "{}{}",
        line("alice", "secret", 10),
        line("bob", "secret", 10)
    );
    write(&path, &good, 0o640);
    let output = check(&["--htpasswd", &file, "--hash-threads", "3"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        ": users: 2",
        "2  bcrypt cost 10",
        "ms a hash here",
        "logins a second",
        "Errors: 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let weak = line("carol", "secret", 5);
    let hash = weak.trim_end().trim_start_matches("carol:");
    let bad =
        format!("nocolon\n:{hash}\nalice:{hash}\ndave:rqXexS6ZhobKA\n{weak}x:{hash}y:{hash}\n");
    write(&path, &format!("{good}{bad}"), 0o644);
    let output = check(&["--htpasswd", &file, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut seen: Vec<(String, Option<u64>, String)> = Vec::new();
    for finding in json["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        if text("rule") == "slow-format" {
            // Any format may be, on a machine that does much else.
            continue;
        }
        assert_eq!(text("file"), file);
        assert!(
            !text("what").is_empty() && !text("remedy").is_empty(),
            "{finding}"
        );
        seen.push((text("rule"), finding["line"].as_u64(), text("severity")));
    }
    let expected = [
        ("readable", None, "error"),
        ("faulty-line", Some(3), "error"),
        ("faulty-line", Some(4), "error"),
        ("duplicate", Some(5), "error"),
        ("faulty-line", Some(6), "error"),
        ("faulty-line", Some(8), "error"),
        ("weak-format", None, "note"),
    ];
    let expected =
        expected.map(|(rule, line, severity)| (rule.to_owned(), line, severity.to_owned()));
    assert_eq!(seen, expected);
    let formats = json["users"]["formats"].as_array().unwrap();
    assert_eq!(formats.len(), 2, "{json}");
    assert_eq!(formats[0]["weak"], true);
    assert!(formats[1]["milliseconds"].as_f64().unwrap() > 1.0);
    let both = said(&output) + &said(&check(&["--htpasswd", &file]));
    assert!(!both.contains("$2y$") && !both.contains("rqXex"), "{both}");

    write(&path, &line("slow", "secret", 14), 0o640);
    let slow = said(&check(&["--htpasswd", &file]));
    assert!(
        slow.contains("1 with bcrypt cost 14, of which one hash takes"),
        "{slow}"
    );
    write(&path, &format!("{good}{bad}"), 0o644);

    let ignored = ["readable", "faulty-line", "duplicate"]
        .map(|rule| ["--ignore", rule])
        .concat();
    let arguments = [&["--htpasswd", &file], &ignored[..]].concat();
    let output = check(&arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "notes alone are no failure: {}",
        said(&output)
    );
}

#[test]
fn settings_and_permissions() {
    let folder = folder();
    let (users, config) = (
        folder.path().join("htpasswd"),
        folder.path().join("htgate.toml"),
    );
    let (users_name, config_name) = (users.display().to_string(), config.display().to_string());
    write(&users, &line("alice", "secret", 10), 0o640);
    write(
        &config,
        &format!("htpasswd = '{users_name}'\nmax_bcrypt_cost = 9\n"),
        0o646,
    );
    let output = check(&["--config", &config_name]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("{users_name}:1: the bcrypt cost 10 is over")),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "{config_name}: everybody on this machine can change"
        )),
        "{text}"
    );

    write(&config, "\nwrokers = 3\n", 0o644);
    let output = check(&["--config", &config_name, "--htpasswd", &users_name]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("{config_name}:2: unknown key 'wrokers'")),
        "{text}"
    );
    assert!(
        text.contains("1  bcrypt cost 10"),
        "the users are looked at all the same: {text}"
    );

    let rules = "[groups]\nnone = []\n\n[[access]]\nusers = ['@none']\n\
                 repositories = ['**']\nactions = ['pull']\n";
    write(&config, rules, 0o644);
    let output = check(&["--config", &config_name, "--htpasswd", &users_name]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!(
            "{config_name}:4: [[access]] rule 1: it applies to nobody"
        )),
        "{text}"
    );

    for (arguments, code, expected) in [
        (
            &[][..],
            2,
            "nothing to check; use --htpasswd FILE, --config FILE or --nginx",
        ),
        (
            &["--htpasswd", "/none"],
            1,
            "/none: the file does not exist",
        ),
        (&["--nginx", "/none"], 1, "/none: No such file"),
        (&["--nginx", "/dev/null"], 1, "there is nothing in it"),
        (&["--nginx"], 1, "standard input: there is nothing in it"),
        (
            &["--htpasswd", &users_name, "--ignore", "x"],
            2,
            "use one of settings, ",
        ),
    ] {
        let output = check(arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

#[test]
fn names_that_are_nobodys() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (users, config) = (path("htpasswd"), path("htgate.toml"));
    let lines = ["alice", "anonymous", "@team"].map(|name| line(name, "secret", 10));
    write(users.as_ref(), &lines.concat(), 0o640);
    let rules = "[groups]\nteam = ['alice', 'bob']\nunused = ['carol']\n\n\
                 [[access]]\nusers = ['@team', 'dave']\nrepositories = ['a']\n\
                 actions = ['pull']\n\n\
                 [[access]]\nusers = ['anonymous', 'alice', 'bob']\nrepositories = ['b']\n\
                 actions = ['pull']\n";
    write(config.as_ref(), rules, 0o644);
    let output = check(&["--config", &config, "--htpasswd", &users]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "these are notes: {text}");
    let remedy = "is not in the users file; correct the name, or add the user [unknown-user]";
    let own = "for others than this user; rename the user; no rule can mean it [user-name]";
    for expected in [
        format!("{config}:2: [groups] team: \"bob\" {remedy}\n"),
        format!("{config}:3: [groups] unused: \"carol\" {remedy}\n"),
        format!("{config}:5: [[access]] rule 1: \"dave\" {remedy}\n"),
        format!("{users}:2: rules use the name 'anonymous' {own}\n"),
        format!("{users}:3: rules use the name '@team' {own}\n"),
        "Errors: 0. Notes: 5.".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
    let ignored = format!("unknown-user@{config}:5");
    let output = check(&[
        "--config",
        &config,
        "--htpasswd",
        &users,
        "--ignore",
        &ignored,
    ]);
    assert!(!said(&output).contains("dave"), "{}", said(&output));

    // Without users, what is there is checked.
    let output = check(&["--config", &config]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    write(config.as_ref(), &rules.replace("'a'", "'A'"), 0o644);
    let output = check(&["--config", &config]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("{config}:5: [[access]] rule 1: pattern")),
        "{text}"
    );
}

#[test]
fn completions_and_the_manual() {
    let htgate = |arguments: &[&str]| {
        let output = run(Command::new(env!("CARGO_BIN_EXE_htgate")).args(arguments));
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = htgate(&["completions", shell]);
        assert!(
            script.contains("password-stdin") && script.contains("hash-threads"),
            "{shell}"
        );
    }
    let folder = folder();
    let script = folder.path().join("htgate.bash");
    fs::write(&script, htgate(&["completions", "bash"])).unwrap();
    let ask = format!(
        ". {}; COMP_WORDS=(htgate user re); COMP_CWORD=2; _htgate htgate re user; \
         echo \"${{COMPREPLY[*]}}\"",
        script.display()
    );
    let output = run(Command::new("bash").args(["-c", &ask]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "remove\n");

    let page = htgate(&["man"]);
    assert!(page.contains(".TH htgate 8"), "{page}");
    for part in [
        "HTGATE SERVE",
        "HTGATE CHECK",
        "HTGATE USER ADD",
        "HTGATE COMPLETIONS",
        "EXIT STATUS",
        "nginx \\-T | htgate check \\-\\-nginx",
        "\\-\\-cost",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for command in [
        &["serve"][..],
        &["check"],
        &["health"],
        &["user", "add"],
        &["user", "verify"],
    ] {
        let help = htgate(&[command, &["--help"]].concat());
        assert!(help.contains("Example"), "{command:?}: {help}");
    }
}
