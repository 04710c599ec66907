//! What the end-to-end tests share: the real binary, a real nginx before it, and a client that
//! sends exactly the bytes it is given. Everything lives in temporary folders, on unix sockets
//! or on ports that the system chose, and ends with its owner.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses a part of it"
)]

mod client;
mod compose;
mod docker;
mod gate;
mod image;
mod native;
mod nginx;
mod patience;
mod registry;
mod skopeo;
pub mod yaml;

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tempfile::TempDir;

pub use self::client::{Connection, Response, Target};
pub use self::compose::{Compose, copied};
pub use self::docker::Docker;
pub use self::gate::{Gate, NOBODY, another_address, apart};
pub use self::image::image;
pub use self::native::{Native, free_port};
pub use self::nginx::{INCLUDED, Nginx, authorization, check_refusal, gated, shipped};
pub use self::patience::{EVENTS, POLL, both_ways};
pub use self::registry::{RULES, Registry, Understood, send};
pub use self::skopeo::{Skopeo, check_client};

/// A temporary folder that nginx's workers can enter.
pub fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("htgate-test-")
        .tempdir()
        .unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// An `Authorization` value.
pub fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    )
}

/// A line of an htpasswd file, as `htpasswd` itself writes it.
pub fn line(user: &str, password: &str, cost: u8) -> String {
    let output =
        run(Command::new("htpasswd").args(["-nbB", "-C", &cost.to_string(), user, password]));
    format!("{}\n", String::from_utf8(output.stdout).unwrap().trim_end())
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) -> Output {
    let output = attempt(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a command that may fail.
pub fn attempt(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| cannot_run(command, &error))
}

/// Starts a program that goes on running.
pub trait Begin {
    /// As `spawn` does; where the program is not installed, one line says how to get it.
    fn begin(&mut self) -> Child;
}

impl Begin for Command {
    fn begin(&mut self) -> Child {
        let child = self.spawn();
        child.unwrap_or_else(|error| cannot_run(self, &error))
    }
}

fn cannot_run(command: &Command, error: &std::io::Error) -> ! {
    if error.kind() != std::io::ErrorKind::NotFound {
        panic!("{command:?}: {error}");
    }
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or(&program);
    let mut packages = PACKAGES.iter();
    let package = packages.find(|(_, programs)| programs.contains(&name));
    let package = package.map_or(String::new(), |(package, _)| {
        format!(" (Debian's package {package})")
    });
    panic!(
        "{name} is not installed{package}; type 'make test', which installs what the tests need"
    );
}

/// What the tests start, by the packages that scripts/test.sh installs.
pub const PACKAGES: &[(&str, &[&str])] = &[
    ("apache2-utils", &["htpasswd"]),
    ("bindfs", &["bindfs"]),
    ("curl", &["curl"]),
    ("debootstrap", &["debootstrap"]),
    ("docker-registry", &["docker-registry"]),
    ("fail2ban", &["fail2ban-client", "fail2ban-regex"]),
    ("git", &["git"]),
    ("groff-base", &["groff"]),
    ("iproute2", &["ip", "ss"]),
    ("nginx", &["nginx"]),
    ("openssl", &["openssl"]),
    ("podman", &["podman"]),
    ("procps", &["kill", "pgrep"]),
    ("prometheus", &["promtool"]),
    ("python3-venv", &["python3"]),
    ("skopeo", &["skopeo"]),
    ("systemd", &["systemd-analyze", "systemd-socket-activate"]),
    ("systemd-container", &["systemd-nspawn"]),
    ("wrk", &["wrk"]),
];

/// Both streams of a finished command.
pub fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Waits until it holds, and says how long that took.
pub fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < patience,
            "{what}: not within {patience:?}"
        );
        thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

/// Says why tests do not run, past the test harness, which would swallow it.
pub fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Whether this process may do what only root can.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Sends a signal by name to a process of ours.
pub fn signal(child: &Child, name: &str) {
    signal_id(child.id(), name);
}

/// Sends a signal by name to a process, by its number.
pub fn signal_id(id: u32, name: &str) {
    run(Command::new("kill").args([&format!("-{name}"), &id.to_string()]));
    if name == "STOP" {
        // Each thread stops when it is next scheduled, and may answer until then.
        eventually("all its threads stop", Duration::from_secs(20), || {
            is_stopped(id)
        });
    }
}

fn is_stopped(id: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    tasks.flatten().all(|task| {
        // proc_pid_stat(5): the state follows the name, which is in parentheses.
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_none_or(|state| state.starts_with(['T', 't', 'Z']))
    })
}

/// A file of this repository.
pub fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
