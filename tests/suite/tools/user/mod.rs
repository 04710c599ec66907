//! `htgate user`, beside `htpasswd`, against it, and killed in the middle.

mod at_once;
mod terminal;

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::{Gate, attempt, eventually, folder, said};

fn user(arguments: &[&str], file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_htgate"));
    command
        .args(["user", arguments[0], "--htpasswd"])
        .arg(file)
        .args(&arguments[1..]);
    command
}

/// Starts a command with this on its standard input.
fn start(mut command: Command, input: &str) -> Child {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child
}

fn feed(command: Command, input: &str) -> Output {
    start(command, input).wait_with_output().unwrap()
}

fn add(file: &Path, name: &str, password: &str) -> Output {
    feed(
        user(&["add", "--password-stdin", "--cost", "4", name], file),
        password,
    )
}

/// Whether `htpasswd` finds that a password is right.
fn htpasswd_accepts(file: &Path, name: &str, password: &str) -> bool {
    let mut command = Command::new("htpasswd");
    attempt(command.arg("-vb").arg(file).args([name, password]))
        .status
        .success()
}

#[test]
fn interchangeable_with_htpasswd() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let long = "x".repeat(72);
    let passwords = [
        "secret",
        "with space: and colon",
        "pässwörd",
        " ",
        "$2y$04$",
        &long,
    ];
    for (number, password) in passwords.iter().enumerate() {
        let (ours, theirs) = (format!("ours{number}"), format!("theirs {number}"));
        let output = add(&file, &ours, &format!("{password}\n"));
        assert!(output.status.success(), "{}", said(&output));
        assert!(htpasswd_accepts(&file, &ours, password), "{password}");
        assert!(!htpasswd_accepts(&file, &ours, "another"), "{password}");

        let mut command = Command::new("htpasswd");
        crate::support::run(
            command
                .args(["-bB", "-C", "4"])
                .arg(&file)
                .args([&theirs, *password]),
        );
        for (claim, code) in [(*password, 0), ("another", 1)] {
            let verify = user(&["verify", "--password-stdin", &theirs], &file);
            let output = feed(verify, claim);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{password}: {}",
                said(&output)
            );
        }
    }
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| line.contains(":$2y$04$"))
            .count(),
        12,
        "{text}"
    );
}

#[test]
fn add_set_remove_and_list() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let given = "# staff\r\nalice:$2y$04$old:Alice\r\n\r\nnocolon\r\nalice:x\r\nbob:!";
    fs::write(&file, given).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
    let check = |output: &Output, code: i32, expected: &str| {
        let text = said(output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(expected), "{expected}: {text}");
        assert!(!text.contains("$2y$"), "{text}");
    };
    check(
        &add(&file, "alice", "x"),
        1,
        "alice: the user already exists",
    );
    let set = |name: &str| user(&["set", "--password-stdin", "--cost", "5", name], &file);
    check(&feed(set("carol"), "x"), 1, "carol: there is no such user");
    check(
        &feed(user(&["remove", "carol"], &file), ""),
        1,
        "carol: there is no such user",
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), given);

    check(
        &feed(set("alice"), "sesame"),
        0,
        "htpasswd: set the password of alice",
    );
    check(&add(&file, "carol", "sesame"), 0, "htpasswd: added carol");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let untouched = [
        "# staff\r\n",
        "\r\n",
        "nocolon\r\n",
        "alice:x\r\n",
        "bob:!\r\n",
    ];
    assert_eq!(
        [lines[0], lines[2], lines[3], lines[4], lines[5]],
        untouched
    );
    assert!(
        lines[1].starts_with("alice:$2y$05$") && lines[1].ends_with(":Alice\r\n"),
        "{text}"
    );
    assert!(
        lines[6].starts_with("carol:$2y$04$") && lines[6].ends_with("\r\n"),
        "{text}"
    );

    let list = feed(user(&["list"], &file), "");
    check(&list, 0, "");
    let listed = String::from_utf8_lossy(&list.stdout);
    assert_eq!(listed, "alice  bcrypt cost 5\ncarol  bcrypt cost 4\n");
    let faults = String::from_utf8_lossy(&list.stderr);
    for place in [
        "htpasswd:4: no colon",
        "htpasswd:5: the user stands",
        "htpasswd:6: a '!'",
    ] {
        assert!(faults.contains(place), "{faults}");
    }
    check(
        &feed(user(&["verify", "--password-stdin", "bob"], &file), "x"),
        1,
        "htpasswd:6: ",
    );
    check(
        &feed(user(&["verify", "--password-stdin", "eve"], &file), "x"),
        1,
        "eve: there is no such user",
    );

    check(
        &feed(user(&["remove", "alice"], &file), ""),
        0,
        "htpasswd: removed alice",
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("# staff\r\n\r\nnocolon\r\nbob:!\r\ncarol:$2y$"),
        "{text}"
    );
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o604);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_carriage_return_alone_glues_nobody_together() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let alice = crate::support::line("alice", "secret", 4);
    fs::write(&file, alice.replace('\n', "\r")).unwrap();
    let output = add(&file, "bob", "sesame");
    assert!(output.status.success(), "{}", said(&output));
    assert!(htpasswd_accepts(&file, "alice", "secret"));
    assert!(htpasswd_accepts(&file, "bob", "sesame"));

    // Two users whom nothing else separates: to change the one would change the other.
    let glued = format!("# staff\n{}bob:x\n", alice.replace('\n', "\r"));
    fs::write(&file, &glued).unwrap();
    for arguments in [
        &["set", "--password-stdin", "alice"][..],
        &["remove", "alice"],
    ] {
        let output = feed(user(arguments, &file), "new");
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("alice: nothing is written, because line 2"),
            "{text}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), glued);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_refused() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let long_name = "x".repeat(513);
    let long_password = "x".repeat(73);
    let rows: &[(&[&str], &str, i32, &str)] = &[
        (
            &["add", "--password-stdin", "a:b"],
            "x",
            2,
            "cannot hold ':'",
        ),
        (
            &["add", "--password-stdin", "a\nb"],
            "x",
            2,
            "control characters",
        ),
        (&["add", "--password-stdin", "#a"], "x", 2, "is a comment"),
        (&["add", "--password-stdin", ""], "x", 2, "empty"),
        (
            &["add", "--password-stdin", &long_name],
            "x",
            2,
            "over 512 bytes",
        ),
        (
            &["add", "--password-stdin", "a", "secret"],
            "",
            2,
            "unexpected argument",
        ),
        (
            &["add", "--password-stdin", "--generate", "a"],
            "",
            2,
            "cannot be used with",
        ),
        (
            &["add", "--password-stdin", "--cost", "3", "a"],
            "x",
            2,
            "3 is not in 4..=17",
        ),
        (
            &["add", "--password-stdin", "a"],
            "",
            1,
            "the password is empty",
        ),
        (
            &["add", "--password-stdin", "a"],
            "x\ny\n",
            1,
            "several lines",
        ),
        (
            &["add", "--password-stdin", "a"],
            &long_password,
            1,
            "only the first 72 bytes",
        ),
        (
            &["add", "--password-stdin", "--cost", "15", "a"],
            "x",
            1,
            "--cost 15 is over max_bcrypt_cost 14; use less",
        ),
        (
            &["add", "--password-stdin", "HTPASSWD=a"],
            "x",
            1,
            "an assignment is part of the user name",
        ),
        (
            &["set", "--password-stdin", "a"],
            "x",
            1,
            "the file does not exist",
        ),
        (&["list"], "", 1, "the file does not exist"),
    ];
    for (arguments, input, code, expected) in rows {
        let output = feed(user(arguments, &file), input);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(!file.exists(), "{arguments:?}");
    }
}

