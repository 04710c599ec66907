//! compose/prepare.sh without an engine: what it refuses, makes and remembers.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::fresh::program;
use crate::support::{attempt, copied, run, said};

/// A copy of compose/, and a docker that has no engine.
struct Prepared(TempDir);

impl Prepared {
    fn new() -> Self {
        let copy = copied();
        fs::create_dir(copy.path().join("bin")).unwrap();
        program(&copy.path().join("bin/docker"), "exit 1");
        Self(copy)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("compose").join(name)
    }

    /// Runs prepare.sh, by a shell's line that may set variables and pipe a password in.
    fn shell(&self, line: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        let bin = self.0.path().join("bin");
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.path("."));
        attempt(shell.env("PATH", format!("{}:{path}", bin.display())))
    }

    /// One line, and nothing made.
    fn refuses(&self, line: &str, expected: &str) {
        let before = tree(self.0.path());
        let output = self.shell(line);
        let text = said(&output);
        assert!(
            !output.status.success() && text.contains(expected),
            "{line}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
        assert_eq!(tree(self.0.path()), before, "{line}");
    }

    fn prepares(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}: {}", said(&output));
        said(&output)
    }

    fn environment(&self) -> String {
        fs::read_to_string(self.path(".env")).unwrap()
    }

    fn verifies(&self, user: &str, password: &str) -> bool {
        let mut verify = Command::new("htpasswd");
        let verify = verify.arg("-vb").arg(self.path("users/htpasswd"));
        attempt(verify.args([user, password])).status.success()
    }
}

