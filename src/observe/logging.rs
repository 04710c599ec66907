//! Log lines on standard error, for people (with logfmt fields) or as JSON. One thread writes them:
//! every other one puts its line into a bounded queue and goes on, so that a log that nobody reads
//! delays neither an answer nor a reload. Lines that do not fit are counted.

use std::env;
use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use jiff::Timestamp;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Record};
use serde::Deserialize;
use serde_json::{Map, json};

use crate::observe::metrics::Metrics;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The queue of lines to be written. Clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    lines: SyncSender<Vec<u8>>,
    /// Lines that are not written yet.
    unwritten: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// Makes this queue the process's log. `RUST_LOG` chooses what is logged, by default `info`.
pub(crate) fn start(log: &Log, format: LogFormat) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&filter(env::var("RUST_LOG").ok()));
    // It logs every request that it cannot parse, however many come; audit lines have a bound.
    builder.filter_module("actix_http", LevelFilter::Off);
    builder.target(env_logger::Target::Pipe(Box::new(log.clone())));
    match format {
        LogFormat::Text => builder.format(|line, record| {
            let (time, level, target) = (Timestamp::now(), record.level(), record.target());
            write!(line, "[{time:.0} {level:<5} {target}] ")?;
            write_text(line, record)
        }),
        LogFormat::Json => builder.format(|line, record| writeln!(line, "{}", json(record))),
    };
    // A second logger is refused; the first one, in tests, is as good.
    let _ = builder.try_init();
    // The usual hook writes to standard error itself.
    panic::set_hook(Box::new(|panic| {
        log::error!("{}", panic.to_string().replace('\n', " "));
    }));
}

/// A level alone is meant for htgate: at `info` the server would name sockets before they are
/// renamed. `RUST_LOG` can still name it, since the last word on a crate counts.
fn filter(given: Option<String>) -> String {
    let given = given.filter(|given| !given.is_empty());
    format!("actix_server=warn,{}", given.as_deref().unwrap_or("info"))
}

impl Log {
    /// An empty queue, and the thread that writes what comes.
    pub(crate) fn open(metrics: Arc<Metrics>) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE);
        let log = Self {
            lines,
            unwritten: Arc::default(),
            metrics,
        };
        let writer = log.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || writer.write_all(&queue))?;
        Ok(log)
    }

    /// Puts a whole line into the queue, or counts it as lost. Never waits.
    pub(crate) fn put(&self, line: Vec<u8>) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send(line).is_err() {
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
            self.metrics.lost_log_lines.inc();
        }
    }

    /// Gives the queued lines a moment to be written before the process ends.
    pub(crate) fn finish(&self) {
        let start = Instant::now();
        while self.unwritten.load(Ordering::Relaxed) > 0 && start.elapsed() < LONGEST_FINISH {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn write_all(&self, queue: &Receiver<Vec<u8>>) {
        let mut reported = 0;
        for line in queue {
            let written = write(&line);
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
            if written.is_err() {
                self.metrics.lost_log_lines.inc();
                continue;
            }
            // Only now: a line about lost lines could be lost as well, and again.
            let lost = self.metrics.lost_log_lines.get() - reported;
            if lost > 0 {
                log::warn!("{lost} log lines were lost: standard error did not take them");
                reported += lost;
            }
        }
    }
}

/// Writes all of a line, however long that takes: another process that shares standard error may
/// have made it non-blocking.
fn write(mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match io::stderr().write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = line.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `env_logger` hands over each line whole.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line for people: the message, and the fields in logfmt.
pub(crate) fn write_text(line: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let mut text = record.args().to_string();
    for (name, value) in fields(record) {
        let blank = if text.is_empty() { "" } else { " " };
        text += &format!("{blank}{name}={}", quoted(&value));
    }
    writeln!(line, "{text}")
}

/// A line in JSON.
pub(crate) fn json(record: &Record<'_>) -> String {
    let mut json = Map::new();
    let mut add = |name: &str, value: String| json.insert(name.to_owned(), json!(value));
    add("time", format!("{:.3}", Timestamp::now()));
    add("level", record.level().to_string());
    add("target", record.target().to_owned());
    let message = record.args().to_string();
    if !message.is_empty() {
        add("message", message);
    }
    for (name, value) in fields(record) {
        add(&name, value);
    }
    ascii(&serde_json::Value::Object(json))
}

/// JSON in visible ASCII. Otherwise C1 controls could command a terminal, and bidirectional ones change
/// the order of what a reader sees.
fn ascii(json: &serde_json::Value) -> String {
    let mut line = String::new();
    for c in json.to_string().chars() {
        if matches!(c, ' '..='~') {
            line.push(c);
        } else {
            // Only within strings is there anything else.
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            line.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    line
}

fn fields(record: &Record<'_>) -> Vec<(String, String)> {
    let mut fields = Fields(Vec::new());
    // Collecting into memory cannot fail.
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

/// A logfmt value: bare where that is unmistakable, otherwise quoted, with escapes for everything
/// but visible ASCII. What a client sends can begin neither a line nor another field.
fn quoted(value: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\=".contains(&byte);
    if !value.is_empty() && value.bytes().all(bare) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.escape_default())
    }
}

/// Lines that may wait to be written.
const QUEUE: usize = 1024;
const RETRY: Duration = Duration::from_millis(10);
/// How long the end of the process waits for a log that is slow.
const LONGEST_FINISH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_quiet_unless_it_is_named() {
        for (given, expected) in [
            (None, "actix_server=warn,info"),
            (Some(""), "actix_server=warn,info"),
            (Some("debug"), "actix_server=warn,debug"),
            (
                Some("actix_server=info"),
                "actix_server=warn,actix_server=info",
            ),
        ] {
            assert_eq!(filter(given.map(str::to_owned)), expected);
        }
    }

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
    fn json_is_visible_ascii_and_means_the_same() {
        let text = "a\"\\\n\u{7f}\u{9b}31m\u{e9}\u{202e}\u{2066}\u{feff}\u{1f600}";
        let json = json!({ "user": text });
        let line = ascii(&json);
        let expected = r#"{"user":"a\"\\\n\u007f\u009b31m\u00e9\u202e\u2066\ufeff\ud83d\ude00"}"#;
        assert_eq!(line, expected);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, json);
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
