//! A file that somebody is still writing, or that a full disk has cut off, must not allow more than
//! all of it: every prefix of any valid file is refused, or allows nothing that the whole forbids.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::request::{BodyType, Field, Request};
use crate::rules::access::Who;

/// The keys of a table with their values, in the order in which they are written.
type Table = Vec<(&'static str, Value)>;

#[derive(Clone, Debug)]
enum Value {
    List(Vec<&'static str>),
    Text(&'static str),
    Number(u64),
}

/// How a file is laid out.
#[derive(Clone, Debug)]
struct Style {
    quote: char,
    newline: &'static str,
    /// Lists over several lines, with comments.
    is_long: bool,
    /// `access = [{...}]` instead of `[[access]]`.
    is_inline: bool,
    /// `groups.g = ...` instead of `[groups]`.
    is_dotted: bool,
    ends_in_newline: bool,
}

fn style() -> impl Strategy<Value = Style> {
    let words = (
        prop_oneof![Just('\''), Just('"')],
        prop_oneof![Just("\n"), Just("\r\n")],
    );
    (words, any::<(bool, bool, bool, bool)>()).prop_map(|((quote, newline), flags)| Style {
        quote,
        newline,
        is_long: flags.0,
        is_inline: flags.1,
        is_dotted: flags.2,
        ends_in_newline: flags.3,
    })
}

fn list(all: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let some = subsequence(all, 1..=all.len().min(3));
    some.prop_shuffle()
        .prop_map(|some| Value::List(some.to_vec()))
}

const USERS: &[&str] = &["alice", "bob", "@developers", "@others", "*", "anonymous"];
const REPOSITORIES: &[&str] = &[
    "team/**",
    "team/app",
    "*/app",
    "**",
    "//registry.example/team/**",
    "//registry.example/**",
    "//docs.example/*/app",
];
const PATHS: &[&str] = &[
    "/docs/**",
    "/",
    "/**",
    "//docs.example/**",
    "//registry.example/docs/a",
];
const METHODS: &[&str] = &["GET", "HEAD", "PUT", "*"];
const ACTIONS: &[&str] = &["pull", "push", "delete"];
/// With these a rule may only name all repositories, or none.
const CATALOG: &[&str] = &["catalog", "pull", "delete"];

/// Two keys that belong together.
fn pair(
    first: (&'static str, &'static [&'static str]),
    second: (&'static str, &'static [&'static str]),
) -> impl Strategy<Value = Table> {
    (list(first.1), list(second.1)).prop_map(move |(a, b)| vec![(first.0, a), (second.0, b)])
}

fn in_registry() -> impl Strategy<Value = Table> {
    prop_oneof![
        4 => pair(("repositories", REPOSITORIES), ("actions", ACTIONS)),
        1 => list(&["catalog"]).prop_map(|them| vec![("actions", them)]),
        1 => pair(("repositories", &["**"]), ("actions", CATALOG)),
        // Most of these are invalid.
        1 => pair(("repositories", REPOSITORIES), ("actions", CATALOG)),
    ]
}

fn outside() -> impl Strategy<Value = Table> {
    pair(("paths", PATHS), ("methods", METHODS))
}

/// A rule of any kind, with its keys in any order.
fn rule() -> impl Strategy<Value = Table> {
    let what = prop_oneof![
        3 => in_registry(),
        2 => outside(),
        2 => (in_registry(), outside()).prop_map(|(a, b)| [a, b].concat()),
    ];
    let whole = (list(USERS), what).prop_map(|(users, mut keys)| {
        keys.push(("users", users));
        keys
    });
    whole.prop_shuffle()
}

fn user_agents() -> impl Strategy<Value = Table> {
    let some = |all: &'static [&'static str]| subsequence(all, 0..=all.len());
    let deny = some(&["^evil", "^docker/1\\.[345]", "^curl/"]);
    let except = some(&["good$", "^docker/1\\.5\\."]);
    let both = (deny, except).prop_map(|(deny, except)| {
        vec![
            ("deny", Value::List(deny.to_vec())),
            ("except", Value::List(except.to_vec())),
        ]
    });
    both.prop_shuffle()
}

fn token() -> Table {
    vec![
        ("key", Value::Text("token.key")),
        ("certificate", Value::Text("token.crt")),
        ("lifetime_seconds", Value::Number(300)),
        ("service", Value::Text("registry.example")),
    ]
}

fn settings() -> impl Strategy<Value = Table> {
    let all = vec![
        ("workers", Value::Number(16)),
        ("realm", Value::Text("a # realm")),
        ("strikes", Value::Number(100)),
        ("front", Value::Text("nginx")),
    ];
    subsequence(all, 0..=4)
}

/// Parts of a file, in the order in which they are written.
#[derive(Clone, Debug)]
enum Part {
    Rule(Table),
    Groups,
    UserAgents(Table),
    Token,
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let rules = proptest::collection::vec(rule(), 0..4);
    let agents = proptest::option::of(user_agents());
    let rest = (rules, prop::bool::weighted(0.75), any::<bool>()).prop_map(
        |(rules, has_groups, has_token)| {
            let mut parts: Vec<_> = rules.into_iter().map(Part::Rule).collect();
            parts.extend(has_groups.then_some(Part::Groups));
            parts.extend(has_token.then_some(Part::Token));
            parts
        },
    );
    // Most of those with lists that do not come first are invalid.
    (agents, rest.prop_shuffle(), prop::bool::weighted(0.1)).prop_map(|(agents, rest, is_late)| {
        let agents: Vec<_> = agents.map(Part::UserAgents).into_iter().collect();
        if is_late {
            [rest, agents].concat()
        } else {
            [agents, rest].concat()
        }
    })
}

impl Style {
    fn value(&self, value: &Value) -> String {
        let Self { quote, newline, .. } = self;
        let text = |text: &&str| match quote {
            '"' => format!("{text:?}"),
            _ => format!("'{text}'"),
        };
        match value {
            Value::Text(it) => text(it),
            Value::Number(number) => number.to_string(),
            Value::List(them) if self.is_long => {
                let line = |it| format!("  {}, # or 'ü'{newline}", text(it));
                let lines: String = them.iter().map(line).collect();
                format!("[{newline}{lines}]")
            }
            Value::List(them) => {
                let texts: Vec<_> = them.iter().map(text).collect();
                format!("[{}]", texts.join(", "))
            }
        }
    }

    fn lines(&self, table: &Table) -> String {
        let line = |(key, value): &(&str, Value)| {
            format!("{key} = {}  # {key}{}", self.value(value), self.newline)
        };
        table.iter().map(line).collect()
    }

    fn file(&self, settings: &Table, parts: &[Part]) -> String {
        let newline = self.newline;
        let groups: Table = vec![
            ("developers", Value::List(vec!["alice", "carol"])),
            ("others", Value::List(vec!["bob"])),
        ];
        let mut first = format!("# settings: «ü»{newline}{newline}{}", self.lines(settings));
        let mut rest = String::new();
        let mut inline = Vec::new();
        for part in parts {
            match part {
                Part::Rule(table) if self.is_inline => {
                    let pair =
                        |(key, value): &(&str, Value)| format!("{key}={}", self.value(value));
                    let pairs: Vec<_> = table.iter().map(pair).collect();
                    inline.push(format!("{{{}}}", pairs.join(", ")));
                }
                Part::Rule(table) => rest += &format!("[[access]]{newline}{}", self.lines(table)),
                Part::Groups if self.is_dotted => {
                    for (name, members) in &groups {
                        first += &format!("groups.{name} = {}{newline}", self.value(members));
                    }
                }
                Part::Groups => rest += &format!("[groups]{newline}{}", self.lines(&groups)),
                Part::UserAgents(table) if self.is_inline => {
                    for (name, patterns) in table {
                        let patterns = self.value(patterns);
                        first += &format!("user_agent.{name} = {patterns}{newline}");
                    }
                }
                Part::UserAgents(table) => {
                    rest += &format!("[user_agent] # clients{newline}{}", self.lines(table));
                }
                Part::Token => rest += &format!("[token]{newline}{}", self.lines(&token())),
            }
        }
        if !inline.is_empty() {
            first += &format!(
                "access = [{newline}{}]{newline}",
                inline.join(&format!(",{newline}"))
            );
        }
        let whole = first + &rest + "# end";
        if self.ends_in_newline {
            whole + newline
        } else {
            whole
        }
    }
}

fn file() -> impl Strategy<Value = String> {
    (style(), settings(), parts())
        .prop_map(|(style, settings, parts)| style.file(&settings, &parts))
}

const AGENTS: &[&str] = &[
    "",
    "evil/1",
    "evil/good",
    "curl/8",
    "docker/1.3",
    "docker/1.5.0-dev",
    "Go 1.1 package http",
];
const REQUESTS: &[(&str, &str)] = &[
    ("GET", "/v2/"),
    ("GET", "/v2/_catalog"),
    ("GET", "/v2/team/app/manifests/1"),
    ("PUT", "/v2/team/app/manifests/1"),
    ("DELETE", "/v2/team/app/manifests/1"),
    (
        "POST",
        "/v2/team/app/blobs/uploads/?mount=sha256:0&from=other/app",
    ),
    ("GET", "/v2/other/app/tags/list"),
    ("PUT", "/v2/other/manifests/1"),
    ("GET", "/"),
    ("GET", "/docs/a"),
    ("PUT", "/docs/a"),
    ("PROPFIND", "/docs/b"),
    ("GET", "/docs/../a"),
];
const SERVERS: &[&str] = &["", "registry.example", "docs.example", "other.example"];
const NAMES: &[&str] = &["", "alice", "bob", "carol", "eve"];

/// Which User-Agents are admitted, and which requests of whom on which server are allowed.
fn allowed(rules: &Rules) -> (Vec<bool>, Vec<bool>) {
    let agents = AGENTS
        .iter()
        .map(|agent| rules.user_agents.admit(agent.as_bytes()));
    let mut requests = Vec::new();
    for (method, uri) in REQUESTS {
        for server in SERVERS {
            let request = Request {
                method: Field::One(method.as_bytes()),
                uri: Field::One(uri.as_bytes()),
                content_type: BodyType::None,
                server: Field::One(server.as_bytes()),
                ..Request::default()
            };
            for name in NAMES {
                let who = match *name {
                    "" => Who::Anonymous,
                    name => Who::User(name.as_bytes()),
                };
                requests.push(rules.access.decide(who, &request).is_allow());
            }
        }
    }
    (agents.collect(), requests)
}

/// Whether the part allows a request, with some User-Agent, that the whole forbids.
fn allows_more(part: &Rules, whole: &Rules) -> bool {
    let ((agents, requests), (of_whole, rest_of_whole)) = (allowed(part), allowed(whole));
    let more = |ours: &[bool], theirs: &[bool]| {
        ours.iter()
            .zip(theirs)
            .any(|(ours, theirs)| *ours && !theirs)
    };
    let any = |them: &[bool]| them.contains(&true);
    (more(&agents, &of_whole) && any(&requests))
        || (more(&requests, &rest_of_whole) && any(&agents))
}

/// At the start a part without any rule cannot be told from a file that never had one.
fn may_be_whole(part: &Settings) -> bool {
    part.access.is_empty() && part.groups.is_none()
}

fn read(text: &str) -> Option<(Rules, Settings)> {
    let file = Settings::parse(text.as_bytes()).ok()?;
    Some((file.rules().ok()?, file))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whether the whole itself was in force before, or another file with rules.
    #[test]
    fn no_prefix_allows_more_than_the_whole(text in file(), old in file()) {
        let (Some((whole, settings)), Some((_, old))) = (read(&text), read(&old)) else {
            return Err(TestCaseError::reject("invalid"));
        };
        prop_assume!(!old.access.is_empty());
        for end in 0..text.len() {
            let bytes = &text.as_bytes()[..end];
            let shown = String::from_utf8_lossy(bytes);
            for before in [&settings, &old] {
                if let Ok(rules) = rules_parser(before.clone())(bytes) {
                    prop_assert!(!allows_more(&rules, &whole), "at a reload: {}", shown);
                }
            }
            let Ok(part) = Settings::parse(bytes) else {
                continue;
            };
            prop_assert!(!is_blank(bytes), "nothing is taken for a file");
            if let Ok(rules) = part.rules()
                && !may_be_whole(&part)
            {
                prop_assert!(!allows_more(&rules, &whole), "at the start: {}", shown);
                prop_assert_eq!(part.front, settings.front, "at the start: {}", shown);
            }
        }
    }
}
