//! What a machine lacks is said in one line, before anything is installed or built.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
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
        program(&installed.join("cargo"), "echo cargo 1.99.0");
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
        program(&cargo, &format!("echo 'cargo {version}'"));
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

#[test]
fn packages_that_are_missing_are_named() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    // Debian has curl, and apt-get no network.
    program(
        &path("dpkg-query"),
        "for last; do :; done\n[ \"$last\" != curl ] || echo ii",
    );
    let called = path("called");
    let fail = format!(
        "touch {}\necho 'W: a\nE: no network\nE: no lists' >&2\nexit 100",
        called.display()
    );
    program(&path("apt-get"), &fail);
    let install = |user: u32, packages: &[&str]| {
        program(&path("id"), &format!("echo {user}"));
        let search = format!("{}:/usr/bin:/bin", folder.path().display());
        let mut install = Command::new("sh");
        let install = install.arg(repository("scripts/install.sh")).args(packages);
        let output = attempt(install.env("PATH", search));
        (output.status.success(), said(&output))
    };

    // Nothing is missing: nobody is asked anything, and there need be no network.
    assert_eq!(install(1000, &["curl"]), (true, String::new()));
    let packages = ["nginx", "curl", "wrk"];
    let begin = "These packages are missing: nginx wrk; ";
    let command = "apt-get install --no-install-recommends nginx wrk";
    if !fs::exists("/usr/bin/sudo").unwrap() {
        let expected = format!("{begin}only root can install them, with: {command}\n");
        assert_eq!(install(1000, &packages), (false, expected));
    }
    program(&path("sudo"), "exit 1");
    let expected = format!("{begin}type: sudo {command}\n");
    assert_eq!(install(1000, &packages), (false, expected));
    assert!(!called.exists());

    program(
        &path("sudo"),
        "[ $1 = rm ] || [ $1 = tee ] || [ $1 = chmod ] || exec \"$@\"",
    );
    let (is_done, text) = install(1000, &packages);
    let expected = format!(
        "{begin}apt-get could not install them (no lists). With a network, type: \
         sudo apt-get update && sudo {command}\n"
    );
    assert!(!is_done && text.ends_with(&expected), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(called.exists());
}

/// A program that does this, in sh.
pub(super) fn program(path: &Path, does: &str) {
    fs::write(path, format!("#!/bin/sh\n{does}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}
