//! compose/ with images that are made here from Debian's packages, since none can be pulled.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::TempDir;

use super::{attempt, folder, free_port, repository, run, said, skip};

/// One project in a copy of compose/, where prepare.sh writes beside itself; taken down when
/// dropped.
pub struct Compose {
    folder: TempDir,
    pub port: u16,
    pub project: String,
    /// `docker compose`, or the older `docker-compose`.
    pub program: &'static str,
    /// Those besides docker-compose.yml.
    overrides: &'static [&'static str],
}

impl Compose {
    /// Neither prepared nor up. None, with the reason told, where it cannot run.
    pub fn find(test: &str, overrides: &'static [&'static str]) -> Option<Self> {
        let Some(program) = program() else {
            skip(test, "there is no docker compose");
            return None;
        };
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
        Some(Self {
            folder: copied(),
            program,
            port,
            project: format!("htgate-test-{}-{port}", std::process::id()),
            overrides,
        })
    }

    /// A file in the copy of compose/.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("compose").join(name)
    }

    /// Runs prepare.sh with a password on standard input, as another user if one is named. What it
    /// is given here, no later command is given again.
    pub fn prepare(&self, arguments: &[&str], user: Option<u32>) -> String {
        let mut shell = Command::new("sh");
        if let Some(user) = user {
            let user = user.to_string();
            run(Command::new("chown")
                .args(["-R", &user])
                .arg(self.path(".")));
            shell = Command::new("setpriv");
            shell.args(["--clear-groups", "--reuid", &user, "--regid", &user, "sh"]);
        }
        let script = "echo testpassword | ./prepare.sh \"$@\"";
        let prepare = shell.args(["-c", script, "sh"]).args(arguments);
        let prepare = prepare
            .current_dir(self.path("."))
            .env("COMPOSE_PROJECT_NAME", &self.project)
            .env("NGINX_IMAGE", "htgate-test-nginx")
            .env("REGISTRY_IMAGE", "htgate-test-registry")
            .env("HTGATE_IMAGE", "htgate:latest")
            .env("HTGATE_PORT", self.port.to_string());
        said(&run(prepare))
    }

    pub fn registry(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.program.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["-f", "docker-compose.yml"]);
        for file in self.overrides {
            command.args(["-f", file]);
        }
        command.args(arguments).current_dir(self.path("."));
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

/// What two with the right password and one with a wrong one were answered all the while.
pub struct Asked {
    pub all: usize,
    /// What should have come, and what came.
    pub wrong: Vec<(&'static str, String)>,
}

impl Compose {
    /// Lets testuser and somebody who guesses ask for `/v2/` while something is done.
    pub fn asked_while(&self, act: impl FnOnce()) -> Asked {
        let seen = Mutex::new(Vec::new());
        let is_over = AtomicBool::new(false);
        let done = thread::scope(|scope| {
            for (credentials, expected) in [
                ("testuser:testpassword", "200"),
                ("testuser:testpassword", "200"),
                ("testuser:wrong", "401"),
            ] {
                let (seen, is_over) = (&seen, &is_over);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let answer = self.status("/v2/", &["-u", credentials]);
                        seen.lock().unwrap().push((expected, answer));
                    }
                });
            }
            // Those who ask must end all the same.
            let done = catch_unwind(AssertUnwindSafe(act));
            is_over.store(true, Ordering::Relaxed);
            done
        });
        done.unwrap_or_else(|panic| resume_unwind(panic));
        let mut wrong = seen.into_inner().unwrap();
        let all = wrong.len();
        wrong.retain(|(expected, answer)| expected != answer);
        println!("{all} requests, {} of them answered wrongly", wrong.len());
        Asked { all, wrong }
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

/// The compose that there is, as prepare.sh finds it.
fn program() -> Option<&'static str> {
    let mut both = ["docker compose", "docker-compose"].into_iter();
    both.find(|program| {
        let version = Command::new("sh")
            .args(["-c", &format!("{program} version")])
            .output();
        version.is_ok_and(|output| output.status.success())
    })
}

/// compose/ without what somebody has prepared there, and what it mounts.
pub fn copied() -> TempDir {
    let copy = folder();
    for files in ["compose", "nginx"] {
        fs::create_dir(copy.path().join(files)).unwrap();
        for entry in fs::read_dir(repository(files)).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if entry.file_type().unwrap().is_file() && name != ".env" {
                fs::copy(entry.path(), copy.path().join(files).join(name)).unwrap();
            }
        }
    }
    copy
}
