//! compose/ with a real registry and the Docker engine.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use crate::support::{
    Compose, Docker, attempt, eventually, folder, is_root, line, repository, run, said,
};

#[test]
fn docker_works_with_compose() {
    let test = "docker_works_with_compose";
    let Some(mut docker) = Docker::find(test) else {
        return;
    };
    let Some(compose) = Compose::find(test, &[]) else {
        return;
    };
    // htgate is whoever prepares; root has another test, with tokens.
    let user = if is_root() { 1000 } else { own_id() };
    let told = compose.prepare(&["testuser"], is_root().then_some(user));
    let (registry, project) = (compose.registry(), &compose.project);
    assert!(
        told.contains(&format!("\n  docker login -u testuser {registry}\n")),
        "{told}"
    );
    let htpasswd = compose.path("users/htpasswd");
    let made = fs::metadata(&htpasswd).unwrap();
    assert_eq!((made.mode() & 0o7777, made.uid()), (0o600, user));
    // As people add it to the file.
    let environment = fs::read_to_string(compose.path(".env")).unwrap();
    fs::write(compose.path(".env"), environment + "RUST_LOG=info\n").unwrap();
    run(&mut compose.command(&["up", "-d", "--no-build"]));
    let container = compose.inspect("htgate", "{{.Name}}");
    assert!(container.contains(project.as_str()), "{container}");

    let status = |credentials: &str| compose.status("/v2/", &["-u", credentials]);
    eventually("compose is up", Duration::from_secs(60), || {
        status("testuser:testpassword") == "200"
    });
    docker.exercise(&registry, "testuser", "testpassword");
    // Nobody else can read the hashes, and nothing else is wrong.
    run(&mut compose.command(&["exec", "-T", "htgate", "/htgate", "check"]));

    // Users come and go through the folder mount, in every manner.
    run(Command::new("htpasswd")
        .arg("-bB")
        .arg(&htpasswd)
        .args(["alice", "secret"]));
    eventually("alice may enter", Duration::from_secs(3), || {
        status("alice:secret") == "200"
    });
    let without = htpasswd.with_extension("new");
    fs::write(&without, line("testuser", "testpassword", 5)).unwrap();
    fs::rename(&without, &htpasswd).unwrap();
    eventually("alice is refused", Duration::from_secs(3), || {
        status("alice:secret") == "401"
    });
    assert_eq!(status("testuser:testpassword"), "200");

    // Both restart, and nginx finds them again.
    run(&mut compose.command(&["restart", "htgate", "htgate-2"]));
    eventually("all is well again", Duration::from_secs(20), || {
        status("testuser:testpassword") == "200"
    });
    eventually("the health check agrees", Duration::from_secs(60), || {
        compose.inspect("htgate", "{{.State.Health.Status}}") == "healthy"
    });

    // Only htgate's own lines: the server's name the socket before it has its name.
    let log = said(&run(&mut compose.command(&[
        "logs",
        "--no-color",
        "htgate",
    ])));
    assert!(log.contains("listening on unix:"), "{log}");
    assert!(
        !log.contains(".sock.new") && !log.contains("actix"),
        "{log}"
    );

    // What the container may do.
    assert_eq!(
        compose.inspect("htgate", "{{.HostConfig.ReadonlyRootfs}}"),
        "true"
    );
    assert_eq!(
        compose.inspect("htgate", "{{.HostConfig.CapDrop}}"),
        "[ALL]"
    );
    let runs_as = compose.inspect("htgate", "{{.Config.User}}");
    assert!(runs_as.starts_with(&format!("{user}:")), "{runs_as}");
    assert_eq!(
        compose.inspect("registry", "{{.HostConfig.PortBindings}}"),
        "map[]"
    );
    let files = files_in("htgate:latest");
    assert_eq!(files, ["htgate", "run/", "run/htgate/"]);

    let logs = said(&run(&mut compose.command(&["logs", "--no-color", "nginx"])));
    for level in ["[alert]", "[crit]", "[emerg]"] {
        assert!(!logs.contains(level), "{logs}");
    }
}

