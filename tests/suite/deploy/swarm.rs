//! compose/stack.yml in a swarm of this one node.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{Compose, Docker, attempt, eventually, line, run, said};

/// A stack, in a swarm that is made for it where there is none; ends when dropped.
struct Stack<'c> {
    compose: &'c Compose,
    made_the_swarm: bool,
}

impl<'c> Stack<'c> {
    fn deploy(compose: &'c Compose) -> Self {
        let state = docker(&["info", "--format", "{{.Swarm.LocalNodeState}}"]);
        let made_the_swarm = state.trim() == "inactive";
        if made_the_swarm {
            docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
        }
        let stack = Self {
            compose,
            made_the_swarm,
        };
        // As the file says. It reads no .env.
        let deploy = format!(
            "set -a; . ./.env; docker stack deploy --resolve-image never -c stack.yml {}",
            compose.project
        );
        run(Command::new("sh")
            .args(["-c", &deploy])
            .current_dir(compose.path(".")));
        stack
    }

    fn service(&self, name: &str) -> String {
        format!("{}_{name}", self.compose.project)
    }

    fn containers(&self, service: &str) -> Vec<String> {
        let label = format!(
            "label=com.docker.swarm.service.name={}",
            self.service(service)
        );
        let listed = docker(&["ps", "-q", "--filter", &label]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            for service in ["nginx", "htgate"] {
                let logs = ["service", "logs", "--tail", "100", &self.service(service)];
                println!("{}", said(&attempt(Command::new("docker").args(logs))));
            }
        }
        // Without a word of complaint: the test may be failing already.
        let quiet = |arguments: &[&str]| attempt(Command::new("docker").args(arguments));
        quiet(&["stack", "rm", &self.compose.project]);
        let label = format!("label=com.docker.stack.namespace={}", self.compose.project);
        for _ in 0..60 {
            if quiet(&["ps", "-aq", "--filter", &label]).stdout.is_empty() {
                break;
            }
            thread::sleep(Duration::from_secs(1));
        }
        quiet(&["volume", "rm", &self.service("images")]);
        if self.made_the_swarm {
            quiet(&["swarm", "leave", "--force"]);
        }
    }
}

fn docker(arguments: &[&str]) -> String {
    said(&run(Command::new("docker").args(arguments)))
}

#[test]
fn a_stack_is_scaled_killed_and_updated_unnoticed() {
    let test = "a_stack_is_scaled_killed_and_updated_unnoticed";
    if Docker::find(test).is_none() {
        return;
    }
    let Some(compose) = Compose::find(test, &[]) else {
        return;
    };
    compose.prepare(&["testuser"], None);
    let stack = Stack::deploy(&compose);
    let status = |credentials: &str| compose.status("/v2/", &["-u", credentials]);
    eventually("the stack is up", Duration::from_secs(120), || {
        status("testuser:testpassword") == "200"
    });
    eventually("both htgates are up", Duration::from_secs(60), || {
        stack.containers("htgate").len() == 2
    });

    let asked = compose.asked_while(|| {
        let service = stack.service("htgate");
        let before = stack.containers("htgate");
        docker(&["service", "update", "--force", "--detach=false", &service]);
        let after = stack.containers("htgate");
        assert!(after.iter().all(|container| !before.contains(container)));
        docker(&[
            "service",
            "scale",
            "--detach=false",
            &format!("{service}=3"),
        ]);
        docker(&["kill", &stack.containers("htgate")[0]]);
        eventually("another one came", Duration::from_secs(60), || {
            stack.containers("htgate").len() == 3
        });
        docker(&[
            "service",
            "scale",
            "--detach=false",
            &format!("{service}=2"),
        ]);
        thread::sleep(Duration::from_secs(5));
    });
    assert!(
        asked.wrong.is_empty() && asked.all > 100,
        "of {}: {:?}",
        asked.all,
        asked.wrong
    );

    // A change of the users needs no restart.
    let users = line("testuser", "testpassword", 5) + &line("alice", "secret", 5);
    fs::write(compose.path("users/htpasswd"), users).unwrap();
    eventually("alice may enter", Duration::from_secs(5), || {
        status("alice:secret") == "200"
    });
    fs::write(compose.path("users/htpasswd"), line("alice", "secret", 5)).unwrap();
    eventually("testuser may not", Duration::from_secs(5), || {
        status("testuser:testpassword") == "401"
    });
}
