//! What `make package` makes: the same bytes wherever it is made, and a package that Debian
//! installs, runs, upgrades, removes and forgets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{attempt, folder, is_root, line, repository, run, said, skip};

/// Makes the packages of a checkout, and returns the names and digests of all of them.
fn make(checkout: &Path, binary: &str, out: &Path) -> String {
    let mut command = Command::new(checkout.join("scripts/package.sh"));
    command
        .env("HTGATE_PACKAGE_FOLDER", out)
        // A checkout without git has no time of its own.
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("HTGATE_BINARY", binary);
    run(&mut command);
    fs::read_to_string(out.join("SHA256SUMS")).unwrap()
}

/// The tested binary, without what debuggers need, which takes a minute to compress.
fn stripped(folder: &Path) -> String {
    let binary = folder.join("htgate").display().to_string();
    run(Command::new("strip").args(["-o", &binary, env!("CARGO_BIN_EXE_htgate")]));
    binary
}

/// A copy of what git tracks, in another folder, with other times and other modes.
fn copy_of_the_checkout(to: &Path) {
    let files = run(Command::new("git")
        .args(["-C", &repository("").display().to_string()])
        .args(["ls-files", "--cached", "--others", "--exclude-standard"]));
    for name in String::from_utf8(files.stdout).unwrap().lines() {
        let copy = to.join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(repository(name), copy).unwrap();
    }
    run(Command::new("chmod").args(["-R", "go-rwx"]).arg(to));
}

#[test]
fn the_same_sources_are_the_same_bytes() {
    let folder = folder();
    let binary = stripped(folder.path());
    let first = make(&repository(""), &binary, &folder.path().join("first"));
    let copy = folder.path().join("elsewhere/with another name");
    copy_of_the_checkout(&copy);
    let second = make(&copy, &binary, &folder.path().join("second"));
    assert!(
        first.contains(".deb") && first.contains(".tar.gz"),
        "{first}"
    );
    assert_eq!(first, second);
}

/// The package for this machine among those in a folder.
fn package(packages: &Path, suffix: &str) -> PathBuf {
    let architecture = said(&run(Command::new("dpkg").arg("--print-architecture")));
    let ending = format!("{}.{suffix}", architecture.trim_end());
    let mut files = fs::read_dir(packages).unwrap();
    let found = files.find_map(|file| {
        let path = file.unwrap().path();
        path.display()
            .to_string()
            .ends_with(&ending)
            .then_some(path)
    });
    found.expect("a package for this machine")
}

/// The pages are in both packages, what they refer to as well, and the manual is well formed.
#[test]
fn packages_hold_the_pages() {
    let folder = folder();
    let packages = folder.path().join("packages");
    make(&repository(""), &stripped(folder.path()), &packages);
    let (deb, archive) = (folder.path().join("deb"), folder.path().join("archive"));
    run(Command::new("dpkg-deb")
        .arg("-x")
        .args([package(&packages, "deb"), deb.clone()]));
    fs::create_dir(&archive).unwrap();
    run(Command::new("tar")
        .args(["-x", "--strip-components=1", "-C"])
        .arg(&archive)
        .arg("-f")
        .arg(package(&packages, "tar.gz")));
    for root in [deb.join("usr/share/doc/htgate"), archive.clone()] {
        for page in fs::read_dir(root.join("docs")).unwrap() {
            let page = page.unwrap().path();
            let text = fs::read_to_string(&page).unwrap();
            for link in text.split("](").skip(1) {
                let to = link.split([')', '#']).next().unwrap();
                let there = to.contains("://") || page.parent().unwrap().join(to).exists();
                assert!(there, "{}: {to}", page.display());
            }
        }
        for page in ["README.md", "SECURITY.md", "docs/auth-basic.md"] {
            assert!(root.join(page).exists(), "{page}");
        }
    }
    for page in ["man8/htgate.8.gz", "man5/htgate.toml.5.gz"] {
        assert!(deb.join("usr/share/man").join(page).exists(), "{page}");
    }
    for page in ["man/htgate.8", "man/htgate.toml.5"] {
        let mut groff = Command::new("groff");
        let groff = groff.args(["-man", "-ww", "-z", "-Tutf8"]);
        let warnings = said(&run(groff.arg(archive.join(page))));
        assert!(warnings.is_empty(), "{page}: {warnings}");
    }
    let page = fs::read_to_string(archive.join("man/htgate.toml.5")).unwrap();
    for key in [
        "htpasswd",
        "queue_seconds",
        "log_format",
        "[[access]]",
        "key_id",
    ] {
        assert!(page.contains(key), "{key}");
    }
}

