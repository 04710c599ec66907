//! Log lines on standard error, for people (with logfmt fields) or as JSON.

use std::io::{self, Write};

use jiff::Timestamp;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use serde_json::{Map, json};

use crate::cli::LogFormat;

/// Sets the process's logger up. `RUST_LOG` chooses what is logged, by default `info`.
pub fn start(format: LogFormat) {
    let environment = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let mut builder = env_logger::Builder::from_env(environment);
    match format {
        LogFormat::Text => builder.format(|line, record| {
            let (level, style) = (record.level(), line.default_level_style(record.level()));
            let (time, target) = (Timestamp::now(), record.target());
            write!(line, "[{time:.0} {style}{level:<5}{style:#} {target}] ")?;
            write_text(line, record)
        }),
        LogFormat::Json => builder.format(write_json),
    };
    // A second logger is refused; the first one, in tests, is as good.
    let _ = builder.try_init();
}

fn write_text(line: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let mut text = record.args().to_string();
    for (name, value) in fields(record) {
        let blank = if text.is_empty() { "" } else { " " };
        text += &format!("{blank}{name}={}", quoted(&value));
    }
    writeln!(line, "{text}")
}

fn write_json(line: &mut env_logger::fmt::Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut json = Map::new();
    json.insert("time".to_owned(), json!(format!("{:.3}", Timestamp::now())));
    json.insert("level".to_owned(), json!(record.level().as_str()));
    json.insert("target".to_owned(), json!(record.target()));
    let message = record.args().to_string();
    if !message.is_empty() {
        json.insert("message".to_owned(), json!(message));
    }
    json.extend(
        fields(record)
            .into_iter()
            .map(|(name, value)| (name, json!(value))),
    );
    writeln!(line, "{}", serde_json::Value::Object(json))
}

fn fields(record: &Record<'_>) -> Vec<(String, String)> {
    let mut fields = Fields(Vec::new());
    // Collecting into memory has no errors.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

/// A logfmt value: bare where that is unmistakable, else quoted, with escapes for all that is not
/// visible ASCII. What a client sends can neither begin a line nor another field.
fn quoted(value: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\=".contains(&byte);
    if !value.is_empty() && value.bytes().all(bare) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.escape_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_be_mistaken() {
        let rows = [
            ("alice", "alice"),
            ("/v2/?n=1", "\"/v2/?n=1\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\" address=192.0.2.1", r#""a\" address=192.0.2.1""#),
            ("a\nb\\\u{7f}", r#""a\nb\\\u{7f}""#),
            ("\u{e9}\u{202e}", r#""\u{e9}\u{202e}""#),
        ];
        for (value, expected) in rows {
            assert_eq!(quoted(value), expected);
        }
    }

    #[test]
    fn fields_follow_the_message() {
        let fields = [("address", "192.0.2.1"), ("user", "")];
        for (message, expected) in [
            ("", "address=192.0.2.1 user=\"\"\n"),
            ("refused", "refused address=192.0.2.1 user=\"\"\n"),
        ] {
            let mut line = Vec::new();
            let mut record = Record::builder();
            let record = record.key_values(&fields);
            write_text(&mut line, &record.args(format_args!("{message}")).build()).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }
}
