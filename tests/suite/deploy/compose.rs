//! compose/ with a real registry and the Docker engine.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::{Compose, Docker, attempt, eventually, run, said};

#[test]
fn docker_works_with_compose() {
    let test = "docker_works_with_compose";
    let Some(mut docker) = Docker::find(test) else {
        return;
    };
    let Some(compose) = Compose::find(test, &[]) else {
        return;
    };
    let htpasswd = compose.folder.path().join("users/htpasswd");
    run(
        Command::new(crate::support::repository("compose/certificate.sh"))
            .arg(compose.folder.path().join("certs")),
    );
    run(&mut compose.command(&["up", "-d", "--no-build"]));

    let status = |credentials: &str| compose.status("/v2/", &["-u", credentials]);
    eventually("compose is up", Duration::from_secs(60), || {
        status("testuser:testpassword") == "200"
    });
    docker.exercise(&compose.registry(), "testuser", "testpassword");

    // Users come and go through the folder mount, in every manner.
    run(Command::new("htpasswd")
        .arg("-bB")
        .arg(&htpasswd)
        .args(["alice", "secret"]));
    eventually("alice may enter", Duration::from_secs(3), || {
        status("alice:secret") == "200"
    });
    let without = htpasswd.with_extension("new");
    fs::write(
        &without,
        crate::support::line("testuser", "testpassword", 5),
    )
    .unwrap();
    fs::rename(&without, &htpasswd).unwrap();
    eventually("alice is refused", Duration::from_secs(3), || {
        status("alice:secret") == "401"
    });
    assert_eq!(status("testuser:testpassword"), "200");

    // htgate restarts alone, and nginx finds it again.
    run(&mut compose.command(&["restart", "htgate"]));
    eventually("all is well again", Duration::from_secs(20), || {
        status("testuser:testpassword") == "200"
    });
    eventually("the health check agrees", Duration::from_secs(60), || {
        compose.inspect("htgate", "{{.State.Health.Status}}") == "healthy"
    });

    // What the container may do.
    assert_eq!(
        compose.inspect("htgate", "{{.HostConfig.ReadonlyRootfs}}"),
        "true"
    );
    assert_eq!(
        compose.inspect("htgate", "{{.HostConfig.CapDrop}}"),
        "[ALL]"
    );
    assert_eq!(compose.inspect("htgate", "{{.Config.User}}"), "65532:65532");
    assert_eq!(
        compose.inspect("registry", "{{.HostConfig.PortBindings}}"),
        "map[]"
    );
    assert_eq!(files_in("htgate:latest"), ["htgate"]);

    // A single mounted file is pinned by its inode; htgate says so.
    let file = format!("{}:/etc/htgate/users/htpasswd:ro", htpasswd.display());
    let name = format!("{}-single", compose.project);
    run(Command::new("docker").args([
        "run",
        "-d",
        "--rm",
        "--name",
        &name,
        "--network",
        "none",
        "-v",
        &file,
        "htgate:latest",
        "--listen",
        "127.0.0.1:8080",
    ]));
    let logs = || said(&attempt(Command::new("docker").args(["logs", &name])));
    eventually("it is up", Duration::from_secs(10), || {
        logs().contains("listening")
    });
    fs::write(
        &without,
        crate::support::line("testuser", "testpassword", 5),
    )
    .unwrap();
    fs::rename(&without, &htpasswd).unwrap();
    let said_so = std::panic::catch_unwind(|| {
        eventually("the orphan is reported", Duration::from_secs(10), || {
            logs().contains("mount its directory instead")
        });
    });
    let text = logs();
    run(Command::new("docker").args(["rm", "-f", &name]));
    assert!(said_so.is_ok(), "{text}");

    let logs = said(&run(&mut compose.command(&["logs", "--no-color", "nginx"])));
    for level in ["[alert]", "[crit]", "[emerg]"] {
        assert!(!logs.contains(level), "{logs}");
    }
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
