//! Real clients: curl, skopeo and the Docker engine, through the real nginx.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{
    Docker, Gate, Nginx, RULES, Registry, Skopeo, attempt, check_client, free_port, image,
    repository, run, said,
};
use crate::token::scene::{SERVICE, configure, prepare, start, uri};

/// htgate and a registry behind nginx, for clients on this machine.
struct House {
    nginx: Nginx,
    registry: Registry,
    gate: Gate,
    port: u16,
}

impl House {
    fn start() -> Self {
        let gate = start(prepare());
        let port = free_port();
        let folder = gate.folder.path();
        let certificate = folder.join("certificate");
        run(Command::new(repository("compose/certificate.sh")).arg(&certificate));
        let realm = format!("https://localhost:{port}/auth/token");
        let registry = Registry::start_with_tokens(&realm, &folder.join("keys/token.crt"));
        let http =
            registry.behind_tokens(&gate.socket(), &format!("listen {port} ssl;"), &certificate);
        Self {
            nginx: Nginx::start(&http),
            registry,
            gate,
            port,
        }
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// curl with nginx's own certificate: no `-k`.
    fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let certificate: PathBuf = self.gate.folder.path().join("certificate/domain.crt");
        let url = format!("https://{}{path}", self.host());
        said(&run(Command::new("curl")
            .args(["-sS", "-w", "%{http_code}", "--cacert"])
            .arg(certificate)
            .args(arguments)
            .arg(url)))
    }

    /// What a user, or nobody, gets from the registry with a token for this scope.
    fn fetch(&self, user: &str, scope: &str, path: &str, arguments: &[&str]) -> String {
        let credentials = format!("{user}:secret");
        let basic: &[&str] = if user.is_empty() {
            &[]
        } else {
            &["-u", &credentials]
        };
        let answer = self.curl(&uri("/auth/token", SERVICE, &[scope]), basic);
        let answer: Value = serde_json::from_str(answer.strip_suffix("200").unwrap()).unwrap();
        let token = format!(
            "Authorization: Bearer {}",
            answer["token"].as_str().unwrap()
        );
        self.curl(path, &[&["-H", &token], arguments].concat())
    }

    /// Lines of nginx's access log that hold all of these.
    fn requests(&self, parts: &[&str]) -> usize {
        let log = self.nginx.access_log();
        let all = |line: &&str| parts.iter().all(|part| line.contains(part));
        log.lines().filter(all).count()
    }
}

#[test]
fn skopeo_and_curl() {
    let house = House::start();
    let host = house.host();
    let skopeo = Skopeo::new(host.clone());
    let login = |user: &str, password: &str| {
        skopeo.run(&[
            "login",
            "--tls-verify=false",
            "-u",
            user,
            "-p",
            password,
            &host,
        ])
    };
    check_client(&login("reader", "secret"), true, "Login Succeeded!");
    check_client(
        &login("reader", "wrong"),
        false,
        "invalid username/password",
    );
    check_client(
        &login("stranger", "secret"),
        false,
        "invalid username/password",
    );
    check_client(&skopeo.run(&["logout", &host]), true, "");

    // Push and pull, with a password and without one.
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
    check_client(&skopeo.copy("@public/app:1", &pulled), true, "");
    run(Command::new("diff")
        .arg("-r")
        .args([work.path().join("image"), work.path().join("pulled")]));
    check_client(&skopeo.copy("pusher@public/app:1", &pulled), true, "");
    check_client(&skopeo.copy("@team/app:1", &pulled), false, "unauthorized");
    check_client(
        &skopeo.copy("pusher@team/app:1", &pulled),
        false,
        "unauthorized",
    );
    let wrong = ["--creds=reader:wrong", "--tls-verify=false"];
    let place = format!("docker://{host}/public/app:1");
    let wrong = skopeo.run(&["inspect", wrong[0], wrong[1], &place]);
    check_client(&wrong, false, "invalid username/password");

    // Who may pull only, pushes nothing; nobody neither.
    for user in ["reader", "deleter", ""] {
        let refused = skopeo.copy(&source, &format!("{user}@team/app:3"));
        check_client(&refused, false, DENIED);
    }
    let tags = "/v2/team/app/tags/list";
    let listed = house.fetch("admin", "repository:team/app:pull", tags, &[]);
    assert!(
        listed.contains("\"1\"") && listed.contains("\"2\""),
        "{listed}"
    );
    assert!(
        listed.ends_with("200") && !listed.contains("\"3\""),
        "{listed}"
    );

    mounts(&house, &skopeo);

    // skopeo asks for `*` to delete, and gets what there is.
    check_client(
        &skopeo.with("delete", "reader@team/app:2"),
        false,
        "authentication required",
    );
    check_client(
        &skopeo.with("delete", "@public/app:1"),
        false,
        "authentication required",
    );
    check_client(&skopeo.with("inspect", "reader@team/app:2"), true, "");
    check_client(&skopeo.with("delete", "deleter@team/app:2"), true, "");
    check_client(
        &skopeo.with("inspect", "reader@team/app:2"),
        false,
        "manifest unknown",
    );
    check_client(&skopeo.with("inspect", "@public/app:1"), true, "");

    catalog(&house);
    house.nginx_saw_no_fault();
}

