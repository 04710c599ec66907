//! Whatever else is stuck, a user who is removed is refused, and a stop ends the process: a log that
//! nobody reads, a systemd that does not listen, a file system that hangs, files that are written all
//! the time. bindfs, a FUSE file system whose process is stopped, stands in for a network drive whose
//! server is gone: whoever asks it waits.

mod files;
mod hanging;
mod log;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Connection, Target, basic, eventually, folder, line, signal};
use tempfile::TempDir;

/// An htgate of which nobody reads standard error.
struct Unread {
    folder: TempDir,
    child: Child,
}

impl Unread {
    fn start(environment: &[(&str, &Path)]) -> Self {
        Self::start_with(environment, Stdio::piped())
    }

    fn start_with(environment: &[(&str, &Path)], log: Stdio) -> Self {
        let folder = folder();
        let users = folder.path().join("htpasswd");
        fs::write(
            &users,
            line("alice", "secret", 4) + &line("bob", "secret", 4),
        )
        .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_htgate"))
            .envs(environment.iter().copied())
            .arg("--htpasswd")
            .arg(&users)
            .arg("--listen")
            .arg(format!("unix:{}", folder.path().join("s").display()))
            .stderr(log)
            .spawn()
            .unwrap();
        let unread = Self { folder, child };
        eventually("htgate is up", Duration::from_secs(20), || {
            unread.connect().is_ok()
        });
        unread
    }

    fn connect(&self) -> std::io::Result<Connection> {
        Connection::open(&Target::Unix(self.folder.path().join("s")))
    }

    fn login(&self, user: &str) -> u16 {
        let header = format!("Authorization: {}", basic(user, "secret"));
        let mut connection = self.connect().unwrap();
        connection.ask("GET /auth", &[&header]).unwrap().status
    }

    fn text(&self, path: &str) -> String {
        let mut connection = self.connect().unwrap();
        connection.ask(&format!("GET {path}"), &[]).unwrap().text()
    }

    fn lost_lines(&self) -> f64 {
        let text = self.text("/metrics");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("htgate_lost_log_lines_total "));
        value.expect("the metric").parse().unwrap()
    }

    fn keep_alice_alone(&self) {
        fs::write(
            self.folder.path().join("htpasswd"),
            line("alice", "secret", 4),
        )
        .unwrap();
    }

    /// A stop must end it.
    fn stop(mut self) {
        signal(&self.child, "TERM");
        eventually("SIGTERM ends it", Duration::from_secs(5), || {
            self.child.try_wait().unwrap().is_some()
        });
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