#[test]
fn units_that_allow_no_more_than_they_must() {
    let unit = |name: &str| repository(&format!("packaging/systemd/{name}"));
    // What the units name has to be there for "verify" to say nothing.
    let folder = folder();
    let root = folder.path();
    for (from, to) in [
        (
            PathBuf::from(env!("CARGO_BIN_EXE_htgate")),
            "usr/bin/htgate",
        ),
        (PathBuf::from("/bin/sh"), "bin/sh"),
        (unit("htgate.service"), "etc/systemd/system/htgate.service"),
        (unit("htgate.socket"), "etc/systemd/system/htgate.socket"),
    ] {
        let to = root.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    for target in ["sysinit", "basic", "shutdown", "sockets", "multi-user"] {
        let target = root.join(format!("etc/systemd/system/{target}.target"));
        fs::write(target, "[Unit]\nDescription=Stands for the real one\n").unwrap();
    }
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = attempt(command.arg("--root").arg(root).args(arguments));
        (output.status.success(), said(&output))
    };
    let (good, text) = analyze(&["verify", "--man=false", "htgate.service", "htgate.socket"]);
    assert!(good && text.is_empty(), "{text}");
    // In tenths: under 2.0.
    let (good, text) = analyze(&[
        "security",
        "--offline=true",
        "--threshold=19",
        "--no-pager",
        "htgate.service",
    ]);
    assert!(good, "{text}");
}

/// Boots a Debian in a folder and does in it what tests/suite/deploy/inside.sh says.
#[test]
fn debian_installs_runs_and_forgets_it() {
    let test = "debian_installs_runs_and_forgets_it";
    if !is_root() {
        return skip(test, "only root can make a Debian in a folder");
    }
    let Some((codename, mirror)) = debian() else {
        return skip(
            test,
            "this is no Debian with an archive to get another one from",
        );
    };
    let folder = folder();
    let root = folder.path().join("debian");
    let mut command = Command::new("debootstrap");
    command.args([
        "--variant=minbase",
        "--include=systemd,systemd-sysv,nginx-light,adduser",
        &codename,
    ]);
    let made = attempt(command.arg(&root).arg(mirror));
    if !made.status.success() {
        return skip(test, &format!("debootstrap fails: {}", said(&made)));
    }
    let packages = folder.path().join("packages");
    make(&repository(""), &stripped(folder.path()), &packages);
    for suffix in ["deb", "tar.gz"] {
        let to = root.join(format!("htgate.{suffix}"));
        fs::copy(package(&packages, suffix), to).unwrap();
    }
    fs::write(root.join("alice"), line("alice", "secret", 5)).unwrap();
    fs::write(root.join("bob"), line("bob", "secret", 5)).unwrap();
    fs::copy(
        repository("tests/suite/deploy/inside.sh"),
        root.join("inside.sh"),
    )
    .unwrap();
    let units = root.join("etc/systemd/system");
    fs::write(units.join("inside.service"), INSIDE).unwrap();
    fs::create_dir_all(units.join("multi-user.target.wants")).unwrap();
    std::os::unix::fs::symlink(
        "../inside.service",
        units.join("multi-user.target.wants/inside.service"),
    )
    .unwrap();

    let mut command = Command::new("timeout");
    command
        .args([
            &BOOT_PATIENCE.as_secs().to_string(),
            "systemd-nspawn",
            "--quiet",
            "--boot",
        ])
        // This machine need not run systemd itself, and its network is none of the guest's.
        .args([
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--directory",
        ])
        .arg(&root);
    let boot = said(&attempt(&mut command));
    let Ok(log) = fs::read_to_string(root.join("inside.log")) else {
        return skip(test, &format!("no Debian boots in a folder here: {boot}"));
    };
    assert!(log.ends_with("\npassed\n"), "{log}\n{boot}");
}

/// The name of this Debian's release and where its packages come from, as apt is configured.
fn debian() -> Option<(String, String)> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let targets = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(CODENAME) $(SITE)",
            "Created-By: Packages",
        ])
        .output()
        .ok()?;
    let targets = String::from_utf8(targets.stdout).ok()?;
    let mirror = targets
        .lines()
        .find_map(|line| line.strip_prefix(codename)?.strip_prefix(' '))?;
    Some((codename.to_owned(), mirror.to_owned()))
}

const INSIDE: &str = "\
[Unit]
After=basic.target nginx.service
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/bin/bash /inside.sh
StandardOutput=file:/inside.log
StandardError=inherit
";

const BOOT_PATIENCE: Duration = Duration::from_secs(180);
