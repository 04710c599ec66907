//! docs/auth-basic.md, followed to the letter: a real nginx with the lines that it removes, another
//! one with those that it adds, and the same requests to both.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::nginx::fastcgi;
use crate::support::{
    Connection, Gate, INCLUDED, Nginx, attempt, authorization, basic, eventually, folder, line,
    repository, run, said, shipped,
};

/// The site; the path; `name:password`; and what comes of it before and after: the status, and of
/// what is allowed the body. An application says there which user and which password it was given.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

#[test]
fn a_whole_server() {
    let scene = Scene::new("A whole server", "");
    scene.check(&[
        ("site", "/file", "", "401", "401"),
        ("site", "/file", "alice:a", "200 content", "200 content"),
        ("site", "/file", "alice:b", "401", "401"),
        ("site", "/file", "eve:a", "401", "401"),
        ("site", "/application/", "", "401", "401"),
        (
            "site",
            "/application/",
            "alice:a",
            "200 alice a",
            "200 alice -",
        ),
        ("site", "/public/file", "", "200 content", "200 content"),
        (
            "site",
            "/public/file",
            "eve:e",
            "200 content",
            "200 content",
        ),
        (
            "site",
            "/.well-known/acme-challenge/file",
            "",
            "200 content",
            "200 content",
        ),
    ]);
    let log = || fs::read_to_string(scene.place.path().join("access.log")).unwrap();
    eventually("all are in the log", Duration::from_secs(5), || {
        log().lines().count() == 9
    });
    let log = log();
    assert!(
        log.contains("- \"alice\" [") && !log.contains("eve"),
        "{log}"
    );
}

/// What the page warns of: the old exception is none.
#[test]
fn auth_basic_off_does_not_open_the_gate() {
    let page = page().replace("+        auth_request off;", "+        auth_basic off;");
    let scene = Scene::of(&page, "A whole server", "");
    let path = "/.well-known/acme-challenge/file";
    scene.check(&[("site", path, "", "200 content", "401")]);
}

#[test]
fn single_locations_and_php() {
    let scene = Scene::new("Single locations, and PHP", "");
    scene.check(&[
        ("half", "/file", "", "200 content", "200 content"),
        ("half", "/private/file", "", "401", "401"),
        (
            "half",
            "/private/file",
            "bob:b",
            "200 content",
            "200 content",
        ),
        ("half", "/private/file", "bob:a", "401", "401"),
        // The old site had a hole.
        ("half", "/private/x.php", "", "200 - -", "401"),
        ("half", "/private/x.php", "bob:b", "200 bob b", "200 bob -"),
        ("half", "/private/x.php", "bob:a", "200 bob a", "401"),
        // Nobody looks at the password here, and $remote_user is what the client claims.
        ("half", "/x.php", "eve:e", "200 eve e", "200 eve e"),
    ]);
}

#[test]
fn an_office_without_a_password() {
    let scene = Scene::new("An office without a password", "");
    scene.check(&[
        ("office", "/", "", "401", "401"),
        ("office", "/", "alice:a", "200 alice a", "200 alice -"),
        ("office", "/", "alice:b", "401", "401"),
    ]);
    scene.check_from(
        "192.0.2.7",
        &[
            ("office", "/", "", "200 - -", "200 - -"),
            ("office", "/", "alice:a", "200 alice a", "200 - -"),
            // A name that nobody has verified.
            ("office", "/", "eve:e", "200 eve e", "200 - -"),
        ],
    );
}

#[test]
fn several_password_files() {
    let heading = "Several password files";
    let rules = &blocks(&page(), heading, "toml")[0];
    let scene = Scene::new(heading, rules);
    scene.check(&[
        ("docs", "/file", "", "401", "401"),
        ("docs", "/", "alice:a", "200 index", "200 index"),
        ("docs", "/file", "alice:a", "200 content", "200 content"),
        ("docs", "/file", "bob:b", "200 content", "200 content"),
        ("docs", "/file", "bob:other", "401", "401"),
        ("docs", "/file", "bob-shop:other", "401", "403"),
        ("docs", "/file", "carol:c", "401", "403"),
        ("docs", "/file", "carol:x", "401", "401"),
        ("shop", "/file", "", "401", "401"),
        ("shop", "/file", "carol:c", "200 content", "200 content"),
        ("shop", "/file", "bob:other", "200 content", "401"),
        ("shop", "/file", "bob-shop:other", "401", "200 content"),
        ("shop", "/file", "bob:b", "401", "403"),
        ("shop", "/file", "alice:a", "401", "403"),
    ]);
}

