//! `make run` with a real registry and real clients: curl, skopeo and the Docker engine.

use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Docker, Native, attempt, eventually, image, run, said};

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
        answer.starts_with("HTTP/1.1 401 ") && answer.contains("speaks HTTPS"),
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
