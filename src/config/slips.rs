//! Mistakes in `htgate.toml`, in the words of the file: where, what is wrong, and how it is written.

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::settings::Settings;
use crate::Fault;

/// What keeps a text from being settings.
pub(super) fn explain(text: &str, error: &Error) -> Fault {
    let (table, errors) = DeTable::parse_recoverable(text);
    // The first is the one that a reader finds.
    let place = |error: &&Error| error.span().map_or(0, |span| span.start);
    let fault = match errors.iter().min_by_key(place) {
        Some(first) => return explain_syntax(text, place(&first), first.message()),
        None => Slip::find(table.get_ref(), place(&error)).explain(error.message()),
    };
    fault.at(line(text, place(&error)))
}

/// The number of the line that a place in the text is in.
pub(super) fn line(text: &str, place: usize) -> u64 {
    let before = text.get(..place).unwrap_or_default();
    before.matches('\n').count() as u64 + 1
}

/// How a key is written.
pub(super) fn example(key: &str) -> Option<&'static str> {
    let mut all = EXAMPLES.iter();
    all.find(|(_, example)| name(example) == key)
        .map(|(_, example)| *example)
}

/// A mistake in well-formed TOML.
struct Slip<'a> {
    section: &'static str,
    /// What a fault begins with there.
    label: String,
    /// The key with the wrong value, if a section is not wrong as a whole.
    key: Option<&'a str>,
    /// Whether it is the name of a section.
    is_heading: bool,
}

impl<'a> Slip<'a> {
    fn find(table: &'a DeTable<'_>, place: usize) -> Self {
        let slip = |section, label: String, table: Option<&'a DeTable<'_>>| Self {
            section,
            label,
            is_heading: false,
            key: table
                .and_then(|table| entry(table, place))
                .map(|(key, _)| key),
        };
        let Some((key, value)) = entry(table, place) else {
            return slip("", String::new(), None);
        };
        let inside = value.get_ref().as_table();
        match (key, value.get_ref()) {
            ("access", DeValue::Array(rules)) => {
                let number = rules.iter().position(|rule| holds(rule, place));
                let rule = number.and_then(|number| rules.get(number)?.get_ref().as_table());
                let number = number.unwrap_or_default() + 1;
                slip(RULE, format!("{RULE} rule {number}: "), rule)
            }
            ("access", _) => slip(RULE, String::new(), None),
            ("groups", _) => slip(GROUPS, format!("{GROUPS} "), inside),
            ("user_agent", _) => slip(AGENTS, format!("{AGENTS} "), inside),
            ("token", _) => slip(TOKEN, format!("{TOKEN} "), inside),
            (_, value) => Self {
                is_heading: is_section(value),
                ..slip("", String::new(), Some(table))
            },
        }
    }

    fn explain(&self, message: &str) -> Fault {
        let mut quoted = message.split('`').skip(1).step_by(2);
        let wrong = quoted.next().unwrap_or_default();
        let known: Vec<_> = quoted.collect();
        let (what, remedy) = if message.starts_with("unknown field") {
            return self.unknown(wrong, &known);
        } else if message.starts_with("missing field") {
            (format!("'{wrong}' is missing"), written(wrong))
        } else if message.starts_with("unknown variant") {
            let what = match self.key {
                Some("actions") => format!("unknown action '{wrong}'"),
                key => format!("'{}' cannot be '{wrong}'", key.unwrap_or_default()),
            };
            let nearest = nearest(wrong, &known);
            let all = known.join(", ");
            (
                what,
                format!("the nearest known one is '{nearest}' (all: {all})"),
            )
        } else {
            return self.unfit(message);
        };
        Fault::new(self.label.clone() + &what, remedy)
    }

    fn unknown(&self, key: &str, known: &[&str]) -> Fault {
        let mut elsewhere = EXAMPLES.iter();
        let (what, remedy) = match elsewhere.find(|(_, example)| name(example) == key) {
            Some(("", _)) => {
                let what = format!("'{key}' does not belong there");
                (what, "write it above the first section".to_owned())
            }
            Some((section, _)) => {
                let what = format!("'{key}' belongs to {section}");
                (what, format!("write it below a line '{section}'"))
            }
            None if self.is_heading => {
                let nearest = nearest(key, &SECTIONS);
                let all = SECTIONS.join(", ");
                let remedy = format!(
                    "the nearest known one is '{nearest}' (all: {all}; settings stand above them)"
                );
                (format!("unknown section '{key}'"), remedy)
            }
            None => {
                let remedy = format!("the nearest known one is '{}'", nearest(key, known));
                (format!("unknown key '{key}'"), remedy)
            }
        };
        Fault::new(self.label.clone() + &what, remedy)
    }

