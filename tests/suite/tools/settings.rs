//! Settings that are wrong, on the command line, in the environment and in the file: each message
//! names what is wrong, where, and what to do.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::{Gate, attempt, folder, line, said};

fn htgate(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_htgate"));
    command.args(arguments).envs(environment.iter().copied());
    attempt(&mut command)
}

/// Wrong usage, and the one message that it gives.
fn check(arguments: &[&str], environment: &[(&str, &str)], code: i32, expected: &str) {
    let output = htgate(arguments, environment);
    let text = said(&output);
    let what = format!("{environment:?} {arguments:?}: {text}");
    assert_eq!(output.status.code(), Some(code), "{what}");
    assert!(text.contains(expected), "{expected}: {what}");
    for foreign in ["os error", "digit found", "panicked", HASH] {
        assert!(!text.contains(foreign), "{what}");
    }
}

const HASH: &str = "C/3ceNsPAWQRfT6JHTGQ1Ow7KBqGnLfGaDYnBzkUjJGIxmDz9T";

#[test]
fn variables_are_named() {
    let rows = [
        (
            "HTGATE_WORKERS",
            "0",
            "'0' for 'HTGATE_WORKERS': must be a whole number between 1 and",
        ),
        (
            "HTGATE_WORKERS",
            "two",
            "'two' for 'HTGATE_WORKERS': must be a whole number between 1",
        ),
        (
            "HTGATE_HASH_THREADS",
            "-1",
            "'HTGATE_HASH_THREADS': must be a whole number between 1",
        ),
        (
            "HTGATE_QUEUE",
            "1e3",
            "'HTGATE_QUEUE': must be a whole number, at least 1",
        ),
        (
            "HTGATE_QUEUE_SECONDS",
            "1d",
            "'HTGATE_QUEUE_SECONDS': must be a whole number between 1 and",
        ),
        (
            "HTGATE_STRIKES",
            "0",
            "'HTGATE_STRIKES': must be a whole number, at least 1",
        ),
        (
            "HTGATE_STRIKE_SECONDS",
            "0",
            "'HTGATE_STRIKE_SECONDS': must be a whole number between 1",
        ),
        (
            "HTGATE_MAX_BCRYPT_COST",
            "3",
            "'HTGATE_MAX_BCRYPT_COST': must be a whole number between 4",
        ),
        (
            "HTGATE_CACHE_SECONDS",
            "1h",
            "'HTGATE_CACHE_SECONDS': must be a whole number between 0",
        ),
        (
            "HTGATE_CACHE_CAPACITY",
            "x",
            "'HTGATE_CACHE_CAPACITY': must be a whole number, at least 0",
        ),
        (
            "HTGATE_POLL_SECONDS",
            "0",
            "'HTGATE_POLL_SECONDS': must be a number between 0.05",
        ),
        (
            "HTGATE_LISTEN",
            "8080",
            "'8080' for 'HTGATE_LISTEN': write 127.0.0.1:8080, ",
        ),
        (
            "HTGATE_SOCKET_MODE",
            "rw",
            "'HTGATE_SOCKET_MODE': write octal permission bits",
        ),
        ("HTGATE_FRONT", "ngin", "'ngin' for 'HTGATE_FRONT'"),
        ("HTGATE_WATCH", "polling", "'polling' for 'HTGATE_WATCH'"),
        ("HTGATE_LOG_FORMAT", "xml", "'xml' for 'HTGATE_LOG_FORMAT'"),
        (
            "HTGATE_ALLOW_PLAINTEXT",
            "maybe",
            "'maybe' for 'HTGATE_ALLOW_PLAINTEXT': write true or false",
        ),
        (
            "HTGATE_REALM",
            "caf\u{e9}",
            "'HTGATE_REALM': use printable ASCII",
        ),
        (
            "HTGATE_HTPASSWD",
            "alice:$2y$05$C/3ceNsPAWQRfT6JHTGQ1Ow7KBqGnLfGaDYnBzkUjJGIxmDz9T.wi",
            "invalid value '(not shown)' for 'HTGATE_HTPASSWD': this is not the path of a file",
        ),
        (
            "HTGATE_CONFIG",
            "$2y$05$C/3ceNsPAWQRfT6JHTGQ1Ow7KBqGnLfGaDYnBzkUjJGIxmDz9T.wi",
            "invalid value '(not shown)' for 'HTGATE_CONFIG': this is not the path of a file",
        ),
    ];
    for (name, value, expected) in rows {
        let others = if name == "HTGATE_HTPASSWD" {
            vec![]
        } else {
            vec![("HTGATE_HTPASSWD", "f")]
        };
        check(
            &["serve"],
            &[&others[..], &[(name, value)]].concat(),
            2,
            expected,
        );
    }
    // What stands on the command line is what was wrong, though the variable is set as well.
    let both = [("HTGATE_WORKERS", "1")];
    check(
        &["--htpasswd", "f", "--workers=0"],
        &both,
        2,
        "'0' for '--workers <N>': must be",
    );
}

