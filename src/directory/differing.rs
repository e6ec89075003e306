//! What differs between two records.

use serde_json::{Map, Value};

use super::Record;

impl Record {
    /// The fields that differ, as they stand in the log: name, before, now. Empty: not there.
    #[must_use]
    pub fn differing(&self, now: &Self) -> Vec<(String, String, String)> {
        let (before, after) = (fields(self), fields(now));
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort();
        names.dedup();
        let differing = names
            .into_iter()
            .filter(|name| before.get(*name) != after.get(*name));
        differing
            .map(|name| {
                let told = |fields: &Map<String, Value>| shown(fields.get(name));
                (name.clone(), told(&before), told(&after))
            })
            .collect()
    }
}

fn fields(record: &Record) -> Map<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
