//! Whatever htgate allows is what the registry understands: hundreds of requests, hostile ones
//! among them, each through the real nginx to the real registry, whose log says what it made of
//! them. What a user may do is told here a second time, without htgate's own words for it.

mod mounts;
mod rows;

use std::fs;
use std::time::Duration;

use crate::support::{Gate, Nginx, Registry, Understood, authorization, eventually, line, send};
use htgate::request::{BodyType, Field, Request};
use htgate::rules::access::{Operation, RequestLine};
use mounts::mounts;
use rows::{Row, claims, endpoints, paths};

const RULES: &str = r#"
[groups]
readers = ["reader"]

[[access]]
users = ["@readers"]
repositories = ["team/**"]
actions = ["pull"]

[[access]]
users = ["writer"]
repositories = ["team/**"]
actions = ["push"]

[[access]]
users = ["writer"]
repositories = ["library/*"]
actions = ["pull"]

[[access]]
users = ["deleter"]
repositories = ["team/**"]
actions = ["delete"]

[[access]]
users = ["lister"]
actions = ["catalog"]

[[access]]
users = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]
"#;

/// By the letter that stands for them in the tables; nobody has no password.
const USERS: [(char, &str); 5] = [
    ('r', "reader"),
    ('w', "writer"),
    ('d', "deleter"),
    ('l', "lister"),
    ('a', ""),
];

/// The same rules, without patterns.
fn has_right(user: &str, right: &str) -> bool {
    let Some((action, repository)) = right.split_once(' ') else {
        return right == "catalog" && user == "lister";
    };
    let in_team = repository.starts_with("team/");
    match action {
        "pull" if repository.starts_with("public/") => true,
        "pull" if repository.starts_with("library/") => {
            user == "writer" && repository.matches('/').count() == 1
        }
        "pull" => in_team && matches!(user, "reader" | "writer"),
        "push" => in_team && user == "writer",
        "delete" => in_team && user == "deleter",
        _ => right == "the registry's base" && !user.is_empty(),
    }
}

/// What htgate saw in the request of which nginx noted this.
fn seen_by_htgate(seen: &str, agent: &str) -> (String, Vec<String>) {
    let noted = seen
        .lines()
        .find_map(|line| line.strip_prefix(agent)?.strip_prefix(' '));
    let (method, uri) = noted.unwrap().split_once(' ').unwrap();
    let request = Request {
        method: Field::One(method.as_bytes()),
        uri: Field::One(uri.as_bytes()),
        content_type: BodyType::None,
        ..Request::default()
    };
    let line = RequestLine::read(&request).unwrap();
    match line.operation().unwrap() {
        Operation::Repository { action, name, from } => (format!("{action} {name}"), from),
        other => (other.to_string(), Vec::new()),
    }
}

#[test]
fn whatever_is_allowed_is_what_the_registry_understands() {
    compare(true);
}

#[test]
fn so_it_is_where_nginx_drops_no_mounts() {
    compare(false);
}

/// Asks all of the rows, behind the shipped file or behind the same without the lines that drop
/// mounts.
fn compare(drops_mounts: bool) {
    let registry = Registry::start();
    let secret = registry.fill("secret/repo", "a secret");
    let library = registry.fill("library/x", "a library");
    registry.fill("team/app", "an app");
    registry.fill("public/x", "public");
    let folder = crate::support::folder();
    let users: Vec<_> = USERS.iter().filter(|(_, user)| !user.is_empty()).collect();
    let lines: String = users
        .iter()
        .map(|(_, user)| line(user, "secret", 4))
        .collect();
    fs::write(folder.path().join("htpasswd"), lines).unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let gate = Gate::start_in(folder, &["--config", config.to_str().unwrap()]);
    let mut site = registry.behind(&gate.socket());
    if !drops_mounts {
        for (line, without) in [
            ("set $htgate_mounts '?mounts=drop';", ""),
            ("http://registry$htgate_uri;", "http://registry;"),
        ] {
            assert!(site.contains(line), "{line}");
            site = site.replace(line, without);
        }
    }
    let nginx = Nginx::start(&site);

    let rows: Vec<_> = [endpoints(), paths(), mounts(&secret, &library), claims()]
        .into_iter()
        .flatten()
        .collect();
    assert!(rows.len() >= 200, "{}", rows.len());
    let mut asked = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        for (letter, user) in USERS {
            let agent = format!("row-{number}-{letter}");
            let credentials = authorization(user, "secret");
            let mut headers = vec![format!("User-Agent: {agent}"), row.header.to_owned()];
            if !user.is_empty() {
                headers.push(credentials);
            }
            headers.retain(|header| !header.is_empty());
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            let response = send(&nginx.target(), &row.method, &row.uri, &headers, &row.body);
            let without_mount = drops_mounts && row.may.contains(letter.to_ascii_uppercase());
            let may = without_mount || row.may.contains(letter);
            asked.push((agent, user, row, may, response.status));
        }
    }

    let all_answered = |log: &str| {
        let mut expected = asked.iter().filter(|(_, _, _, may, _)| *may);
        expected.all(|(agent, ..)| Registry::has_answered(log, agent))
    };
    let told = |agent: &str, row: &Row, status: u16| {
        format!(
            "{agent}: {} {} {} is answered {status}",
            row.method, row.uri, row.header
        )
    };
    let mut log = registry.log();
    eventually("the registry's log", Duration::from_secs(20), || {
        log = registry.log();
        for (agent, _, row, may, status) in &asked {
            let refused = matches!(status, 401 | 403);
            assert!(!*may || !refused, "may: {}", told(agent, row, *status));
        }
        all_answered(&log)
    });
    let seen = fs::read(nginx.folder.path().join("seen.log")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    let mut compared = 0;
    for (agent, user, row, may, status) in &asked {
        let told = told(agent, row, *status);
        assert_eq!(Registry::has_answered(&log, agent), *may, "{told}");
        let Understood { asked, touched } = Registry::understood(&log, agent);
        if !may {
            assert!(asked.is_none() && touched.is_empty(), "{told}");
            continue;
        }
        let (ours, from) = seen_by_htgate(&seen, agent);
        if let Some(theirs) = &asked {
            assert_eq!(&ours, theirs, "{told}");
            assert!(has_right(user, theirs), "{told}: {theirs}");
            compared += 1;
        }
        let own = ours.split(' ').nth(1).unwrap_or_default();
        for name in touched.iter().filter(|name| *name != own) {
            assert!(from.contains(name), "{told}: looked into {name}");
            assert!(has_right(user, &format!("pull {name}")), "{told}: {name}");
        }
    }
    println!("{} requests, {compared} compared", asked.len());
    assert!(compared >= 150, "{compared}");
    // What was asked for with it in so many ways has not left its repository.
    let uri = format!("/v2/team/app/blobs/{secret}");
    assert_eq!(send(&registry.target(), "GET", &uri, &[], "").status, 404);
    // And a mount that is allowed is one.
    let uri = format!("/v2/team/app/blobs/{library}");
    assert_eq!(send(&registry.target(), "GET", &uri, &[], "").status, 200);
}

