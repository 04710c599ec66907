//! What people write, and what they read then.

use std::collections::BTreeSet;

use super::*;

fn error(text: &str) -> String {
    let file = Settings::parse(text.as_bytes());
    let rules = file.and_then(|file| file.rules().and_then(|_| file.token().map(drop)));
    rules.unwrap_err().to_string()
}

const ONE: &str = "[[access]]\nusers = ['a']\n";
const KEY: &str = "[token]\nkey = 'k'\ncertificate = 'c'\nservice = 's'\n";

#[test]
fn slips_are_named_with_their_place_and_remedy() {
    let after = |first: &str, text: &str| format!("{first}{text}");
    let rows = [
        // Sections.
        (
            "[access]\nusers = ['a']\n".to_owned(),
            "line 1: access rules are written with two brackets; write '[[access]]' above each rule",
        ),
        (
            "workers = 1\naccess = 'x'\n".to_owned(),
            "line 2: access rules are written with two brackets; write '[[access]]'",
        ),
        (
            after(ONE, "actions = ['catalog']\n[access]\n"),
            "line 4: 'access' is there twice; write '[[access]]', with two brackets, above each rule",
        ),
        (
            "[[acces]]\nusers = ['a']\n".to_owned(),
            "line 1: unknown section 'acces'; the nearest known one is '[[access]]'",
        ),
        (
            "[[groups]]\na = ['b']\n".to_owned(),
            "line 1: [groups] is one section, with single brackets; write '[groups]' once",
        ),
        (
            "[[token]]\nkey = 'k'\n".to_owned(),
            "line 1: [token] is one section",
        ),
        (
            "user_agent = ['a']\n".to_owned(),
            "line 1: [user_agent] is one section",
        ),
        (
            "[user-agent]\ndeny = []\n".to_owned(),
            "line 1: unknown section 'user-agent'; the nearest known one is '[user_agent]'",
        ),
        (
            "[[access]\nusers = ['a']\n".to_owned(),
            "line 1: unclosed array table; correct this line",
        ),
        // Rules.
        (
            "[[access]]\nusers = 'alice'\nactions = ['catalog']\n".to_owned(),
            "line 2: [[access]] rule 1: 'users' must be a list of texts in quotes; write it as in users = [\"alice\", ",
        ),
        (
            after(
                ONE,
                "actions = ['catalog']\n[[access]]\nactions = ['catalog']\n",
            ),
            "line 4: [[access]] rule 2: 'users' is missing; write it as in users = [",
        ),
        (
            after(ONE, "repositories = ['a']\nactions = ['pul']\n"),
            "line 4: [[access]] rule 1: unknown action 'pul'; the nearest known one is 'pull' (all: pull, push, delete, catalog)",
        ),
        (
            after(ONE, "repositories = ['a']\nactions = 'pull'\n"),
            "line 4: [[access]] rule 1: 'actions' must be a list of texts in quotes; write it as in actions = [",
        ),
        (
            after(ONE, "repositories = ['a']\nactions = [1]\n"),
            "line 4: [[access]] rule 1: 'actions' must be a list of texts",
        ),
        (
            after(ONE, "repository = ['a']\n"),
            "line 3: [[access]] rule 1: unknown key 'repository'; the nearest known one is 'repositories'",
        ),
        (
            after(ONE, "actions = ['catalog']\nworkers = 4\n"),
            "line 4: [[access]] rule 1: 'workers' does not belong there; write it above the first section",
        ),
        (
            "actions = ['catalog']\n".to_owned(),
            "line 1: 'actions' belongs to [[access]]; write it below a line '[[access]]'",
        ),
        (
            "[[access]]\nusers = [alice]\n".to_owned(),
            "line 2: a text without straight quotes; write it as in users = [\"alice\"",
        ),
        (
            "[[access]]\nusers = [“alice”]\n".to_owned(),
            "line 2: a text without straight quotes; write it as in users = [\"alice\"",
        ),
        (
            "[[access]]\nusers = ['a' 'b']\n".to_owned(),
            "line 2: a list goes on here, or was not closed; separate its texts with commas",
        ),
        (
            "[groups]\ndev = 'alice'\n".to_owned(),
            "line 2: [groups] 'dev' must be a list of texts in quotes; write it as in dev = [\"alice\", \"bob\"]",
        ),
        (
            "[groups]\ndev = ['@ops']\n[[access]]\nusers = ['@dev']\nactions = ['catalog']\n"
                .to_owned(),
            "line 2: [groups] dev: \"@ops\" is not a user name; groups hold names of users only",
        ),
        (
            "[settings]\nworkers = 4\n".to_owned(),
            "line 1: unknown section 'settings'; the nearest known one is '[user_agent]' (all: [[access]], [groups], [user_agent], [token]; settings stand above them)",
        ),
        (
            "listen = []\n".to_owned(),
            "line 1: 'listen' must not be empty; write it as in listen = [\"127.0.0.1:8080\"]",
        ),
        (
            "realm = \"a\n".to_owned(),
            "line 1: a text without its second quote; write it as in realm = \"Registry\"",
        ),
        // Settings.
        (
            "wrokers = 4\n".to_owned(),
            "line 1: unknown key 'wrokers'; the nearest known one is 'workers'",
        ),
        (
            "HTGATE_WORKERS = 4\n".to_owned(),
            "line 1: unknown key 'HTGATE_WORKERS'; the nearest known one is 'workers'",
        ),
        (
            "hash-threads = 4\n".to_owned(),
            "line 1: unknown key 'hash-threads'; the nearest known one is 'hash_threads'",
        ),
        (
            "\nworkers = '4'\n".to_owned(),
            "line 2: 'workers' must be a whole number between 1 and 4096; write it as in workers = 4",
        ),
        (
            "workers = -1\n".to_owned(),
            "line 1: 'workers' must be a whole number between 1 and 4096; write it",
        ),
        (
            "workers = 0\n".to_owned(),
            "line 1: 'workers' must be a whole number between 1 and 4096; write it",
        ),
        (
            "queue = 0\n".to_owned(),
            "line 1: 'queue' must be a whole number, at least 1; write it as in queue = 1024",
        ),
        (
            "realm = 'a'\nmax_bcrypt_cost = 300\n".to_owned(),
            "line 2: 'max_bcrypt_cost' must be a whole number between 4 and 31; write it as",
        ),
        (
            "max_bcrypt_cost = 3\n".to_owned(),
            "line 1: 'max_bcrypt_cost' must be a whole number between 4 and 31; write it as",
        ),
        (
            "poll_seconds = '1s'\n".to_owned(),
            "line 1: 'poll_seconds' must be a number between 0.05 and 3600; write it as in poll_seconds = 1.0",
        ),
        (
            "poll_seconds = nan\n".to_owned(),
            "line 1: 'poll_seconds' must be a number between 0.05 and 3600; write",
        ),
        (
            "cache_seconds = 9000000000000\n".to_owned(),
            "line 1: 'cache_seconds' must be a whole number between 0 and 31536000",
        ),
        (
            "listen = '127.0.0.1:8080'\n".to_owned(),
            "line 1: 'listen' must be a list of texts in quotes; write it as in listen = [\"127.0.0.1:8080\"]",
        ),
        (
            "listen = ['8080']\n".to_owned(),
            "line 1: 'listen' cannot be understood; write 127.0.0.1:8080, [::1]:8080, unix:/",
        ),
        (
            "socket_mode = 660\n".to_owned(),
            "line 1: 'socket_mode' must be a text in quotes; write it as in socket_mode = \"0660\"",
        ),
        (
            "socket_mode = 0660\n".to_owned(),
            "line 1: unexpected leading zero; write it as in socket_mode = \"0660\"",
        ),
        (
            "front = 'ngin'\n".to_owned(),
            "line 1: 'front' cannot be 'ngin'; the nearest known one is 'nginx' (all: nginx, ",
        ),
        (
            "watch = 'polling'\n".to_owned(),
            "line 1: 'watch' cannot be 'polling'; the nearest known one is 'poll' (all: events, poll)",
        ),
        (
            "realm = \"caf\u{e9}\"\n".to_owned(),
            "line 1: 'realm' cannot be understood; use printable ASCII characters only",
        ),
        (
            "allow_plaintext = yes\n".to_owned(),
            "line 1: a text without straight quotes; write it as in allow_plaintext = true",
        ),
        (
            "allow_plaintext = 'yes'\n".to_owned(),
            "line 1: 'allow_plaintext' must be true or false, without quotes; write it as in allow_plaintext = true",
        ),
        (
            "htpasswd = /etc/htpasswd\n".to_owned(),
            "line 1: a text without straight quotes; write it as in htpasswd = \"/etc/htgate/users/htpasswd\"",
        ),
        (
            "htpasswd = 'alice:$2y$05$abc'\n".to_owned(),
            "line 1: 'htpasswd': this is not the path of a file but its content; write it into a file",
        ),
        (
            "workers: 4\n".to_owned(),
            "line 1: this is not KEY = VALUE; write it as in workers = 4",
        ),
        (
            "workers =\n".to_owned(),
            "line 1: 'workers' has no value; write it as in workers = 4",
        ),
        (
            "workers = 4\nworkers = 5\n".to_owned(),
            "line 2: 'workers' is there twice; keep one of them",
        ),
        // Clients and tokens.
        (
            "[user_agent]\ndeny = ['a']\n".to_owned(),
            "line 1: [user_agent] has no 'except'; write both lists",
        ),
        (
            "[user_agent]\nexcept = []\ndeny = [\"^a\\.b\"]\n".to_owned(),
            "line 3: in double quotes a backslash means something else; write single quotes, as in '^",
        ),
        (
            "[token]\nkey = 'k'\n".to_owned(),
            "line 1: [token] 'certificate' is missing; write it as in certificate = \"/etc/htgate/",
        ),
        (
            after(KEY, "workers = 4\n"),
            "line 5: [token] 'workers' does not belong there; write it above the first section",
        ),
        (
            after(KEY, "key_id = 'x5'\n"),
            "line 5: [token] 'key_id' cannot be 'x5'; the nearest known one is 'x5c' (all: x5c, ",
        ),
        (
            after(KEY, "lifetime_seconds = '300'\n"),
            "line 5: [token] 'lifetime_seconds' must be a number; write it as in lifetime_seconds = 300",
        ),
        (
            after(KEY, "lifetime_seconds = 5\n"),
            "line 5: [token] lifetime_seconds is 5; it must be between 60 and 3600",
        ),
        (
            after(KEY, "path = 'token'\n"),
            "line 5: [token] path: \"token\" cannot be answered; write a path like \"/token\"",
        ),
        (
            "[token]\nkey = '-----BEGIN PRIVATE KEY-----'\n".to_owned(),
            "line 2: [token] 'key': this is not the path of a file but its content; write it into",
        ),
    ];
    let foreign = [
        " expected",
        "usize",
        "u64",
        "u8",
        "f64",
        "sequence",
        "variant",
        "$2y$",
        "\n",
    ];
    let mut wrong = String::new();
    for (text, expected) in rows {
        let seen = error(&text);
        if !seen.starts_with(expected) || foreign.iter().any(|word| seen.contains(word)) {
            wrong += &format!("{text}\n  {expected}\n  {seen}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Whoever copies one has settings that htgate takes.
#[test]
fn every_key_has_an_example_that_is_accepted() {
    let section = |wanted: &str| {
        let lines = EXAMPLES.iter().filter(|(section, _)| *section == wanted);
        lines
            .map(|(_, example)| format!("{example}\n"))
            .collect::<String>()
    };
    let groups = "[groups]\ndevelopers = ['alice']\n";
    let parts = [AGENTS, TOKEN, RULE].map(|name| format!("{name}\n{}", section(name)));
    let text = section("") + &parts.concat() + groups;
    let file = Settings::parse(text.as_bytes()).unwrap();
    assert!(file.rules().is_ok() && file.token().is_ok());

    // serde names all that it knows.
    let known = |text: &str| -> BTreeSet<String> {
        let error = toml::from_str::<Settings>(text).unwrap_err();
        let words = error.message().split('`').skip(1).step_by(2).skip(1);
        words.map(str::to_owned).collect()
    };
    let shown = |wanted: &str| -> BTreeSet<String> {
        let all = EXAMPLES.iter().filter(|(section, _)| *section == wanted);
        all.map(|(_, example)| name(example).to_owned()).collect()
    };
    let sections = ["access", "groups", "user_agent", "token"].map(str::to_owned);
    assert_eq!(
        known("x = 1"),
        shown("")
            .union(&BTreeSet::from(sections))
            .cloned()
            .collect()
    );
    for (name, table) in [
        (RULE, "[[access]]\nx = 1"),
        (AGENTS, "[user_agent]\nx = 1"),
        (TOKEN, "[token]\nx = 1"),
    ] {
        assert_eq!(known(table), shown(name), "{name}");
    }
}