/// What skopeo has just read it would like to mount from there.
fn mounts(house: &House, skopeo: &Skopeo) {
    let work = tempfile::tempdir().unwrap();
    let secret = format!("dir:{}", image(work.path(), 3).display());
    check_client(&skopeo.copy(&secret, "admin@team/own:1"), true, "");
    // pusher may not pull from there, and uploads.
    check_client(
        &skopeo.copy("reader@team/own:1", "pusher@pusher/app:1"),
        true,
        "",
    );
    let mounted = |name: &str| {
        let line = format!("POST /v2/{name}/blobs/uploads/?from=");
        house.requests(&[&line, "mount=", "\" 201 "])
    };
    let uploaded =
        |name: &str| house.requests(&[&format!("PUT /v2/{name}/blobs/uploads/"), "\" 201 "]);
    assert_eq!((mounted("pusher/app"), uploaded("pusher/app")), (0, 4));
    // From where it may pull, it mounts all layers; a configuration it always uploads.
    check_client(
        &skopeo.copy("reader@shared/base:1", "pusher@pusher/base:1"),
        true,
        "",
    );
    assert_eq!((mounted("pusher/base"), uploaded("pusher/base")), (3, 1));
    // Who does not ask whether it may is refused as well, by the registry: with a token for the
    // repository alone, or with all that can be got.
    let log = house.registry.log();
    let digest = log.split("/v2/team/own/blobs/sha256:").nth(1).unwrap();
    let mount = format!(
        "/v2/pusher/x/blobs/uploads/?mount=sha256:{}&from=",
        &digest[..64]
    );
    let (own, from) = ("repository:pusher/x:pull,push", "repository:team/own:pull");
    for scope in [own, &format!("{own} {from}")] {
        let answer = house.fetch(
            "pusher",
            scope,
            &format!("{mount}team/own"),
            &["-X", "POST"],
        );
        assert!(answer.ends_with("401"), "{answer}");
    }
    let answer = house.fetch(
        "admin",
        &format!("{own} {from}"),
        &format!("{mount}team/own"),
        &["-X", "POST"],
    );
    assert!(answer.ends_with("201"), "{answer}");
}

fn catalog(house: &House) {
    let scope = "registry:catalog:*";
    let all = house.fetch("admin", scope, "/v2/_catalog", &[]);
    let (list, status) = all.split_at(all.len() - 3);
    assert_eq!(status, "200");
    for repository in ["public/app", "pusher/app", "team/app"] {
        assert!(list.contains(&format!("\"{repository}\"")), "{list}");
    }
    for user in ["reader", "pusher", ""] {
        let answer = house.fetch(user, scope, "/v2/_catalog", &[]);
        assert!(
            answer.ends_with("401") && !answer.contains("team/app"),
            "{answer}"
        );
    }
    // Without having asked for it not even admin.
    let answer = house.fetch("admin", "repository:team/app:*", "/v2/_catalog", &[]);
    assert!(answer.ends_with("401"), "{answer}");
    // And without a token, curl is told where they are.
    let answer = house.curl("/v2/", &["-i"]);
    let realm = format!("realm=\"https://{}/auth/token\"", house.host());
    assert!(
        answer.ends_with("401") && answer.contains(&realm),
        "{answer}"
    );
    let answer = house.curl("/v2/", &["-u", "admin:secret"]);
    assert!(answer.ends_with("401"), "{answer}");
}