/// Each of the two walls before a form in the body of an upload, and the hole without them.
#[test]
fn forms_are_kept_away_from_uploads_twice() {
    let registry = Registry::start();
    let folder = crate::support::folder();
    fs::write(folder.path().join("htpasswd"), line("writer", "secret", 4)).unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let gate = Gate::start_in(folder, &["--config", config.to_str().unwrap()]);
    let shipped = registry.behind(&gate.socket());
    let said = |value: &str| {
        let name = "proxy_set_header X-Original-Content-Type ";
        let (before, after) = shipped.split_once(name).unwrap();
        let (_, after) = after.split_once(';').unwrap();
        match value {
            "" => format!("{before}{after}"),
            value => format!("{before}{name}{value};{after}"),
        }
    };
    let overwritten = "proxy_set_header Content-Type $registry_content_type;";
    assert!(shipped.contains(overwritten));
    let rows = [
        ("as shipped", shipped.clone(), 403, false),
        ("by nginx alone", said("none"), 202, false),
        (
            "by htgate alone",
            shipped.replace(overwritten, ""),
            403,
            false,
        ),
        // It does not guess.
        (
            "by htgate, which is not told the type",
            said("").replace(overwritten, ""),
            403,
            false,
        ),
        (
            "by nobody",
            said("none").replace(overwritten, ""),
            201,
            true,
        ),
    ];
    for (number, (what, http, status, leaks)) in rows.into_iter().enumerate() {
        let secret = registry.fill("secret/repo", &format!("secret {number}"));
        let nginx = Nginx::start(&http);
        let headers = [
            &authorization("writer", "secret"),
            "Content-Type: application/x-www-form-urlencoded",
        ];
        let body = format!("mount={secret}&from=secret/repo");
        let uri = "/v2/team/app/blobs/uploads/";
        let response = send(&nginx.target(), "POST", uri, &headers, &body);
        assert_eq!(response.status, status, "{what}: {response:?}");
        let uri = format!("/v2/team/app/blobs/{secret}");
        let found = send(&registry.target(), "GET", &uri, &[], "").status;
        assert_eq!(found == 200, leaks, "{what}: {found}");
    }
}

/// Something of the site's own reads the variable before htgate has answered.
#[test]
fn an_early_look_does_not_keep_a_mount() {
    let registry = Registry::start();
    let secret = registry.fill("secret/repo", "a secret");
    let folder = crate::support::folder();
    fs::write(folder.path().join("htpasswd"), line("writer", "secret", 4)).unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let gate = Gate::start_in(folder, &["--config", config.to_str().unwrap()]);
    let early = "location /v2/ { if ($htgate_uri) { set $early yes; }";
    let site = registry.behind(&gate.socket());
    let nginx = Nginx::start(&site.replace("location /v2/ {", early));
    let uri = format!("/v2/team/app/blobs/uploads/?mount={secret}&from=secret/repo");
    let credentials = authorization("writer", "secret");
    let answer = send(&nginx.target(), "POST", &uri, &[&credentials], "");
    assert_eq!(answer.status, 202, "{answer:?}");
    let uri = format!("/v2/team/app/blobs/{secret}");
    assert_eq!(send(&registry.target(), "GET", &uri, &[], "").status, 404);
}
