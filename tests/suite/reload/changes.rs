//! Every way in which people and programs change a file, with file events and without.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{
    EVENTS, Gate, NOBODY, POLL, both_ways, eventually, is_root, line, run, signal, skip,
};

/// Runs a change that removes bob, and asserts that alice never notices.
fn removes_bob(change: impl Fn(&Path)) {
    both_ways(|options, patience| {
        let users = line("alice", "secret", 4) + &line("bob", "secret", 4);
        let gate = Gate::start(&users, options);
        assert_eq!(
            (gate.login("alice", "secret"), gate.login("bob", "secret")),
            (204, 204)
        );
        change(&gate.users());
        eventually("bob is refused", patience, || {
            assert_eq!(gate.login("alice", "secret"), 204);
            gate.login("bob", "secret") == 401
        });
        for _ in 0..20 {
            assert_eq!(
                (gate.login("alice", "secret"), gate.login("bob", "secret")),
                (204, 401)
            );
        }
        assert!(
            gate.ask("GET /readyz", &[])
                .text()
                .ends_with("failed: none\n")
        );
    });
}

fn without_bob(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("bob:"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn htpasswd_adds_changes_and_deletes() {
    both_ways(|options, patience| {
        let gate = Gate::start(&line("alice", "old", 4), options);
        assert_eq!(gate.login("alice", "old"), 204);
        let htpasswd = |arguments: &[&str], user_and_password: &[&str]| {
            run(Command::new("htpasswd")
                .args(arguments)
                .arg(gate.users())
                .args(user_and_password));
        };
        htpasswd(&["-bB", "-C", "4"], &["bob", "secret"]);
        eventually("bob may enter", patience, || {
            gate.login("bob", "secret") == 204
        });
        htpasswd(&["-bB", "-C", "4"], &["alice", "new"]);
        eventually("the new password counts", patience, || {
            gate.login("alice", "new") == 204
        });
        assert_eq!(gate.login("alice", "old"), 401);
        htpasswd(&["-D"], &["bob"]);
        eventually("bob is refused", patience, || {
            gate.login("bob", "secret") == 401
        });
        assert_eq!(gate.login("alice", "new"), 204);
        // The last one leaves an empty file, which counts after another second.
        htpasswd(&["-D"], &["alice"]);
        let last = patience + Duration::from_secs(1);
        eventually("alice is refused", last, || {
            gate.login("alice", "new") == 401
        });
        assert_eq!(gate.metric("htgate_users"), 0.0);
    });
}

#[test]
fn moved_over() {
    removes_bob(|file| {
        let aside = file.with_extension("new");
        fs::write(&aside, without_bob(file)).unwrap();
        run(Command::new("mv").args([&aside, file]));
    });
}

#[test]
fn edited_by_sed() {
    removes_bob(|file| {
        run(Command::new("sed").args(["-i", "/^bob:/d"]).arg(file));
    });
}

#[test]
fn written_in_place_in_pieces() {
    removes_bob(|file| {
        let text = format!("{}# end\n", without_bob(file));
        let mut file = File::options()
            .write(true)
            .truncate(true)
            .open(file)
            .unwrap();
        for piece in text.as_bytes().chunks(7) {
            thread::sleep(Duration::from_millis(3));
            file.write_all(piece).unwrap();
        }
    });
}

#[test]
fn an_older_file_with_its_times_kept() {
    for command in ["cp -p", "mv"] {
        removes_bob(|file| {
            let old = file.with_extension("old");
            fs::write(&old, without_bob(file)).unwrap();
            run(Command::new("touch").args(["-d", "2001-01-01"]).arg(&old));
            let mut words = command.split(' ');
            run(Command::new(words.next().unwrap())
                .args(words)
                .args([&old, file]));
        });
    }
}

#[test]
fn the_same_size_and_the_same_times() {
    removes_bob(|file| {
        let times = file.metadata().unwrap().modified().unwrap();
        let text = fs::read_to_string(file).unwrap().replace("bob:", "bub:");
        fs::write(file, text).unwrap();
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(times)
            .unwrap();
    });
}

#[test]
fn a_kubernetes_volume_swaps_its_data() {
    both_ways(|options, patience| {
        let folder = crate::support::folder();
        let root = folder.path().to_owned();
        let publish = |version: &str, users: &str| {
            let data = root.join(format!("..2026_{version}"));
            fs::create_dir(&data).unwrap();
            fs::write(data.join("htpasswd"), users).unwrap();
            symlink(data.file_name().unwrap(), root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        };
        let alice = line("alice", "secret", 4);
        publish("1", &(alice.clone() + &line("bob", "secret", 4)));
        symlink("..data/htpasswd", root.join("htpasswd")).unwrap();
        let gate = Gate::start_in(folder, options);
        assert_eq!(gate.login("bob", "secret"), 204);
        publish("2", &alice);
        fs::remove_dir_all(root.join("..2026_1")).unwrap();
        eventually("bob is refused", patience, || {
            gate.login("bob", "secret") == 401
        });
        // Once more: the watches must have followed.
        publish("3", &(alice.clone() + &line("carol", "secret", 4)));
        eventually("carol may enter", patience, || {
            gate.login("carol", "secret") == 204
        });
        assert_eq!(gate.login("alice", "secret"), 204);
    });
}

/// As the kubelet makes it for a pod with an fsGroup: root's, and readable for the group alone.
#[test]
fn a_kubernetes_secret_of_a_pod_that_is_not_root() {
    if !is_root() {
        let test = "a_kubernetes_secret_of_a_pod_that_is_not_root";
        return skip(test, "only root can make files of somebody else");
    }
    both_ways(|options, patience| {
        let folder = crate::support::folder();
        let volume = folder.path().join("users");
        let owned = |path: &Path, mode: u32| {
            chown(path, Some(0), Some(NOBODY)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let publish = |version: &str, users: &str| {
            let data = volume.join(format!("..2026_11_24_20_50_00.{version}"));
            fs::create_dir(&data).unwrap();
            fs::write(data.join("htpasswd"), users).unwrap();
            owned(&data.join("htpasswd"), 0o440);
            owned(&data, 0o2755);
            symlink(data.file_name().unwrap(), volume.join("..data_tmp")).unwrap();
            let last = fs::canonicalize(volume.join("..data"));
            fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
            if let Ok(last) = last {
                fs::remove_dir_all(last).unwrap();
            }
        };
        fs::create_dir(&volume).unwrap();
        owned(&volume, 0o3777);
        publish(
            "1",
            &(line("alice", "secret", 4) + &line("bob", "secret", 4)),
        );
        symlink("..data/htpasswd", volume.join("htpasswd")).unwrap();
        symlink("users/htpasswd", folder.path().join("htpasswd")).unwrap();
        let gate = Gate::start_in_as_nobody(folder, options);
        assert_eq!(gate.login("bob", "secret"), 204);
        publish("2", &line("alice", "secret", 4));
        eventually("bob is refused", patience, || {
            gate.login("bob", "secret") == 401
        });
        assert_eq!(gate.login("alice", "secret"), 204);
        // A Secret without users, which must be empty for a while to count.
        publish("3", "");
        let empty = patience + Duration::from_secs(1);
        eventually("alice is refused", empty, || {
            gate.login("alice", "secret") == 401
        });
        let readyz = gate.ask("GET /readyz", &[]).text();
        assert!(readyz.ends_with("failed: none\n"), "{readyz}");
    });
}

#[test]
fn the_whole_folder_is_replaced() {
    both_ways(|options, patience| {
        let folder = crate::support::folder();
        let users = folder.path().join("users");
        fs::create_dir(&users).unwrap();
        fs::write(users.join("htpasswd"), line("bob", "secret", 4)).unwrap();
        symlink("users/htpasswd", folder.path().join("htpasswd")).unwrap();
        let gate = Gate::start_in(folder, options);
        assert_eq!(gate.login("bob", "secret"), 204);
        fs::rename(&users, users.with_extension("old")).unwrap();
        fs::create_dir(&users).unwrap();
        fs::write(users.join("htpasswd"), line("alice", "secret", 4)).unwrap();
        // The new folder is found by polling, with events too.
        let patience = patience.max(POLL);
        eventually("alice may enter", patience, || {
            gate.login("alice", "secret") == 204
        });
        assert_eq!(gate.login("bob", "secret"), 401);
        run(Command::new("sed")
            .args(["-i", "s/alice/carol/"])
            .arg(users.join("htpasswd")));
        eventually("carol may enter", patience, || {
            gate.login("carol", "secret") == 204
        });
    });
}

#[test]
fn sighup_reads_again() {
    // An hour between looks: only the signal can be it.
    let options = ["--watch", "poll", "--poll-seconds", "3600"];
    let gate = Gate::start(&line("alice", "secret", 4), &options);
    fs::write(gate.users(), line("bob", "secret", 4)).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(gate.login("bob", "secret"), 401);
    signal(&gate.child, "HUP");
    eventually("bob may enter", EVENTS, || {
        gate.login("bob", "secret") == 204
    });
    assert_eq!(gate.login("alice", "secret"), 401);
}

#[test]
fn user_agent_rules_are_reloaded_and_a_mistake_keeps_the_last() {
    both_ways(|options, patience| {
        let folder = crate::support::folder();
        fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
        let config = folder.path().join("htgate.toml");
        fs::write(&config, "[user_agent]\ndeny = ['^evil']\nexcept = []\n").unwrap();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(options);
        let gate = Gate::start_in(folder, &all);
        let agent = |agent: &str| {
            gate.ask("GET /auth", &[&format!("User-Agent: {agent}")])
                .status
        };
        assert_eq!((agent("evil/1"), agent("bad/1")), (403, 401));
        let half = "[user_agent]\ndeny = ['^bad']\n";
        fs::write(&config, half).unwrap();
        let readyz = || gate.ask("GET /readyz", &[]).text();
        eventually("half of the rules is told", patience, || {
            readyz().contains("[user_agent] has no 'except'")
        });
        assert_eq!((agent("evil/1"), agent("bad/1")), (403, 401));
        fs::write(&config, half.to_owned() + "except = []\n").unwrap();
        eventually("the new rules", patience, || agent("bad/1") == 403);
        assert_eq!(agent("evil/1"), 401);
        fs::write(
            &config,
            "workers = 7\n[user_agent]\ndeny = ['(']\nexcept = []\n",
        )
        .unwrap();
        eventually("the mistake is told", patience, || {
            readyz().contains("unclosed group")
        });
        assert_eq!(agent("bad/1"), 403);
        // The users still change meanwhile.
        fs::write(gate.users(), line("bob", "secret", 4)).unwrap();
        eventually("alice is refused", patience, || {
            gate.login("alice", "secret") == 401
        });
        assert_eq!(gate.login("bob", "secret"), 204);
        fs::write(
            &config,
            "workers = 7\n[user_agent]\ndeny = []\nexcept = []\n",
        )
        .unwrap();
        eventually("the mended rules", patience, || agent("bad/1") == 401);
        assert!(readyz().ends_with("failed: none\n"));
        gate.wait_for_log("take effect with a restart: workers");
    });
}
