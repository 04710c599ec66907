//! What nobody notices: containers of compose/ that are replaced while they are used.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{Compose, Docker, attempt, eventually, run, said};

/// A container that takes an address; removed when dropped.
struct Squatter(String);

impl Drop for Squatter {
    fn drop(&mut self) {
        attempt(Command::new("docker").args(["rm", "-f", "-v", &self.0]));
    }
}

const TEST: &str = "containers_are_replaced_unnoticed";

#[test]
fn containers_are_replaced_unnoticed() {
    if Docker::find(TEST).is_none() {
        return;
    }
    let Some(compose) = Compose::find(TEST, &[]) else {
        return;
    };
    compose.prepare(&["testuser"], None);
    run(&mut compose.command(&["up", "-d", "--no-build"]));
    let status = |password: &str| compose.status("/v2/", &["-u", &format!("testuser:{password}")]);
    eventually("compose is up", Duration::from_secs(60), || {
        status("testpassword") == "200"
    });

    let before = ["htgate", "htgate-2"].map(|service| compose.container(service));
    let asked = compose.asked_while(|| {
        for service in ["htgate", "htgate-2"] {
            let recreate = ["up", "-d", "--no-build", "--no-deps", "--force-recreate"];
            run(compose.command(&recreate).arg(service));
            let health = ["exec", "-T", service, "/htgate", "health"];
            eventually("it answers", Duration::from_secs(60), || {
                attempt(&mut compose.command(&health)).status.success()
            });
            // nginx passes over it for a second or two.
            thread::sleep(Duration::from_secs(4));
        }
    });
    let after = ["htgate", "htgate-2"].map(|service| compose.container(service));
    assert!(before[0] != after[0] && before[1] != after[1]);
    assert!(
        asked.wrong.is_empty() && asked.all > 50,
        "of {}: {:?}",
        asked.all,
        asked.wrong
    );

    // The registry comes back with another address, since somebody else has taken its own.
    let address = || {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        compose.inspect("registry", format)
    };
    let first = address();
    run(&mut compose.command(&["rm", "-sf", "registry"]));
    let squatter = Squatter(format!("{}-squatter", compose.project));
    run(Command::new("docker")
        .args(["run", "-d", "--name", &squatter.0, "--network"])
        .arg(format!("{}_default", compose.project))
        .arg("htgate-test-registry"));
    let up = said(&run(&mut compose.command(&[
        "up",
        "-d",
        "--no-build",
        "registry",
    ])));
    let second = address();
    eventually("nginx finds it", Duration::from_secs(20), || {
        status("testpassword") == "200"
    });
    assert_ne!(first, second, "{up}");
}
