//! compose/ with a real registry and the Docker engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::{Docker, attempt, eventually, free_port, repository, run, said, skip};
use tempfile::TempDir;

/// compose/ with images that are made here from Debian's packages, since none can be pulled.
struct Compose {
    folder: TempDir,
    port: u16,
    project: String,
}

impl Compose {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker-compose");
        command
            .current_dir(repository("compose"))
            .env("COMPOSE_PROJECT_NAME", &self.project)
            .env("NGINX_IMAGE", "htgate-test-nginx")
            .env("REGISTRY_IMAGE", "htgate-test-registry")
            .env("HTGATE_IMAGE", "htgate:latest")
            .env("HTGATE_PORT", self.port.to_string())
            .env("HTGATE_USERS", self.folder.path().join("users"))
            .env("HTGATE_CERTS", self.folder.path().join("certs"))
            .args(arguments);
        command
    }

    fn container(&self, service: &str) -> String {
        said(&run(&mut self.command(&["ps", "-q", service])))
            .trim()
            .to_owned()
    }

    fn inspect(&self, service: &str, format: &str) -> String {
        let container = self.container(service);
        let output = run(Command::new("docker").args(["inspect", "-f", format, &container]));
        said(&output).trim().to_owned()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if thread::panicking() {
            println!(
                "{}",
                said(&attempt(&mut self.command(&["logs", "--no-color"])))
            );
        }
        let _ = attempt(&mut self.command(&["down", "-v", "--remove-orphans"]));
    }
}

#[test]
fn docker_works_with_compose() {
    let test = "docker_works_with_compose";
    let Some(mut docker) = Docker::find(test) else {
        return;
    };
    if !Command::new("docker-compose")
        .arg("version")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        skip(test, "there is no docker-compose");
        return;
    }
    let image = Command::new("docker")
        .args(["image", "inspect", "htgate:latest"])
        .output()
        .unwrap();
    if !image.status.success() {
        skip(
            test,
            "there is no image htgate:latest; 'make image' makes it, as 'make test' does",
        );
        return;
    }
    run(Command::new(repository("tests/images/build.sh")).current_dir(repository(".")));

    let folder = support::folder();
    let users = folder.path().join("users");
    fs::create_dir(&users).unwrap();
    let htpasswd = users.join("htpasswd");
    fs::write(&htpasswd, support::line("testuser", "testpassword", 5)).unwrap();
    run(Command::new(repository("compose/certificate.sh")).arg(folder.path().join("certs")));
    let project = format!("htgate-test-{}", std::process::id());
    let compose = Compose {
        folder,
        port: free_port(),
        project,
    };
    run(&mut compose.command(&["up", "-d", "--no-build"]));

    let url = format!("https://localhost:{}/v2/", compose.port);
    let status = |credentials: &str| {
        let output = attempt(Command::new("curl").args([
            "-sk",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-u",
            credentials,
            &url,
        ]));
        said(&output)
    };
    eventually("compose is up", Duration::from_secs(60), || {
        status("testuser:testpassword") == "200"
    });
    docker.exercise(
        &format!("localhost:{}", compose.port),
        "testuser",
        "testpassword",
    );

    // Users come and go through the folder mount, in every manner.
    run(Command::new("htpasswd")
        .arg("-bB")
        .arg(&htpasswd)
        .args(["alice", "secret"]));
    eventually("alice may enter", Duration::from_secs(3), || {
        status("alice:secret") == "200"
    });
    let without = htpasswd.with_extension("new");
    fs::write(&without, support::line("testuser", "testpassword", 5)).unwrap();
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
    let size = said(&run(Command::new("docker").args([
        "image",
        "inspect",
        "-f",
        "{{.Size}}",
        "htgate:latest",
    ])));
    assert!(
        size.trim().parse::<u64>().unwrap() < 10_000_000,
        "{size} bytes"
    );

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
    fs::write(&without, support::line("testuser", "testpassword", 5)).unwrap();
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
