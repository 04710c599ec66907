//! Both lists of directives: those that could reach into the shipped locations do no harm there,
//! and together they hold every directive that there is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::nginx::sites::backends::{gone, slow};
use crate::nginx::sites::knows;
use crate::nginx::sites::merged::{Level, ROWS, Row};
use crate::nginx::sites::scene::{shipped_with, without};
use crate::nginx::sites::unmerged::UNMERGED;
use crate::support::{
    Connection, Gate, Nginx, Response, authorization, folder, line, run, send, signal, skip,
};

/// htgate with a token endpoint, and the relay through which nginx asks it: late enough for short
/// timeouts to count.
fn gate() -> (Gate, PathBuf) {
    let folder = folder();
    let keys = folder.path().join("keys");
    run(Command::new(env!("CARGO_BIN_EXE_htgate"))
        .args(["token", "init"])
        .arg(&keys));
    fs::write(folder.path().join("htpasswd"), line("alice", PASSWORD, 4)).unwrap();
    let keys = keys.display();
    let config = format!(
        "[token]\nkey = '{keys}/token.key'\ncertificate = '{keys}/token.crt'\nservice = 'test'\n"
    );
    let path = folder.path().join("htgate.toml");
    fs::write(&path, config).unwrap();
    let options = ["--config", path.to_str().unwrap()];
    let gate = Gate::start_in_with(folder, &options, &[("RUST_LOG", "info,htgate::audit=off")]);
    let relay = slow(gate.folder.path(), gate.socket(), Duration::from_millis(50));
    (gate, relay)
}

