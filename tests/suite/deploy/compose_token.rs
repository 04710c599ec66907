//! compose/ with token.yml: the registry checks tokens that htgate signs, in containers.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Output;
use std::time::Duration;

use crate::support::{Compose, Docker, attempt, eventually, is_root, line, run, said};

#[test]
fn docker_pulls_without_a_login_from_compose_with_tokens() {
    let test = "docker_pulls_without_a_login_from_compose_with_tokens";
    let Some(mut docker) = Docker::find(test) else {
        return;
    };
    let Some(compose) = Compose::find(test, &["token.yml"]) else {
        return;
    };
    let folder = compose.path("token");

    // What is there already stays.
    let prepare = || compose.prepare(&["--token", "testuser"], None);
    let told = prepare();
    assert!(told.contains("-f token.yml up -d"), "{told}");
    let key = fs::read(folder.join("key/token.key")).unwrap();
    let told = prepare();
    assert!(told.contains("token/key is there already"), "{told}");
    assert_eq!(fs::read(folder.join("key/token.key")).unwrap(), key);

    // Another one, who may only pull, and only what is the team's.
    let htpasswd = compose.path("users/htpasswd");
    let users = fs::read_to_string(&htpasswd).unwrap() + &line("reader", "secret", 10);
    fs::write(&htpasswd, users).unwrap();
    let config = folder.join("htgate.toml");
    let rules = fs::read_to_string(&config).unwrap();
    let rules = rules.replace(r#"users = ["*"]"#, r#"users = ["testuser"]"#)
        + "\n[[access]]\nusers = ['reader']\nrepositories = ['team/**']\nactions = ['pull']\n";
    fs::write(&config, rules).unwrap();

    run(&mut compose.command(&["up", "-d", "--no-build"]));
    let token = "/auth/token?service=registry";
    let is_up = || compose.status(token, &[]) == "200" && compose.status("/v2/", &[]) == "401";
    eventually("compose is up", Duration::from_secs(60), is_up);
    // A password alone opens nothing any more.
    let user = ["-u", "testuser:testpassword"];
    assert_eq!(compose.status("/v2/", &user), "401");

    let registry = compose.registry();
    let login = |docker: &Docker, user: &str, password: &str| {
        attempt(&mut docker.command(&["login", "-u", user, "-p", password, &registry]))
    };
    let attempt_to = |docker: &Docker, verb: &str, name: &str| {
        attempt(&mut docker.command(&[verb, &format!("{registry}/{name}")]))
    };
    docker.make(&format!("{registry}/team/app:1"));
    docker.tag(&format!("{registry}/public/app:1"));

    refused(&attempt_to(&docker, "push", "public/app:1"));
    refused(&login(&docker, "testuser", "wrong"));
    done(&login(&docker, "testuser", "testpassword"));
    done(&attempt_to(&docker, "push", "team/app:1"));
    // The second one is mounted from the first.
    done(&attempt_to(&docker, "push", "public/app:1"));

    done(&login(&docker, "reader", "secret"));
    refused(&attempt_to(&docker, "push", "team/app:1"));
    done(&attempt_to(&docker, "rmi", "team/app:1"));
    done(&attempt_to(&docker, "pull", "team/app:1"));

    run(&mut docker.command(&["logout", &registry]));
    done(&attempt_to(&docker, "rmi", "team/app:1"));
    done(&attempt_to(&docker, "rmi", "public/app:1"));
    done(&attempt_to(&docker, "pull", "public/app:1"));
    refused(&attempt_to(&docker, "pull", "team/app:1"));
    refused(&attempt_to(&docker, "push", "public/app:1"));

    // The key is htgate's own, and the registry has the certificate and nothing else.
    let made = fs::metadata(folder.join("key/token.key")).unwrap();
    let mode = (made.mode() & 0o7777, made.uid());
    if is_root() {
        assert_eq!(mode, (0o600, 65532));
        // The users are root's, and htgate reads them by its group.
        let users = fs::metadata(&htpasswd).unwrap();
        assert_eq!((users.mode() & 0o7777, users.gid()), (0o640, 65532));
    } else {
        assert_eq!(mode, (0o600, fs::metadata(&htpasswd).unwrap().uid()));
    }
    run(&mut compose.command(&["exec", "-T", "htgate", "/htgate", "check"]));
    let mounts = compose.inspect(
        "registry",
        "{{range .Mounts}}{{if eq .Type \"bind\"}}{{.Source}} {{end}}{{end}}",
    );
    assert_eq!(mounts.trim(), folder.join("registry").to_str().unwrap());
    let inside = fs::read_dir(folder.join("registry")).unwrap();
    let names: Vec<_> = inside.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["token.crt"]);

    let logs = said(&run(&mut compose.command(&["logs", "--no-color", "nginx"])));
    for level in ["[alert]", "[crit]", "[emerg]"] {
        assert!(!logs.contains(level), "{logs}");
    }
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// Refused in words that people understand.
fn refused(output: &Output) {
    let text = said(output);
    let is_clear = text.contains("denied") || text.contains("unauthorized");
    assert!(!output.status.success() && is_clear, "{text}");
}
