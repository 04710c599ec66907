//! nginx's configuration, as a real nginx prints it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::check;
use crate::support::{INCLUDED, folder, free_port, repository, run, said};

/// Shipped files in a folder, as nginx itself prints them.
fn nginx_prints(folder: &Path, files: &[&str], change: impl Fn(&str, String) -> String) -> Output {
    let place = folder.display().to_string();
    let conf = folder.join("conf.d");
    fs::create_dir_all(&conf).unwrap();
    for file in files {
        // The others are included by these.
        let to = if INCLUDED.contains(file) {
            folder.join(file)
        } else {
            conf.join(file)
        };
        let text = fs::read_to_string(repository(&format!("nginx/{file}"))).unwrap();
        let text = text
            .replace("/etc/nginx/htgate-", &format!("{place}/htgate-"))
            .replace("/etc/nginx/certs", &place)
            .replace("/var/log/nginx", &place)
            // Who is not root cannot even test those.
            .replace("listen 443", &format!("listen {}", free_port()))
            .replace("listen 80", &format!("listen {}", free_port()))
            // A name that only the compose network knows.
            .replace("registry:5000", "127.0.0.1:5000");
        fs::write(to, change(file, text)).unwrap();
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};\n"))
        .concat();
    let main = format!(
        "pid {place}/pid;\nerror_log {place}/log;\nevents {{ }}\nhttp {{\naccess_log off;\n\
         {temporary}include conf.d/*.conf;\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
    if !folder.join("domain.crt").exists() {
        run(Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(folder.join("domain.key"))
            .arg("-out")
            .arg(folder.join("domain.crt")));
    }
    let mut nginx = Command::new("/usr/sbin/nginx");
    run(nginx
        .arg("-T")
        .arg("-e")
        .arg(folder.join("log"))
        .arg("-c")
        .arg(folder.join("nginx.conf")))
}

const GATED: [&str; 6] = [
    "htgate.conf",
    "registry.conf",
    "site-example.conf",
    "htgate-server.conf",
    "htgate-locations.conf",
    "htgate-gate.conf",
];
const WITH_TOKENS: [&str; 3] = ["htgate.conf", "registry-token.conf", "htgate-token.conf"];

#[test]
fn our_own_nginx_files_are_in_order_and_planted_faults_are_found() {
    let folder = folder();
    let printed = folder.path().join("printed");
    let output = nginx_prints(folder.path(), &GATED, |_, text| text);
    fs::write(&printed, &output.stdout).unwrap();
    let result = check(&["--nginx", &printed.display().to_string()]);
    assert_eq!(said(&result), "Errors: 0. Notes: 0.\n");
    assert_eq!(result.status.code(), Some(0));

    // Everything at once, and with what nginx says to standard error before it.
    let output = nginx_prints(folder.path(), &GATED, |file, text| match file {
        "htgate-server.conf" => text
            .replace("    internal;\n", "    # internal;\n")
            .replace("proxy_pass_request_body off", "proxy_pass_request_body on")
            .replace("satisfy all", "satisfy any")
            .replace(
                "error_page 401 @htgate_401",
                "error_page 401 =200 @htgate_401",
            ),
        "htgate.conf" => text.replace("    keepalive 32;\n", "\n"),
        "site-example.conf" => text.replace(
            "auth_request off;",
            "auth_request off; proxy_pass http://127.0.0.1:3000;",
        ),
        "registry.conf" => text.replace("$htgate_api_version always", "$htgate_api_version"),
        _ => text,
    });
    let both = [&output.stderr[..], &output.stdout].concat();
    fs::write(&printed, both).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_htgate"));
    command.args(["check", "--nginx", "--format", "json"]);
    let result = command
        .stdin(fs::File::open(&printed).unwrap())
        .stdout(Stdio::piped());
    let result = result.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(result.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&result.stdout).unwrap();
    for (rule, file, text) in [
        (
            "missing-internal",
            "htgate-server.conf",
            "location = _htgate_auth",
        ),
        (
            "body-passed",
            "htgate-server.conf",
            "proxy_pass_request_body on",
        ),
        ("satisfy-any", "htgate-server.conf", "satisfy any"),
        ("error-page", "htgate-server.conf", "error_page 401 =200"),
        ("no-keepalive", "conf.d/htgate.conf", "upstream htgate"),
        (
            "open-location",
            "conf.d/site-example.conf",
            "auth_request off",
        ),
        ("api-header", "conf.d/registry.conf", "$htgate_api_version;"),
    ] {
        let path = folder.path().join(file);
        let content = fs::read_to_string(&path).unwrap();
        let line = content
            .lines()
            .position(|line| line.contains(text))
            .unwrap()
            + 1;
        let findings = json["findings"].as_array().unwrap();
        let mut of_rule = findings.iter().filter(|finding| finding["rule"] == rule);
        let place = |it: &Value| (it["file"].as_str().unwrap().to_owned(), it["line"].as_u64());
        let places: Vec<_> = of_rule.by_ref().map(place).collect();
        let expected = (path.display().to_string(), Some(line as u64));
        assert_eq!(places, [expected], "{rule}");
    }
    assert_eq!(json["findings"].as_array().unwrap().len(), 7, "{json:#}");
}

/// As docs/fleet.md says: more servers, and less patience.
#[test]
fn several_htgates_are_in_order() {
    let folder = folder();
    let files = [&GATED[..], &["htgate-token.conf", "htgate-fleet.conf"]].concat();
    let fleet = |wait: &str| {
        nginx_prints(folder.path(), &files, |file, text| match file {
            "htgate-fleet.conf" => text.replace("# server", "server"),
            _ => text.replace("proxy_read_timeout 15s;", wait),
        })
    };
    let output = fleet("proxy_read_timeout 5s;");
    let printed = said(&output);
    for line in [
        "\nserver unix:/run/htgate/htgate-2.sock ",
        "\nserver unix:/run/htgate/htgate-3.sock ",
        "\nserver 192.0.2.11:8080 ",
        "\n    proxy_read_timeout 5s;",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let path = folder.path().join("printed");
    let told = |output: &Output| {
        fs::write(&path, &output.stdout).unwrap();
        said(&check(&["--nginx", &path.display().to_string()]))
    };
    assert_eq!(told(&output), "Errors: 0. Notes: 0.\n");
    // Where the last step is forgotten.
    let forgotten = told(&fleet("proxy_read_timeout 15s;"));
    assert!(
        forgotten.contains("a frozen one is waited for too long"),
        "{forgotten}"
    );
    assert!(forgotten.ends_with("Errors: 0. Notes: 2.\n"), "{forgotten}");
}

/// A registry that checks tokens needs no gate before it, and its token endpoint none either.
#[test]
fn our_own_token_files_are_in_order_and_planted_faults_are_found() {
    let folder = folder();
    let findings = |change: &dyn Fn(&str, String) -> String| {
        let output = nginx_prints(folder.path(), &WITH_TOKENS, change);
        let printed = folder.path().join("printed");
        fs::write(&printed, &output.stdout).unwrap();
        let path = printed.display().to_string();
        let result = check(&["--nginx", &path, "--format", "json"]);
        let json: Value = serde_json::from_slice(&result.stdout).unwrap();
        let findings = json["findings"].as_array().unwrap().clone();
        assert_eq!(result.status.success(), findings.is_empty(), "{json:#}");
        let text = |finding: &Value| {
            let file = finding["file"].as_str().unwrap();
            let line = finding["line"].as_u64().unwrap() as usize;
            let content = fs::read_to_string(file).unwrap();
            let line = content.lines().nth(line - 1).unwrap().trim().to_owned();
            (finding["rule"].as_str().unwrap().to_owned(), line)
        };
        findings.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(findings(&|_, text| text), []);

    let seen = findings(&|file, text| match file {
        "htgate-token.conf" => text
            .replace("= /auth/token", "= /v2/token")
            .replace(
                "    proxy_set_header Authorization $http_authorization;\n",
                "",
            )
            .replace("X-Real-IP $remote_addr", "X-Real-IP $http_x_real_ip"),
        "registry-token.conf" => text.replace(
            "location / {",
            "auth_request /ask;\n    location = /ask { internal; return 204; }\n    location / {",
        ),
        _ => text,
    });
    let expected = [
        ("missing-header", "location = /v2/token {"),
        ("token-location", "location = /v2/token {"),
        (
            "missing-header",
            "proxy_set_header X-Real-IP $http_x_real_ip;",
        ),
    ];
    let expected = expected.map(|(rule, line)| (rule.to_owned(), line.to_owned()));
    assert_eq!(seen, expected);
}
