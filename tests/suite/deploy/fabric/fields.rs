//! The fields of an object, each taken once: what is left at the end is not known here.

use serde_json::{Map, Value};

pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn of(value: Value) -> Self {
        let Value::Object(fields) = value else {
            panic!("not an object: {value}");
        };
        Self(fields)
    }

    pub(super) fn optional(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    pub(super) fn take(&mut self, key: &str) -> Value {
        let value = self.optional(key);
        value.unwrap_or_else(|| panic!("no {key} in {:?}", self.0))
    }

    pub(super) fn fields(&mut self, key: &str) -> Self {
        Self::of(self.take(key))
    }

    pub(super) fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Value::Array(list) => list,
            other => panic!("{key} is not a list: {other}"),
        }
    }

    /// A list, which may be left out.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let list = self.optional(key).unwrap_or_default();
        list.as_array().into_iter().flatten().map(text).collect()
    }

    /// The one item of a list.
    pub(super) fn one(&mut self, key: &str) -> Value {
        let list = self.list(key);
        let [one] = <[Value; 1]>::try_from(list).expect(key);
        one
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        text(&self.take(key))
    }

    /// What a policy is for: kind and name.
    pub(super) fn target(mut self) -> String {
        let (group, kind) = (self.text("group"), self.text("kind"));
        let expected = match kind.as_str() {
            "Service" => "core",
            _ => "gateway.networking.k8s.io",
        };
        assert_eq!(group, expected, "{kind}");
        let target = format!("{kind} {}", self.text("name"));
        self.done();
        target
    }

    /// The upstream that a reference to a Service is written as.
    pub(super) fn upstream(mut self) -> String {
        let upstream = format!("default_{}_{}", self.text("name"), self.take("port"));
        self.done();
        upstream
    }

    pub(super) fn done(self) {
        assert!(self.0.is_empty(), "not looked at: {:?}", self.0);
    }
}

pub(super) fn text(value: &Value) -> String {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}
