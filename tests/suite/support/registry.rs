//! A real registry that tells all it does, and what can be learned from that.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::Begin as _;
use super::{Connection, Response, Target, eventually, folder, is_root, run, said, shipped};

/// Rules for a reader, a pusher, a deleter, an admin, and for anybody.
pub const RULES: &str = r#"
[groups]
staff = ["reader", "pusher"]

[[access]]
users = ["admin"]
repositories = ["**"]
actions = ["pull", "push", "delete", "catalog"]

[[access]]
users = ["reader"]
repositories = ["team/**"]
actions = ["pull"]

[[access]]
users = ["pusher"]
repositories = ["pusher/**"]
actions = ["push"]

[[access]]
users = ["@staff"]
repositories = ["shared/*"]
actions = ["pull"]

[[access]]
users = ["deleter"]
repositories = ["team/**"]
actions = ["pull", "delete"]

[[access]]
users = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]
"#;

/// Debian's docker-registry on a unix socket, with nobody in front of it; ends when dropped.
pub struct Registry {
    folder: TempDir,
    child: Child,
}

/// What the registry made of one request.
#[derive(Debug, Default)]
pub struct Understood {
    /// Action and repository, or `catalog`; none where it redirected or knew no such route.
    pub asked: Option<String>,
    /// The repositories that it looked into.
    pub touched: BTreeSet<String>,
}

impl Registry {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one that lets in who shows a token for the service `registry.test`, signed by the
    /// issuer `htgate` with a key of this bundle, and that sends everybody else to this realm.
    pub fn start_with_tokens(realm: &str, bundle: &Path) -> Self {
        Self::start_for("registry.test", "htgate", realm, bundle)
    }

    /// The same for another service or issuer.
    pub fn start_for(service: &str, issuer: &str, realm: &str, bundle: &Path) -> Self {
        Self::start_with(&format!(
            "auth: {{token: {{realm: '{realm}', service: {service}, issuer: {issuer}, \
             rootcertbundle: {}}}}}\n",
            bundle.display()
        ))
    }

