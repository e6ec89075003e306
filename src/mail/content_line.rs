//! The lines of a calendar object (RFC 5545 §3.1): a name, parameters, a value; folded or not.

/// Lines of an object that are read.
const LINES: usize = 10_000;
/// Bytes of a line before it is folded (RFC 5545 §3.1).
const FOLD: usize = 75;

/// A content line (RFC 5545 §3.1).
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub name: String,
    parameters: Vec<(String, String)>,
    pub value: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn parse(raw: &'a str) -> Option<Self> {
        let mut is_quoted = false;
        let colon = raw.find(|c: char| {
            is_quoted ^= c == '"';
            c == ':' && !is_quoted
        });
        // A quote that is opened and never closed belongs to a name.
        let colon = colon.or_else(|| raw.find(':'))?;
        let (head, value) = (raw.get(..colon)?, raw.get(colon + 1..)?);
        let mut pieces = split(head, ';').into_iter();
        let name = pieces.next()?.to_ascii_uppercase();
        let parameters = pieces.filter_map(|piece| {
            let (name, value) = piece.split_once('=')?;
            Some((
                name.to_ascii_uppercase(),
                value.trim_matches('"').to_owned(),
            ))
        });
        Some(Self {
            name,
            parameters: parameters.collect(),
            value,
        })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Pieces between marks that do not stand in quotes.
fn split(text: &str, mark: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|c| {
        is_quoted ^= c == '"';
        c == mark && !is_quoted
    })
    .collect()
}

/// Lines with their folds taken out, and without control characters.
pub(super) fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let line = line.trim_end_matches('\r');
        let folded = line.strip_prefix([' ', '\t']);
        let clean = folded
            .unwrap_or(line)
            .chars()
            .filter(|c| !c.is_control() || *c == '\t');
        let count = lines.len();
        match lines.last_mut().filter(|_| folded.is_some()) {
            Some(last) => last.extend(clean),
            None if count >= LINES => break,
            None => lines.push(clean.collect()),
        }
    }
    lines.retain(|line| !line.trim().is_empty());
    lines
}

/// Writes a line, folded at 75 bytes and between characters (RFC 5545 §3.1).
pub(super) fn fold_into(text: &mut String, line: &str) {
    let mut width = 0;
    for c in line.chars().filter(|c| *c == '\t' || !c.is_control()) {
        if width + c.len_utf8() > FOLD {
            text.push_str("\r\n ");
            width = 1;
        }
        text.push(c);
        width += c.len_utf8();
    }
    text.push_str("\r\n");
}
