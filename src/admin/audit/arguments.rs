//! What of a request is written down: names and short values; no secrets, no files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits;

/// Never written down.
const SECRETS: [&str; 6] = ["password", "again", "code", "secret", "token", "csrf"];
/// Written down in fields of their own.
const OWN: [&str; 2] = ["actor", "reason"];
/// Values of a list that are named.
const LISTED: usize = 5;

/// What was said of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Arguments(pub BTreeMap<String, String>);

impl Arguments {
    /// Takes one over; beyond the bound it is left out, and `…` says so.
    pub(in crate::admin) fn add(&mut self, name: &str, value: &str) {
        let last = name.rsplit('.').next().unwrap_or(name);
        if SECRETS.contains(&last) || OWN.contains(&name) || value.is_empty() {
            return;
        }
        let cut = |text: &str| -> String { text.chars().take(limits::AUDIT_TEXT).collect() };
        let (name, value) = (cut(name), cut(value));
        let is_full = self.0.len() >= limits::AUDIT_ARGUMENTS;
        if is_full || self.0.get(&name).is_some_and(|known| *known != value) {
            self.0.insert("…".to_owned(), "there was more".to_owned());
            return;
        }
        self.0.insert(name, value);
    }

    /// What JSON says: `which.selection.domain`. What is empty, false or null says nothing.
    pub(in crate::admin) fn add_json(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::Bool(true) => self.add(name, "yes"),
            Value::Number(number) => self.add(name, &number.to_string()),
            Value::String(text) => self.add(name, text),
            Value::Array(list) => self.add(name, &listed(list)),
            Value::Object(fields) => {
                // A dot of the field's own must not look like a field within a field.
                for (field, value) in fields {
                    let dot = if name.is_empty() { "" } else { "." };
                    let field = field.replace('.', "\u{b7}");
                    self.add_json(&format!("{name}{dot}{field}"), value);
                }
            }
        }
    }
}

fn listed(list: &[Value]) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => "…".to_owned(),
    };
    let named: Vec<String> = list.iter().take(LISTED).map(plain).collect();
    let rest = list.len().saturating_sub(LISTED);
    let named = named.join(", ");
    match rest {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_matters_is_written_down_and_no_secret() {
        let mut arguments = Arguments::default();
        let order = json!({
            "deed": "drop", "actor": "root", "reason": "spam",
            "which": {
                "selection": {"domain": "example.org", "sender": null}, "all": false, "show": 5,
            },
            "password": "hunter2", "deep": {"token": "tdo_1", "code": "ABCD"},
            "addresses": ["a@x", "b@x", "c@x", "d@x", "e@x", "f@x", "g@x"], "none": [],
        });
        arguments.add_json("", &order);
        let expected = [
            ("addresses", "a@x, b@x, c@x, d@x, e@x and 2 more"),
            ("deed", "drop"),
            ("which.selection.domain", "example.org"),
            ("which.show", "5"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(arguments.0, BTreeMap::from(expected));
    }

    #[test]
    fn an_entry_stays_small() {
        let mut arguments = Arguments::default();
        for number in 0..10_000 {
            arguments.add(&format!("{number:05}"), &"x".repeat(10_000));
        }
        let text = serde_json::to_string(&arguments).unwrap();
        assert!(text.len() < 32 * 1024, "{}", text.len());
        assert!(text.contains("there was more"));
    }
}