    /// The wrong type, or what a setting says of its value.
    fn unfit(&self, message: &str) -> Fault {
        let Some(key) = self.key else {
            return match self.section {
                RULE => Fault::new(
                    "access rules are written with two brackets",
                    format!("write '{RULE}' above each rule"),
                ),
                section => Fault::new(
                    format!("{section} is one section, with single brackets"),
                    format!("write '{section}' once, and its keys below"),
                ),
            };
        };
        let is_type = ["invalid type", "invalid value", "wanted "]
            .iter()
            .any(|begin| message.starts_with(begin));
        let (what, remedy) = match message.split_once("; ") {
            _ if is_type => (format!("'{key}' {}", self.must_be(key)), self.written(key)),
            Some((what, remedy)) => (format!("'{key}': {what}"), remedy.to_owned()),
            None => (format!("'{key}' cannot be understood"), message.to_owned()),
        };
        Fault::new(self.label.clone() + &what, remedy)
    }

    fn must_be(&self, key: &str) -> String {
        if let Some(bounds) = Settings::bounds(key) {
            return bounds;
        }
        let value = self.written(key);
        let must_be = match value.split_once("= ").map_or("", |(_, value)| value) {
            value if value.starts_with('[') => "must be a list of texts in quotes",
            value if value.starts_with(['"', '\'']) => "must be a text in quotes",
            value if value.starts_with(|c: char| c.is_ascii_digit()) => "must be a number",
            _ => "must be true or false, without quotes",
        };
        must_be.to_owned()
    }

    fn written(&self, key: &str) -> String {
        match self.section {
            // Groups have the names that people give them.
            GROUPS => format!("write it as in {key} = [\"alice\", \"bob\"]"),
            _ => written(key),
        }
    }
}

/// The key and value that a place is in.
fn entry<'a>(table: &'a DeTable<'_>, place: usize) -> Option<(&'a str, &'a Spanned<DeValue<'a>>)> {
    let mut all = table.iter();
    let found = all.find(|(key, value)| key.span().contains(&place) || holds(value, place));
    found.map(|(key, value)| (key.get_ref().as_ref(), value))
}

/// Whether a place is in a value, or in what stands below its heading.
fn holds(value: &Spanned<DeValue<'_>>, place: usize) -> bool {
    value.span().contains(&place)
        || match value.get_ref() {
            DeValue::Array(values) => values.iter().any(|value| holds(value, place)),
            DeValue::Table(table) => entry(table, place).is_some(),
            _ => false,
        }
}

fn is_section(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Array(all) => all.iter().any(|one| one.get_ref().as_table().is_some()),
        value => value.as_table().is_some(),
    }
}

/// A text that is not TOML.
fn explain_syntax(text: &str, place: usize, message: &str) -> Fault {
    let number = line(text, place);
    let written_line = text.lines().nth(number as usize - 1).unwrap_or_default();
    let rest = text.get(place..).unwrap_or_default();
    let rest = rest.lines().next().unwrap_or_default();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key: String = written_line
        .trim_start()
        .chars()
        .take_while(|c| is_bare(*c))
        .collect();
    let key = key.replace('-', "_");
    let word: String = rest.chars().take_while(|c| is_bare(*c)).collect();
    let usual = || match example(&key) {
        Some(example) => format!("write it as in {example}"),
        None => "correct this line".to_owned(),
    };
    let begins = |begin: &str| message.starts_with(begin);
    let (what, remedy) = if begins("duplicate key") && word == "access" {
        let remedy = format!("write '{RULE}', with two brackets, above each rule");
        ("'access' is there twice".to_owned(), remedy)
    } else if begins("duplicate key") {
        let what = format!("'{word}' is there twice");
        (what, "keep one of them".to_owned())
    } else if begins("string values must be quoted") && rest.trim().is_empty() {
        (format!("'{key}' has no value"), usual())
    } else if let Some((_, what, remedy)) = SYNTAX.iter().find(|(begin, ..)| begins(begin)) {
        let remedy = (!remedy.is_empty()).then(|| (*remedy).to_owned());
        ((*what).to_owned(), remedy.unwrap_or_else(usual))
    } else {
        let what = message.split(", expected").next().unwrap_or_default();
        (what.to_owned(), usual())
    };
    Fault::new(what, remedy).at(number)
}

