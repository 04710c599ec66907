//! Faults of a file, and what a reload takes.

use super::*;

fn error(text: &str) -> String {
    Settings::parse(text.as_bytes())
        .and_then(|file| file.rules())
        .unwrap_err()
        .to_string()
}

#[test]
fn faults_are_one_line_with_their_place() {
    let rows = [
        (
            "\nlisten_on = []",
            "line 2: unknown key 'listen_on'; the nearest known one is 'listen'",
        ),
        (
            "[user_agent]\nexpect = []",
            "line 2: [user_agent] unknown key 'expect'; the nearest known one is 'except'",
        ),
        (
            "listen = ['8080']",
            "line 1: 'listen' cannot be understood; write 127.0.0.1:8080, [::1]:8080",
        ),
        (
            "socket_mode = 'rw'",
            "line 1: 'socket_mode' cannot be understood; write octal permission bits",
        ),
        (
            "workers = 'two'",
            "line 1: 'workers' must be a whole number between 1 and",
        ),
        ("workers = ", "line 1:"),
        (
            "[user_agent]\ndeny = ['a(?!b)']\nexcept = []",
            "line 1: [user_agent] pattern 'a(?!b)': look-ahead",
        ),
        (
            "[user_agent]\ndeny = []",
            "line 1: [user_agent] has no 'except'; write both lists, an empty one as except = []",
        ),
        (
            "[user_agent]\nexcept = ['x']",
            "line 1: [user_agent] has no 'deny'; write both lists",
        ),
        ("[user_agent]", "line 1: [user_agent] has no 'deny'"),
        ("", "the file is empty; write settings or rules into it"),
        (" \r\n\t\n", "the file is empty; "),
        (
            "[groups]\na = ['b']",
            "line 1: [groups] without [[access]]; add rules, or remove the groups",
        ),
        ("[groups]\n", "line 1: [groups] without [[access]]"),
        (
            "groups.a = []\naccess = []",
            "line 1: [groups] without [[access]]",
        ),
        (
            "[[access]]\nusers = ['a']\npaths = ['/']",
            "line 1: [[access]] rule 1: 'paths' without 'methods'; add which ones (methods = \
             [\"*\"] is any method)",
        ),
        (
            "workers = 1\naccess = [\n{users = ['a'], actions = ['pull']}]",
            "line 3: [[access]] rule 1: 'actions' without 'repositories'",
        ),
        (
            "[groups]\n\"a\\nb\" = ['@c\\n']\n[[access]]\nusers = ['@c\\nERROR']",
            "line 2: [groups] a\\nb: \"@c\\\\n\" is not a user name",
        ),
    ];
    for (text, expected) in rows {
        let seen = error(text);
        assert!(
            seen.starts_with(expected) && !seen.contains('\n'),
            "{text}: {seen}"
        );
    }
}

#[test]
fn user_agents_are_the_built_in_ones_or_both_lists() {
    let admits = |text: &str, agent: &str| {
        let file = Settings::parse(text.as_bytes()).unwrap();
        file.rules().unwrap().user_agents.admit(agent.as_bytes())
    };
    let old = "Go 1.1 package http";
    assert!(!admits("# nothing", old));
    assert!(admits("[user_agent]\ndeny = []\nexcept = []", old));
    let own = "[user_agent]\nexcept = ['good']\ndeny = ['^curl/']";
    assert!(admits(own, old) && admits(own, "curl/good") && !admits(own, "curl/8"));
}

const RULE: &str = "[[access]]\nusers = ['a']\nrepositories = ['a']\nactions = ['pull']\n";
const AGENTS: &str = "[user_agent]\ndeny = []\nexcept = []\n";
const GROUPS: &str = "[groups]\ng = ['a']\n";
const TOKEN: &str = "[token]\nkey = 'k'\ncertificate = 'c'\nservice = 's'\n";

#[test]
fn a_section_that_is_gone_is_refused_until_a_restart() {
    let all = [GROUPS, AGENTS, RULE, TOKEN].concat();
    let rows = [
        (all.clone(), [GROUPS, AGENTS, RULE].concat(), "[token]"),
        (all.clone(), [GROUPS, RULE, TOKEN].concat(), "[user_agent]"),
        (all.clone(), [AGENTS, RULE, TOKEN].concat(), "[groups]"),
        (all.clone(), [AGENTS, TOKEN].concat(), "[[access]]"),
        (all, "workers = 1\n# nothing".to_owned(), "[[access]]"),
        (RULE.to_owned(), "access = []".to_owned(), "[[access]]"),
    ];
    for (before, after, section) in rows {
        let mut parse = rules_parser(Settings::parse(before.as_bytes()).unwrap());
        let expected = format!("{section} is gone; put it back, or restart htgate to do without");
        let error = parse(after.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&expected), "{after}: {error}");
        // A mistake in between changes nothing.
        assert!(parse(b"workers =").is_err());
        assert!(parse(after.as_bytes()).is_err(), "{after}");
        assert!(parse(before.as_bytes()).is_ok(), "{before}");
    }
}

#[test]
fn a_section_that_is_gained_may_not_be_lost_again() {
    let mut parse = rules_parser(Settings::default());
    let files = [
        "# nothing\n".to_owned(),
        RULE.to_owned(),
        [GROUPS, RULE].concat(),
        [AGENTS, GROUPS, RULE].concat(),
    ];
    for pair in files.windows(2) {
        let [before, gained] = pair else {
            panic!("two files")
        };
        assert!(parse(before.as_bytes()).is_ok(), "{before}");
        assert!(parse(gained.as_bytes()).is_ok(), "{gained}");
        assert!(parse(before.as_bytes()).is_err(), "{before}");
        assert!(parse(gained.as_bytes()).is_ok(), "{gained}");
    }
    // This one is in force only after a restart.
    for file in [[RULE, TOKEN].concat(), RULE.to_owned()] {
        let file = [AGENTS, GROUPS, &file].concat();
        assert!(parse(file.as_bytes()).is_ok(), "{file}");
    }
}

#[test]
fn rules_come_after_what_limits_them() {
    let access = "access = [{users = ['a'], repositories = ['a'], actions = ['pull']}]\n";
    let rows = [
        ([AGENTS, RULE, GROUPS, TOKEN].concat(), None),
        ([GROUPS, TOKEN, AGENTS, RULE].concat(), None),
        (format!("front = 'nginx'\n{access}{GROUPS}"), None),
        ([RULE, AGENTS].concat(), Some("line 5: 'user_agent'")),
        ([RULE, AGENTS, RULE].concat(), Some("line 5: 'user_agent'")),
        (
            format!("{access}front = 'nginx'\n"),
            Some("line 2: 'front'"),
        ),
        (
            format!("{access}user_agent.deny = []\nuser_agent.except = []\n"),
            Some("line 2: 'user_agent'"),
        ),
    ];
    for (text, expected) in rows {
        let seen = Settings::parse(text.as_bytes()).err();
        let seen = seen.map(|fault| fault.to_string());
        let expected = expected
            .map(|place| format!("{place} stands after the access rules; write it before them"));
        assert_eq!(seen, expected, "{text}");
    }
}
