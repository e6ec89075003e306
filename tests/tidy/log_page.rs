//! The page of the log's events, held against the calls that log.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

const PAGE: &str = "docs/logs.md";
const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];
/// It is put together by hand: nobody could read what the log says of itself otherwise.
const BY_HAND: &str = "lines of the log are left out: who reads it is too slow";

/// Level and words of an event.
type Event = (String, String);
type Fields = BTreeSet<String>;

/// Each event of the page is logged with its level and its fields; each line of the level `info`
/// is in the page.
fn events(tree: &Tree) -> Complaints {
    let Some(page) = tree.text(PAGE) else {
        return Complaints::new();
    };
    let mut complaints = Complaints::new();
    let mut told: BTreeMap<Event, Fields> = BTreeMap::new();
    for line in page.lines() {
        if let Some((event, fields)) = row(line)
            && told.insert(event.clone(), fields).is_some()
        {
            complaints.push(format!("{PAGE}: {event:?} stands there twice"));
        }
    }
    let mut seen = BTreeSet::new();
    for (path, text) in tree.rust("src/") {
        if path.contains("tests") {
            continue;
        }
        for (event, fields) in calls(text) {
            match told.get(&event) {
                Some(known) if *known != fields => {
                    complaints.push(format!("{path}: {event:?} has the fields {fields:?}"));
                }
                None if event.0 == "info" => {
                    complaints.push(format!("{path}: {event:?} is not in {PAGE}"));
                }
                _ => {}
            }
            seen.insert(event);
        }
        if text.contains(BY_HAND) {
            seen.insert(("warn".to_owned(), BY_HAND.to_owned()));
        }
    }
    let stale = told.keys().filter(|event| !seen.contains(*event));
    complaints.extend(stale.map(|event| format!("{PAGE}: nothing logs {event:?}")));
    complaints
}

/// ``| `event` | level | `field` `field` | when |``.
fn row(line: &str) -> Option<(Event, Fields)> {
    let cells: Vec<&str> = line
        .strip_prefix("| `")?
        .split('|')
        .map(str::trim)
        .collect();
    let [event, level, fields, ..] = cells[..] else {
        return None;
    };
    if !LEVELS.contains(&level) {
        return None;
    }
    let fields = fields.split_whitespace();
    let fields = fields.map(|field| field.trim_matches('`').to_owned());
    let event = event.trim_end_matches('`');
    Some(((level.to_owned(), event.to_owned()), fields.collect()))
}

/// What the macros of `tracing` are called with.
fn calls(text: &str) -> Vec<(Event, Fields)> {
    let mut found = Vec::new();
    for level in LEVELS {
        let mark = format!("tracing::{level}!(");
        for (at, _) in text.match_indices(&mark) {
            let mut fields = Fields::new();
            let mut words = String::new();
            for part in arguments(&text[at + mark.len()..]) {
                if let Some(literal) = part.strip_prefix('"') {
                    words = unwrapped(literal.trim_end_matches('"'));
                } else {
                    let name = part.split('=').next().unwrap_or_default();
                    fields.insert(name.trim_matches(['%', '?', ' ']).to_owned());
                }
            }
            // A backtick cannot stand in a word of the page.
            found.push(((level.to_owned(), words.replace('`', "")), fields));
        }
    }
    found
}

/// A literal that goes on in the next line.
fn unwrapped(literal: &str) -> String {
    let mut pieces = literal.split("\\\n");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |whole, piece| whole + piece.trim_start())
}

/// The arguments up to the closing parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut all, mut one) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        let plain = !quoted && !escaped;
        match c {
            '"' if !escaped => quoted = !quoted,
            '(' | '[' | '{' if plain => depth += 1,
            ')' if plain && depth == 0 => break,
            ')' | ']' | '}' if plain => depth -= 1,
            ',' if plain && depth == 0 => {
                all.push(std::mem::take(&mut one));
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        one.push(c);
    }
    all.push(one);
    let trimmed = all.into_iter().map(|one| one.trim().to_owned());
    trimmed.filter(|one| !one.is_empty()).collect()
}

#[test]
fn the_page_of_the_log_agrees_with_the_code() {
    assert_clean(events);
    let page = |rows: &'static str| (PAGE, rows);
    let rows = "| event | level | fields | when |\n| --- | --- | --- | --- |\n\
                | `held` | warn | `id` `why` | it waits |\n| `stopped` | info | | |\n";
    let held = "tracing::warn!(%id, why = reason.shown(a, b), \"held\");";
    let stopped = "fn f() { tracing::info!(\"stop\\\n    ped\") }";
    let code = ("src/a.rs", stopped);
    assert_content(events, &[page(rows), code, ("src/b.rs", held)]);
    assert_complains(events, &[page(rows), code], "nothing logs");
    let other = ("src/b.rs", "tracing::warn!(%id, \"held\");");
    assert_complains(events, &[page(rows), code, other], "has the fields");
    let more = ("src/c.rs", "tracing::info!(\"a, (b\");");
    let both = ("src/b.rs", held);
    assert_complains(events, &[page(rows), code, both, more], "is not in");
    let fine = ("src/c.rs", "tracing::error!(%error, \"trouble\");");
    assert_content(events, &[page(rows), code, both, fine]);
}
