//! The whole thing: `make run` and compose, with a real registry and real clients.

mod support;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::{Docker, attempt, eventually, repository, run, said, signal, skip};
use tempfile::TempDir;

/// `make run`, on a port and in a folder of its own.
struct Native {
    folder: TempDir,
    port: u16,
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Native {
    fn start() -> Self {
        let folder = support::folder();
        let port = free_port();
        let mut child = Command::new(repository("scripts/run.sh"))
            .env("HTGATE_RUN_PORT", port.to_string())
            .env("HTGATE_RUN_FOLDER", folder.path())
            .env("HTGATE_BINARY", env!("CARGO_BIN_EXE_htgate"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("stderr")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let writer = Arc::clone(&output);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *writer.lock().unwrap() += &format!("{line}\n");
            }
        });
        let mut native = Self {
            folder,
            port,
            child,
            output,
        };
        eventually("make run is up", Duration::from_secs(120), || {
            let running = native.child.try_wait().unwrap().is_none();
            assert!(running, "{}{}", native.said(), native.read("stderr"));
            native.said().contains("Ctrl-C stops everything")
        });
        native
    }

    fn said(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    fn registry(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// curl, with the certificate that `make run` made: no `-k`.
    fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let url = format!("https://{}{path}", self.registry());
        let certificate = self.folder.path().join("certificate/domain.crt");
        said(&run(Command::new("curl")
            .args(["-sS", "-i", "--cacert"])
            .arg(certificate)
            .args(arguments)
            .arg(url)))
    }

    /// Stops it as a person would, and looks at what is left.
    fn stop(mut self) {
        signal(&self.child, "TERM");
        self.child.wait().unwrap();
        eventually("it says so", Duration::from_secs(5), || {
            self.said().contains("All stopped")
        });
        let log = self.read("logs/error.log");
        for level in ["[alert]", "[crit]", "[emerg]"] {
            assert!(!log.contains(level), "{log}");
        }
        let closed = std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err();
        assert!(closed, "nginx is gone");
        let mine = format!("{}", self.folder.path().display());
        let left = attempt(Command::new("pgrep").args(["-f", &mine]));
        assert!(
            left.stdout.is_empty(),
            "processes are left: {}",
            said(&left)
        );
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            signal(&self.child, "TERM");
            let _ = self.child.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// An image for skopeo, of a few random layers, in its `dir:` format.
fn image(folder: &Path, layers: usize) -> PathBuf {
    let image = folder.join("image");
    fs::create_dir(&image).unwrap();
    let blob = |bytes: &[u8]| {
        let aside = image.join("aside");
        fs::write(&aside, bytes).unwrap();
        let digest = said(&run(Command::new("sha256sum").arg(&aside)));
        let digest = digest.split(' ').next().unwrap().to_owned();
        fs::rename(&aside, image.join(&digest)).unwrap();
        (digest, bytes.len())
    };
    let layers: Vec<_> = (0..layers)
        .map(|n| {
            let file = folder.join(format!("layer-{n}"));
            fs::write(&file, format!("{n} {file:?}").repeat(1000)).unwrap();
            let tar = folder.join("tar");
            run(Command::new("tar")
                .arg("-czf")
                .arg(&tar)
                .arg("-C")
                .arg(folder)
                .arg(&format!("layer-{n}")));
            blob(&fs::read(&tar).unwrap())
        })
        .collect();
    let (config, length) =
        blob(br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#);
    let kind = "application/vnd.docker";
    let entries: Vec<_> = layers
        .iter()
        .map(|(digest, length)| {
            format!(
                r#"{{"mediaType":"{kind}.image.rootfs.diff.tar.gzip","size":{length},"digest":"sha256:{digest}"}}"#
            )
        })
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}.distribution.manifest.v2+json","config":{{"mediaType":"{kind}.container.image.v1+json","size":{length},"digest":"sha256:{config}"}},"layers":[{}]}}"#,
        entries.join(",")
    );
    fs::write(image.join("manifest.json"), manifest).unwrap();
    fs::write(image.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    image
}

fn skopeo(arguments: &[&str]) -> Output {
    attempt(
        Command::new("skopeo")
            .args(["--insecure-policy"])
            .args(arguments),
    )
}

#[test]
fn make_run_serves_curl_and_skopeo() {
    let native = Native::start();
    let count = |answer: &str, header: &str| {
        answer
            .lines()
            .filter(|line| line.to_lowercase().starts_with(header))
            .count()
    };
    let user = ["-u", "testuser:testpassword"];
    let rows: &[(&str, &[&str], &str)] = &[
        ("/v2/", &[], "401"),
        ("/v2/", &["-u", "testuser:wrong"], "401"),
        ("/v2/", &["-I"], "401"),
        ("/v2/", &["-A", "docker/1.4.1"], "404"),
        ("/v2/", &user, "200"),
        ("/v2/", &["-u", "testuser:testpassword", "-I"], "200"),
        ("/v2/none/manifests/1", &user, "404"),
        ("/v2/%2e%2e/", &user, "404"),
        ("/", &[], "404"),
    ];
    for (path, arguments, status) in rows {
        let answer = native.curl(path, arguments);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        let versions = count(&answer, "docker-distribution-api-version: registry/2.0");
        assert_eq!(versions, 1, "{path}: {answer}");
        assert_eq!(
            count(&answer, "www-authenticate:"),
            usize::from(*status == "401")
        );
        assert_eq!(
            count(&answer, "content-type: application/json"),
            1,
            "{path}: {answer}"
        );
    }
    // HTTP on the HTTPS port is told so in JSON, once.
    let plain = format!("http://{}/v2/", native.registry());
    let answer = said(&run(Command::new("curl").args(["-sS", "-i", &plain])));
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("speaks HTTPS"),
        "{answer}"
    );

    let work = tempfile::tempdir().unwrap();
    let source = format!("dir:{}", image(work.path(), 12).display());
    let target = format!("docker://{}/team/app:1", native.registry());
    let push = |credentials: &str| {
        skopeo(&[
            "copy",
            "--dest-tls-verify=false",
            "--dest-creds",
            credentials,
            &source,
            &target,
        ])
    };
    let refused = push("testuser:wrong");
    assert!(!refused.status.success(), "{}", said(&refused));
    let text = said(&refused);
    assert!(
        text.contains("authentication required") || text.contains("unauthorized"),
        "{text}"
    );
    let pushed = push("testuser:testpassword");
    assert!(pushed.status.success(), "{}", said(&pushed));
    let pulled = work.path().join("pulled");
    let pull = |credentials: &str| {
        let to = format!("dir:{}", pulled.display());
        skopeo(&[
            "copy",
            "--src-tls-verify=false",
            "--src-creds",
            credentials,
            &target,
            &to,
        ])
    };
    assert!(!pull("nobody:testpassword").status.success());
    let output = pull("testuser:testpassword");
    assert!(output.status.success(), "{}", said(&output));
    run(Command::new("diff")
        .args(["-r"])
        .arg(work.path().join("image"))
        .arg(&pulled));

    // A user comes and goes while all of it runs.
    let users = native.folder.path().join("users/htpasswd");
    let login = |user: &str| {
        let credentials = format!("{user}:secret");
        let answer = native.curl("/v2/", &["-u", &credentials]);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(login("alice"), "401");
    run(Command::new("htpasswd")
        .arg("-bB")
        .arg(&users)
        .args(["alice", "secret"]));
    eventually("alice may enter", Duration::from_secs(3), || {
        login("alice") == "200"
    });
    run(Command::new("htpasswd").arg("-D").arg(&users).arg("alice"));
    eventually("alice is refused", Duration::from_secs(3), || {
        login("alice") == "401"
    });
    native.stop();
}

#[test]
fn a_layer_of_300_megabytes_streams_through() {
    let native = Native::start();
    let work = tempfile::tempdir().unwrap();
    let blob = work.path().join("blob");
    run(Command::new("dd")
        .args(["if=/dev/urandom", "bs=1M", "count=300", "status=none"])
        .arg(format!("of={}", blob.display())));
    let digest = said(&run(Command::new("sha256sum").arg(&blob)));
    let digest = format!("sha256:{}", digest.split(' ').next().unwrap());
    let user = ["-u", "testuser:testpassword"];
    let begun = native.curl(
        "/v2/big/blobs/uploads/",
        &[&user[..], &["-X", "POST"]].concat(),
    );
    let location = begun
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .expect(&begun);
    let (_, place) = location.split_once(&native.registry()).expect(location);
    let data = format!("@{}", blob.display());
    let chunked = [
        "-X",
        "PATCH",
        "-H",
        "Transfer-Encoding: chunked",
        "--data-binary",
        &data,
    ];
    let chunked = [
        &user[..],
        &chunked,
        &["-H", "Content-Type: application/octet-stream"],
    ]
    .concat();
    let sent = native.curl(place, &chunked);
    assert!(sent.contains(" 202 Accepted"), "{sent}");
    let location = sent
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .expect(&sent);
    let (_, place) = location.split_once(&native.registry()).expect(location);
    let finish = format!("{place}&digest={digest}");
    let stored = native.curl(&finish, &[&user[..], &["-X", "PUT"]].concat());
    assert!(stored.contains(" 201 Created"), "{stored}");
    let url = format!("https://{}/v2/big/blobs/{digest}", native.registry());
    let back = work.path().join("back");
    run(Command::new("curl")
        .args(["-sSk", "-u", user[1], "-o"])
        .arg(&back)
        .arg(url));
    run(Command::new("cmp").arg(&blob).arg(&back));
    let log = native.read("logs/error.log");
    assert!(!log.contains("buffered to a temporary file"), "{log}");
    native.stop();
}

#[test]
fn docker_works_with_make_run() {
    let Some(mut docker) = Docker::find("docker_works_with_make_run") else {
        return;
    };
    let native = Native::start();
    docker.exercise(&native.registry(), "testuser", "testpassword");
    native.stop();
}

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