#[test]
fn the_docker_engine() {
    let Some(mut docker) = Docker::find("the_docker_engine") else {
        return;
    };
    let house = House::start();
    let host = house.host();
    let name = |repository: &str| format!("{host}/{repository}:1");
    let login = |docker: &Docker, user: &str, password: &str| {
        attempt(&mut docker.command(&["login", "-u", user, "-p", password, &host]))
    };
    check_client(
        &login(&docker, "admin", "wrong"),
        false,
        "unauthorized: authentication required",
    );
    check_client(
        &login(&docker, "stranger", "secret"),
        false,
        "unauthorized: authentication required",
    );
    check_client(&login(&docker, "admin", "secret"), true, "Login Succeeded");

    docker.make(&name("team/app"));
    for repository in ["team/app", "public/app", "shared/base"] {
        if repository != "team/app" {
            docker.tag(&name(repository));
        }
        run(&mut docker.command(&["push", &name(repository)]));
    }
    run(&mut docker.command(&["rmi", &name("public/app"), &name("shared/base")]));

    // Logged out: what anybody may pull, and no more.
    run(&mut docker.command(&["logout", &host]));
    let act = |docker: &Docker, act: &str, repository: &str| {
        attempt(&mut docker.command(&[act, &name(repository)]))
    };
    check_client(
        &act(&docker, "pull", "public/app"),
        true,
        "Downloaded newer image",
    );
    check_client(&act(&docker, "pull", "team/app"), false, "denied");
    check_client(&act(&docker, "push", "public/app"), false, DENIED);

    // Pull-only.
    check_client(&login(&docker, "reader", "secret"), true, "Login Succeeded");
    check_client(
        &act(&docker, "pull", "team/app"),
        true,
        "Image is up to date",
    );
    check_client(&act(&docker, "push", "team/app"), false, DENIED);

    // docker has the layers from team/app, public/app and shared/base, and offers to mount them
    // from there; pusher may not pull from all of these.
    check_client(&login(&docker, "pusher", "secret"), true, "Login Succeeded");
    check_client(&act(&docker, "pull", "team/app"), false, "denied");
    docker.tag(&name("pusher/app"));
    check_client(&act(&docker, "push", "pusher/app"), true, "Mounted from ");
    check_client(
        &act(&docker, "push", "shared/base"),
        false,
        "does not exist",
    );
    let mounted = house.requests(&["POST /v2/pusher/app/blobs/uploads/?from=", "\" 201 "]);
    assert_eq!(mounted, 1, "{}", house.nginx.access_log());

    // What there is only in a place that one may not pull from is uploaded.
    let mut other = Docker::find("the_docker_engine").unwrap();
    check_client(&login(&other, "admin", "secret"), true, "Login Succeeded");
    other.make(&name("team/own"));
    run(&mut other.command(&["push", &name("team/own")]));
    check_client(&login(&other, "pusher", "secret"), true, "Login Succeeded");
    other.tag(&name("pusher/own"));
    check_client(&act(&other, "push", "pusher/own"), true, "Pushed");
    let mounted = house.requests(&["POST /v2/pusher/own/blobs/uploads/?from=", "\" 201 "]);
    let uploaded = house.requests(&["PUT /v2/pusher/own/blobs/uploads/", "\" 201 "]);
    assert!(
        mounted == 0 && uploaded >= 1,
        "{}",
        house.nginx.access_log()
    );

    // A right that is taken is gone at the next pull.
    check_client(&act(&docker, "pull", "pusher/app"), true, "up to date");
    configure(
        house.gate.folder.path(),
        "",
        &RULES.replace("pusher/**", "nothing/**"),
    );
    crate::support::eventually("the rules", crate::support::POLL, || {
        !act(&docker, "pull", "pusher/app").status.success()
    });
    check_client(&act(&docker, "pull", "pusher/app"), false, "denied");
    // A client that guesses is told why nothing works any more; what is remembered does. Somebody
    // has logged in from here, so it gets ten times the usual number.
    for guess in 0..100 {
        let guess = login(&docker, "reader", &format!("guess-{guess}"));
        assert!(!guess.status.success(), "{}", said(&guess));
    }
    let throttled = login(&docker, "reader", "one-more");
    check_client(
        &throttled,
        false,
        "toomanyrequests: too many wrong passwords",
    );
    check_client(&login(&docker, "reader", "secret"), true, "Login Succeeded");
    house.nginx_saw_no_fault();
}

const DENIED: &str = "requested access to the resource is denied";

impl House {
    /// No client was told of an inner fault, and no secret is in a log.
    fn nginx_saw_no_fault(&self) {
        for status in ["\" 500 ", "\" 502 ", "\" 503 ", "\" 504 "] {
            assert_eq!(self.requests(&[status]), 0, "{}", self.nginx.access_log());
        }
        let logs = self.nginx.access_log() + &self.nginx.error_log() + &self.gate.log();
        assert!(
            !logs.contains(":secret") && !logs.contains("=secret"),
            "{logs}"
        );
        assert!(!logs.contains("ERROR"), "{logs}");
    }
}
