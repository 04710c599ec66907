//! What the documents list against what the program has: neither may have what the other lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::support::{Gate, PACKAGES, folder, line, repository, run, said};

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

/// The rows of the table below a heading: the text between the first back quotes, and all cells.
fn table(document: &str, heading: &str) -> Vec<(String, Vec<String>)> {
    let (_, section) = document.split_once(&format!("\n{heading}\n")).unwrap();
    let mut lines = section.lines().skip_while(|line| !line.starts_with("| "));
    let rows = lines.by_ref().take_while(|line| line.starts_with('|'));
    let rows = rows.skip(2).map(|row| {
        // A bar within a cell is escaped.
        let row = row.trim_matches('|').replace("\\|", "\u{1}");
        let cells = row.split('|').map(|cell| cell.trim().replace('\u{1}', "|"));
        let cells: Vec<_> = cells.collect();
        (cells[0].split('`').nth(1).unwrap().to_owned(), cells)
    });
    rows.collect()
}

/// Options with their defaults, as the help has them.
fn options() -> BTreeMap<String, Option<String>> {
    let help = said(&run(
        Command::new(env!("CARGO_BIN_EXE_htgate")).args(["serve", "--help"])
    ));
    let mut options = BTreeMap::new();
    for block in help.split("\n      --").skip(1) {
        let name = block.split([' ', '[']).next().unwrap().trim();
        let text = block.split_whitespace().collect::<Vec<_>>().join(" ");
        let default = text.split_once("[default: ").map(|(_, rest)| {
            let default = rest.split_once(']').unwrap().0;
            default.replace("the number of ", "")
        });
        options.insert(format!("--{name}"), default);
    }
    options
}

#[test]
fn every_setting_is_in_the_readme_with_its_default() {
    let mut options = options();
    assert!(options.len() > 15, "{options:?}");
    for (option, cells) in table(&read("README.md"), "## Settings") {
        let name = option.split(' ').next().unwrap();
        let default = options.remove(name);
        let default = default.unwrap_or_else(|| panic!("{name} is not in --help"));
        if let Some(default) = default {
            assert_eq!(cells[1].trim_matches('`'), default, "{name}");
        }
    }
    assert!(options.is_empty(), "not in README.md: {options:?}");
}

/// A gate with everything that has metrics.
fn gate() -> Gate {
    let folder = folder();
    let place = folder.path().display().to_string();
    fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    run(Command::new(env!("CARGO_BIN_EXE_htgate")).args(["token", "init", &place]));
    let config = format!("{place}/htgate.toml");
    let settings = format!(
        "[token]\nkey = '{place}/token.key'\ncertificate = '{place}/token.crt'\n\
         service = 'registry'\n"
    );
    fs::write(&config, settings).unwrap();
    Gate::start_in(folder, &["--config", &config])
}

#[test]
fn every_metric_is_in_the_table_with_its_type() {
    let text = gate().ask("GET /metrics", &[]).text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let metrics: BTreeSet<_> = types
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => (format!("{name}_total"), "counter".to_owned()),
            (name, kind) => (name.to_owned(), kind.to_owned()),
        })
        .collect();
    let table = table(&read("monitoring/README.md"), "## Metrics");
    let documented: BTreeSet<_> = table
        .into_iter()
        .map(|(name, cells)| (name, cells[1].clone()))
        .collect();
    assert_eq!(documented, metrics);
}

#[test]
fn every_reason_is_in_the_table_and_no_file_names_another() {
    let text = gate().ask("GET /metrics", &[]).text();
    let reasons = |metric: &str| -> BTreeSet<String> {
        let samples = text.lines().filter_map(|line| line.strip_prefix(metric));
        let words = samples.filter_map(|line| line.strip_prefix("{reason=\"")?.split('"').next());
        words.map(str::to_owned).collect()
    };
    let mut known = reasons("htgate_decisions_total");
    let table = table(&read("docs/nginx.md"), "## Reasons");
    let documented: BTreeSet<_> = table.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(documented, known);

    known.extend(reasons("htgate_token_answers_total"));
    for file in [
        "monitoring/prometheus/htgate-alerts.yml",
        "monitoring/prometheus/htgate-alerts-test.yml",
        "monitoring/grafana/htgate.json",
        "monitoring/fail2ban/filter.d/htgate.conf",
    ] {
        let text = read(file).replace("\\\"", "\"").replace("!=", "=");
        let mut named = 0;
        for begin in ["reason=\"", "reason=(?:", "\"reason\":\"(?:"] {
            for after in text.split(begin).skip(1) {
                let end = after.find(['"', ')']).unwrap();
                for reason in after[..end].split('|') {
                    assert!(known.contains(reason), "{file} names '{reason}'");
                    named += 1;
                }
            }
        }
        assert!(named > 0, "{file} names no reason");
    }
}

/// The rules of `htgate check`, as `rules!` declares them: `Variant, "name", Severity;`.
#[test]
fn every_check_is_in_the_tables_with_its_severity() {
    let source = read("src/check/mod.rs");
    let (_, declared) = source.split_once("\nrules! {\n").unwrap();
    let (declared, _) = declared.split_once("\n}\n").unwrap();
    let declared: BTreeMap<_, _> = declared
        .lines()
        .filter(|line| line.ends_with(';'))
        .map(|line| {
            let fields: Vec<_> = line.trim_end_matches(';').split(", ").collect();
            (
                fields[1].trim_matches('"').to_owned(),
                fields[2].to_lowercase(),
            )
        })
        .collect();
    assert!(declared.len() > 20, "{declared:?}");
    let rows = read("docs/check.md");
    let rows = rows.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
            let severity = cells.last().unwrap().trim().to_owned();
            (row.split('`').nth(1).unwrap().to_owned(), severity)
        })
        .collect();
    assert_eq!(documented, declared);
}

/// What the tests say is missing is what `make test` installs.
#[test]
fn every_package_that_is_installed_has_its_programs() {
    let script = read("scripts/test.sh");
    let (_, list) = script.split_once("\nsh scripts/install.sh ").unwrap();
    let list = list.replace("\\\n", " ");
    let installed: BTreeSet<_> = list.lines().next().unwrap().split_whitespace().collect();
    let known: BTreeSet<_> = PACKAGES.iter().map(|(package, _)| *package).collect();
    assert_eq!(known, installed, "PACKAGES and scripts/test.sh");
}
