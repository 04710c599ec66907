//! What systemd does for a service and hears from it: sockets that are open already, and
//! readiness. systemd itself need not run; `systemd-socket-activate` is its own test tool.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{
    Begin as _, Connection, Target, attempt, basic, eventually, folder, free_port, line, said,
    signal,
};
use tempfile::TempDir;

/// Ends when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An htgate that systemd's tool starts at the first connection.
struct Activated {
    folder: TempDir,
    process: Process,
    tcp: SocketAddr,
}

impl Activated {
    /// Opens a TCP socket and what the tool's options name. FOLDER stands for the folder.
    fn open(tool_options: &[&str], options: &[&str]) -> Self {
        let folder = folder();
        fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
        let tcp: SocketAddr = format!("127.0.0.1:{}", free_port()).parse().unwrap();
        let place = folder.path().display().to_string();
        let here = |options: &[&str]| -> Vec<String> {
            let options = options.iter();
            options
                .map(|option| option.replace("FOLDER", &place))
                .collect()
        };
        let child = Command::new("systemd-socket-activate")
            .args(["-l", &tcp.to_string()])
            .args(here(tool_options))
            .arg(env!("CARGO_BIN_EXE_htgate"))
            .args(here(options))
            .arg("--htpasswd")
            .arg(folder.path().join("htpasswd"))
            .stderr(File::create(folder.path().join("log")).unwrap())
            .begin();
        let activated = Self {
            folder,
            process: Process(child),
            tcp,
        };
        eventually("the sockets are open", Duration::from_secs(10), || {
            activated.log().contains("Listening on")
        });
        activated
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn login(&self, target: &Target) -> u16 {
        let header = format!("Authorization: {}", basic("alice", "secret"));
        let mut connection = Connection::open(target).unwrap();
        connection.ask("GET /auth", &[&header]).unwrap().status
    }
}

#[test]
fn sockets_that_systemd_has_opened() {
    let mut gate = Activated::open(
        &[
            "-l",
            "FOLDER/one.sock",
            "-l",
            "FOLDER/two.sock",
            "--fdname=web:one:two",
        ],
        &["--listen", "systemd"],
    );
    let sockets = [
        Target::Tcp(gate.tcp),
        Target::Unix(gate.socket("one.sock")),
        Target::Unix(gate.socket("two.sock")),
    ];
    for target in &sockets {
        assert_eq!(gate.login(target), 204, "{target:?}: {}", gate.log());
    }
    let log = gate.log();
    assert!(
        log.contains(&format!("listening on {}, web", gate.tcp)),
        "{log}"
    );
    assert!(log.contains("one.sock (mode "), "{log}");
    signal(&gate.process.0, "TERM");
    assert_eq!(gate.process.0.wait().unwrap().code(), Some(0));
    // They are systemd's: connections go on waiting there for the next start.
    assert!(gate.socket("one.sock").exists());
}

#[test]
fn sockets_of_both_kinds_of_origin() {
    let gate = Activated::open(&[], &["--listen", "unix:FOLDER/own.sock,systemd"]);
    assert_eq!(gate.login(&Target::Tcp(gate.tcp)), 204, "{}", gate.log());
    assert_eq!(gate.login(&Target::Unix(gate.socket("own.sock"))), 204);
}

#[test]
fn sockets_that_nobody_takes_are_told() {
    let gate = Activated::open(
        &["--fdname=htgate.socket"],
        &["--listen", "unix:FOLDER/own.sock"],
    );
    // Wakes the tool up; nobody answers there.
    let _unanswered = Connection::open(&Target::Tcp(gate.tcp)).unwrap();
    eventually("the warning", Duration::from_secs(10), || {
        gate.log()
            .contains("handed over sockets (htgate.socket) that htgate does not use")
    });
}

#[test]
fn what_cannot_be_listened_on_is_told() {
    for (kind, expected) in [
        ("--datagram", "neither TCP nor a unix stream"),
        ("-a", "a connection"),
    ] {
        let folder = folder();
        let socket = folder.path().join("s");
        let log = folder.path().join("log");
        fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
        let child = Command::new("systemd-socket-activate")
            .args([kind, "-l"])
            .arg(&socket)
            .args([
                env!("CARGO_BIN_EXE_htgate"),
                "--listen",
                "systemd",
                "--htpasswd",
            ])
            .arg(folder.path().join("htpasswd"))
            .stderr(File::create(&log).unwrap())
            .stdin(Stdio::null())
            .begin();
        let _process = Process(child);
        eventually("the socket is open", Duration::from_secs(10), || {
            socket.exists()
        });
        let _first = wake_up(&socket);
        let log = || fs::read_to_string(&log).unwrap();
        eventually("the complaint", Duration::from_secs(10), || {
            log().contains("htgate: ")
        });
        let log = log();
        assert!(
            log.contains("htgate: cannot listen on systemd: socket 1"),
            "{log}"
        );
        assert!(log.contains(expected), "{log}");
    }
}

/// Sends something to a socket of either kind; the guard keeps a connection open.
fn wake_up(socket: &Path) -> Option<Connection> {
    let datagram = UnixDatagram::unbound().unwrap();
    if datagram.send_to(b"x", socket).is_ok() {
        return None;
    }
    // The file is there a moment before somebody listens.
    let mut connection = None;
    eventually("somebody listens", Duration::from_secs(10), || {
        connection = Connection::open(&Target::Unix(socket.to_owned())).ok();
        connection.is_some()
    });
    connection
}

#[test]
fn without_systemd_there_is_nothing_to_listen_on() {
    let folder = folder();
    let users = folder.path().join("htpasswd");
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    let start = |environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_htgate"));
        command
            .args(["--listen", "systemd", "--htpasswd"])
            .arg(&users);
        let output = attempt(command.envs(environment.iter().copied()));
        (output.status.code(), said(&output))
    };
    // Somebody else's sockets: the number belongs to another process.
    for environment in [&[][..], &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]] {
        let (code, text) = start(environment);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("htgate: cannot listen on systemd: no socket was handed over"),
            "{text}"
        );
    }
    let mut health = Command::new(env!("CARGO_BIN_EXE_htgate"));
    let health = said(&attempt(health.args(["health", "--listen", "systemd"])));
    assert!(health.contains("use --listen ADDRESS"), "{health}");
}

