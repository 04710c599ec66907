//! `/etc/htgate/htgate.toml`, which every command reads where no other file is named. What this
//! machine has there, or on the usual port, does not count: each command sees an `/etc` and a network
//! of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{attempt, folder, is_root, line, said, skip};

/// An `/etc/htgate` with these settings, for commands that see nothing else in `/etc`.
struct Etc(TempDir);

impl Etc {
    fn with(settings: &str) -> Self {
        let folder = folder();
        let users = folder.path().join("users");
        fs::create_dir(&users).unwrap();
        let file = users.join("htpasswd");
        fs::write(&file, line("alice", "secret", 10)).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o640)).unwrap();
        fs::write(folder.path().join("htgate.toml"), settings).unwrap();
        Self(folder)
    }

    /// None where this machine lets nobody mount.
    fn htgate(&self, line: &str) -> Option<Output> {
        // The folder is opened first, since /etc may be what hides it.
        let script = "exec 3<\"$1\" && mount -t tmpfs none /etc && mkdir -p /etc/htgate \
                      && mount --bind /proc/self/fd/3 /etc/htgate || exit 125; \
                      binary=$2; shift 2; exec \"$binary\" \"$@\"";
        let mut command = Command::new("unshare");
        if !is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["--mount", "--net", "sh", "-c", script, "sh"])
            .arg(self.0.path());
        command
            .arg(env!("CARGO_BIN_EXE_htgate"))
            .args(line.split_whitespace());
        let output = attempt(&mut command);
        let can_mount = output.status.code() != Some(125) && !said(&output).contains("unshare:");
        if !can_mount {
            skip("the usual configuration file", &said(&output));
        }
        can_mount.then_some(output)
    }

    fn check(&self, line: &str, code: i32, expected: &str) {
        let Some(output) = self.htgate(line) else {
            return;
        };
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        assert!(text.contains(expected), "{line}: {expected}: {text}");
    }
}

const RULES: &str =
    "[[access]]\nusers = ['alice']\nrepositories = ['team/**']\nactions = ['push']\n";

/// As the package has it.
#[test]
fn every_command_reads_it() {
    let packaged = include_str!("../../../packaging/htgate.toml");
    let etc = Etc::with(&format!("{packaged}\n{RULES}"));
    for (line, code, expected) in [
        (
            "serve",
            1,
            "cannot listen on systemd: no socket was handed over",
        ),
        ("--workers 1", 1, "cannot listen on systemd"),
        ("check", 0, "/etc/htgate/users/htpasswd: users: 1"),
        (
            "check --htpasswd /none",
            1,
            "/none: the file does not exist",
        ),
        ("user list", 0, "alice  bcrypt cost 10"),
        ("user add --generate bob", 0, ""),
        ("user list", 0, "bob"),
        ("user remove bob", 0, ""),
        (
            "user verify --password-stdin bob",
            1,
            "/etc/htgate/users/htpasswd: bob: ",
        ),
        (
            "explain --user alice --method PUT --uri /v2/team/app/manifests/1",
            0,
            "allowed: by rule 1",
        ),
        (
            "explain --user alice --scope repository:team/app:pull,push",
            0,
            "granted: ",
        ),
        (
            "explain --user bob --method GET --uri /v2/",
            1,
            "the user is unknown",
        ),
        (
            "health",
            1,
            "unix:/run/htgate/htgate.sock does not answer: ",
        ),
        (
            "health --listen 127.0.0.1:1",
            1,
            "127.0.0.1:1 does not answer: ",
        ),
        ("token jwks", 1, "no certificate; name the file of one"),
    ] {
        etc.check(line, code, expected);
    }
}

#[test]
fn what_is_named_comes_before_it() {
    let etc = Etc::with("htpasswd = '/etc/htgate/users/htpasswd'\nlisten = ['unix:/etc/s']\n");
    let other = etc.0.path().join("other.toml");
    fs::write(
        &other,
        "htpasswd = '/none/users'\n[token]\nkey = 'k'\ncertificate = '/none/c'\n\
                       service = 'registry.test'\n",
    )
    .unwrap();
    for (line, code, expected) in [
        (
            "user list --config /etc/htgate/other.toml",
            1,
            "/none/users: the file does not exist",
        ),
        (
            "user list --htpasswd /none/x --config /etc/htgate/other.toml",
            1,
            "/none/x: ",
        ),
        (
            "health",
            1,
            "unix:/etc/s does not answer: No such file or directory; start htgate",
        ),
        (
            "health --config /etc/htgate/other.toml",
            1,
            "127.0.0.1:8080 does not answer: ",
        ),
        ("token jwks --config /etc/htgate/other.toml", 1, "/none/c: "),
        (
            "token init /etc/a --config /etc/htgate/other.toml",
            0,
            "service: registry.test\n",
        ),
        (
            "token init /etc/b --service own.test",
            0,
            "service: own.test\n",
        ),
        (
            "token init /etc/c",
            0,
            "Write the registry's own name instead of YOUR-REGISTRY.",
        ),
        (
            "serve --config /etc/htgate/none.toml",
            1,
            "none.toml: the file does not exist",
        ),
    ] {
        etc.check(line, code, expected);
    }
}

#[test]
fn one_that_is_there_is_never_skipped() {
    let etc = Etc::with("wrokers = 4\n");
    let file = "/etc/htgate/htgate.toml: line 1: unknown key 'wrokers'; the nearest known one is";
    let finding = "/etc/htgate/htgate.toml:1: unknown key 'wrokers'";
    for (line, code, expected) in [
        ("serve --htpasswd /etc/htgate/users/htpasswd", 1, file),
        ("user list", 1, file),
        ("health", 1, file),
        ("token jwks", 1, file),
        ("explain --method GET --uri /", 1, file),
        ("check --htpasswd /etc/htgate/users/htpasswd", 1, finding),
        ("check", 1, finding),
    ] {
        etc.check(line, code, expected);
    }
    let path = etc.0.path().join("htgate.toml");
    fs::remove_file(&path).unwrap();
    etc.check(
        "serve",
        2,
        "no users file; use --htpasswd FILE, or write htpasswd = \"FILE\" into /etc/",
    );
    etc.check("check", 2, "nothing to check");
    fs::create_dir(&path).unwrap();
    etc.check(
        "user list",
        1,
        "/etc/htgate/htgate.toml: this is a directory",
    );
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    etc.check(
        "serve",
        1,
        "/etc/htgate/htgate.toml: the file does not exist",
    );
}
