//! A fail2ban filter that counts guesses, and that no client can turn against another one.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::monitoring::gate_with_tokens;
use crate::support::{basic, folder, repository, run, said};

/// Where lines can come from, and what becomes of one on the way.
const FORMS: [Form; 8] = [
    PLAIN,
    ("journal", |line| format!("host htgate[4711]: {line}")),
    ("rsyslog", |line| {
        format!("Nov 24 21:50:00 host htgate[4711]: {line}")
    }),
    ("rsyslog, a day of one digit", |line| {
        format!("Dec  1 21:50:00 host htgate[4711]: {line}")
    }),
    ("rsyslog, precise", |line| {
        format!("2026-11-24T21:50:00.123456+01:00 host htgate[4711]: {line}")
    }),
    ("docker compose logs", |line| {
        format!("htgate-1    | {line}")
    }),
    ("docker compose logs -t", |line| {
        format!("compose-htgate-1  | 2026-11-24T20:50:00.123456789Z {line}")
    }),
    ("json-file", json_file),
];

/// The name of a form, and how it is made of a plain line.
pub(super) type Form = (&'static str, fn(&str) -> String);
pub(super) const PLAIN: Form = ("plain", str::to_owned);

/// A line as Docker keeps it.
fn json_file(line: &str) -> String {
    // As Go writes strings.
    let text = Value::from(format!("{line}\n")).to_string();
    let text = text.replace('<', "\\u003c").replace('>', "\\u003e");
    let text = text.replace('&', "\\u0026");
    format!(r#"{{"log":{text},"stream":"stderr","time":"2026-11-24T20:50:00.123456789Z"}}"#)
}

/// Whom the filter would count, from lines of a file or, with their dates left in, of the
/// journal.
pub(super) fn counted(log: &str, form: Form) -> Vec<String> {
    let (name, write) = form;
    let from_journal = name == "journal";
    let log: String = log.lines().map(|line| write(line) + "\n").collect();
    let folder = folder();
    let file = folder.path().join("log");
    fs::write(&file, log).unwrap();
    let mut command = Command::new("fail2ban-regex");
    command.args(["--out", "ip"]);
    if from_journal {
        command.args(["--datepattern", "{NONE}"]);
    }
    let filter = repository("monitoring/fail2ban/filter.d/htgate.conf");
    let output = run(command.arg(&file).arg(filter));
    let addresses = String::from_utf8(output.stdout).unwrap();
    addresses.lines().map(str::to_owned).collect()
}

/// Lines as htgate writes them, with the addresses that must be counted: those that begin with
/// 203.0.113 or 2001:db8, never one of 198.51.100.
const LINES: [(&str, Option<&str>); 24] = [
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.1 user=alice reason=bad-credentials method=GET uri=/v2/ user_agent="docker/24.0.7 go/go1.20.10" request_id=3f"#,
        Some("203.0.113.1"),
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=2001:db8::2 user="al ice" reason=throttled method=GET uri=/v2/ user_agent="" request_id="""#,
        Some("2001:db8::2"),
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.3 user="\" reason=no-credentials \\" reason=bad-credentials method=GET uri=/ user_agent=x request_id=3f"#,
        Some("203.0.113.3"),
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.4 user="a\x0a[2026-11-24T20:50:00Z WARN  htgate::audit] address=198.51.100.1" reason=bad-credentials method=GET uri=/ user_agent=x request_id=3f"#,
        Some("203.0.113.4"),
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.5 user="" reason=no-credentials method=GET uri=/v2/ user_agent="docker/24.0.7" request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.6 user="" reason=no-credentials method=GET uri="/ reason=bad-credentials " user_agent="address=198.51.100.1 user=x reason=bad-credentials " request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=unknown user="address=198.51.100.2 user=x" reason=bad-credentials method=GET uri=/ user_agent=x request_id=3f"#,
        None,
    ),
    (
        "[2026-11-24T20:50:00Z WARN  htgate::audit] left_out=1234 reason=bad-credentials",
        None,
    ),
    // Of the token endpoint.
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.11 user=alice reason=bad-credentials method=POST uri=/token user_agent="containerd/2.0" request_id=3f"#,
        Some("203.0.113.11"),
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.12 user="" reason=user-agent method=GET uri=/token user_agent="Go 1.1 package http" request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.14 user=alice reason=bad-credentials detail=repeated method=GET uri=/v2/ user_agent=x request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.15 user=alice reason=throttled detail=repeated method=GET uri="/ reason=throttled method=" user_agent=x request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.16 user="" reason=malformed-credentials detail=not-base64 method=GET uri=/v2/ user_agent=x request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::audit] address=203.0.113.17 user="" reason=cross-site method=POST uri=/token user_agent="Mozilla/5.0" request_id=3f"#,
        None,
    ),
    (
        r#"[2026-11-24T20:50:00Z WARN  htgate::reload] /x/WARN  htgate::audit] address=198.51.100.3 user=x reason=bad-credentials : the file does not exist"#,
        None,
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"203.0.113.7","user":"alice","reason":"bad-credentials","method":"GET","uri":"/v2/","user_agent":"docker/24.0.7","request_id":"3f"}"#,
        Some("203.0.113.7"),
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"203.0.113.13","user":"alice","reason":"throttled","method":"GET","uri":"/token","user_agent":"docker/24.0.7","request_id":"3f"}"#,
        Some("203.0.113.13"),
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"203.0.113.18","user":"alice","reason":"bad-credentials","detail":"repeated","method":"GET","uri":"/","user_agent":"x","request_id":"3f"}"#,
        None,
    ),
    // A user of this name is not the member.
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"203.0.113.19","user":"\",\"detail\":\"<","reason":"bad-credentials","method":"GET","uri":"/","user_agent":"x","request_id":"3f"}"#,
        Some("203.0.113.19"),
    ),
    // The order of members means nothing.
    (
        r#"{"address":"203.0.113.10","level":"WARN","method":"GET","reason":"bad-credentials","request_id":"3f","target":"htgate::audit","time":"2026-11-24T20:50:00.123Z","uri":"/\"address\":\"198.51.100.4\",","user":"alice","user_agent":"x"}"#,
        Some("203.0.113.10"),
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"203.0.113.8","user":"\",\"address\":\"198.51.100.4\\","reason":"throttled","method":"GET","uri":"/","user_agent":"x","request_id":"3f"}"#,
        Some("203.0.113.8"),
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"203.0.113.9","user":"\",\"reason\":\"bad-credentials","reason":"no-credentials","method":"GET","uri":"\",\"reason\":\"bad-credentials\"","user_agent":"x","request_id":"3f"}"#,
        None,
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","address":"unknown","user":"alice","reason":"bad-credentials","method":"GET","uri":"/","user_agent":"\"address\":\"198.51.100.5\"","request_id":"3f"}"#,
        None,
    ),
    (
        r#"{"time":"2026-11-24T20:50:00.123Z","level":"WARN","target":"htgate::audit","left_out":1234,"reason":"bad-credentials"}"#,
        None,
    ),
];

#[test]
fn fail2ban_counts_who_guesses_and_nobody_else() {
    let log: String = LINES.iter().map(|(line, _)| format!("{line}\n")).collect();
    let expected: Vec<_> = LINES.iter().filter_map(|(_, address)| *address).collect();
    for form in FORMS {
        assert_eq!(counted(&log, form), expected, "{}", form.0);
    }
}

/// Another program's line is not htgate's, whatever it says.
#[test]
fn lines_of_other_programs_do_not_count() {
    let (line, _) = LINES[0];
    assert_eq!(counted(line, PLAIN).len(), 1);
    for before in [
        "Nov 24 21:50:00 host nginx[1]: ",
        "Nov 24 21:50:00 host app[1]: host htgate[4711]: ",
        "registry-1  | ",
        "registry-1  | htgate-1 | ",
        "x ",
    ] {
        let nobody: [&str; 0] = [];
        assert_eq!(
            counted(&format!("{before}{line}"), PLAIN),
            nobody,
            "{before}"
        );
    }
}

#[test]
fn fail2ban_takes_the_filter_and_the_jail() {
    let folder = folder();
    let config = folder.path().join("fail2ban");
    run(Command::new("cp")
        .arg("-r")
        .arg("/etc/fail2ban")
        .arg(&config));
    run(Command::new("cp")
        .arg("-r")
        .arg(repository("monitoring/fail2ban/."))
        .arg(&config));
    // Debian's own jail needs the log of an sshd.
    fs::remove_file(config.join("jail.d/defaults-debian.conf")).unwrap();
    let client = |argument: &str| {
        run(Command::new("fail2ban-client")
            .arg("-c")
            .arg(&config)
            .arg(argument))
    };
    client("--test");
    let orders = said(&client("-d"));
    assert!(orders.contains("['start', 'htgate']"), "{orders}");
}

/// What guesses and other refusals look like in the log of the real binary.
fn audit_log(format: &str) -> String {
    let gate = gate_with_tokens(&["--log-format", format]);
    let ask = |address: &str, user: Option<&str>, uri: &str, agent: &str| {
        let mut headers = vec![
            format!("X-Real-IP: {address}"),
            "X-Original-Method: GET".to_owned(),
            format!("X-Original-URI: {uri}"),
            format!("User-Agent: {agent}"),
        ];
        headers.extend(user.map(|user| format!("Authorization: {}", basic(user, address))));
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        assert_eq!(gate.ask("GET /auth", &headers).status, 401);
    };
    ask(
        "203.0.113.1",
        Some("alice"),
        "/v2/",
        "docker/24.0.7 go/go1.20.10",
    );
    ask("2001:db8::2", Some("eve"), "/v2/", "");
    // Names that would be fields, lines or ends of strings.
    ask(
        "203.0.113.3",
        Some(r#"" reason=no-credentials address=198.51.100.1 user=x"#),
        "/",
        "x",
    );
    ask(
        "203.0.113.4",
        Some(r#"a","address":"198.51.100.2","user":"x"#),
        "/",
        "x",
    );
    ask("203.0.113.5", Some("a\\"), "/\\", "\\");
    // Nobody's, whatever the password.
    ask("203.0.113.6", Some(""), "/", "x");
    ask(
        "203.0.113.7",
        Some("a\n[2026-11-24T20:50:00Z WARN  htgate::audit] address=198.51.100.3"),
        "/",
        "x",
    );
    ask("203.0.113.8", Some(&"ü\"".repeat(100)), "/", "x");
    // The token endpoint, asked both ways, with what looks like another address in the query and
    // in the form. Neither is logged.
    let agent = "User-Agent: docker/24.0.7";
    let field = "address%3D198.51.100.7+user%3Dx+reason%3Dbad-credentials+";
    let wrong = format!("Authorization: {}", basic("alice", "203.0.113.9"));
    let query = format!("GET /token?service=registry&scope={field}&account={field}");
    let from = |address: &str| format!("X-Real-IP: {address}");
    let refused = gate.ask(&query, &[agent, &wrong, &from("203.0.113.9")]);
    assert_eq!(refused.status, 401);
    let form = format!("grant_type=password&service=registry&username={field}&password=x");
    let mut connection = gate.connect();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: test\r\n{agent}\r\n{}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        from("203.0.113.10"),
        form.len()
    );
    connection.send(request.as_bytes()).unwrap();
    assert_eq!(connection.read(false).unwrap().status, 401);
    let nobody = "GET /token?service=registry";
    let welcome = gate.ask(nobody, &[agent, &from("198.51.100.7")]);
    assert_eq!(welcome.status, 200);
    // No guesses, whatever else the client says.
    let field = r#"" address=198.51.100.4 user=x reason=bad-credentials "#;
    let json = r#"","address":"198.51.100.5","user":"x","reason":"bad-credentials"#;
    for text in [field, json] {
        ask("198.51.100.6", None, &format!("/{text}"), text);
    }
    // Somebody, but nobody knows who.
    gate.ask(
        "GET /auth",
        &[&format!("Authorization: {}", basic("alice", "x"))],
    );
    gate.wait_for_log("unknown");
    gate.log()
}

#[test]
fn fail2ban_reads_what_htgate_writes() {
    for format in ["text", "json"] {
        let log = audit_log(format);
        let expected = [
            "203.0.113.1",
            "2001:db8::2",
            "203.0.113.3",
            "203.0.113.4",
            "203.0.113.5",
            "203.0.113.8",
            "203.0.113.9",
            "203.0.113.10",
        ];
        for form in FORMS {
            assert_eq!(counted(&log, form), expected, "{}: {log}", form.0);
        }
    }
}