/// Nothing in what the page adds is a mistake to `htgate check`.
#[test]
fn check_has_no_objection() {
    let page = page();
    let folder = folder();
    let place = |name: &str| folder.path().join(name);
    let users = ["alice", "bob", "bob-shop", "carol"].map(|name| line(name, "secret", 4));
    fs::write(place("htpasswd"), users.concat()).unwrap();
    fs::set_permissions(place("htpasswd"), Permissions::from_mode(0o640)).unwrap();
    let settings = format!("htpasswd = '{}'\n", place("htpasswd").display());
    let http = shipped("htgate.conf", Path::new("/run/htgate/htgate.sock"));
    let mut checked = 0;
    for heading in page.lines().filter_map(|line| line.strip_prefix("## ")) {
        for diff in blocks(&page, heading, "diff") {
            let server = side(&diff, '+').replace("include /etc/nginx/fastcgi_params;", "");
            let server = with_includes(&server);
            let nginx = format!("events {{ }}\nhttp {{\n{http}\n{server}}}\n");
            fs::write(place("nginx.conf"), nginx).unwrap();
            let rules = blocks(&page, heading, "toml").concat();
            fs::write(place("htgate.toml"), settings.clone() + &rules).unwrap();
            let mut check = Command::new(HTGATE);
            check.arg("check").arg("--nginx").arg(place("nginx.conf"));
            check.arg("--config").arg(place("htgate.toml"));
            let output = attempt(&mut check);
            assert!(output.status.success(), "{heading}: {}", said(&output));
            checked += 1;
        }
    }
    assert_eq!(checked, 4);
}

/// The site before and after, the gate, and a folder for what is named by an absolute path.
struct Scene {
    before: Nginx,
    after: Nginx,
    _gate: Gate,
    place: TempDir,
}

impl Scene {
    fn new(heading: &str, rules: &str) -> Self {
        Self::of(&page(), heading, rules)
    }

    fn of(page: &str, heading: &str, rules: &str) -> Self {
        let place = folder();
        let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
        let users = line("alice", "a", 4) + &line("bob", "b", 4);
        write(".htpasswd", &users);
        // The last line has no line feed.
        write("docs.htpasswd", format!("# docs\n{users}").trim_end());
        let shop = line("bob", "other", 4) + &line("carol", "c", 4);
        write("shop.htpasswd", &format!("# shop\n{shop}"));
        let gate = if rules.is_empty() {
            Gate::start(&users, &[])
        } else {
            write("htgate.toml", rules);
            let config = place.path().join("htgate.toml").display().to_string();
            Gate::start(&merged(page, heading, place.path()), &["--config", &config])
        };
        fastcgi::serve(&place.path().join("php.sock"), |given| {
            let given = |name| given.get(name).map_or("", String::as_str);
            format!("{}|{}", given("REMOTE_USER"), given("HTTP_AUTHORIZATION"))
        });
        let diff = &blocks(page, heading, "diff")[0];
        let start = |sign| {
            let text = http(&side(diff, sign), &gate.socket(), place.path());
            Nginx::start_with(&text, fill)
        };
        Self {
            before: start('-'),
            after: start('+'),
            _gate: gate,
            place,
        }
    }

    fn check(&self, rows: &[Row]) {
        self.check_from("198.51.100.1", rows);
    }

    fn check_from(&self, address: &str, rows: &[Row]) {
        for &(site, path, login, before, after) in rows {
            for (when, nginx, expected) in [
                ("before", &self.before, before),
                ("after", &self.after, after),
            ] {
                let seen = ask(nginx, address, site, path, login);
                assert_eq!(seen, expected, "{when}: {site}{path} as '{login}'");
            }
        }
    }
}

