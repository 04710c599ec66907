//! Rules with podman and containerd, through `make run`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::clients::registry;
use crate::support::{Native, Skopeo, attempt, check_client, image, is_root, run, skip};

/// Clients begin an upload with a POST that has no Content-Type. nginx says so, and none of them is
/// taken for a form. (docker and skopeo push above.)
#[test]
fn podman_pushes_what_the_rules_say() {
    const TEST: &str = "podman_pushes_what_the_rules_say";
    if !is_root() || !is_there("podman") {
        skip(TEST, "podman and root are needed");
        return;
    }
    let native = registry();
    let work = tempfile::tempdir().unwrap();
    let podman = |arguments: &[&str]| {
        let storage = [
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "none",
        ];
        let mut command = Command::new("podman");
        command
            .args(storage)
            .arg("--root")
            .arg(work.path().join("root"));
        command
            .arg("--runroot")
            .arg(work.path().join("runroot"))
            .args(arguments);
        attempt(command.env("HOME", work.path()))
    };
    let tar = tar(work.path());
    let name = format!("{}/pusher/podman:1", native.registry());
    check_client(&podman(&["import", &tar, &name]), true, "");
    let push = |user: &str, name: &str| {
        let credentials = format!("{user}:secret");
        podman(&["push", "--tls-verify=false", "--creds", &credentials, name])
    };
    check_client(&push("reader", &name), false, "");
    check_client(&push("pusher", &name), true, "");
    check_begun(&native, "/v2/pusher/podman/");
    native.stop();
}

#[test]
fn containerd_pushes_what_the_rules_say() {
    const TEST: &str = "containerd_pushes_what_the_rules_say";
    if !is_root() || !is_there("ctr") || !is_there("containerd") {
        skip(
            TEST,
            "containerd with ctr, which Docker brings, and root are needed",
        );
        return;
    }
    let native = registry();
    let work = tempfile::tempdir().unwrap();
    let socket = work.path().join("containerd.sock");
    let mut containerd = Command::new("containerd")
        .arg("--root")
        .arg(work.path().join("root"))
        .arg("--state")
        .arg(work.path().join("state"))
        .arg("--address")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ctr = |arguments: &[&str]| {
        attempt(
            Command::new("ctr")
                .arg("--address")
                .arg(&socket)
                .args(arguments),
        )
    };
    crate::support::eventually("containerd is up", Duration::from_secs(20), || {
        ctr(&["version"]).status.success()
    });
    let source = format!("dir:{}", image(work.path(), 3).display());
    // To containerd a registry on this machine speaks no TLS, unless it is said to.
    let hosts = work.path().join("hosts");
    let url = format!("https://{}", native.registry());
    let settings = hosts.join(native.registry());
    fs::create_dir_all(&settings).unwrap();
    let text = format!("server = '{url}'\n[host.'{url}']\nskip_verify = true\n");
    fs::write(settings.join("hosts.toml"), text).unwrap();
    let archive = work.path().join("image.tar").display().to_string();
    let name = format!("{}/pusher/ctr:1", native.registry());
    run(Command::new("skopeo")
        .args(["--insecure-policy", "copy", &source])
        .arg(format!("docker-archive:{archive}:{name}")));
    let imported = ctr(&["images", "import", "--no-unpack", &archive]);
    let hosts = hosts.display().to_string();
    let speak = |command: [&str; 2], user: &str, name: &str| {
        let credentials = format!("{user}:secret");
        let options = ["--hosts-dir", &hosts, "--user", &credentials, name];
        ctr(&[&command[..], &options].concat())
    };
    let (push, fetch) = (["images", "push"], ["content", "fetch"]);
    let (refused, pushed) = (speak(push, "reader", &name), speak(push, "pusher", &name));

    // What it has pulled from one repository and pushes into another it would like to mount from
    // there, from 1.7 on, and it would give up after a refusal.
    let of_team = format!("{}/team/ctr:1", native.registry());
    let own = format!("{}/pusher/own:1", native.registry());
    let skopeo = Skopeo::new(native.registry());
    let team = skopeo.copy(&source, "admin@team/ctr:1");
    let fetched = speak(fetch, "reader", &of_team);
    let tagged = ctr(&["images", "tag", &of_team, &own]);
    let moved = speak(push, "pusher", &own);
    containerd.kill().unwrap();
    containerd.wait().unwrap();
    for done in [&imported, &pushed, &team, &fetched, &tagged, &moved] {
        check_client(done, true, "");
    }
    check_client(&refused, false, "");
    check_begun(&native, "/v2/pusher/ctr/");
    let log = native.read("logs/access.log");
    let is_mount = |line: &&str| {
        line.contains("POST /v2/pusher/own/blobs/uploads/?") && line.contains("from=team%2Fctr")
    };
    let mounts: Vec<_> = log.lines().filter(is_mount).collect();
    assert!(
        mounts.iter().all(|line| line.contains("\" 202 ")),
        "{mounts:?}"
    );
    native.stop();
}

fn is_there(program: &str) -> bool {
    Command::new("which")
        .arg(program)
        .output()
        .is_ok_and(|found| found.status.success())
}

/// A file system of one small file.
fn tar(folder: &std::path::Path) -> String {
    fs::write(folder.join("data"), "data\n").unwrap();
    let tar = folder.join("data.tar");
    run(Command::new("tar")
        .arg("-cf")
        .arg(&tar)
        .arg("-C")
        .arg(folder)
        .arg("data"));
    tar.display().to_string()
}

/// An upload was begun, and refused to nobody but who may not.
fn check_begun(native: &Native, path: &str) {
    let log = native.read("logs/access.log");
    let begun = |line: &&str| line.contains(&format!("POST {path}")) && line.contains("\" 202 ");
    assert!(log.lines().any(|line| begun(&line)), "{log}");
}
