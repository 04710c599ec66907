//! The setting `front`: where it comes from, and which header fields are read.

use std::fs;
use std::path::PathBuf;

use crate::support::{Gate, basic, line};
use tempfile::TempDir;

const RULES: &str = "[[access]]
users = ['alice']
repositories = ['team/*']
actions = ['push']
";

fn folder(config: &str) -> (TempDir, PathBuf) {
    let folder = crate::support::folder();
    fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    let file = folder.path().join("htgate.toml");
    fs::write(&file, config).unwrap();
    (folder, file)
}

fn start(config: &str, options: &[&str]) -> (Gate, PathBuf) {
    let (folder, file) = folder(config);
    let path = file.display().to_string();
    let gate = Gate::start_in(folder, &[&["--config", &path], options].concat());
    (gate, file)
}

fn status(gate: &Gate, headers: &[&str]) -> u16 {
    gate.ask("GET /auth", headers).status
}

#[test]
fn uploads_need_a_type_from_the_front_that_is_set() {
    let alice = format!("Authorization: {}", basic("alice", "secret"));
    let by_original = [
        "X-Original-Method: POST",
        "X-Original-URI: /v2/team/a/blobs/uploads/",
    ];
    let by_path = ["Method: POST", "Path: /v2/team/a/blobs/uploads/"];
    let none = "X-Original-Content-Type: none";
    let form = "Content-Type: application/x-www-form-urlencoded";
    // For each front: the status with these fields and none of a type, with `none` in
    // X-Original-Content-Type, with a form, and with both.
    let rows = [
        ("nginx", by_original, [403, 204, 403, 204]),
        ("nginx", by_path, [403, 403, 403, 403]),
        ("ingress-nginx", by_original, [204, 204, 403, 403]),
        ("ingress-nginx", by_path, [403, 403, 403, 403]),
        ("gateway-fabric", by_original, [403, 403, 403, 403]),
        ("gateway-fabric", by_path, [204, 204, 403, 403]),
    ];
    let by_option = |front: &str| start(RULES, &["--front", front]).0;
    let by_file = |front: &str| start(&format!("front = '{front}'\n{RULES}"), &[]).0;
    let by_environment = |front: &str| {
        let (folder, config) = folder(RULES);
        let options = ["--config", config.to_str().unwrap()];
        Gate::start_in_with(folder, &options, &[("HTGATE_FRONT", front)])
    };
    let ways: [&dyn Fn(&str) -> Gate; 3] = [&by_option, &by_file, &by_environment];
    for way in ways {
        let mut gate = ("", None);
        for (front, said, expected) in rows {
            if gate.0 != front {
                gate = (front, Some(way(front)));
            }
            let gate = gate.1.as_ref().unwrap();
            let types: [&[&str]; 4] = [&[], &[none], &[form], &[form, none]];
            for (kind, expected) in types.iter().zip(expected) {
                let headers = [&[alice.as_str()][..], &said, kind].concat();
                assert_eq!(status(gate, &headers), expected, "{front}: {headers:?}");
            }
        }
    }
    let (gate, config) = start(RULES, &[]);
    fs::write(&config, format!("front = 'ingress-nginx'\n{RULES}")).unwrap();
    gate.wait_for_log("these changes take effect with a restart: front");
    assert_eq!(
        status(&gate, &[&[alice.as_str()][..], &by_original].concat()),
        403
    );
}

/// Only the shipped nginx files can leave a query out, and say so in their own address.
#[test]
fn a_mount_is_dropped_for_a_front_that_says_it_can() {
    let alice = format!("Authorization: {}", basic("alice", "secret"));
    let mount = "/v2/team/a/blobs/uploads/?mount=sha256:0&from=secret/b";
    let uri = format!("X-Original-URI: {mount}");
    let path = format!("Path: {mount}");
    let headers = [
        alice.as_str(),
        "X-Original-Method: POST",
        &uri,
        "X-Original-Content-Type: none",
        "Method: POST",
        &path,
    ];
    for (front, asked, expected) in [
        ("nginx", "/auth?mounts=drop", (204, Some("drop"))),
        ("nginx", "/auth", (403, None)),
        ("nginx", "/auth?mounts=drop&x", (403, None)),
        ("nginx", "/auth?mounts=Drop", (403, None)),
        ("ingress-nginx", "/auth?mounts=drop", (403, None)),
        ("gateway-fabric", "/auth?mounts=drop", (403, None)),
    ] {
        let (gate, _) = start(RULES, &["--front", front]);
        let answer = gate.ask(&format!("GET {asked}"), &headers);
        let seen = (answer.status, answer.header("x-auth-mount"));
        assert_eq!(seen, expected, "{front} {asked}");
    }
}