fn written(key: &str) -> String {
    let example = example(key).map(|example| format!("write it as in {example}"));
    example.unwrap_or_else(|| "correct this line".to_owned())
}

/// The known word that is most like this one, which may be written as an option or a variable.
fn nearest<'a>(word: &str, known: &[&'a str]) -> &'a str {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let word = word.trim_start_matches("htgate_").trim_start_matches('_');
    let bare = |other: &str| other.trim_matches(['[', ']']).replace('-', "_");
    let likeness = |other: &str| strsim::jaro_winkler(word, &bare(other));
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.copied().unwrap_or_default()
}

fn name(example: &str) -> &str {
    example.split(' ').next().unwrap_or_default()
}

/// What a text is called that is not TOML, and what to do where an example does not say it.
const SYNTAX: [(&str, &str, &str); 8] = [
    (
        "string values must be",
        "a text without straight quotes",
        "",
    ),
    ("key with no value", NO_PAIR, ""),
    ("invalid unquoted key", NO_PAIR, ""),
    ("invalid key-value pair", NO_PAIR, ""),
    ("invalid basic string", NO_QUOTE, ""),
    ("invalid literal string", NO_QUOTE, ""),
    (
        "missing comma",
        "a list goes on here, or was not closed",
        "separate its texts with commas, and close it with ']'",
    ),
    (
        "missing escaped value",
        "in double quotes a backslash means something else",
        "write single quotes, as in '^docker/1\\.[345]'",
    ),
];
const NO_PAIR: &str = "this is not KEY = VALUE";
const NO_QUOTE: &str = "a text without its second quote";

const RULE: &str = "[[access]]";
const GROUPS: &str = "[groups]";
const AGENTS: &str = "[user_agent]";
const TOKEN: &str = "[token]";
const SECTIONS: [&str; 4] = [RULE, GROUPS, AGENTS, TOKEN];

/// Every key as it is written, with its section.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("", "htpasswd = \"/etc/htgate/users/htpasswd\""),
    ("", "listen = [\"127.0.0.1:8080\"]"),
    ("", "socket_mode = \"0660\""),
    ("", "socket_group = \"www-data\""),
    ("", "workers = 4"),
    ("", "hash_threads = 4"),
    ("", "queue = 1024"),
    ("", "queue_seconds = 10"),
    ("", "strikes = 10"),
    ("", "strike_seconds = 60"),
    ("", "front = \"nginx\""),
    ("", "realm = \"Registry\""),
    ("", "max_bcrypt_cost = 14"),
    ("", "allow_plaintext = true"),
    ("", "cache_seconds = 3600"),
    ("", "cache_capacity = 100000"),
    ("", "poll_seconds = 1.0"),
    ("", "watch = \"poll\""),
    ("", "log_format = \"json\""),
    (RULE, "users = [\"alice\", \"@developers\"]"),
    (RULE, "repositories = [\"team/**\"]"),
    (RULE, "actions = [\"pull\", \"push\"]"),
    (RULE, "paths = [\"/docs/**\"]"),
    (RULE, "methods = [\"GET\"]"),
    (AGENTS, "deny = ['^curl/']"),
    (AGENTS, "except = []"),
    (TOKEN, "key = \"/etc/htgate/token/token.key\""),
    (TOKEN, "certificate = \"/etc/htgate/token/token.crt\""),
    (TOKEN, "service = \"registry.example.com\""),
    (TOKEN, "issuer = \"htgate\""),
    (TOKEN, "path = \"/token\""),
    (TOKEN, "lifetime_seconds = 300"),
    (TOKEN, "key_id = \"x5c\""),
];

#[cfg(test)]
mod tests;
