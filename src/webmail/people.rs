//! People of the directory, for the fields of a letter: found by the beginnings of words.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::letter::one_listed;
use crate::directory::{Directory, Entry};
use crate::mail::Person;

/// People who are shown at once.
pub(crate) const FOUND: usize = 10;
/// Longest text that is looked for.
const QUERY: usize = 100;

/// The people of one generation of the directory, folded for searching.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<(Weak<Directory>, Arc<Vec<Row>>)>);

#[derive(Debug)]
struct Row {
    /// Name and addresses in lower case.
    folded: Box<str>,
    /// `Ann Miller <ann@example.org>`.
    shown: Box<str>,
}

impl Webmail {
    /// Up to [`FOUND`] people with every word of `query` at the beginning of one of their name or
    /// address; none for an empty query. Who is hidden in the directory is never found.
    pub(crate) async fn people(&self, query: &str) -> Result<Vec<String>, WebError> {
        let query: String = query.chars().take(QUERY).collect();
        let webmail = self.clone();
        let found = blocking(move || {
            let directory = webmail.0.world.directory.current();
            let rows = webmail.0.people.rows(&directory);
            find(&rows, &query)
        });
        Ok(found.await?)
    }
}

impl People {
    fn rows(&self, directory: &Arc<Directory>) -> Arc<Vec<Row>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (generation, rows) = &*known;
        if std::ptr::eq(generation.as_ptr(), Arc::as_ptr(directory)) {
            return Arc::clone(rows);
        }
        let rows: Vec<Row> = directory
            .entries()
            .filter_map(|entry| row(&entry))
            .collect();
        let rows = Arc::new(rows);
        *known = (Arc::downgrade(directory), Arc::clone(&rows));
        rows
    }
}

fn row(entry: &Entry) -> Option<Row> {
    if !is_shown(entry) {
        return None;
    }
    let name = Some(entry.name.as_str()).filter(|name| !name.is_empty());
    let address = entry.address.to_string();
    let folded = format!("{} {address}", name.unwrap_or_default()).to_lowercase();
    let person = Person {
        name: name.map(str::to_owned),
        address,
    };
    Some(Row {
        folded: folded.into(),
        shown: one_listed(&person).into(),
    })
}

/// Everybody that the address book of the platform shows too.
fn is_shown(entry: &Entry) -> bool {
    !entry.hidden && entry.departed.is_none()
}

fn find(rows: &[Row], query: &str) -> Vec<String> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    if words.is_empty() {
        return Vec::new();
    }
    let is_found = |row: &&Row| words.iter().all(|word| begins_a_word(&row.folded, word));
    let found = rows.iter().filter(is_found).take(FOUND);
    found.map(|row| row.shown.to_string()).collect()
}

fn begins_a_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let entry = |address: &str, name: &str| {
            let json = serde_json::json!({ "address": address, "name": name });
            row(&serde_json::from_value(json).unwrap()).unwrap()
        };
        vec![
            entry("ann.miller@example.org", "Ann Miller"),
            entry("bob@example.org", "Müller, Bob"),
            entry("info@example.org", ""),
        ]
    }

    #[test]
    fn words_are_found_at_their_beginnings() {
        let rows = rows();
        let found = |query: &str| find(&rows, query).join("; ");
        assert_eq!(found("mill an"), "Ann Miller <ann.miller@example.org>");
        assert_eq!(found("MÜL"), "\"Müller, Bob\" <bob@example.org>");
        assert_eq!(found("info"), "info@example.org");
        assert_eq!(found("iller"), "");
        assert_eq!(found(" "), "");
        assert_eq!(find(&rows, "example").len(), 3);
    }

    #[test]
    fn who_is_hidden_or_gone_is_not_shown() {
        for (more, shown) in [
            (serde_json::json!({}), true),
            (serde_json::json!({ "hidden": true }), false),
            (
                serde_json::json!({ "departed": "2026-11-01T08:00:00Z" }),
                false,
            ),
        ] {
            let mut json = serde_json::json!({ "address": "ann@example.org" });
            for (key, value) in more.as_object().unwrap() {
                json[key] = value.clone();
            }
            let entry = serde_json::from_value(json).unwrap();
            assert_eq!(row(&entry).is_some(), shown, "{more}");
        }
    }
}
