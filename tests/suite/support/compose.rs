//! compose/ with images that are made here from Debian's packages, since none can be pulled.

use std::fs;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::{attempt, folder, free_port, line, repository, run, said, skip};

/// One project of compose/, on a port and with users, certificate and keys of its own; taken
/// down when dropped.
pub struct Compose {
    pub folder: TempDir,
    pub port: u16,
    pub project: String,
    /// Those besides docker-compose.yml.
    overrides: &'static [&'static str],
}

impl Compose {
    /// Prepared with one user, `testuser` with `testpassword`, and not yet up. None, with the
    /// reason told, where it cannot run.
    pub fn find(test: &str, overrides: &'static [&'static str]) -> Option<Self> {
        let version = Command::new("docker-compose").arg("version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            skip(test, "there is no docker-compose");
            return None;
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
            return None;
        }
        run(Command::new(repository("tests/suite/images/build.sh")).current_dir(repository(".")));

        let port = free_port();
        let compose = Self {
            folder: folder(),
            port,
            project: format!("htgate-test-{}-{port}", std::process::id()),
            overrides,
        };
        let users = compose.folder.path().join("users");
        fs::create_dir(&users).unwrap();
        let testuser = line("testuser", "testpassword", 5);
        fs::write(users.join("htpasswd"), testuser).unwrap();
        Some(compose)
    }

    pub fn registry(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.in_place("docker-compose");
        command.args(["-f", "docker-compose.yml"]);
        for file in self.overrides {
            command.args(["-f", file]);
        }
        command.args(arguments);
        command
    }

    /// A command in compose/, with the variables that are read there.
    pub fn in_place(&self, program: &str) -> Command {
        let folder = self.folder.path();
        let mut command = Command::new(program);
        command
            .current_dir(repository("compose"))
            .env("COMPOSE_PROJECT_NAME", &self.project)
            .env("NGINX_IMAGE", "htgate-test-nginx")
            .env("REGISTRY_IMAGE", "htgate-test-registry")
            .env("HTGATE_IMAGE", "htgate:latest")
            .env("HTGATE_PORT", self.port.to_string())
            .env("HTGATE_USERS", folder.join("users"))
            .env("HTGATE_CERTS", folder.join("certs"))
            .env("HTGATE_TOKEN", folder.join("token"));
        command
    }

    pub fn container(&self, service: &str) -> String {
        said(&run(&mut self.command(&["ps", "-q", service])))
            .trim()
            .to_owned()
    }

    pub fn inspect(&self, service: &str, format: &str) -> String {
        let container = self.container(service);
        let output = run(Command::new("docker").args(["inspect", "-f", format, &container]));
        said(&output).trim().to_owned()
    }

    /// The status of nginx's answer.
    pub fn status(&self, path: &str, arguments: &[&str]) -> String {
        let url = format!("https://{}{path}", self.registry());
        let output = attempt(
            Command::new("curl")
                .args(["-sk", "-o", "/dev/null", "-w", "%{http_code}"])
                .args(arguments)
                .arg(&url),
        );
        said(&output)
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
