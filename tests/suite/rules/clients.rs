//! Rules with real clients: curl, skopeo and the Docker engine, through `make run`.

use std::fs;
use std::process::Command;

use crate::support::{Docker, Native, RULES, Skopeo, attempt, check_client, image, line, run};

pub(super) fn registry() -> Native {
    let folder = crate::support::folder();
    let users = folder.path().join("users");
    fs::create_dir(&users).unwrap();
    let lines: String = ["admin", "reader", "pusher", "deleter"]
        .map(|user| line(user, "secret", 4))
        .concat();
    fs::write(users.join("htpasswd"), lines).unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let config = config.display().to_string();
    Native::start_in(folder, &[("HTGATE_CONFIG", &config)])
}

#[test]
fn skopeo_and_curl_may_what_the_rules_say() {
    let native = registry();
    let skopeo = Skopeo::new(native.registry());
    let work = tempfile::tempdir().unwrap();
    let source = format!("dir:{}", image(work.path(), 3).display());
    let pulled = format!("dir:{}", work.path().join("pulled").display());
    for repository in ["team/app:1", "team/app:2", "shared/base:1", "public/app:1"] {
        check_client(
            &skopeo.copy(&source, &format!("admin@{repository}")),
            true,
            "",
        );
    }

    check_client(&skopeo.copy("reader@team/app:1", &pulled), true, "");
    run(Command::new("diff")
        .arg("-r")
        .args([work.path().join("image"), work.path().join("pulled")]));
    check_client(&skopeo.copy("reader@shared/base:1", &pulled), true, "");
    check_client(&skopeo.copy(&source, "reader@team/app:3"), false, "denied");
    check_client(&skopeo.copy("pusher@team/app:1", &pulled), false, "denied");
    // It begins with a HEAD, and the answer to that has no words.
    check_client(
        &skopeo.copy(&source, "pusher@team/app:3"),
        false,
        "403 (Forbidden)|StatusCode: 403",
    );
    check_client(
        &skopeo.copy(&source, "pusher@shared/base:3"),
        false,
        "denied",
    );

    // What skopeo has just read it would like to mount from there.
    let other = tempfile::tempdir().unwrap();
    let source_of_admin = format!("dir:{}", image(other.path(), 3).display());
    check_client(&skopeo.copy(&source_of_admin, "admin@team/own:1"), true, "");
    check_client(
        &skopeo.copy("reader@team/own:1", "pusher@pusher/app:1"),
        true,
        "",
    );
    let log = native.read("logs/access.log");
    let requests = |parts: &[&str]| {
        let all = |line: &&str| parts.iter().all(|part| line.contains(part));
        log.lines().filter(all).count()
    };
    // It asks first whether the blob is there, and goes no further when it may not know.
    let asked = requests(&["HEAD /v2/team/own/blobs/", "\" 403 ", " access"]);
    let sent = requests(&["POST /v2/pusher/app/blobs/uploads/ HTTP", "\" 202 "]);
    assert!(asked > 0 && sent >= 3, "{log}");
    check_client(&skopeo.copy("pusher@pusher/app:1", &pulled), true, "");
    // From where it may pull, it mounts.
    check_client(
        &skopeo.copy("reader@shared/base:1", "pusher@pusher/base:1"),
        true,
        "",
    );
    let log = native.read("logs/access.log");
    let is_mount = |line: &str| line.contains("POST /v2/pusher/base/") && line.contains("mount=");
    let mounts: Vec<_> = log.lines().filter(|line| is_mount(line)).collect();
    assert!(
        mounts.iter().any(|line| line.contains("\" 201 ")),
        "{mounts:?}"
    );
    // A client that does not ask first gets an upload, and not the blob.
    let digest = log.split("/v2/team/own/blobs/").nth(1).unwrap();
    let digest = digest.split([' ', '?']).next().unwrap();
    let mount = format!("/v2/pusher/x/blobs/uploads/?mount={digest}&from=team/own");
    let answer = native.curl(&mount, &["-u", "pusher:secret", "-X", "POST"]);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let blob = format!("/v2/pusher/x/blobs/{digest}");
    let answer = native.curl(&blob, &["-u", "pusher:secret"]);
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");

    check_client(&skopeo.with("delete", "reader@team/app:2"), false, "denied");
    check_client(
        &skopeo.with("delete", "pusher@pusher/app:1"),
        false,
        "denied",
    );
    check_client(&skopeo.with("delete", "deleter@team/app:2"), true, "");
    check_client(
        &skopeo.with("inspect", "reader@team/app:1"),
        false,
        "manifest unknown",
    );
    check_client(&skopeo.copy(&source, "deleter@team/app:3"), false, "denied");
    check_client(
        &skopeo.with("list-tags", "pusher@pusher/app"),
        true,
        "\"1\"",
    );
    check_client(
        &skopeo.with("list-tags", "pusher@team/app"),
        false,
        "403 (Forbidden)|requested access to the resource is denied",
    );
    // Without credentials skopeo (and podman, which is made of the same) answers the challenge
    // with the empty name and the empty password: that is nobody.
    check_client(&skopeo.with("inspect", "@public/app:1"), true, "");
    check_client(
        &skopeo.with("inspect", "@team/app:1"),
        false,
        "unauthorized|authentication required",
    );
    check_client(&skopeo.with("inspect", "pusher@public/app:1"), true, "");

    let curl = |path: &str, user: &str| match user {
        "" => native.curl(path, &[]),
        user => native.curl(path, &["-u", &format!("{user}:secret")]),
    };
    let tags = "/v2/public/app/tags/list";
    let rows = [
        ("/v2/_catalog", "admin", "200"),
        ("/v2/_catalog", "reader", "403"),
        ("/v2/_catalog", "", "401"),
        (tags, "", "200"),
        ("/v2/team/app/manifests/1", "", "401"),
        ("/v2/", "", "401"),
        ("/v2/", "reader", "200"),
    ];
    for (path, user, status) in rows {
        let answer = curl(path, user);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} {user}: {answer}"
        );
    }
    // What is there and what is not look alike to those who may have neither.
    let told = |path: &str| {
        let answer = curl(path, "pusher");
        let lines = answer.lines().filter(|line| !line.starts_with("Date: "));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let forbidden = told("/v2/shared2/base/manifests/1");
    assert!(forbidden.contains("\"code\":\"DENIED\""), "{forbidden}");
    for path in [
        "/v2/team/app/manifests/1",
        "/v2/team/none/manifests/1",
        "/v2/team/app/tags/list",
    ] {
        assert_eq!(told(path), forbidden, "{path}");
    }
    native.stop();
}

