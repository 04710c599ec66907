//! The plan of the house, read from the sources: imports go strictly downward, foreign crates
//! stay in their wings, and no file grows out of sight.

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

/// Each wing's floor. A wing may import only wings of lower floors. What is private within a wing
/// is the compiler's to keep.
const FLOORS: &[(&str, u8)] = &[
    ("request", 0),
    ("hash", 0),
    ("system", 0),
    ("htpasswd", 1),
    ("rules", 1),
    ("verdict", 2),
    ("token", 3),
    ("check", 4),
    ("observe", 5),
    ("store", 6),
    ("judge", 7),
    ("http", 8),
    ("files", 8),
    ("config", 9),
    ("server", 10),
    ("commands", 11),
    ("properties", 12),
];

/// Crates that one wing alone may name, or few.
const KEPT_IN: &[(&str, &str)] = &[
    ("actix_http", "http"),
    ("actix_service", "http"),
    ("regex", "rules properties"),
    ("regex_automata", "check"),
    ("glob", "check"),
    ("bcrypt", "hash"),
    ("md5", "hash"),
    ("sha1", "hash"),
    ("sha_crypt", "hash"),
    ("aws_lc_rs", "token"),
    ("rcgen", "token"),
    ("moka", "judge"),
    ("prometheus_client", "observe"),
    ("arc_swap", "store"),
    ("notify", "files"),
    ("thread_priority", "system"),
    ("listenfd", "system"),
    ("rustix", "system"),
    ("sd_notify", "system"),
    ("clap", "commands config observe request"),
    ("toml", "config"),
    ("rpassword", "commands"),
];

const LONGEST_FILE: usize = 400;

fn sources() -> Vec<(String, PathBuf, String)> {
    files("src")
}

/// Every Rust file in a folder, with the first step of its path and its text.
fn files(folder: &str) -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap().with_extension("");
            let wing = inside.iter().next().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push((wing, path, text));
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
    for (wing, path, text) in sources() {
        if matches!(wing.as_str(), "lib" | "main") {
            continue;
        }
        let own = floors
            .get(wing.as_str())
            .unwrap_or_else(|| panic!("{wing} has no floor"));
        for line in code(&text) {
            for after in line.split("crate::").skip(1) {
                let other: String = after
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let Some(floor) = floors.get(other.as_str()) else {
                    // What stands in lib.rs itself belongs to all.
                    let of_all = other.chars().next().is_none_or(char::is_uppercase);
                    assert!(of_all, "{}: {other} has no floor", path.display());
                    continue;
                };
                let downward = other == wing || floor < own;
                assert!(
                    downward,
                    "{}: {wing} imports {other}: {line}",
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
        for (wing, path, text) in sources() {
            let names = code(&text).any(|line| {
                let mut words =
                    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                words.any(|word| word.starts_with(&format!("{krate}::")))
            });
            let allowed = home.split(' ').any(|home| home == wing);
            assert!(
                !names || allowed,
                "{}: {krate} belongs to {home}",
                path.display()
            );
            seen |= names;
        }
        assert!(seen, "{home} names {krate}");
    }
}

#[test]
fn no_file_is_too_long() {
    let files = [&files("src")[..], &files("tests")].concat();
    for (_, path, text) in files {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines", path.display());
    }
}

/// The same layout in the words of the documents.
#[test]
fn documents_have_the_same_wings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let rows = architecture.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let floor = cells.next()?.parse::<u8>().ok()?;
        Some((cells.next()?.trim_matches('`').to_owned(), floor))
    });
    let floors = FLOORS
        .iter()
        .map(|(wing, floor)| ((*wing).to_owned(), *floor));
    let rows: BTreeMap<_, _> = rows.collect();
    assert_eq!(rows, floors.collect(), "ARCHITECTURE.md and FLOORS");
    let map = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    for wing in rows.keys() {
        assert!(map.contains(&format!("`{wing}`")), "src/lib.rs: {wing}");
    }
}
