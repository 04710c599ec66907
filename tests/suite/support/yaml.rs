//! As much of YAML as the shipped manifests are written in, read as JSON. The test of the manifests
//! compares it with a real reader of YAML.

use serde_json::{Map, Value};

/// All objects of a manifest.
pub fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n");
    documents.map(|text| Lines::of(text).block(0)).collect()
}

struct Lines {
    lines: Vec<String>,
    next: usize,
}

impl Lines {
    fn of(text: &str) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        Self { lines, next: 0 }
    }

    /// The next line that says something: how far it is indented, and the rest.
    fn peek(&mut self) -> Option<(usize, String)> {
        loop {
            let line = self.lines.get(self.next)?;
            let rest = line.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Some((indent(line), rest.to_owned()));
            }
            self.next += 1;
        }
    }

    /// What is indented so far.
    fn block(&mut self, depth: usize) -> Value {
        match self.peek() {
            Some((_, line)) if line.starts_with("- ") => Value::Array(self.list(depth)),
            _ => Value::Object(self.map(depth)),
        }
    }

    fn list(&mut self, depth: usize) -> Vec<Value> {
        let mut list = Vec::new();
        while let Some((_, line)) = self.peek().filter(|(indent, _)| *indent == depth) {
            let item = line.strip_prefix("- ").expect("an item of a list");
            list.push(if entry(item).is_some() {
                // The rest of the line is the first line of a map.
                self.lines[self.next] = format!("{}{item}", " ".repeat(depth + 2));
                Value::Object(self.map(depth + 2))
            } else {
                self.next += 1;
                scalar(item)
            });
        }
        list
    }

    fn map(&mut self, depth: usize) -> Map<String, Value> {
        let mut map = Map::new();
        while let Some((_, line)) = self.peek().filter(|(indent, _)| *indent == depth) {
            if line.starts_with("- ") {
                break;
            }
            let (key, value) = entry(&line).unwrap_or_else(|| panic!("not an entry: {line}"));
            self.next += 1;
            let value = match value {
                "|" => Value::String(self.text(depth)),
                "" => match self.peek() {
                    Some((indent, _)) if indent > depth => self.block(indent),
                    _ => Value::Null,
                },
                value => scalar(value),
            };
            assert_eq!(map.insert(key.to_owned(), value), None, "{key} twice");
        }
        map
    }

    /// The lines below `key: |`, as they are.
    fn text(&mut self, depth: usize) -> String {
        let lines = self.lines[self.next..].iter();
        let own = lines.take_while(|line| line.trim().is_empty() || indent(line) > depth);
        let own: Vec<&str> = own.map(String::as_str).collect();
        self.next += own.len();
        let cut = own.first().map_or(0, |line| indent(line));
        let lines = own.iter().map(|line| line.get(cut..).unwrap_or_default());
        let text = lines.collect::<Vec<_>>().join("\n");
        format!("{}\n", text.trim_end_matches('\n'))
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The two sides of `key: value`.
fn entry(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(['"', '\'', '[', '{']) {
        return None;
    }
    let (key, value) = line
        .split_once(": ")
        .or_else(|| line.strip_suffix(':').map(|key| (key, "")))?;
    Some((key, value.trim()))
}

fn scalar(text: &str) -> Value {
    if let Some(list) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        let items = list.split(", ").filter(|item| !item.is_empty());
        return items.map(scalar).collect();
    }
    if text == "{}" {
        return Value::Object(Map::new());
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).unwrap();
    }
    if let Some(octal) = text.strip_prefix('0').filter(|it| !it.is_empty())
        && let Ok(number) = u64::from_str_radix(octal, 8)
    {
        return number.into();
    }
    match (text, text.parse::<i64>()) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        (_, Ok(number)) => number.into(),
        (_, Err(_)) => text.into(),
    }
}