#[test]
fn rules_and_a_renewed_certificate_reach_compose() {
    let test = "rules_and_a_renewed_certificate_reach_compose";
    if Docker::find(test).is_none() {
        return;
    }
    let Some(compose) = Compose::find(test, &[]) else {
        return;
    };
    compose.prepare(&["--host", "registry.example", "testuser"], None);
    run(&mut compose.command(&["up", "-d", "--no-build"]));
    let read = |name: &str| {
        let path = format!("/v2/{name}/tags/list");
        compose.status(&path, &["-u", "testuser:testpassword"])
    };
    // The registry is asked, and has nothing of that name.
    eventually("compose is up", Duration::from_secs(60), || {
        read("team/app") == "404"
    });
    assert_eq!(read("secret/app"), "404");

    let rules = "[[access]]\nusers = ['*']\nrepositories = ['team/**']\nactions = ['pull']\n";
    fs::write(compose.path("users/htgate.toml"), rules).unwrap();
    run(&mut compose.command(&["restart", "htgate", "htgate-2"]));
    eventually("the rules are in force", Duration::from_secs(20), || {
        (read("team/app"), read("secret/app")) == ("404".to_owned(), "403".to_owned())
    });
    run(&mut compose.command(&["exec", "-T", "htgate", "/htgate", "check"]));
    let more = format!(
        "{rules}\n[[access]]\n{}",
        &rules[11..].replace("team", "secret")
    );
    fs::write(compose.path("users/htgate.toml"), more).unwrap();
    eventually("a change needs no restart", Duration::from_secs(5), || {
        read("secret/app") == "404"
    });

    // What the page tells certbot to do.
    let lineage = compose.path("live/registry.example");
    let new = folder();
    let make = Command::new(repository("compose/certificate.sh"))
        .arg(new.path())
        .args(["registry.example", "new.example"])
        .output();
    assert!(make.unwrap().status.success());
    fs::create_dir_all(&lineage).unwrap();
    for (from, to) in [
        ("domain.crt", "fullchain.pem"),
        ("domain.key", "privkey.pem"),
    ] {
        fs::rename(new.path().join(from), lineage.join(to)).unwrap();
    }
    let page = fs::read_to_string(repository("docs/registry.md")).unwrap();
    let (_, hook) = page.split_once("\n```sh\n#!/bin/sh\n").unwrap();
    let (hook, _) = hook.split_once("```").unwrap();
    let hook = hook.replace("/srv/htgate/compose", compose.path(".").to_str().unwrap());
    let hook = hook.replace("docker compose", compose.program);
    let serves = |name: &str| {
        let resolve = format!("{name}:{}:127.0.0.1", compose.port);
        let url = format!("https://{name}:{}/v2/", compose.port);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--resolve", &resolve, "--cacert"])
            .arg(compose.path("certs/domain.crt"))
            .arg(url);
        attempt(&mut curl).status.success()
    };
    assert!(serves("registry.example") && !serves("new.example"));
    let mut renew = Command::new("sh");
    run(renew.args(["-c", &hook]).env("RENEWED_LINEAGE", &lineage));
    eventually("the new one is served", Duration::from_secs(10), || {
        serves("new.example")
    });
}

#[test]
fn the_image_alone_serves_users_from_a_folder() {
    let test = "the_image_alone_serves_users_from_a_folder";
    if Docker::find(test).is_none() || Compose::find(test, &[]).is_none() {
        return;
    }
    let users = folder();
    let htpasswd = users.path().join("htpasswd");
    let testuser = line("testuser", "testpassword", 5);
    fs::write(&htpasswd, &testuser).unwrap();
    let name = format!("htgate-test-{}", std::process::id());
    let docker = |arguments: &[&str]| said(&attempt(Command::new("docker").args(arguments)));
    let logs = || docker(&["logs", &name]);
    let is_up = |what: &str| {
        let up = std::panic::catch_unwind(|| {
            eventually(what, Duration::from_secs(10), || logs().contains(what));
        });
        let health = docker(&["exec", &name, "/htgate", "health"]);
        (up.is_ok(), format!("{}{health}", logs()))
    };
    let start = |mounts: &[&str]| {
        let begin = ["run", "-d", "--name", &name, "--network", "none"];
        docker(&[&begin, mounts, &["htgate:latest"]].concat())
    };
    let mount = format!("{}:/etc/htgate/users:ro", users.path().display());
    let socket = format!("{name}:/run/htgate");
    for mounts in [&["-v", &mount, "-v", &socket][..], &["-v", &mount]] {
        start(mounts);
        let (is_up, text) = is_up("listening on unix:/run/htgate/htgate.sock");
        docker(&["rm", "-f", &name]);
        assert!(is_up && !text.contains("rror"), "{text}");
    }
    docker(&["volume", "rm", &name]);

    // A single mounted file is pinned by its inode; htgate says so.
    let mount = format!("{}:/etc/htgate/users/htpasswd:ro", htpasswd.display());
    start(&["-v", &mount]);
    let up = is_up("listening");
    let without = htpasswd.with_extension("new");
    fs::write(&without, &testuser).unwrap();
    fs::rename(&without, &htpasswd).unwrap();
    let reported = is_up("mount its directory instead");
    docker(&["rm", "-f", &name]);
    assert!(up.0 && reported.0, "{}", reported.1);
}

/// The number of this process's user.
fn own_id() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// What an image holds.
fn files_in(image: &str) -> Vec<String> {
    let container = said(&run(Command::new("docker").args(["create", image])));
    let container = container.trim();
    let pipe = format!("docker export {container} | tar -t");
    let listed = said(&run(Command::new("sh").args(["-c", &pipe])));
    run(Command::new("docker").args(["rm", container]));
    // The engine puts its own places for mounts into each container.
    let own = ["dev/", "etc/", "proc/", "sys/", ".dockerenv"];
    let files = listed
        .lines()
        .filter(|file| !own.iter().any(|own| file.starts_with(own)));
    files.map(str::to_owned).collect()
}