/// A site with these lines in http or in its server.
fn serve(
    row: &Row,
    in_http: bool,
    gate: &Gate,
    relay: &Path,
    change: &dyn Fn(String) -> String,
) -> Result<Nginx, String> {
    let (http, server) = if in_http {
        (row.lines, "")
    } else {
        ("", row.lines)
    };
    let site = format!(
        "{} {} {http}
         log_format uri $request_uri;
         upstream app {{ server unix:{{folder}}/app.sock; }}
         server {{ listen unix:{{folder}}/app.sock; access_log {{folder}}/app.log uri; location / {{
             mirror off; limit_rate 0; return 204; }} }}
         server {{ listen {{listen}}; server_name site.test; root {{folder}}/www;
             include htgate-server.conf; include htgate-token.conf;
             {server}
             location = /file.txt {{ client_max_body_size 0; limit_rate 0;
                 add_header X-Seen '$htgate_user $htgate_reason' always; }}
             location /copied {{ internal; auth_request off; mirror off; client_max_body_size 0;
                 proxy_pass http://app$request_uri; }}
             location = /elsewhere {{ internal; return 204; }}
             location @elsewhere {{ auth_request off; return 200 open; }} }}",
        change(crate::support::shipped("htgate.conf", relay)),
        row.http,
    );
    let site = shipped_with(&site, change).replace("{users}", &gate.users().display().to_string());
    Nginx::try_start(&site, |root| {
        fs::write(root.join("file.txt"), "the text\n").unwrap();
        fs::write(root.join("sorry.html"), "sorry\n").unwrap();
        let kept = root.parent().unwrap().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::set_permissions(kept, fs::Permissions::from_mode(0o777)).unwrap();
    })
}

/// What is wrong while htgate answers.
fn faults(row: &Row, nginx: &Nginx) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |what: &str, holds: bool, answer: &Response| {
        if !holds {
            faults.push(format!("{}: {what}: {answer:?}", row.lines));
        }
    };
    let right = authorization("alice", PASSWORD);
    // What a cache keeps of the first would serve the second, and what is left of a body on a
    // connection that is kept would begin the third.
    for header in [right.as_str(), "X-None: 1", &right] {
        let headers = [header, "Content-Length: 3"];
        let answer = send_raw(nginx, "GET /file.txt", &headers, "a=b");
        if header == right {
            let seen = answer.header("x-seen") == Some("alice ok");
            // A filter may have rewritten the letters of the rest.
            let served = answer.status == 200 && seen && answer.text().contains("xt\n");
            expect("right password", served, &answer);
        } else {
            let kind = answer.header("content-type").unwrap_or_default();
            let asked = answer.header("www-authenticate").is_some();
            expect(
                "no password",
                answer.status == 401 && kind.starts_with("text/html") && asked,
                &answer,
            );
        }
    }
    let begun = Instant::now();
    let form =
        format!("grant_type=password&service=test&client_id=x&username=alice&password={PASSWORD}");
    let length = format!("Content-Length: {}", form.len());
    let form_type = "Content-Type: application/x-www-form-urlencoded";
    let answers = [
        (
            "GET a token",
            send(&nginx.target(), "GET", TOKEN, &[&right], ""),
        ),
        (
            "POST for a token",
            send_raw(
                nginx,
                &format!("POST {TOKEN}"),
                &[form_type, &length],
                &form,
            ),
        ),
    ];
    for (what, answer) in &answers {
        let kept = answer.header("cache-control") == Some("no-store");
        let json = answer.header("content-type") == Some("application/json");
        let hidden = answer.header("x-auth-user").is_none();
        let given = answer.text().contains("{\"token\":");
        let text = !row.tokens || given;
        expect(
            what,
            answer.status == 200 && kept && json && hidden && text,
            answer,
        );
    }
    let (_, last) = &answers[1];
    expect("both soon", begun.elapsed() < SOON, last);
    for file in files(nginx.folder.path()) {
        let bytes = fs::read(&file).unwrap_or_default();
        let has = |text: &str| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        let is_log = file.ends_with("app.log");
        let kept = has(PASSWORD) || has("\"token\":") || (is_log && has("/auth/token"));
        expect(&format!("kept in {}", file.display()), !kept, last);
    }
    faults
}

/// What is wrong while htgate is gone.
fn faults_without_htgate(row: &Row, nginx: &Nginx) -> Vec<String> {
    // The site has used up what it allows itself.
    if row.lines.contains("limit_req ") {
        return Vec::new();
    }
    let right = authorization("alice", PASSWORD);
    let answers = ["/file.txt", TOKEN].map(|uri| {
        let answer = send(&nginx.target(), "GET", uri, &[&right], "");
        (uri, answer)
    });
    let refused =
        |answer: &Response| answer.status == 503 && answer.header("retry-after").is_some();
    let wrong = answers.iter().filter(|(_, answer)| !refused(answer));
    wrong
        .map(|(uri, answer)| format!("{}: {uri}, gone: {answer:?}", row.lines))
        .collect()
}

fn send_raw(nginx: &Nginx, request: &str, headers: &[&str], body: &str) -> Response {
    let (method, path) = request.split_once(' ').unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    let mut connection = Connection::open(&nginx.target()).unwrap();
    connection.send(format!("{text}\r\n").as_bytes()).unwrap();
    // So that nginx has to find a place for the body, which does not come with the head.
    thread::sleep(Duration::from_millis(20));
    connection.send(body.as_bytes()).unwrap();
    connection.read(false).unwrap()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(files(&entry.path())),
            kind if kind.is_file() => found.push(entry.path()),
            _ => (),
        }
    }
    found
}

/// The names of the directives in some lines.
fn names(lines: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for statement in lines.split([';', '{', '}']) {
        if let Some(name) = statement.split_whitespace().next() {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The rows whose directives this nginx knows; the others are said to be left out.
fn rows() -> Vec<&'static Row> {
    let known = knows::directives();
    let knows = |name: &String| {
        let Some(known) = &known else {
            return !NEWER.contains(&name.as_str());
        };
        // The rest are the types and the codes in blocks.
        known.contains(name) || !all().contains(name)
    };
    ROWS.iter()
        .filter(|row| {
            let missing: Vec<_> = names(row.lines)
                .into_iter()
                .filter(|name| !knows(name))
                .collect();
            if !missing.is_empty() {
                skip(
                    "directives",
                    &format!("this nginx does not know {}", missing.join(", ")),
                );
            }
            missing.is_empty()
        })
        .collect()
}

fn levels(row: &Row) -> impl Iterator<Item = bool> {
    let (http, server) = (row.level != Level::Server, row.level != Level::Http);
    [(http, true), (server, false)]
        .into_iter()
        .filter(|level| level.0)
        .map(|level| level.1)
}

/// Runs something for each item, a few at a time, and collects what it says.
fn each<T: Sync, R: Send>(items: &[T], act: impl Fn(&T) -> Vec<R> + Sync) -> Vec<R> {
    let share = items.len().div_ceil(AT_ONCE).max(1);
    let act = &act;
    thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().flat_map(act).collect::<Vec<_>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    })
}