#[test]
fn hashes_and_passwords_are_not_repeated() {
    let hash = "$2y$05$C/3ceNsPAWQRfT6JHTGQ1Ow7KBqGnLfGaDYnBzkUjJGIxmDz9T.wi";
    let user_line = format!("alice:{hash}");
    let folder = folder();
    let config = folder.path().join("htgate.toml").display().to_string();
    fs::write(&config, format!("htpasswd = '{user_line}'\n")).unwrap();
    let content = "this is not the path of a file but its content; write it into a file";
    let rows: &[(&[&str], i32, &str)] = &[
        (&[hash], 2, "'(not shown)'"),
        (&["--htpasswd", hash], 2, content),
        (&["--htpasswd", &user_line], 2, content),
        (&["--htpasswd", "alice:secret-1"], 2, content),
        (&["--config", hash], 2, content),
        (&["--config", &config], 1, content),
        (&["check", "--htpasswd", &user_line], 2, content),
        (&["check", "--config", &config], 1, content),
        (&["health", "--config", &config], 1, content),
        (
            &["explain", "--config", hash, "--method", "GET", "--uri", "/"],
            2,
            content,
        ),
        (&["user", "list", "--htpasswd", &user_line], 2, content),
        (
            &["user", "add", "--htpasswd", "f", &user_line],
            2,
            "'(not shown)' for '<NAME>'",
        ),
        (
            &["user", "add", "--htpasswd", "f", "alice", "secret-1"],
            2,
            "'(not shown)' found",
        ),
        (
            &["user", "verify", "--htpasswd", "f", "alice", hash],
            2,
            "'(not shown)' found",
        ),
    ];
    for (arguments, code, expected) in rows {
        check(arguments, &[], *code, expected);
        assert!(
            !said(&htgate(arguments, &[])).contains("secret-1"),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_empty_variable_is_unset() {
    let folder = folder();
    let users = folder.path().join("htpasswd").display().to_string();
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    let empty = [
        "HTPASSWD",
        "CONFIG",
        "LISTEN",
        "SOCKET_MODE",
        "SOCKET_GROUP",
        "WORKERS",
        "HASH_THREADS",
        "QUEUE",
        "QUEUE_SECONDS",
        "STRIKES",
        "STRIKE_SECONDS",
        "FRONT",
        "REALM",
        "MAX_BCRYPT_COST",
        "ALLOW_PLAINTEXT",
        "CACHE_SECONDS",
        "CACHE_CAPACITY",
        "POLL_SECONDS",
        "WATCH",
        "LOG_FORMAT",
    ];
    let empty: Vec<_> = empty
        .iter()
        .map(|name| (format!("HTGATE_{name}"), ""))
        .collect();
    let empty: Vec<_> = empty
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    check(
        &["serve"],
        &empty,
        2,
        "no users file; use --htpasswd FILE, or write htpasswd =",
    );
    check(
        &["user", "list"],
        &empty,
        1,
        "no users file; use --htpasswd FILE, or write",
    );
    check(
        &["user", "list", "--htpasswd", &users],
        &empty,
        0,
        "alice  bcrypt cost 4",
    );
    check(&["check", "--htpasswd", &users], &empty, 1, "users: 1");
    let gate = Gate::start_in_with(folder, &[], &empty);
    assert_eq!(gate.login("alice", "secret"), 204);
}

#[test]
fn a_variable_that_is_nobodys_is_named_at_the_start() {
    let folder = folder();
    fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    let environment = [
        ("HTGATE_WORKRES", "4"),
        ("HTGATE_SERVICE_HOST", "10.0.0.1"),
        ("HTGATE_PORT", "tcp://10.0.0.1:8080"),
    ];
    let gate = Gate::start_in_with(folder, &[], &environment);
    let log = gate.log();
    let warning = "\"HTGATE_WORKRES\" is not a setting, and has no effect; the nearest known one \
                   is HTGATE_WORKERS";
    assert!(log.contains(warning), "{log}");
    assert_eq!(log.matches("is not a setting").count(), 1, "{log}");
}

#[test]
fn listeners_that_cannot_be_had() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let users = path("htpasswd");
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let long = format!("unix:{}", path(&"s".repeat(200)));
    let rows: &[(&[&str], &str)] = &[
        (
            &[&taken],
            ": the port is taken; choose another one, or stop what listens there ('ss -",
        ),
        (
            &["192.0.2.1:8080"],
            "this machine does not have that address; use one that 'ip address'",
        ),
        (
            &[&format!("unix:{}", path("none/s"))],
            "/none does not exist; make it ('mkdir -p /",
        ),
        (
            &[&format!("unix:{users}/s")],
            "/htpasswd is not a folder; choose a path in one",
        ),
        (
            &[&format!("unix:{users}")],
            "the path exists and is not a socket; remove it",
        ),
        (
            &[&long],
            "the path is too long for a socket; use one of at most 103 bytes",
        ),
        (&["unix:/proc/s"], "/proc"),
        (
            &[&format!("unix:{}", path("s")), "--socket-group", "nobodys"],
            "there is no group 'nobodys' in /etc/group; use the name of one, or its number",
        ),
        (
            &["systemd"],
            "no socket was handed over (LISTEN_FDS is not set for this process); start",
        ),
    ];
    for (options, expected) in rows {
        let arguments = [&["--htpasswd", &users, "--listen"], *options].concat();
        check(&arguments, &[], 1, expected);
    }
}
