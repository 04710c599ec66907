//! The plan of the house, read from the sources: imports go strictly downward, foreign crates
//! stay in their rooms, and no file grows out of sight.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room's floor. A room may import only rooms of lower floors, or of its own name.
const FLOORS: &[(&str, u8)] = &[
    ("request", 0),
    ("percent", 0),
    ("access", 1),
    ("client", 1),
    ("credentials", 1),
    ("hash", 1),
    ("user_agent", 1),
    ("htpasswd", 2),
    ("verdict", 2),
    ("token", 3),
    ("listen", 1),
    ("priority", 1),
    ("audit", 3),
    ("systemd", 1),
    ("settle", 1),
    ("rewrite", 3),
    ("check", 4),
    ("cache", 3),
    ("metrics", 3),
    ("store", 4),
    ("pace", 3),
    ("strikes", 3),
    ("successes", 3),
    ("waiting", 3),
    ("flights", 4),
    ("judge", 5),
    ("http", 6),
    ("reload", 6),
    ("cli", 7),
    ("config", 8),
    ("logging", 8),
    ("server", 9),
    ("commands", 10),
];

/// Crates that one room alone may name.
const KEPT_IN: &[(&str, &str)] = &[
    ("actix_http", "http"),
    ("actix_service", "http"),
    ("regex", "user_agent"),
    ("htgate_bcrypt", "hash"),
    ("md5", "hash"),
    ("sha1", "hash"),
    ("sha_crypt", "hash"),
    ("aws_lc_rs", "token"),
    ("rcgen", "token"),
    ("rustls_pki_types", "token"),
    ("x509_cert", "token"),
    ("moka", "cache"),
    ("prometheus_client", "metrics"),
    ("arc_swap", "store"),
    ("notify", "reload"),
    ("thread_priority", "priority"),
    ("listenfd", "listen"),
    ("sd_notify", "systemd"),
    ("clap", "cli"),
    ("toml", "config"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("rpassword", "commands"),
];

const LONGEST_FILE: usize = 400;

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap().with_extension("");
            let room = inside.iter().next().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push((room, path, text));
        }
    }
    assert!(found.len() > 20, "the sources are found");
    found
}

/// The code of a file without its tests, which may use what they like.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_go_strictly_downward() {
    let floors = FLOORS.iter().copied().collect::<BTreeMap<_, _>>();
    for (room, path, text) in sources() {
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let own = floors
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} has no floor"));
        for line in code(&text) {
            for after in line.split("crate::").skip(1) {
                let other: String = after
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let Some(floor) = floors.get(other.as_str()) else {
                    assert!(other.is_empty(), "{}: {other} has no floor", path.display());
                    continue;
                };
                let downward = other == room || floor < own;
                assert!(
                    downward,
                    "{}: {room} imports {other}: {line}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    for &(krate, home) in KEPT_IN {
        let mut seen = false;
        for (room, path, text) in sources() {
            let names = code(&text).any(|line| {
                let mut words =
                    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                words.any(|word| word.starts_with(&format!("{krate}::")))
            });
            // The doorway parses the command line.
            let allowed = room == home || (krate, room.as_str()) == ("clap", "main");
            assert!(
                !names || allowed,
                "{}: {krate} belongs to {home}",
                path.display()
            );
            seen |= names && room == home;
        }
        assert!(seen, "{home} names {krate}");
    }
}

#[test]
fn no_file_is_too_long() {
    for (_, path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines", path.display());
    }
}