fn page() -> String {
    fs::read_to_string(repository("docs/auth-basic.md")).unwrap()
}

/// The code blocks below a heading.
fn blocks(page: &str, heading: &str, language: &str) -> Vec<String> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    let parts = section.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

/// The lines of a diff that stay, and those with this sign.
fn side(diff: &str, sign: char) -> String {
    let lines = diff.lines().filter(|line| line.starts_with([' ', sign]));
    lines.map(|line| format!("{}\n", &line[1..])).collect()
}

/// The file that the page's commands make of two.
fn merged(page: &str, heading: &str, place: &Path) -> String {
    let blocks = blocks(page, heading, "sh");
    let shell = |commands: &str| {
        let commands = commands
            .replace("sudo ", "")
            .replace("/etc/nginx/", &format!("{}/", place.display()));
        let path = std::env::var("PATH").unwrap();
        let programs = Path::new(HTGATE).parent().unwrap().display();
        run(Command::new("sh")
            .args(["-ec", &commands])
            .env("PATH", format!("{programs}:{path}"))
            .current_dir(place))
    };
    let twice = String::from_utf8(shell(&blocks[0]).stdout).unwrap();
    assert!(
        page.contains(&format!("It prints `{}`.", twice.trim_end())),
        "{twice}"
    );
    shell(&blocks[1]);
    fs::read_to_string(place.join("htpasswd.new")).unwrap()
}

fn with_includes(text: &str) -> String {
    let mut text = text.to_owned();
    for file in INCLUDED {
        let include = format!("include /etc/nginx/{file};");
        text = text.replace(&include, &shipped(file, Path::new("")));
    }
    text
}

/// The page's servers, where there is no `/etc` for them, and an application.
fn http(servers: &str, socket: &Path, place: &Path) -> String {
    let place = place.display();
    let mut servers = with_includes(servers)
        .replace("listen 443 ssl;", "listen {listen};")
        .replace(
            "auth_basic_user_file /etc/nginx",
            &format!("auth_basic_user_file {place}"),
        )
        .replace("/var/log/nginx", &place.to_string())
        .replace(
            "http://127.0.0.1:3000",
            "http://unix:{folder}/application.sock",
        )
        .replace("/run/php/php-fpm.sock", &format!("{place}/php.sock"));
    for site in ["site", "half", "office", "docs", "shop"] {
        servers = servers.replace(&format!("root /var/www/{site};"), "root {folder}/www;");
    }
    format!(
        "{}
        set_real_ip_from unix:;
        real_ip_header X-Address;
        {servers}
        server {{
            listen unix:{{folder}}/application.sock;
            location / {{ return 200 '$http_x_forwarded_user|$http_authorization'; }}
        }}",
        shipped("htgate.conf", socket)
    )
}

/// What the sites serve, beside `/file`.
fn fill(root: &Path) {
    fs::write(root.join("index.html"), "index\n").unwrap();
    for folder in ["private", "public", ".well-known/acme-challenge"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join("file"), "content\n").unwrap();
    }
    for file in ["x.php", "private/x.php"] {
        fs::write(root.join(file), "<?php // the source\n").unwrap();
    }
}

/// The status, and of what is allowed the body.
fn ask(nginx: &Nginx, address: &str, site: &str, path: &str, login: &str) -> String {
    let (name, password) = login.split_once(':').unwrap_or_default();
    let credentials = if login.is_empty() {
        String::new()
    } else {
        format!("{}\r\n", authorization(name, password))
    };
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {site}.example\r\nX-Address: {address}\r\n\
         {credentials}\r\n"
    );
    let mut connection = Connection::open(&nginx.target()).unwrap();
    connection.send(request.as_bytes()).unwrap();
    let response = connection.read(false).unwrap();
    if response.status != 200 {
        return response.status.to_string();
    }
    let body = response.text().replace(&basic(name, password), password);
    let given = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let body = match body.split_once('|') {
        Some((user, password)) => format!("{} {}", given(user), given(password)),
        None => body.trim_end().to_owned(),
    };
    format!("200 {body}")
}

const HTGATE: &str = env!("CARGO_BIN_EXE_htgate");
