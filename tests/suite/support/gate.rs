//! The real htgate.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{Connection, Response, Target, basic, eventually, folder, is_root};

/// A running htgate with its own folder; ends when dropped.
pub struct Gate {
    pub folder: TempDir,
    pub child: Child,
    pub tcp: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Gate {
    /// Starts with these lines in its users file and these further options.
    pub fn start(users: &str, options: &[&str]) -> Self {
        let folder = folder();
        fs::write(folder.path().join("htpasswd"), users).unwrap();
        Self::start_in(folder, options)
    }

    /// Starts in a folder that holds `htpasswd` already.
    pub fn start_in(folder: TempDir, options: &[&str]) -> Self {
        Self::start_in_with(folder, options, &[])
    }

    /// The same, with this in its environment.
    pub fn start_in_with(folder: TempDir, options: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(Path::new(BINARY));
        command.envs(environment.iter().copied());
        let (child, tcp, log) = launch(command, folder.path(), options);
        Self {
            folder,
            child,
            tcp,
            log,
        }
    }

    /// Starts under a limit: arguments of the shell's `ulimit`.
    pub fn start_limited(users: &str, limit: &str, options: &[&str]) -> Self {
        let folder = folder();
        fs::write(folder.path().join("htpasswd"), users).unwrap();
        let mut command = apart("sh".as_ref());
        command
            .args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")])
            .arg(BINARY);
        let (child, tcp, log) = launch(command, folder.path(), options);
        Self {
            folder,
            child,
            tcp,
            log,
        }
    }

    /// Starts as a user who is nobody and may read only what everybody may. For root alone.
    pub fn start_as_nobody(users: &str, options: &[&str]) -> Self {
        let folder = folder();
        let file = folder.path().join("htpasswd");
        fs::write(&file, users).unwrap();
        chown(file, Some(NOBODY), Some(NOBODY)).unwrap();
        Self::start_in_as_nobody(folder, options)
    }

    /// The same, in a folder that holds `htpasswd` already.
    pub fn start_in_as_nobody(folder: TempDir, options: &[&str]) -> Self {
        // Nobody may not be able to enter the folder that the binary was built in.
        let binary = folder.path().join("htgate");
        // Not by this process: while it writes, another test may fork, and its child would hold the
        // file open for writing, so that nobody could run it.
        super::run(Command::new("cp").arg(BINARY).arg(&binary));
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let mut command = apart(&binary);
        command.uid(NOBODY).gid(NOBODY);
        let (child, tcp, log) = launch(command, folder.path(), options);
        Self {
            folder,
            child,
            tcp,
            log,
        }
    }

    /// Starts anew in the same folder, after the first process ended.
    pub fn start_again(&mut self, options: &[&str]) {
        self.start_another(Path::new(BINARY), options);
    }

    /// The same with another binary.
    pub fn start_another(&mut self, binary: &Path, options: &[&str]) {
        (self.child, self.tcp, self.log) = launch(command(binary), self.folder.path(), options);
    }

    pub fn users(&self) -> PathBuf {
        self.folder.path().join("htpasswd")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("htgate.sock")
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&Target::Tcp(self.tcp)).unwrap()
    }

    /// Asks anything on a connection of its own.
    pub fn ask(&self, request_line: &str, headers: &[&str]) -> Response {
        self.connect().ask(request_line, headers).unwrap()
    }

    /// Asks `/auth` with a user and a password, each time from another address.
    pub fn login(&self, user: &str, password: &str) -> u16 {
        self.login_from(&another_address(), user, password).status
    }

    /// Asks `/auth` with a user and a password, as nginx does for a client at this address.
    pub fn login_from(&self, address: &str, user: &str, password: &str) -> Response {
        let authorization = format!("Authorization: {}", basic(user, password));
        let address = format!("X-Real-IP: {address}");
        self.ask("GET /auth", &[&authorization, &address])
    }

    /// The value of one line of `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.ask("GET /metrics", &[]).text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("{name} is not in:\n{text}"))
            .parse()
            .unwrap()
    }

    /// How many hashes were computed so far.
    pub fn hashes(&self) -> u64 {
        self.metric("htgate_hash_seconds_count") as u64
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line in the log.
    pub fn wait_for_log(&self, text: &str) {
        eventually(
            &format!("log line with '{text}'"),
            Duration::from_secs(10),
            || self.log().contains(text),
        );
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("htgate's log:\n{}", self.log());
        }
    }
}

/// An address that no other request of this process has.
pub fn another_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, b, c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("10.{b}.{c}.{d}")
}

/// Starts in a session of its own, as a service does. In ours the threads that hash would get only
/// what all tests leave (ARCHITECTURE.md says why), and that may be nothing for seconds.
pub fn apart(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

fn command(binary: &Path) -> Command {
    let mut command = apart(binary);
    if is_root() {
        // nginx's workers are of this group then.
        command.args(["--socket-group", "www-data"]);
    }
    command
}

fn launch(
    mut command: Command,
    folder: &Path,
    options: &[&str],
) -> (Child, SocketAddr, Arc<Mutex<String>>) {
    command
        .arg("--htpasswd")
        .arg(folder.join("htpasswd"))
        .args(["--listen", "127.0.0.1:0", "--listen"])
        .arg(format!("unix:{}", folder.join("htgate.sock").display()))
        .args(options)
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let writer = Arc::clone(&log);
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            *writer.lock().unwrap() += &format!("{line}\n");
        }
    });
    eventually("htgate is up", Duration::from_secs(20), || {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("htgate ended with {status}:\n{}", log.lock().unwrap());
        }
        log.lock().unwrap().contains("listening on unix:")
    });
    let text = log.lock().unwrap().clone();
    let (_, tcp) = text
        .split_once("listening on 127.0.0.1:")
        .expect("the TCP address");
    let port = tcp.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    (child, format!("127.0.0.1:{port}").parse().unwrap(), log)
}

const BINARY: &str = env!("CARGO_BIN_EXE_htgate");
/// The user and the group of who may do nothing.
pub const NOBODY: u32 = 65534;
