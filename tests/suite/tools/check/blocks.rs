//! `htgate check --nginx` on servers as people have them, all in order: nothing may be found.
//! Each file in `blocks` is what one nginx has in sites-enabled, and `snippets` what they include.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::check;
use crate::support::{INCLUDED, attempt, folder, repository, run, said};

#[test]
fn servers_that_are_in_order_get_no_findings() {
    let (mut files, mut servers, mut wrong) = (0, 0, String::new());
    for path in listed(&blocks()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let folder = folder();
        let printed = folder.path().join("printed");
        fs::write(&printed, nginx_prints(folder.path(), name, &text)).unwrap();
        let result = said(&check(&["--nginx", &printed.display().to_string()]));
        if result != "Errors: 0. Notes: 0.\n" {
            wrong += &format!("{name}:\n{result}");
        }
        files += 1;
        servers += text.lines().filter(|it| *it == "server {").count();
    }
    assert_eq!(wrong, "");
    assert!(servers >= 110 && files >= 12, "{servers} in {files} files");
}

/// What `nginx -T` prints of these servers and the shipped files, as if nginx were installed here.
fn nginx_prints(place: &Path, name: &str, text: &str) -> String {
    let nginx = place.join("etc/nginx");
    let elsewhere = Elsewhere::new(place, text);
    let put = |to: &str, text: &str| write(&nginx.join(to), &elsewhere.there(text));
    put("nginx.conf", MAIN);
    put(&format!("sites-enabled/{name}"), text);
    for path in listed(&blocks().join("snippets")) {
        let to = format!("snippets/{}", path.file_name().unwrap().display());
        put(&to, &fs::read_to_string(&path).unwrap());
    }
    // htgate.conf takes that one in where it is.
    let alone = INCLUDED
        .into_iter()
        .filter(|file| *file != "htgate-fleet.conf");
    for (file, to) in alone
        .map(|file| (file, file.to_owned()))
        .chain([("htgate.conf", "conf.d/htgate.conf".into())])
    {
        let shipped = repository(&format!("nginx/{file}"));
        put(&to, &fs::read_to_string(shipped).unwrap());
    }
    certificates(place, text);
    for needed in ["var/log/nginx", "var/cache/nginx", "var/lib/nginx", "run"] {
        fs::create_dir_all(place.join(needed)).unwrap();
    }

    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-T").arg("-e").arg(place.join("log"));
    let output = attempt(command.arg("-c").arg(nginx.join("nginx.conf")));
    assert!(output.status.success(), "{name}: {}", said(&output));
    elsewhere.here(&String::from_utf8(output.stdout).unwrap())
}

/// What nginx needs to be other than it is written, to accept a configuration on this machine.
struct Elsewhere {
    /// From, and to.
    texts: Vec<(String, String)>,
}

impl Elsewhere {
    fn new(place: &Path, text: &str) -> Self {
        let mut texts = Vec::new();
        for (host, address) in hosts(text) {
            for before in ["listen ", "server ", "://", "_pass "] {
                for after in [":", "/", ";"] {
                    let url = |host: &str| format!("{before}{host}{after}");
                    texts.push((url(host), url(&address)));
                }
            }
        }
        // Only root may listen on the first ones.
        for (low, high) in [("80", "30080"), ("443", "30443")] {
            for before in ["listen ", ":"] {
                for after in [";", " "] {
                    let listen = |port: &str| format!("{before}{port}{after}");
                    texts.push((listen(low), listen(high)));
                }
            }
        }
        // What nginx opens while it tests a configuration, or what stands beside that.
        for root in ["/etc/", "/var/", "/run/"] {
            for before in [' ', '\t', '"', '\''] {
                let path = |under: &str| format!("{before}{under}{root}");
                texts.push((path(""), path(&place.display().to_string())));
            }
        }
        Self { texts }
    }

    /// As nginx reads it.
    fn there(&self, text: &str) -> String {
        let all = self.texts.iter();
        all.fold(text.to_owned(), |text, (here, there)| {
            text.replace(here, there)
        })
    }

    /// As it is written.
    fn here(&self, text: &str) -> String {
        let all = self.texts.iter().rev();
        all.fold(text.to_owned(), |text, (here, there)| {
            text.replace(there, here)
        })
    }
}

/// The hosts and addresses that this machine does not know, as the first line of a file names them,
/// each with an address that it does.
fn hosts(text: &str) -> impl Iterator<Item = (&str, String)> {
    let named = text.lines().next().unwrap().strip_prefix("# hosts: ");
    let hosts = named.unwrap_or_default().split_whitespace().zip(100..);
    hosts.map(|(host, last)| (host, format!("127.86.4.{last}")))
}

/// One certificate with its key, in each file that is named.
fn certificates(place: &Path, text: &str) {
    let both = place.join("both.pem");
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(&both)
        .arg("-out")
        .arg(place.join("certificate.pem")));
    let both = [&both, &place.join("certificate.pem")].map(|it| fs::read_to_string(it).unwrap());
    for word in text.split_whitespace() {
        let path = word.trim_matches(['"', '\'', ';']);
        let is_one = [".pem", ".crt", ".key"].iter().any(|it| path.ends_with(it));
        if let Some(path) = path.strip_prefix('/').filter(|_| is_one) {
            write(&place.join(path), &both.concat());
        }
    }
}

/// The files of a folder.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = all.filter(|it| it.is_file()).collect();
    files.sort();
    files
}

fn blocks() -> PathBuf {
    repository("tests/suite/tools/check/blocks")
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const MAIN: &str = "\
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { }
http {
    access_log /var/log/nginx/access.log;
    client_body_temp_path /var/lib/nginx/body;
    proxy_temp_path /var/lib/nginx/proxy;
    fastcgi_temp_path /var/lib/nginx/fastcgi;
    uwsgi_temp_path /var/lib/nginx/uwsgi;
    scgi_temp_path /var/lib/nginx/scgi;
    server_names_hash_bucket_size 64;
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
";