#[test]
fn no_directive_of_a_site_reaches_into_the_shipped_locations() {
    let (mut gate, relay) = gate();
    let places: Vec<_> = rows()
        .into_iter()
        .flat_map(|row| levels(row).map(move |http| (row, http)))
        .collect();
    let servers = each(&places, |&(row, in_http)| {
        let nginx = serve(row, in_http, &gate, &relay, &|text| text);
        vec![(
            row,
            nginx.unwrap_or_else(|log| panic!("{}: {log}", row.lines)),
        )]
    });
    let mut found = each(&servers, |(row, nginx)| faults(row, nginx));
    signal(&gate.child, "KILL");
    gate.child.wait().unwrap();
    found.extend(each(&servers, |(row, nginx)| {
        faults_without_htgate(row, nginx)
    }));
    crate::nginx::sites::check(&found);
}

#[test]
fn without_one_of_the_guards_a_directive_reaches_in() {
    let (gate, relay) = gate();
    let gone = gone(gate.folder.path());
    let guards: Vec<_> = rows()
        .into_iter()
        .flat_map(|row| row.guards.iter().map(move |guard| (row, *guard)))
        .collect();
    let useless = each(&guards, |&(row, guard)| {
        let mut broken = levels(row).map(|in_http| {
            // A fault is also what keeps nginx from starting, and what it logs as it ends.
            let change = |text: String| without(&text, guard);
            let run = || -> Result<_, String> {
                let nginx = serve(row, in_http, &gate, &relay, &change)?;
                let away = serve(row, in_http, &gate, &gone, &change)?;
                Ok([faults(row, &nginx), faults_without_htgate(row, &away)].concat())
            };
            let faults = thread::scope(|scope| scope.spawn(run).join());
            !matches!(faults, Ok(Ok(faults)) if faults.is_empty())
        });
        let broken = broken.any(|broken| broken);
        if broken {
            vec![]
        } else {
            vec![format!("{guard} is not missed by {}", row.lines)]
        }
    });
    crate::nginx::sites::check(&useless);
}

/// Every directive of http and server in the newest sources.
fn all() -> BTreeSet<String> {
    let newest = include_str!("directives-1.31.5.txt");
    newest.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_directive_is_in_one_of_the_two_lists() {
    let merged: BTreeSet<_> = ROWS.iter().flat_map(|row| names(row.lines)).collect();
    let unmerged = |name: &str| {
        UNMERGED.iter().any(|(_, list)| {
            list.split_whitespace()
                .any(|entry| match entry.strip_suffix('*') {
                    Some(start) => name.starts_with(start),
                    None => name == entry,
                })
        })
    };
    let mut every = all();
    match knows::directives() {
        Some(known) => every.extend(known),
        None => skip(
            "directives",
            "this nginx's binary does not show which ones it knows",
        ),
    }
    let forgotten: Vec<_> = every
        .iter()
        .filter(|name| !merged.contains(*name) && !unmerged(name))
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    let twice: Vec<_> = merged.iter().filter(|name| unmerged(name)).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

const TOKEN: &str = "/auth/token?service=test";
const PASSWORD: &str = "kept-nowhere";
/// A token of some thousand bytes at the slowest rate of the table takes longer.
const SOON: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 8;
/// What nginx 1.22 does not know.
const NEWER: [&str; 7] = [
    "add_header_inherit",
    "add_trailer_inherit",
    "client_body_early_read",
    "early_hints",
    "proxy_pass_trailers",
    "proxy_socket_rcvbuf",
    "proxy_socket_sndbuf",
];
