//! A file system that hangs: bindfs, whose process is stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{
    Begin as _, EVENTS, Gate, POLL, eventually, folder, is_root, line, signal, skip,
};

/// A folder that is also mounted elsewhere by a process that can be stopped.
struct Hanging {
    _folder: TempDir,
    mount: PathBuf,
    bindfs: Child,
}

impl Hanging {
    fn mount(test: &str) -> Option<Self> {
        if !is_root() || !Path::new("/dev/fuse").exists() {
            skip(test, "only root can mount a FUSE file system here");
            return None;
        }
        let folder = folder();
        let (below, mount) = (folder.path().join("below"), folder.path().join("mount"));
        fs::create_dir(&below).unwrap();
        fs::create_dir(&mount).unwrap();
        let bindfs = Command::new("bindfs")
            .args(["-f", "-o", "attr_timeout=0,entry_timeout=0,direct_io"])
            .args([&below, &mount])
            .stderr(Stdio::null())
            .begin();
        let hanging = Self {
            _folder: folder,
            mount,
            bindfs,
        };
        let mounts = || fs::read_to_string("/proc/self/mounts").unwrap();
        let place = hanging.mount.display().to_string();
        eventually("it is mounted", Duration::from_secs(10), || {
            mounts().contains(&place)
        });
        Some(hanging)
    }

    /// Nobody asks it meanwhile: not even a kill ends a thread whose question it has taken and does
    /// not answer.
    fn stop(&self, gate: &Gate) {
        signal(&gate.child, "STOP");
        thread::sleep(Duration::from_millis(100));
        signal(&self.bindfs, "STOP");
        signal(&gate.child, "CONT");
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = self.bindfs.kill();
        let _ = self.bindfs.wait();
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

/// After ten seconds of silence it is said, wherever somebody looks; after the end of it, no more.
fn check_silence(gate: &Gate, hanging: &Hanging, file: &Path) {
    let readyz = || gate.ask("GET /readyz", &[]).text();
    let silence = format!(
        "{}: the file system has not answered for 10 s",
        file.display()
    );
    let told = eventually("the silence is told", Duration::from_secs(30), || {
        readyz().contains(&silence)
    });
    assert!(told > Duration::from_secs(7), "{told:?} is too early");
    assert_eq!(gate.metric("htgate_last_reload_successful"), 0.0);
    gate.wait_for_log(&silence);
    signal(&hanging.bindfs, "CONT");
    eventually("it is over", Duration::from_secs(10), || {
        readyz().ends_with("failed: none\n")
    });
    assert_eq!(gate.metric("htgate_last_reload_successful"), 1.0);
    gate.wait_for_log("the file system answers again");
}

#[test]
fn a_configuration_file_that_hangs() {
    let Some(hanging) = Hanging::mount("a_configuration_file_that_hangs") else {
        return;
    };
    let config = hanging.mount.join("htgate.toml");
    fs::write(&config, "strikes = 20\n").unwrap();
    let users = line("alice", "secret", 4) + &line("bob", "secret", 4);
    let gate = Gate::start(&users, &["--config", config.to_str().unwrap()]);
    // Dropped first, or htgate could not end.
    let hanging = hanging;
    assert_eq!(gate.login("bob", "secret"), 204);
    hanging.stop(&gate);
    thread::sleep(Duration::from_millis(1500));
    fs::write(gate.users(), line("alice", "secret", 4)).unwrap();
    eventually("bob is refused", EVENTS, || {
        gate.login("bob", "secret") == 401
    });
    assert_eq!(gate.login("alice", "secret"), 204);
    check_silence(&gate, &hanging, &config);
}

#[test]
fn a_users_file_that_hangs() {
    let Some(hanging) = Hanging::mount("a_users_file_that_hangs") else {
        return;
    };
    let users = hanging.mount.join("htpasswd");
    let text = line("alice", "secret", 4);
    fs::write(&users, &text).unwrap();
    let folder = folder();
    std::os::unix::fs::symlink(&users, folder.path().join("htpasswd")).unwrap();
    let mut gate = Gate::start_in(folder, &[]);
    // Dropped first, or htgate could not end.
    let hanging = hanging;
    hanging.stop(&gate);
    let file = gate.users();
    check_silence(&gate, &hanging, &file);
    assert_eq!(gate.login("alice", "secret"), 204);
    fs::write(&users, text + &line("bob", "secret", 4)).unwrap();
    eventually("bob may enter", POLL, || gate.login("bob", "secret") == 204);
    hanging.stop(&gate);
    thread::sleep(Duration::from_millis(1500));
    signal(&gate.child, "TERM");
    eventually("SIGTERM ends it", Duration::from_secs(5), || {
        gate.child.try_wait().unwrap().is_some()
    });
    signal(&hanging.bindfs, "CONT");
}
