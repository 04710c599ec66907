//! What a machine lacks is said in one line, before anything is installed or built.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{attempt, folder, repository, said};

#[test]
fn a_missing_or_old_rust_is_named() {
    let folder = folder();
    let home = folder.path().join("home");
    let cargo = folder.path().join("cargo");
    let look = || {
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let mut look = Command::new("sh");
        look.arg(repository("scripts/rust.sh")).env("PATH", path);
        let output = attempt(look.env("HOME", &home).env_remove("CARGO_HOME"));
        (output.status.success(), said(&output))
    };
    let manifest = fs::read_to_string(repository("Cargo.toml")).unwrap();
    let needed = manifest.split("rust-version = \"").nth(1).unwrap();
    let needed = needed.split('"').next().unwrap();
    let begin = format!("Rust {needed} or later is needed, and ");

    // Debian's own cargo would be in /usr/bin.
    if !fs::exists("/usr/bin/cargo").unwrap() {
        let (found, text) = look();
        assert!(
            !found && text.starts_with(&format!("{begin}there is no cargo; ")),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
        let installed = home.join(".cargo/bin");
        fs::create_dir_all(&installed).unwrap();
        program(&installed.join("cargo"), "cargo 1.99.0");
        assert!(look().1.contains("not in PATH"), "{}", look().1);
    }
    for (version, is_enough) in [
        ("1.63.0 (fd9c4297c 2022-07-01)", false),
        ("1.85.0 (d73d2caf9 2024-12-31)", false),
        ("1.9.0", false),
        (&format!("{needed}.0"), true),
        ("1.100.0-nightly (abc 2027-01-01)", true),
        ("2.0.0", true),
    ] {
        program(&cargo, &format!("cargo {version}"));
        let (found, text) = look();
        assert_eq!(found, is_enough, "{version}: {text}");
        let number = version.split(' ').next().unwrap();
        let expected = format!("{begin}this is {number}; ");
        assert!(is_enough || text.starts_with(&expected), "{text}");
    }
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    assert!(readme.contains(&format!("With Rust {needed} or later")));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (port, expected) in [
        (
            port.as_str(),
            format!("Something listens at port {port} already; use another one: "),
        ),
        (
            "127.0.0.1:5043",
            "HTGATE_PORT is '127.0.0.1:5043'; use a number, ".to_owned(),
        ),
    ] {
        let mut make_run = Command::new(repository("scripts/run.sh"));
        let output = attempt(make_run.env("HTGATE_PORT", port));
        let text = said(&output);
        assert!(
            !output.status.success() && text.starts_with(&expected),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

fn program(path: &std::path::Path, prints: &str) {
    fs::write(path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}
