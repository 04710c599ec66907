//! The Docker engine, with a client configuration of its own.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{attempt, run, said, skip};

/// A logged-out docker client; removes its images when dropped.
pub struct Docker {
    config: TempDir,
    images: Vec<String>,
}

impl Docker {
    /// None, with the reason told, where there is no engine.
    pub fn find(test: &str) -> Option<Self> {
        let info = Command::new("docker").arg("info").output();
        if !info.is_ok_and(|info| info.status.success()) {
            skip(
                test,
                "there is no Docker engine to talk to ('docker info' fails)",
            );
            return None;
        }
        Some(Self {
            config: tempfile::tempdir().unwrap(),
            images: Vec::new(),
        })
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .env("DOCKER_CONFIG", self.config.path())
            .args(arguments);
        command
    }

    /// Everything that people do with a registry: log in, push, pull, log out; and what they see
    /// when they may not.
    pub fn exercise(&mut self, registry: &str, user: &str, password: &str) {
        let image = format!("{registry}/team/app:1");
        self.make(&image);

        let refused = attempt(&mut self.command(&["push", &image]));
        check_refused(
            &refused,
            &["no basic auth credentials", "authentication required"],
        );
        let wrong = attempt(&mut self.command(&["login", "-u", user, "-p", "wrong", registry]));
        check_refused(&wrong, &["401 Unauthorized", "unauthorized"]);

        let login = run(&mut self.command(&["login", "-u", user, "-p", password, registry]));
        assert!(said(&login).contains("Login Succeeded"), "{}", said(&login));
        run(&mut self.command(&["push", &image]));
        let id = self.id(&image);
        run(&mut self.command(&["rmi", &image]));
        run(&mut self.command(&["pull", &image]));
        assert_eq!(self.id(&image), id, "what was pulled is what was pushed");

        run(&mut self.command(&["logout", registry]));
        run(&mut self.command(&["rmi", &image]));
        let refused = attempt(&mut self.command(&["pull", &image]));
        check_refused(
            &refused,
            &["no basic auth credentials", "HTTPS", "unauthorized"],
        );
    }

    /// An image from nothing but a few random bytes.
    pub fn make(&mut self, image: &str) {
        self.images.push(image.to_owned());
        let context = tempfile::tempdir().unwrap();
        fs::write(
            context.path().join("Dockerfile"),
            "FROM scratch\nCOPY data /data\n",
        )
        .unwrap();
        let mut data = vec![0; 1 << 20];
        std::io::Read::read_exact(&mut fs::File::open("/dev/urandom").unwrap(), &mut data).unwrap();
        fs::write(context.path().join("data"), data).unwrap();
        let context = context.path().display().to_string();
        run(&mut self.command(&["build", "-q", "-t", image, &context]));
    }

    /// Another name for the first image.
    pub fn tag(&mut self, name: &str) {
        let image = self.images.first().unwrap().clone();
        self.images.push(name.to_owned());
        run(&mut self.command(&["tag", &image, name]));
    }

    fn id(&self, image: &str) -> String {
        said(&run(
            &mut self.command(&["image", "inspect", "-f", "{{.Id}}", image])
        ))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        for image in &self.images {
            let _ = attempt(&mut self.command(&["rmi", "-f", image]));
        }
    }
}

/// A refusal that tells people what is wrong, and not how HTML looks.
fn check_refused(output: &Output, expected: &[&str]) {
    let text = said(output);
    assert!(!output.status.success(), "{text}");
    assert!(expected.iter().any(|part| text.contains(part)), "{text}");
    assert!(!text.contains("invalid character"), "{text}");
}
