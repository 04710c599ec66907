//! A site, the states that htgate can be in, and what must hold of each site in each of them.

use std::fs;
use std::path::Path;

use crate::support::{
    Connection, Gate, INCLUDED, Nginx, Response, authorization, folder, line, repository, shipped,
};

/// One shape of site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) name: &'static str,
    /// Lines of the http context.
    pub(super) http: &'static str,
    /// Lines of the server that follow its listen, server_name and root.
    pub(super) server: &'static str,
    /// Requests that need the password, and what is in the answer to the right one. A path stands
    /// for a GET, `//HOST/PATH` for one to another server.
    pub(super) closed: &'static [(&'static str, &'static str)],
    /// Requests that need none.
    pub(super) open: &'static [(&'static str, &'static str)],
    /// The status while htgate is away.
    pub(super) away: u16,
}

/// What most rows leave as it is.
pub(super) const SITE: Site = Site {
    name: "",
    http: "",
    server: "",
    closed: &[],
    open: &[],
    away: 503,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It answers, at once or late.
    There,
    /// It does not.
    Away,
}

/// htgate with one user, alice, whose password is secret.
pub(super) fn gate() -> Gate {
    let folder = folder();
    fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    // Refusals would hide what is wrong.
    let quiet = ("RUST_LOG", "info,htgate::audit=off");
    Gate::start_in_with(folder, &[], &[quiet])
}

/// The http context of this site with the shipped files, in front of the htgate that listens here;
/// `change` is what becomes of each shipped text.
pub(super) fn text(
    site: &Site,
    gate: &Path,
    fastcgi: &Path,
    change: &dyn Fn(String) -> String,
) -> String {
    let http = change(shipped("htgate.conf", gate));
    let (server, other) = (site.server, site.http);
    let text = format!(
        "include /etc/nginx/mime.types;
         {http}
         upstream app {{ server unix:{{folder}}/app.sock; }}
         server {{ listen unix:{{folder}}/app.sock; location / {{
             return 200 \"{SECRET} app $request_uri user=$http_x_user\\n\"; }} 
             location /missing {{ return 404; }} location /broken {{ return 502; }} }}
         {other}
         server {{ listen {{listen}}; server_name site.test; root {{folder}}/www;
         index index.html index.php;\n{server} }}"
    );
    shipped_with(&text, change).replace("{php}", &format!("unix:{}", fastcgi.display()))
}

/// nginx with this site.
pub(super) fn serve(
    site: &Site,
    gate: &Path,
    fastcgi: &Path,
    change: &dyn Fn(String) -> String,
) -> Nginx {
    let text = text(site, gate, fastcgi, change);
    Nginx::start_with(&text, |root| {
        for path in FILES {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let name = path.strip_prefix(root).unwrap().display();
            fs::write(&path, format!("{SECRET} file {name}\n")).unwrap();
        }
        for name in ["50x.html", "sorry.html"] {
            fs::write(root.join(name), "friendly\n").unwrap();
        }
    })
}

/// A text with its includes replaced by what becomes of the shipped files.
pub(super) fn shipped_with(text: &str, change: &dyn Fn(String) -> String) -> String {
    let mut text = text.to_owned();
    for file in INCLUDED {
        let include = format!("include {file};");
        if text.contains(&include) {
            let shipped = fs::read_to_string(repository(&format!("nginx/{file}"))).unwrap();
            text = text.replace(&include, &change(shipped));
        }
    }
    text
}

/// A shipped text without one of its guards: a line, or an `if` with what is in it.
pub(super) fn without(text: &str, guard: &str) -> String {
    let mut is_left = true;
    let mut kept = String::new();
    for line in text.lines() {
        let begins = line.trim() == guard;
        is_left &= !begins;
        if is_left {
            kept += &format!("{line}\n");
        }
        is_left |= line == "}" || (begins && !guard.ends_with('{'));
    }
    kept
}

/// Asks for everything that the site has, with and without the password, and says what is wrong.
/// All requests are under way at once.
pub(super) fn faults(site: &Site, nginx: &Nginx, state: State) -> Vec<String> {
    let right = authorization("alice", "secret");
    let wrong = authorization("alice", "wrong");
    let mut asked = Vec::new();
    for (request, text) in site.closed {
        for (word, header) in [("no", ""), ("the wrong", &wrong), ("the right", &right)] {
            let connection = send(nginx, request, header);
            asked.push((*request, *text, word, connection));
        }
    }
    for (request, text) in site.open {
        asked.push((*request, *text, "no needed", send(nginx, request, "")));
    }
    let mut faults = Vec::new();
    for (request, text, word, mut connection) in asked {
        let answer = connection.read(request.starts_with("HEAD ")).unwrap();
        let fault = match (word, state) {
            ("the right", State::There) | ("no needed", _) => not_served(&answer, text),
            (_, State::There) => not_refused(&answer, 401),
            (_, State::Away) => not_refused(&answer, site.away),
        };
        if let Some(fault) = fault {
            let name = site.name;
            faults.push(format!(
                "{name}: {request} with {word} password, htgate {state:?}: {fault}"
            ));
        }
    }
    faults
}

/// A request that is under way: `METHOD //HOST/PATH` or less, and a header.
pub(super) fn send(nginx: &Nginx, request: &str, header: &str) -> Connection {
    let (method, uri) = request.split_once(' ').unwrap_or(("GET", request));
    let (host, path) = match uri.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap()),
        None => ("site.test", uri),
    };
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if !header.is_empty() {
        text += &format!("{header}\r\n");
    }
    if method == "POST" {
        text += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b";
    } else {
        text += "\r\n";
    }
    let mut connection = Connection::open(&nginx.target()).unwrap();
    connection.send(text.as_bytes()).unwrap();
    connection
}

fn not_served(answer: &Response, text: &str) -> Option<String> {
    let served = answer.status == 200 && answer.text().contains(text);
    (!served).then(|| format!("not served: {answer:?}"))
}

fn not_refused(answer: &Response, status: u16) -> Option<String> {
    let challenged = answer.header("www-authenticate").is_some() == (status == 401);
    let again = answer.header("retry-after").is_some() == (status == 503);
    let right = answer.status == status && challenged && again;
    (!right || answer.text().contains(SECRET)).then(|| format!("not refused: {answer:?}"))
}

/// What is in every answer that only the password may open.
pub(super) const SECRET: &str = "protected";

const FILES: [&str; 18] = [
    "index.html",
    "index.php",
    "file.txt",
    "page.html",
    "public/open.txt",
    "private/file.txt",
    "private/index.html",
    "private/deep/file.txt",
    "app/file.txt",
    "app/index.html",
    "en/index.html",
    "en/page.html",
    "de/page.html",
    "page/index.html",
    "wp-content/logo.png",
    "admin/index.php",
    "cache/page.html",
    "static/app.js",
];
