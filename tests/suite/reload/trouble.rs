//! Files that cannot be read or understood: the last good users stay, the trouble is told once,
//! and all is well when the file is back.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{EVENTS, Gate, POLL, both_ways, eventually, line, run};

/// Puts something unusable in the file's place and expects the last good users to stay, the
/// trouble to be told, and everything to be well when the file is back.
fn survives(trouble: &str, spoil: impl Fn(&Path), mend: impl Fn(&Path)) {
    survives_when(Gate::start, trouble, spoil, mend);
}

fn survives_when(
    start: impl Fn(&str, &[&str]) -> Gate,
    trouble: &str,
    spoil: impl Fn(&Path),
    mend: impl Fn(&Path),
) {
    both_ways(|options, patience| {
        let users = line("alice", "secret", 4);
        let gate = start(&users, options);
        spoil(&gate.users());
        let readyz = || gate.ask("GET /readyz", &[]).text();
        eventually("the trouble is told", patience, || {
            readyz().contains(trouble)
        });
        assert_eq!(gate.metric("htgate_last_reload_successful"), 0.0);
        assert_eq!(gate.login("alice", "secret"), 204);
        assert_eq!(gate.login("alice", "wrong"), 401);
        mend(&gate.users());
        eventually("the trouble is over", patience, || {
            readyz().ends_with("failed: none\n")
        });
        assert_eq!(gate.metric("htgate_last_reload_successful"), 1.0);
        fs::write(gate.users(), users + &line("bob", "secret", 4)).unwrap();
        eventually("bob may enter", patience, || {
            gate.login("bob", "secret") == 204
        });
        let told = gate
            .log()
            .lines()
            .filter(|line| line.contains(trouble))
            .count();
        assert_eq!(told, 1, "said once:\n{}", gate.log());
    });
}

fn put_aside(file: &Path) {
    fs::rename(file, file.with_extension("aside")).unwrap();
}

fn put_back(file: &Path) {
    fs::rename(file.with_extension("aside"), file).unwrap();
}

#[test]
fn removed_and_returned() {
    survives("does not exist", put_aside, put_back);
}

#[test]
fn a_directory_in_its_place() {
    survives(
        "this is a directory",
        |file| {
            put_aside(file);
            fs::create_dir(file).unwrap();
        },
        |file| {
            fs::remove_dir(file).unwrap();
            put_back(file);
        },
    );
}

#[test]
fn a_fifo_in_its_place() {
    survives(
        "this is a FIFO",
        |file| {
            put_aside(file);
            run(Command::new("mkfifo").arg(file));
        },
        |file| {
            fs::remove_file(file).unwrap();
            put_back(file);
        },
    );
}

#[test]
fn a_link_that_leads_nowhere() {
    survives(
        "does not exist",
        |file| {
            put_aside(file);
            symlink("nowhere", file).unwrap();
        },
        |file| {
            fs::remove_file(file).unwrap();
            put_back(file);
        },
    );
}

#[test]
fn unreadable_and_readable_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |file: &Path, mode| fs::set_permissions(file, fs::Permissions::from_mode(mode));
    // Permission bits do not bind root.
    let start = if crate::support::is_root() {
        Gate::start_as_nobody
    } else {
        Gate::start
    };
    survives_when(
        start,
        "permission denied; make it readable",
        |file| mode(file, 0o000).unwrap(),
        |file| mode(file, 0o600).unwrap(),
    );
}

#[test]
fn a_bad_line_does_not_keep_a_removed_user_alive() {
    let users = line("alice", "secret", 4) + &line("bob", "secret", 4);
    let gate = Gate::start(&users, &[]);
    let typo = "carol\n".to_owned() + &line("alice", "secret", 4) + "dave:{SHA}x\n";
    fs::write(gate.users(), typo).unwrap();
    eventually("bob is refused", EVENTS, || {
        gate.login("bob", "secret") == 401
    });
    assert_eq!(gate.login("alice", "secret"), 204);
    let log = gate.log();
    assert!(log.contains("htpasswd:1: no colon"), "{log}");
    assert!(log.contains("htpasswd:3: the hash is cut short"), "{log}");
}

/// Without inotify instances (the system's limit is reached) the service warns and polls.
#[test]
fn a_watcher_that_cannot_start_is_a_warning() {
    let limit = Path::new("/proc/sys/fs/inotify/max_user_instances");
    let own_namespace = Command::new("unshare").args(["-U", "-r", "true"]).status();
    if !own_namespace.is_ok_and(|status| status.success()) {
        crate::support::skip(
            "a_watcher_that_cannot_start_is_a_warning",
            "no user namespaces here",
        );
        return;
    }
    assert!(limit.exists());
    // A limit of its own, in a user namespace of its own.
    let folder = crate::support::folder();
    let users = folder.path().join("htpasswd");
    fs::write(&users, line("bob", "secret", 4)).unwrap();
    let log = folder.path().join("log");
    let script = format!(
        "echo 0 > /proc/sys/user/max_inotify_instances && exec {} --htpasswd {} --listen unix:{}",
        env!("CARGO_BIN_EXE_htgate"),
        users.display(),
        folder.path().join("s").display()
    );
    let mut child = Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", &script])
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let target = crate::support::Target::Unix(folder.path().join("s"));
    let login = || {
        let header = format!("Authorization: {}", crate::support::basic("bob", "secret"));
        crate::support::Connection::open(&target)?
            .ask("GET /auth", &[&header])
            .map(|r| r.status)
    };
    eventually("bob may enter", Duration::from_secs(10), || {
        assert!(
            child.try_wait().unwrap().is_none(),
            "{}",
            fs::read_to_string(&log).unwrap()
        );
        login().is_ok_and(|status| status == 204)
    });
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("no file events"), "{text}");
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    let start = Instant::now();
    eventually("bob is refused", POLL, || login().unwrap() == 401);
    println!("refused after {:?} without events", start.elapsed());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn faulty_lines_are_counted_and_the_first_is_named() {
    let gate = Gate::start("# staff\nalice:$$2y$$05$$x\nbob:s3cret\n", &[]);
    let first =
        "line 2: each '$' of the hash is doubled, as in docker-compose.yml; write each once";
    let readyz = || gate.ask("GET /readyz", &[]).text();
    let told = readyz();
    assert!(told.contains("users: 0\n"), "{told}");
    assert!(
        told.contains(&format!("faulty lines: 2, the first in {first}\n")),
        "{told}"
    );
    assert_eq!(gate.metric("htgate_faulty_lines"), 2.0);
    assert_eq!(gate.metric("htgate_first_faulty_line"), 2.0);
    gate.wait_for_log(&format!("faulty lines: 2, the first in {first}"));

    fs::write(gate.users(), line("alice", "secret", 4)).unwrap();
    eventually("the file is good", EVENTS * 10, || {
        gate.login("alice", "secret") == 204
    });
    assert!(!readyz().contains("faulty"), "{}", readyz());
    eventually("that is counted", EVENTS, || {
        gate.metric("htgate_first_faulty_line") + gate.metric("htgate_faulty_lines") == 0.0
    });
    assert!(!gate.log().contains("s3cret") && !gate.log().contains("$$2y"));
}