    /// Starts with these further lines in its configuration.
    fn start_with(lines: &str) -> Self {
        let folder = folder();
        let place = folder.path().display();
        let configuration = format!(
            "version: 0.1\n\
             log: {{level: debug, formatter: json}}\n\
             storage: {{filesystem: {{rootdirectory: {place}/images}}, delete: {{enabled: true}}}}\n\
             http: {{net: unix, addr: {place}/registry.sock, secret: test}}\n\
             {lines}"
        );
        fs::write(folder.path().join("registry.yml"), configuration).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("registry.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .begin();
        let registry = Self { folder, child };
        eventually("the registry is up", Duration::from_secs(20), || {
            Connection::open(&registry.target()).is_ok()
        });
        if is_root() {
            // nginx's workers are of this group then.
            let group = said(&run(Command::new("id").args(["-g", "www-data"])));
            chown(registry.socket(), None, Some(group.trim().parse().unwrap())).unwrap();
            let writable = fs::Permissions::from_mode(0o660);
            fs::set_permissions(registry.socket(), writable).unwrap();
        }
        registry
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("registry.sock")
    }

    pub fn target(&self) -> Target {
        Target::Unix(self.socket())
    }

    /// The http context of the shipped server for a registry with tokens in front of it, without
    /// TLS on the socket, and with this further `listen`; with the certificate of this folder.
    pub fn behind_tokens(&self, gate: &Path, listen: &str, certificate: &Path) -> String {
        let site = shipped("registry-token.conf", gate)
            .replace("listen 443 ssl;", &format!("listen {{listen}}; {listen}"))
            .replace("/etc/nginx/certs", &certificate.display().to_string())
            .replace(
                "server registry:5000;",
                &format!("server unix:{};", self.socket().display()),
            );
        format!("{}\n{site}", shipped("htgate.conf", gate))
    }

    /// The http context of the shipped registry server in front of it, without TLS.
    pub fn behind(&self, gate: &Path) -> String {
        let site: String = shipped("registry.conf", gate)
            .replace("listen 443 ssl;", "listen {listen};")
            .replace(
                "server registry:5000;",
                &format!("server unix:{};", self.socket().display()),
            )
            .replace(
                "access_log /var/log/nginx/access.log htgate;",
                "access_log {folder}/seen.log seen;",
            )
            .lines()
            .filter(|line| !line.trim_start().starts_with("ssl_"))
            .map(|line| format!("{line}\n"))
            .collect();
        let format = "log_format seen escape=none '$http_user_agent $request_method $request_uri';";
        format!("{format}\n{}\n{site}", shipped("htgate.conf", gate))
    }

    /// Puts a blob into a repository, with a tag `latest`; past nginx and the gate.
    pub fn fill(&self, repository: &str, content: &str) -> String {
        self.fill_as(&[], repository, content)
    }

    /// The same with these header fields.
    pub fn fill_as(&self, headers: &[&str], repository: &str, content: &str) -> String {
        let digest = format!("sha256:{}", sha256(self.folder.path(), content));
        let begun = send(
            &self.target(),
            "POST",
            &format!("/v2/{repository}/blobs/uploads/"),
            headers,
            "",
        );
        let (_, place) = begun
            .header("location")
            .unwrap()
            .split_once("://test")
            .unwrap();
        let uri = format!("{place}&digest={digest}");
        let stored = send(&self.target(), "PUT", &uri, headers, content);
        assert_eq!(stored.status, 201, "{stored:?}");
        let kind = "application/vnd.oci.image";
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{kind}.config.v1+json","size":{},"digest":"{digest}"}},"layers":[]}}"#,
            content.len()
        );
        let uri = format!("/v2/{repository}/manifests/latest");
        let header = format!("Content-Type: {kind}.manifest.v1+json");
        let headers = [headers, &[&header]].concat();
        let stored = send(&self.target(), "PUT", &uri, &headers, &manifest);
        assert_eq!(stored.status, 201, "{stored:?}");
        digest
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Whether a request with this User-Agent has been answered by now.
    pub fn has_answered(log: &str, agent: &str) -> bool {
        log.contains(&format!("\"{agent}\"\n"))
    }

    /// What it made of the request with this User-Agent.
    pub fn understood(log: &str, agent: &str) -> Understood {
        let mut understood = Understood::default();
        let field = format!("\"http.request.useragent\":\"{agent}\"");
        for line in log.lines().filter(|line| line.contains(&field)) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line.get(key).and_then(|value| value.as_str());
            let message = text("msg").unwrap_or_default();
            if message == "authorizing request" {
                let name = text("vars.name").map(str::to_owned);
                let is_upload = text("vars.uuid").is_some();
                let action = match text("http.request.method").unwrap() {
                    "GET" | "HEAD" if !is_upload => "pull",
                    "DELETE" if !is_upload => "delete",
                    "GET" | "HEAD" | "DELETE" | "POST" | "PUT" | "PATCH" => "push",
                    other => other,
                };
                understood.asked = Some(name.map_or_else(
                    || "the registry's base".to_owned(),
                    |name| format!("{action} {name}"),
                ));
            }
            if message.starts_with("filesystem.Walk(\"/docker/registry/v2/repositories") {
                understood.asked = Some("catalog".to_owned());
            } else if let Some((_, after)) = message.split_once("/v2/repositories/") {
                let (name, _) = after.split_once("/_").unwrap();
                understood.touched.insert(name.to_owned());
            }
        }
        understood
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request on a connection of its own, its target byte by byte as it is given.
pub fn send(target: &Target, method: &str, uri: &str, headers: &[&str], body: &str) -> Response {
    let mut request = format!("{method} {uri} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for header in headers {
        request += &format!("{header}\r\n");
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    request += &format!("\r\n{body}");
    let mut connection = Connection::open(target).unwrap();
    connection.send(request.as_bytes()).unwrap();
    connection.read(method == "HEAD").unwrap()
}

fn sha256(folder: &Path, content: &str) -> String {
    let file = folder.join("content");
    fs::write(&file, content).unwrap();
    let sum = said(&run(Command::new("sha256sum").arg(&file)));
    sum.split(' ').next().unwrap().to_owned()
}
