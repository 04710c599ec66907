//! What operators see: alerts that go off when they should, and a dashboard of metrics that exist.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::{Gate, basic, folder, line, repository, run};
use serde_json::Value;

#[test]
fn alerts_go_off_when_they_should() {
    let folder = repository("monitoring/prometheus");
    for arguments in [
        ["check", "rules", "htgate-alerts.yml"],
        ["test", "rules", "htgate-alerts-test.yml"],
    ] {
        run(Command::new("promtool")
            .args(arguments)
            .current_dir(&folder));
    }
}

/// Every alert has a test that sees it go off.
#[test]
fn no_alert_is_untested() {
    let read = |name: &str| fs::read_to_string(repository("monitoring/prometheus").join(name));
    let tests = read("htgate-alerts-test.yml").unwrap();
    let rules = read("htgate-alerts.yml").unwrap();
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|l| l.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 8, "{alerts:?}");
    for alert in alerts {
        let went_off = format!("alertname: {alert}\n        exp_alerts:\n          - exp_labels");
        assert!(tests.contains(&went_off), "{alert}");
    }
}

/// An htgate that gives tokens, too.
pub(super) fn gate_with_tokens(options: &[&str]) -> Gate {
    let folder = folder();
    let place = folder.path().display().to_string();
    fs::write(folder.path().join("htpasswd"), line("alice", "secret", 4)).unwrap();
    run(Command::new(env!("CARGO_BIN_EXE_htgate")).args(["token", "init", &place]));
    let settings = format!(
        "[token]\nkey = '{place}/token.key'\ncertificate = '{place}/token.crt'\n\
         service = 'registry'\n"
    );
    let config = format!("{place}/htgate.toml");
    fs::write(&config, settings).unwrap();
    Gate::start_in(folder, &[&["--config", &config], options].concat())
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let gate = gate_with_tokens(&[]);
    assert_eq!(gate.login("alice", "secret"), 204);
    let exported = gate.ask("GET /metrics", &[]).text();
    let samples: BTreeSet<_> = exported.lines().map(word).collect();
    let alerts = fs::read_to_string(repository("monitoring/prometheus/htgate-alerts.yml")).unwrap();
    let dashboard = fs::read(repository("monitoring/grafana/htgate.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let mut queries = vec![alerts];
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        queries.push(variable["query"].as_str().unwrap().to_owned());
    }
    assert!(queries.len() > 12, "{queries:?}");
    let mut named = 0;
    for query in &queries {
        for (at, _) in query.match_indices("htgate_") {
            let name = word(&query[at..]);
            assert!(samples.contains(name), "{name} is not in:\n{exported}");
            named += 1;
        }
        // Words that stand for a reason, be it one or several.
        for after in query.split("reason").skip(1) {
            let Some(quoted) = after.trim_start_matches(['=', '!', '~']).strip_prefix('"') else {
                continue;
            };
            for reason in quoted.split('"').next().unwrap().split('|') {
                let label = format!("{{reason=\"{reason}\"}}");
                assert!(exported.contains(&label), "{label} is not in:\n{exported}");
            }
        }
    }
    assert!(named > 20, "{queries:?}");
}

/// The first refusal of its kind must be an increase, and who gives no tokens has no such lines.
#[test]
fn lines_about_tokens_are_there_from_the_start_or_never() {
    let lines = |gate: &Gate| {
        let text = gate.ask("GET /metrics", &[]).text();
        let is_about = |line: &&str| line.starts_with("htgate_token_");
        let lines = text.lines().filter(is_about).map(str::to_owned);
        lines.collect::<BTreeSet<_>>()
    };
    let mut without = lines(&Gate::start(&line("alice", "secret", 4), &[]));
    assert_eq!(without.pop_first(), None);

    let gate = gate_with_tokens(&[]);
    let before = lines(&gate);
    let query = "GET /token?service=registry";
    let authorization = |password| format!("Authorization: {}", basic("alice", password));
    let asked = [
        (query, Some("secret"), "docker", "ok"),
        (query, Some("wrong"), "docker", "bad-credentials"),
        (query, None, "docker", "anonymous"),
        (query, None, "Go 1.1 package http", "user-agent"),
        ("GET /token", None, "docker", "bad-request"),
    ];
    for (request, password, agent, reason) in asked {
        let mut headers = vec![format!("User-Agent: {agent}")];
        headers.extend(password.map(authorization));
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        gate.ask(request, &headers);
        let name = format!("htgate_token_answers_total{{reason=\"{reason}\"}}");
        assert!(before.contains(&format!("{name} 0")), "{before:?}");
        assert!(lines(&gate).contains(&format!("{name} 1")), "{reason}");
    }
    assert_eq!(lines(&gate).len(), before.len(), "{before:?}");
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}
