//! A real nginx with the shipped files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tempfile::TempDir;

use super::Begin as _;
use super::{Connection, Response, Target, basic, eventually, folder, is_root, repository, signal};

/// A running nginx with its own folder; ends when dropped, and then its error log must hold
/// nothing worse than errors.
pub struct Nginx {
    pub folder: TempDir,
    child: Child,
}

impl Nginx {
    /// Starts with these lines in its http context. `{folder}` stands for its own folder, and
    /// its servers shall `listen {listen}`.
    pub fn start(http: &str) -> Self {
        Self::start_with(http, |_| ())
    }

    /// The same, with what this puts into its root.
    pub fn start_with(http: &str, fill: impl FnOnce(&Path)) -> Self {
        Self::try_start(http, fill).unwrap_or_else(|log| panic!("{log}"))
    }

    /// The same; what nginx says of a configuration that it does not take.
    pub fn try_start(http: &str, fill: impl FnOnce(&Path)) -> Result<Self, String> {
        let folder = folder();
        let place = folder.path().display().to_string();
        let root = folder.path().join("www");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("file"), "content\n").unwrap();
        fill(&root);
        let http = http
            .replace("{listen}", &format!("unix:{place}/nginx.sock"))
            .replace("{folder}", &place);
        let user = if is_root() { "user www-data;" } else { "" };
        let configuration = format!(
            "{user} daemon off; worker_processes 1; pid {place}/pid;
            error_log {place}/error.log info;
            events {{ worker_connections 1024; }}
            http {{
                access_log {place}/access.log;
                client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
                fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi;
                scgi_temp_path {place}/scgi;
                {http}
            }}"
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let child = Command::new("/usr/sbin/nginx")
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .begin();
        let mut nginx = Self { folder, child };
        let mut ended = false;
        eventually("nginx is up", Duration::from_secs(20), || {
            ended = nginx.child.try_wait().unwrap().is_some();
            ended || Connection::open(&nginx.target()).is_ok()
        });
        let log = nginx.error_log();
        if ended {
            return Err(log);
        }
        Ok(nginx)
    }

    pub fn target(&self) -> Target {
        Target::Unix(self.folder.path().join("nginx.sock"))
    }

    pub fn ask(&self, request_line: &str, headers: &[&str]) -> Response {
        Connection::open(&self.target())
            .unwrap()
            .ask(request_line, headers)
            .unwrap()
    }

    pub fn error_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("error.log")).unwrap())
            .into_owned()
    }

    pub fn access_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("access.log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        signal(&self.child, "TERM");
        let _ = self.child.wait();
        let log = self.error_log();
        if std::thread::panicking() {
            println!("nginx's error log:\n{log}");
            return;
        }
        for level in ["[alert]", "[crit]", "[emerg]"] {
            assert!(
                !log.contains(level),
                "nginx's error log has {level}:\n{log}"
            );
        }
    }
}

/// A shipped nginx file, with the socket of htgate in its place and no other htgate, and the includes
/// of the others replaced by the text of those files.
pub fn shipped(file: &str, socket: &Path) -> String {
    let read = |file: &str| fs::read_to_string(repository(&format!("nginx/{file}"))).unwrap();
    let mut text = read(file).replace("/run/htgate/htgate.sock", &socket.display().to_string());
    text = text.replace("include /etc/nginx/htgate-fleet*.conf;", "");
    for included in INCLUDED {
        let include = format!("include /etc/nginx/{included};");
        text = text.replace(&include, &read(included));
    }
    text
}

/// The shipped files that others include.
pub const INCLUDED: [&str; 5] = [
    "htgate-server.conf",
    "htgate-locations.conf",
    "htgate-gate.conf",
    "htgate-token.conf",
    "htgate-fleet.conf",
];

/// The http context of a gated server with these further lines in its server block. It serves
/// `/file`, and knows `location` and `proxy` as the lines say.
pub fn gated(socket: &Path, server_lines: &str) -> String {
    let socket: PathBuf = socket.into();
    format!(
        "{}\nserver {{ listen {{listen}}; root {{folder}}/www;\n{}\n{server_lines} }}",
        shipped("htgate.conf", &socket),
        shipped("htgate-server.conf", &socket),
    )
}

pub fn authorization(user: &str, password: &str) -> String {
    format!("Authorization: {}", basic(user, password))
}

/// Whether an answer is one of the gate's, of its own type: what a registry would send, with this
/// code, or a page for people.
pub fn is_refusal(response: &Response, code: &str) -> bool {
    let start = match response.header("content-type") {
        Some("application/json") => format!("{{\"errors\":[{{\"code\":\"{code}"),
        Some("text/html") => "<!doctype html><html lang=\"en\"><title>".to_owned(),
        _ => return false,
    };
    response.text().starts_with(&start)
}

/// Asserts that this is a refusal.
pub fn check_refusal(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert!(is_refusal(response, code), "{}", response.text());
    let challenge = response.header("www-authenticate");
    let expected = r#"Basic realm="htgate", charset="UTF-8""#;
    assert_eq!(challenge, (status == 401).then_some(expected));
}
