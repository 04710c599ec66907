//! Every htgate.toml that is shipped or shown is one that htgate takes.

use std::fs;

use crate::support::repository;
use htgate::RulesFile;

/// The texts between two lines.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts.map(|part| part.split(end).next().unwrap()).collect()
}

/// Without the `#` before what could be switched on: a key or a section, not a sentence.
fn switched_on(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn every_example_is_accepted() {
    let read = |path: &str| fs::read_to_string(repository(path)).unwrap();
    let mut examples = Vec::new();
    for page in [
        "README.md",
        "docs/access.md",
        "docs/registry.md",
        "docs/token.md",
    ] {
        let text = read(page);
        let found = between(&text, "```toml\n", "```");
        assert!(!found.is_empty(), "{page}");
        examples.extend(found.iter().map(|text| (page, (*text).to_owned())));
    }
    let script = read("compose/prepare.sh");
    let found = between(&script, "<<'TOML'\n", "TOML\n");
    assert!(!found.is_empty());
    examples.extend(found.iter().map(|text| ("prepare.sh", (*text).to_owned())));
    let packaged = read("packaging/htgate.toml");
    let all = switched_on(&packaged);
    assert!(all.contains("\n[user_agent]\n") && all.contains("\n[token]\n"));
    examples.extend([("packaging", packaged), ("packaging", all)]);

    assert!(examples.len() >= 9, "{}", examples.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htgate.toml");
    for (whence, text) in examples {
        fs::write(&file, &text).unwrap();
        if let Err(error) = RulesFile::load(Some(&file)) {
            panic!("{whence}: {error}:\n{text}");
        }
    }
}