/// systemd's side of sd_notify(3).
struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = folder();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            path,
            socket,
            _folder: folder,
        }
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

#[test]
fn systemd_hears_of_every_state() {
    let manager = Manager::new();
    let users = line("alice", "secret", 4);
    let folder = folder();
    let (file, socket) = (folder.path().join("htpasswd"), folder.path().join("s"));
    fs::write(&file, &users).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_htgate"))
        .env("NOTIFY_SOCKET", &manager.path)
        // Only SIGHUP makes it look again.
        .args(["--watch", "poll", "--poll-seconds", "3600", "--listen"])
        .arg(format!("unix:{}", socket.display()))
        .arg("--htpasswd")
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let login = |user: &str| {
        let header = format!("Authorization: {}", basic(user, "secret"));
        let mut connection = Connection::open(&Target::Unix(socket.clone())).unwrap();
        connection.ask("GET /auth", &[&header]).unwrap().status
    };
    assert_eq!(manager.hear(), "STATUS=users: 1\n");
    assert_eq!(manager.hear(), "READY=1\n");
    assert_eq!(login("alice"), 204, "ready is true");

    let mut last = 0;
    let mut reload = |expected: &[&str]| {
        signal(&process.0, "HUP");
        let reloading = manager.hear();
        let time = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .expect(&reloading);
        let time: u64 = time.trim_end().parse().unwrap();
        assert!(time > last, "{time} is after {last}");
        last = time;
        for expected in expected {
            assert_eq!(manager.hear(), *expected);
        }
        assert_eq!(manager.hear(), "READY=1\n");
    };
    fs::write(&file, users.clone() + &line("bob", "secret", 4)).unwrap();
    reload(&["STATUS=users: 2\n"]);
    assert_eq!(login("bob"), 204, "ready again is true");
    fs::remove_file(&file).unwrap();
    let missing = format!(
        "STATUS=users: 2; last reload failed: {}: the file does not exist; create it, or correct \
         the path; the last good content stays\n",
        file.display()
    );
    reload(&[&missing]);
    fs::write(&file, &users).unwrap();
    reload(&["STATUS=users: 1\n"]);
    assert_eq!(login("bob"), 401, "ready again is true");

    signal(&process.0, "TERM");
    assert_eq!(manager.hear(), "STOPPING=1\n");
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
}