#[test]
fn names_that_nobody_can_mean_are_quoted_and_can_be_removed() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let line = crate::support::line("alice", "secret", 4);
    let names = [" alice", "HTPASSWD=alice", "\u{a0}alice", "\"alice"];
    let lines = names.map(|name| line.replace("alice", name));
    fs::write(&file, lines.concat()).unwrap();
    let list = feed(user(&["list"], &file), "");
    let listed = String::from_utf8_lossy(&list.stdout);
    for quoted in [
        r#"" alice""#,
        r#""HTPASSWD=alice""#,
        r#""\u{a0}alice""#,
        r#""\"alice""#,
    ] {
        assert!(listed.contains(quoted), "{quoted}: {listed}");
    }
    let faults = String::from_utf8_lossy(&list.stderr);
    assert_eq!(
        faults.matches("part of the user name").count(),
        4,
        "{faults}"
    );
    for name in names {
        let removed = feed(user(&["remove", "--", name], &file), "");
        assert!(removed.status.success(), "{}", said(&removed));
    }
    assert_eq!(fs::read(&file).unwrap(), b"");
}

#[test]
fn a_generated_password_is_printed_once_and_lets_its_user_in() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let output = feed(
        user(&["add", "--generate", "--cost", "4", "alice"], &file),
        "",
    );
    assert!(output.status.success(), "{}", said(&output));
    let password = String::from_utf8(output.stdout).unwrap();
    let password = password.trim_end();
    assert_eq!(password.len(), 24, "{password}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("made this file"));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o007, 0);
    assert!(htpasswd_accepts(&file, "alice", password));

    // A running htgate follows.
    let gate = Gate::start_in(folder, &[]);
    assert_eq!(gate.login("alice", password), 204);
    let output = feed(
        user(
            &["set", "--generate", "--cost", "4", "alice"],
            &gate.users(),
        ),
        "",
    );
    let second = String::from_utf8(output.stdout).unwrap();
    eventually("the new password counts", crate::support::EVENTS, || {
        gate.login("alice", second.trim_end()) == 204
    });
    assert_eq!(gate.login("alice", password), 401);
    feed(user(&["remove", "alice"], &gate.users()), "");
    eventually("the user is gone", Duration::from_secs(4), || {
        gate.login("alice", second.trim_end()) == 401
    });
}
