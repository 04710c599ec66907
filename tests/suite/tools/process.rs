//! The process: how it starts, what it says when it cannot, and how it stops.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::{Gate, attempt, basic, eventually, folder, is_root, line, run, said, signal};

fn htgate(arguments: &[&str]) -> Output {
    attempt(Command::new(env!("CARGO_BIN_EXE_htgate")).args(arguments))
}

#[test]
fn what_keeps_it_from_starting_is_one_line_and_an_exit_code() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (users, config, none) = (path("htpasswd"), path("htgate.toml"), path("none"));
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    fs::write(&config, "wrokers = 3\n").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let unix = format!("unix:{users}");
    let directory = path("");
    let rows: &[(&[&str], i32, &str)] = &[
        (&[], 2, "no users file; use --htpasswd FILE"),
        (
            &["--htpasswd", &none],
            1,
            "none: the file does not exist; create it, or correct the path",
        ),
        (
            &["--htpasswd", &directory],
            1,
            "this is a directory; put a regular file there",
        ),
        (
            &["--htpasswd", &users, "--listen", &taken],
            1,
            ": the port is taken; choose another one, or stop what listens there",
        ),
        (
            &["--htpasswd", &users, "--listen", &unix],
            1,
            "is not a socket; remove it",
        ),
        (
            &["--htpasswd", &users, "--config", &none],
            1,
            "none: the file does not exist",
        ),
        (
            &["--htpasswd", &users, "--config", &config],
            1,
            "line 1: unknown key 'wrokers'; the nearest known one is 'workers'",
        ),
        (
            &["--htpasswd", &users, "--workers", "0"],
            2,
            "invalid value '0' for '--workers <N>': must be a whole number between 1 and 4096",
        ),
        (
            &["--htpasswd", &users, "--listen", "localhost:80"],
            2,
            "write 127.0.0.1:8080",
        ),
        (
            &["--no-such-option"],
            2,
            "unexpected argument '--no-such-option'",
        ),
        (
            &["health", "--listen", "unix:/none"],
            1,
            "unix:/none does not answer: No such file or directory; start htgate, or use --listen",
        ),
    ];
    for (arguments, code, expected) in rows {
        let output = htgate(arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
        let complaints = text
            .lines()
            .filter(|line| line.starts_with("htgate: "))
            .count();
        assert!(complaints == 1 || *code == 2, "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn a_file_without_users_starts_with_a_warning() {
    let gate = Gate::start("# nobody yet\n", &[]);
    assert!(
        gate.log().contains("no users, so nobody can log in"),
        "{}",
        gate.log()
    );
    assert_eq!(gate.login("alice", "secret"), 401);
    assert_eq!(gate.hashes(), 1, "an unknown user costs a hash even then");
}

#[test]
fn settings_from_the_environment_and_from_the_file() {
    let folder = folder();
    let users = folder.path().join("users");
    fs::write(&users, line("alice", "secret", 4)).unwrap();
    let config = folder.path().join("htgate.toml");
    let socket = folder.path().join("s");
    let text = format!("listen = ['unix:{}']\nrealm = 'file'\n", socket.display());
    fs::write(&config, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_htgate"))
        .arg("serve")
        .env("HTGATE_HTPASSWD", &users)
        .env("HTGATE_CONFIG", &config)
        .env("HTGATE_REALM", "environment")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let target = crate::support::Target::Unix(socket.clone());
    eventually("it is up", Duration::from_secs(10), || {
        crate::support::Connection::open(&target).is_ok()
    });
    let response = crate::support::Connection::open(&target)
        .unwrap()
        .ask("GET /auth", &[])
        .unwrap();
    let challenge = response.header("www-authenticate").unwrap().to_owned();
    let health = htgate(&["health", "--listen", &format!("unix:{}", socket.display())]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(challenge.contains("environment"), "{challenge}");
    assert_eq!(health.status.code(), Some(0));
    assert!(
        said(&health).starts_with("ready\nusers: 1\n"),
        "{}",
        said(&health)
    );
}

#[test]
fn json_logs_are_one_object_a_line() {
    let gate = Gate::start("bad\n", &["--log-format", "json"]);
    gate.wait_for_log("no colon");
    for line in gate.log().lines() {
        let json: serde_json::Value = serde_json::from_str(line).expect(line);
        for key in ["time", "level", "target", "message"] {
            assert!(json[key].is_string(), "{line}");
        }
    }
}

#[test]
fn sigterm_lets_the_request_in_hand_finish_and_takes_no_new_one() {
    for name in ["TERM", "INT"] {
        let users = line("alice", "secret", 9) + &line("bob", "secret", 9);
        let mut gate = Gate::start(&users, &["--hash-threads", "1"]);
        // An idle connection must not hold the stop up.
        let mut idle = gate.connect();
        assert_eq!(idle.ask("GET /healthz", &[]).unwrap().status, 200);
        let [mut hashed, mut queued] = ["alice", "bob"].map(|user| {
            let mut busy = gate.connect();
            let header = format!("Authorization: {}", basic(user, "secret"));
            let request = format!("GET /auth HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
            busy.send(request.as_bytes()).unwrap();
            busy
        });
        eventually("one waits for the other", Duration::from_secs(10), || {
            gate.metric("htgate_queue_length") == 1.0
        });
        signal(&gate.child, name);
        let start = Instant::now();
        for busy in [&mut hashed, &mut queued] {
            assert_eq!(busy.read(false).unwrap().status, 204, "a request in hand");
        }
        let status = gate.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", gate.log());
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
        assert!(idle.ask("GET /healthz", &[]).is_err(), "an old connection");
        let late = crate::support::Connection::open(&crate::support::Target::Tcp(gate.tcp));
        assert!(late.is_err(), "a new connection");
    }
}

#[test]
fn a_hangup_while_it_starts_does_not_end_it() {
    let folder = folder();
    let users = folder.path().join("htpasswd");
    // Enough to be read for a while.
    let padding = "# nobody\n".repeat(300_000);
    fs::write(&users, line("alice", "secret", 4) + &padding).unwrap();
    let socket = folder.path().join("s");
    let mut child = Command::new(env!("CARGO_BIN_EXE_htgate"))
        .arg("--htpasswd")
        .arg(&users)
        .arg("--listen")
        .arg(format!("unix:{}", socket.display()))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let open_files = format!("/proc/{}/fd", child.id());
    eventually("it reads the users", Duration::from_secs(10), || {
        let mut files = fs::read_dir(&open_files).into_iter().flatten().flatten();
        files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to == users))
    });
    signal(&child, "HUP");
    assert!(!socket.exists(), "it already listened");
    let target = crate::support::Target::Unix(socket);
    eventually("it is up", Duration::from_secs(10), || {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        crate::support::Connection::open(&target).is_ok()
    });
    child.kill().unwrap();
    child.wait().unwrap();
}

/// /proc gives what is in a process that is not dumpable to root (proc_pid(5)).
#[test]
fn other_processes_of_its_user_cannot_read_its_memory() {
    let start = if is_root() {
        Gate::start_as_nobody
    } else {
        Gate::start
    };
    let gate = start(&line("alice", "secret", 4), &[]);
    let owner = |name: &str| {
        let path = format!("/proc/{}/{name}", gate.child.id());
        fs::metadata(path).unwrap().uid()
    };
    let own = owner("");
    assert_ne!(own, 0, "it runs as another user");
    for name in ["mem", "environ", "maps"] {
        assert_eq!(owner(name), 0, "{name}");
    }
}

#[test]
fn no_secret_is_ever_logged() {
    let users = line("alice", "sesame-password", 4);
    let hash = users.trim_end().split_once(':').unwrap().1.to_owned();
    let folder = folder();
    fs::write(
        folder.path().join("htpasswd"),
        format!("{users}x:{hash}junk\nplain-hash\n"),
    )
    .unwrap();
    let keys = folder.path().join("token");
    run(Command::new(env!("CARGO_BIN_EXE_htgate"))
        .args(["token", "init"])
        .arg(&keys));
    let place = keys.display();
    let config = format!(
        "[token]\nkey = '{place}/token.key'\ncertificate = '{place}/token.crt'\nservice = 'r'\n"
    );
    fs::write(folder.path().join("htgate.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_htgate"));
    let socket = folder.path().join("s");
    let log = folder.path().join("log");
    let mut child = command
        .arg("--config")
        .arg(folder.path().join("htgate.toml"))
        .args([
            "--listen",
            &format!("unix:{}", socket.display()),
            "--htpasswd",
        ])
        .arg(folder.path().join("htpasswd"))
        .env("RUST_LOG", "trace")
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let target = crate::support::Target::Unix(socket);
    eventually("it is up", Duration::from_secs(10), || {
        crate::support::Connection::open(&target).is_ok()
    });
    let mut connection = crate::support::Connection::open(&target).unwrap();
    let encoded = basic("alice", "sesame-password");
    let mut answers = String::new();
    for header in [
        &encoded,
        &basic("alice", "sesame-wrong"),
        "Basic broken-sesame",
    ] {
        let response = connection
            .ask("GET /auth", &[&format!("Authorization: {header}")])
            .unwrap();
        answers += &format!("{response:?}");
    }
    let authorization = format!("Authorization: {encoded}");
    let token = connection.ask("GET /token?service=r", &[&authorization]);
    let token: serde_json::Value = serde_json::from_str(&token.unwrap().text()).unwrap();
    let form = "grant_type=password&service=r&username=alice&password=sesame-wrong";
    let length = form.len();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
    );
    connection.send(request.as_bytes()).unwrap();
    let response = connection.read(false).unwrap();
    assert_eq!(response.status, 401, "{response:?}");
    answers += &format!("{response:?}");
    answers += &connection.ask("GET /metrics", &[]).unwrap().text();
    answers += &connection.ask("GET /readyz", &[]).unwrap().text();
    child.kill().unwrap();
    child.wait().unwrap();
    let log = fs::read_to_string(log).unwrap();
    let key = fs::read_to_string(keys.join("token.key")).unwrap();
    assert!(
        log.contains("TRACE"),
        "the log was as full as it gets: {log}"
    );
    for secret in [
        "sesame",
        &hash,
        encoded.trim_start_matches("Basic "),
        "plain-hash",
        token["token"].as_str().unwrap(),
        key.lines().nth(1).unwrap(),
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        assert!(
            !answers.contains(secret),
            "{secret} is in an answer:\n{answers}"
        );
    }
}