/// The paths below a folder.
fn tree(folder: &Path) -> String {
    said(&run(Command::new("find").arg(folder)))
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_made() {
    let prepared = Prepared::new();
    for (line, expected) in [
        ("./prepare.sh '#bob'", "is a comment"),
        ("./prepare.sh ''", "is empty"),
        ("./prepare.sh bob:secret", "cannot hold ':'"),
        ("./prepare.sh ' bob'", "begins or ends with a blank"),
        ("./prepare.sh 'bob\t'", "begins or ends with a blank"),
        ("./prepare.sh 'b\x1bob'", "control characters"),
        ("./prepare.sh 'b\nob'", "control characters"),
        ("./prepare.sh $(printf %0513d 0)", "over 512 bytes"),
        ("./prepare.sh bob alice", "Use prepare.sh"),
        ("./prepare.sh --tokens", "Use prepare.sh"),
        ("./prepare.sh --host", "Use prepare.sh"),
        ("./prepare.sh --host https://a.example", "use a name"),
        ("./prepare.sh --host a.example:5043", "use a name"),
        (
            "HTGATE_PORT=127.0.0.1:5243 ./prepare.sh",
            "use HTGATE_ADDRESS=127.0.0.1 and HTGATE_PORT=5243",
        ),
        ("HTGATE_PORT=https ./prepare.sh", "use a number"),
        ("HTGATE_ADDRESS=localhost ./prepare.sh", "use an address"),
        ("HTGATE_USERS='/a\"b' ./prepare.sh", "without quotes"),
    ] {
        prepared.refuses(line, expected);
    }

    let users = prepared.path("users");
    fs::create_dir_all(users.join("htpasswd")).unwrap();
    prepared.refuses("./prepare.sh", "is a folder and must be a file");
    fs::remove_dir(users.join("htpasswd")).unwrap();
    for text in ["", "\n", "# alice:$2y$10$abc\n", ":$2y$10$abc\n", "alice\n"] {
        fs::write(users.join("htpasswd"), text).unwrap();
        prepared.refuses("./prepare.sh", "has no user in it");
    }
    fs::remove_file(users.join("htpasswd")).unwrap();

    // Half of somebody's own certificate, and one for another name.
    let certs = prepared.path("certs");
    fs::create_dir(&certs).unwrap();
    fs::write(certs.join("domain.key"), "own").unwrap();
    prepared.refuses("./prepare.sh", "domain.key is alone");
    fs::remove_file(certs.join("domain.key")).unwrap();
    prepared.prepares("./prepare.sh");
    prepared.refuses("./prepare.sh --host a.example", "is not for a.example");
}

#[test]
fn a_password_is_taken_or_generated() {
    let prepared = Prepared::new();
    let told = prepared.prepares("./prepare.sh");
    let (_, password) = told.split_once("testuser and the password ").unwrap();
    let password = password.split(',').next().unwrap();
    assert!(password.len() >= 20, "{told}");
    assert!(prepared.verifies("testuser", password), "{told}");
    assert!(!prepared.verifies("testuser", "testpassword"));
    let mode = fs::metadata(prepared.path("users/htpasswd"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    // What is there already stays, and is not printed again.
    let again = prepared.prepares("./prepare.sh");
    assert!(again.contains("stays as it is") && !again.contains(password));
    assert!(prepared.verifies("testuser", password));

    for (line, user, password) in [
        ("echo 'se cret' | ./prepare.sh bob", "bob", "se cret"),
        ("printf secret | ./prepare.sh \"b o'b\"", "b o'b", "secret"),
    ] {
        let prepared = Prepared::new();
        let told = prepared.prepares(line);
        assert!(!told.contains(password), "{told}");
        assert!(prepared.verifies(user, password), "{told}");
    }
    let prepared = Prepared::new();
    let told = prepared.prepares("./prepare.sh bob </dev/null");
    assert!(told.contains("the user bob and the password "), "{told}");
    let prepared = Prepared::new();
    let output = prepared.shell("echo | ./prepare.sh bob");
    assert!(said(&output).contains("The password is empty") && !output.status.success());
    assert!(!prepared.path("users").exists());
}

#[test]
fn what_it_was_given_is_remembered() {
    let prepared = Prepared::new();
    // Somebody's own, without an end of the line.
    fs::write(prepared.path(".env"), "# mine\nNGINX_IMAGE=nginx:1.30").unwrap();
    let told = prepared.prepares("HTGATE_PORT=6000 HTGATE_USERS='./my users' ./prepare.sh");
    let first = prepared.environment();
    let lines: Vec<_> = first.lines().collect();
    let own = ["# mine", "NGINX_IMAGE=nginx:1.30"];
    assert_eq!(lines[..2], own, "{first}");
    for line in [
        "HTGATE_PORT=6000",
        "HTGATE_USERS='./my users'",
        "COMPOSE_PROJECT_NAME=htgate",
    ] {
        assert!(lines.contains(&line), "{line}: {first}");
    }
    assert!(!first.contains("HTGATE_CERTS"), "only what was given");
    assert!(told.contains(" localhost:6000\n"), "{told}");
    assert!(told.contains("htpasswd -D './my users/htpasswd' alice"));
    assert!(prepared.path("my users/htpasswd").exists());

    // The next time none of it needs to be given again, and more is added.
    let told = prepared.prepares("HTGATE_ADDRESS=0.0.0.0 ./prepare.sh");
    assert!(told.contains(" localhost:6000\n"), "{told}");
    assert_eq!(
        prepared.environment(),
        format!("{first}HTGATE_ADDRESS=0.0.0.0\n")
    );
    prepared.refuses("HTGATE_PORT=6001 ./prepare.sh", "change that line");
    prepared.refuses("NGINX_IMAGE=nginx ./prepare.sh", "change that line");
    prepared.prepares("HTGATE_PORT=6000 ./prepare.sh");
    assert_eq!(prepared.environment().matches("HTGATE_PORT").count(), 1);
}

#[test]
fn another_name_is_in_the_certificate_and_in_the_next_steps() {
    for (line, name, certified) in [
        (
            "./prepare.sh --host a.example",
            "a.example:5043",
            "DNS:a.example",
        ),
        (
            "HTGATE_PORT=443 ./prepare.sh --host a.example",
            "a.example",
            "DNS:a.example",
        ),
        (
            "HTGATE_ADDRESS=192.0.2.5 ./prepare.sh",
            "192.0.2.5:5043",
            "IP Address:192.0.2.5",
        ),
    ] {
        let prepared = Prepared::new();
        // The second time the user is known already.
        for (line, user) in [(line, "testuser"), ("./prepare.sh", "NAME")] {
            let told = prepared.prepares(line);
            for expected in [
                format!("docker login -u {user} {name}\n"),
                format!("docker push {name}/IMAGE\n"),
                format!("sudo mkdir -p /etc/docker/certs.d/{name}\n"),
                format!("sudo cp ./certs/domain.crt /etc/docker/certs.d/{name}/ca.crt\n"),
            ] {
                assert!(told.contains(&expected), "{expected}: {told}");
            }
            let is_closed = !name.starts_with("192");
            assert_eq!(told.contains("HTGATE_ADDRESS=0.0.0.0"), is_closed, "{told}");
        }
        let mut show = Command::new("openssl");
        show.args(["x509", "-noout", "-ext", "subjectAltName", "-in"]);
        let text = said(&run(show.arg(prepared.path("certs/domain.crt"))));
        assert!(
            text.contains(certified) && text.contains("DNS:localhost"),
            "{text}"
        );
    }
    // Clients need nothing for localhost.
    let told = Prepared::new().prepares("./prepare.sh");
    assert!(!told.contains("certs.d"), "{told}");
}

#[test]
fn htgate_is_whoever_prepares_it() {
    let own = "HTGATE_UID=1000\nHTGATE_GID=1001\n";
    for (engine, volumes, expected) in [
        ("", 1, own),
        ("  seccomp\n  cgroupns", 1, own),
        ("    rootless: false", 1, own),
        // Root is you, there.
        ("  rootless", 1, "HTGATE_UID=0\nHTGATE_GID=0\n"),
        ("    rootless: true", 1, "HTGATE_UID=0\nHTGATE_GID=0\n"),
        // Nobody is, there.
        ("  userns", 1, ""),
        // What was started before there was a .env stays as it is.
        ("", 0, ""),
    ] {
        let prepared = Prepared::new();
        let bin = prepared.0.path().join("bin");
        let docker = format!(
            "case $1 in info) echo '{engine}' ;; volume) exit {volumes} ;; *) exit 1 ;; esac"
        );
        program(&bin.join("docker"), &docker);
        program(
            &bin.join("id"),
            "case $1 in -u) echo 1000 ;; -g) echo 1001 ;; esac",
        );
        prepared.prepares("HTGATE_PORT=6000 ./prepare.sh");
        let name = if volumes == 1 {
            "COMPOSE_PROJECT_NAME=htgate\n"
        } else {
            ""
        };
        assert_eq!(
            prepared.environment(),
            format!("HTGATE_PORT=6000\n{name}{expected}"),
            "{engine}"
        );
    }
}
