//! One htgate alone that starts anew: on systemd's socket nobody notices, and users who come back all
//! at once get in.

use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::clients::Clients;
use crate::scene::{users, with_a_file};
use crate::support::{
    Connection, Gate, Nginx, Registry, Target, apart, authorization, eventually, folder, line, run,
    signal,
};
use crate::tally::{self, Tally};
use crate::{MACHINE, rounds};

/// A socket that stays open while htgate starts anew, as htgate.socket of the package does.
struct Held {
    folder: TempDir,
    socket: UnixListener,
    child: Child,
}

impl Held {
    fn start(users: &str) -> Self {
        let folder = folder();
        fs::write(folder.path().join("htpasswd"), users).unwrap();
        let path = folder.path().join("s");
        let socket = UnixListener::bind(&path).unwrap();
        // nginx's workers have another user.
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let child = serve(&folder, &socket, Path::new(BINARY));
        let held = Self {
            folder,
            socket,
            child,
        };
        held.wait_until_it_answers();
        held
    }

    /// SIGTERM, and this binary as soon as the old one has ended; until it answers.
    fn restart(&mut self, binary: &Path) {
        signal(&self.child, "TERM");
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
        self.child = serve(&self.folder, &self.socket, binary);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&self) {
        let target = Target::Unix(self.folder.path().join("s"));
        eventually("it answers", Duration::from_secs(60), || {
            let connection = Connection::open(&target);
            connection.is_ok_and(|mut it| it.ask("GET /readyz", &[]).is_ok())
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts htgate with the socket as systemd hands it over (sd_listen_fds(3)).
fn serve(folder: &TempDir, socket: &UnixListener, binary: &Path) -> Child {
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    apart("sh".as_ref())
        .args(["-c", script])
        .arg(binary)
        .args(["--listen", "systemd", "--htpasswd"])
        .arg(folder.path().join("htpasswd"))
        .stdin(OwnedFd::from(socket.try_clone().unwrap()))
        .stderr(File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn on_a_socket_of_systemd_nobody_notices_a_restart() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let cold = 2_000 * rounds();
    let mut held = Held::start(&users(cold));
    let registry = Registry::start();
    let http = registry.behind(&held.folder.path().join("s"));
    let nginx = Nginx::start(&with_a_file(&http));
    let another = held.folder.path().join("another");
    // Not by this process, whose children would hold it open for writing.
    run(Command::new("cp").arg(BINARY).arg(&another));
    let tallies = [Tally::default(), Tally::default()];
    let clients = Clients::of(&nginx, &registry, cold, &tallies);
    thread::scope(|scope| {
        let _until_the_end = clients.begin(scope);
        for _ in 0..rounds() {
            for (number, binary) in [Path::new(BINARY), &another].into_iter().enumerate() {
                clients.count_for(number);
                held.restart(binary);
                thread::sleep(Duration::from_secs(1));
            }
        }
    });
    println!("{}", tally::HEADER);
    for (name, tally) in ["alone, restart", "alone, another binary"]
        .iter()
        .zip(&tallies)
    {
        println!("{}", tally.row(name));
        tally.check();
    }
}

/// As many as are hashed within five seconds are all let in; of more than ten, the last ones hear
/// when to come again, and are let in then.
#[test]
fn users_who_come_back_at_once_all_get_in() {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let one = line("NAME", "secret", 7);
    let most = 2_000;
    let all: String = (0..most)
        .map(|n| one.replace("NAME", &format!("user{n}")))
        .collect();
    let mut gate = Gate::start(&all, &["--hash-threads", "1"]);
    let hash = (0..5).map(|n| {
        let start = Instant::now();
        assert_eq!(gate.login(&format!("user{n}"), "secret"), 204);
        start.elapsed()
    });
    let hash = hash.min().unwrap();
    for (seconds, expects_all) in [(5, true), (16, false)] {
        let count = (Duration::from_secs(seconds).as_secs_f64() / hash.as_secs_f64()) as usize;
        assert!((10..most).contains(&count), "{count} users");
        signal(&gate.child, "TERM");
        assert!(gate.child.wait().unwrap().success());
        gate.start_again(&["--hash-threads", "1"]);
        let target = Target::Tcp(gate.tcp);
        let waits: Vec<_> = thread::scope(|scope| {
            let logins: Vec<_> = (0..count)
                .map(|n| {
                    scope.spawn({
                        let target = &target;
                        move || log_in(target, n)
                    })
                })
                .collect();
            logins
                .into_iter()
                .map(|login| login.join().unwrap())
                .collect()
        });
        let told: Vec<_> = waits.into_iter().flatten().collect();
        println!(
            "{count} users, {hash:?} each: {} were told to come again",
            told.len()
        );
        assert_eq!(told.is_empty(), expects_all, "{told:?}");
    }
}

/// The seconds after which a user was told to come again. They are let in then.
fn log_in(target: &Target, n: usize) -> Option<u64> {
    let header = authorization(&format!("user{n}"), "secret");
    let ask = || {
        let mut connection = None;
        eventually("a connection", Duration::from_secs(20), || {
            connection = Connection::open(target).ok();
            connection.is_some()
        });
        connection.unwrap().ask("GET /auth", &[&header]).unwrap()
    };
    let first = ask();
    if first.status == 204 {
        return None;
    }
    assert_eq!(first.status, 503, "{first:?}");
    let wait = first.header("retry-after").unwrap().parse().unwrap();
    thread::sleep(Duration::from_secs(wait));
    let second = ask();
    assert_eq!(second.status, 204, "after {wait} s: {second:?}");
    Some(wait)
}

const BINARY: &str = env!("CARGO_BIN_EXE_htgate");