#[test]
fn docker_pulls_and_pushes_what_the_rules_say() {
    let Some(mut docker) = Docker::find("docker_pulls_and_pushes_what_the_rules_say") else {
        return;
    };
    let native = registry();
    let registry = native.registry();
    let name = |repository: &str| format!("{registry}/{repository}:1");
    docker.make(&name("team/app"));
    let login = |docker: &Docker, user: &str| {
        run(&mut docker.command(&["login", "-u", user, "-p", "secret", &registry]));
    };
    login(&docker, "admin");
    run(&mut docker.command(&["push", &name("team/app")]));
    docker.tag(&name("public/app"));
    run(&mut docker.command(&["push", &name("public/app")]));

    login(&docker, "reader");
    run(&mut docker.command(&["pull", &name("team/app")]));
    let denied = "denied";
    check_client(
        &attempt(&mut docker.command(&["push", &name("team/app")])),
        false,
        denied,
    );

    // docker has the layers from team/app, and offers to mount them from there.
    login(&docker, "pusher");
    check_client(
        &attempt(&mut docker.command(&["pull", &name("team/app")])),
        false,
        denied,
    );
    docker.tag(&name("pusher/app"));
    run(&mut docker.command(&["push", &name("pusher/app")]));
    run(&mut docker.command(&["pull", &name("pusher/app")]));
    docker.tag(&name("shared/app"));
    check_client(
        &attempt(&mut docker.command(&["push", &name("shared/app")])),
        false,
        denied,
    );
    let log = native.read("logs/access.log");
    let mounts: Vec<_> = log
        .lines()
        .filter(|line| line.contains("/v2/pusher/app/") && line.contains("from="))
        .collect();
    println!("docker tried {} mounts", mounts.len());
    assert!(
        mounts
            .iter()
            .all(|line| line.ends_with(" access") || line.ends_with(" ok")),
        "{mounts:?}"
    );

    // Without credentials docker asks for none: it stops at the challenge, and where a registry may
    // be insecure it tries HTTP.
    run(&mut docker.command(&["logout", &registry]));
    let anonymous = attempt(&mut docker.command(&["pull", &name("public/app")]));
    check_client(&anonymous, false, "did you log in?");
    native.stop();
}
