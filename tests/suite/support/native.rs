//! `make run`, and what a client needs to speak with it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{attempt, eventually, repository, run, said, signal};

/// `make run`, on a port and in a folder of its own.
pub struct Native {
    pub folder: TempDir,
    port: u16,
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Native {
    pub fn start() -> Self {
        Self::start_in(super::folder(), &[])
    }

    /// Starts in a folder that may hold users already, and with this in htgate's environment.
    pub fn start_in(folder: TempDir, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut child = Command::new(repository("scripts/run.sh"))
            .env("HTGATE_PORT", port.to_string())
            .env("HTGATE_RUN_FOLDER", folder.path())
            .env("HTGATE_BINARY", env!("CARGO_BIN_EXE_htgate"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("stderr")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let writer = Arc::clone(&output);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *writer.lock().unwrap() += &format!("{line}\n");
            }
        });
        let mut native = Self {
            folder,
            port,
            child,
            output,
        };
        eventually("make run is up", Duration::from_secs(120), || {
            let running = native.child.try_wait().unwrap().is_none();
            assert!(running, "{}{}", native.said(), native.read("stderr"));
            native.said().contains("Ctrl-C stops everything")
        });
        native
    }

    pub fn said(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    pub fn registry(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// curl, with the certificate that `make run` made: no `-k`.
    pub fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let url = format!("https://{}{path}", self.registry());
        let certificate = self.folder.path().join("certificate/domain.crt");
        said(&run(Command::new("curl")
            .args(["-sS", "-i", "--cacert"])
            .arg(certificate)
            .args(arguments)
            .arg(url)))
    }

    /// Stops it as a person would, and looks at what is left.
    pub fn stop(mut self) {
        signal(&self.child, "TERM");
        self.child.wait().unwrap();
        eventually("it says so", Duration::from_secs(5), || {
            self.said().contains("All stopped")
        });
        let log = self.read("logs/error.log");
        for level in ["[alert]", "[crit]", "[emerg]"] {
            assert!(!log.contains(level), "{log}");
        }
        let closed = std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err();
        assert!(closed, "nginx is gone");
        let mine = format!("{}", self.folder.path().display());
        let left = attempt(Command::new("pgrep").args(["-f", &mine]));
        assert!(
            left.stdout.is_empty(),
            "processes are left: {}",
            said(&left)
        );
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            signal(&self.child, "TERM");
            let _ = self.child.wait();
        }
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
