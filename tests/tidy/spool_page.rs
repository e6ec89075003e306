//! The page of the spool's format names every field that the code writes there.

use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

const PAGE: &str = "docs/spool-format.md";

/// Types that stand in the log: the file, the type, and the row of the page; enums have a row for
/// each variant.
const TYPES: [(&str, &str, &str); 16] = [
    ("src/spool/event.rs", "struct SegmentLine", "`segment`"),
    ("src/spool/event.rs", "struct MessageLine", "`message`"),
    ("src/spool/event.rs", "struct EventLine", "`event`"),
    ("src/spool/event.rs", "struct FactLine", "`fact`"),
    ("src/spool/event.rs", "struct BigFile", "`file`"),
    ("src/spool/event.rs", "struct Carried", "`carried`"),
    ("src/spool/views.rs", "struct LedgerEntry", "`history`"),
    ("src/mail/envelope.rs", "struct Envelope", "`envelope`"),
    ("src/mail/envelope.rs", "struct Recipient", "`recipients`"),
    ("src/mail/envelope.rs", "struct Peer", "`peer`"),
    ("src/smtp/parameter.rs", "struct MailParameters", "MAIL"),
    ("src/smtp/parameter.rs", "struct RcptParameters", "RCPT"),
    ("src/smtp/reply.rs", "struct Reply", "`reply`"),
    ("src/mail/outcome.rs", "struct Failure", "`failure`"),
    ("src/mail/state.rs", "enum RecipientEvent", "kebab-case"),
    ("src/mail/hold.rs", "enum HoldReason", "kebab-case"),
];

/// The one enum whose variants are written as they are.
const STATE: (&str, &str) = ("src/mail/state.rs", "enum RecipientState");

fn fields(tree: &Tree) -> Complaints {
    let Some(page) = tree.text(PAGE) else {
        return Complaints::new();
    };
    let mut complaints = Complaints::new();
    let mut ask = |row: &str, fields: &[String]| {
        let Some(cells) = row_of(page, row) else {
            complaints.push(format!("{PAGE}: there is no row for {row}"));
            return;
        };
        for field in fields.iter().filter(|field| !names(cells, field)) {
            complaints.push(format!("{PAGE}: the row of {row} does not name `{field}`"));
        }
    };
    for (file, name, row) in TYPES {
        let Some(body) = body_of(tree.text(file).unwrap_or_default(), name) else {
            continue;
        };
        if name.starts_with("struct") {
            ask(row, &members(&body, 4));
        } else {
            for (variant, fields) in variants(&body) {
                ask(&format!("`{}`", kebab(&variant)), &fields);
            }
        }
    }
    let state = body_of(tree.text(STATE.0).unwrap_or_default(), STATE.1);
    for (variant, fields) in state.map(|body| variants(&body)).unwrap_or_default() {
        ask(&format!("`{variant}`"), &fields);
    }
    complaints
}

/// What stands behind the first cell of a row.
fn row_of<'a>(page: &'a str, first: &str) -> Option<&'a str> {
    let head = format!("| {first} |");
    page.lines().find_map(|line| line.strip_prefix(&head))
}

fn names(cells: &str, field: &str) -> bool {
    cells.contains(&format!("`{field}`"))
}

/// The lines between the braces of a type, without what is written nowhere.
fn body_of(text: &str, name: &str) -> Option<Vec<String>> {
    let head = format!("{name} {{");
    let mut lines = text.lines().skip_while(|line| !line.ends_with(&head));
    lines.next()?;
    let mut body: Vec<String> = Vec::new();
    for line in lines.take_while(|line| *line != "}") {
        if body.last().is_some_and(|it| it.ends_with("#[serde(skip)]")) {
            body.pop();
        } else {
            body.push(line.to_owned());
        }
    }
    Some(body)
}

/// The members that are indented so far.
fn members(body: &[String], indent: usize) -> Vec<String> {
    let own = body.iter().filter_map(|line| {
        let rest = line.strip_prefix(&" ".repeat(indent))?;
        let rest = rest.strip_prefix("pub(crate) ").unwrap_or(rest);
        let rest = rest.strip_prefix("pub ").unwrap_or(rest);
        let (name, _) = rest.split_once(": ")?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.chars().all(is_name).then(|| name.to_owned())
    });
    own.collect()
}

fn variants(body: &[String]) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in body {
        let name = line.strip_prefix("    ").and_then(|rest| {
            let name = rest.strip_suffix(" {").or_else(|| rest.strip_suffix(','))?;
            name.chars()
                .all(|c| c.is_ascii_alphabetic())
                .then_some(name)
        });
        match (name, found.last_mut()) {
            (Some(name), _) => found.push((name.to_owned(), Vec::new())),
            (None, Some((_, fields))) => fields.extend(members(std::slice::from_ref(line), 8)),
            (None, None) => {}
        }
    }
    found
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[test]
fn every_field_of_the_spool_is_described() {
    assert_clean(fields);
    let real = Tree::of_this_project();
    for (file, name, _) in TYPES {
        let body = body_of(real.text(file).unwrap(), name);
        assert!(body.is_some_and(|body| !body.is_empty()), "{file}: {name}");
    }
    let code = "pub enum RecipientEvent {\n    /// One.\n    PutAside {\n        /// Who.\n        \
                actor: String,\n    },\n}\n";
    let file = "src/mail/state.rs";
    let page = |row| [(PAGE, row), (file, code)];
    assert_content(fields, &page("| `put-aside` | `actor` | waits |\n"));
    assert_complains(fields, &page("| `put-aside` | nothing |\n"), "`actor`");
    assert_complains(fields, &page("nothing"), "no row for `put-aside`");
    let line = "pub(crate) struct FactLine {\n    pub(crate) at: Timestamp,\n}\n";
    let files = [(PAGE, "| `fact` | `key` |"), ("src/spool/event.rs", line)];
    assert_complains(fields, &files, "`at`");
    let line = "pub(crate) struct FactLine {\n    #[serde(skip)]\n    pub(crate) at: Timestamp,\n\
                \u{20}   pub(crate) key: String,\n}\n";
    let files = [(PAGE, "| `fact` | `key` |"), ("src/spool/event.rs", line)];
    assert_content(fields, &files);
}
