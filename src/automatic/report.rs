//! What a report of delivery says: failure, or something else (RFC 3464 §2.3.3). Its actions stand
//! in the second part of the message; a bounded front of it is looked at.

/// The worst that a report says of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Somebody does not get the message.
    Failed,
    /// `delivered`, `relayed`, `expanded`, `delayed`: nobody is said not to get it.
    Other(&'static str),
}

/// Words of RFC 3464 §2.3.3 other than `failed`.
const OTHERS: [&str; 4] = ["delivered", "relayed", "expanded", "delayed"];

/// Reads the actions behind a header with this `Content-Type`. `None`: none was found, or a word
/// that is not known; a part that goes on behind what is looked at may say anything.
pub(super) fn action(content_type: &str, body: &[u8]) -> Option<Action> {
    let boundary = parameter(content_type, "boundary")?;
    let mut place = Place::Outside;
    let mut found = None;
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if is_boundary(line, &boundary) {
            if place == Place::Status {
                return found;
            }
            place = Place::Header { is_status: false };
            continue;
        }
        place = match place {
            Place::Header { is_status } if line.is_empty() => {
                if is_status {
                    Place::Status
                } else {
                    Place::Outside
                }
            }
            Place::Header { is_status } => Place::Header {
                is_status: is_status || announces_status(line),
            },
            Place::Status => {
                if let Some(word) = action_of(line) {
                    if word == "failed" {
                        return Some(Action::Failed);
                    }
                    let known = OTHERS.iter().find(|known| **known == word)?;
                    found = found.or(Some(Action::Other(known)));
                }
                place
            }
            Place::Outside => place,
        };
    }
    // The part has no end in what was read: a failure may follow.
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    /// Of a part.
    Header {
        is_status: bool,
    },
    /// Within `message/delivery-status`.
    Status,
}

fn is_boundary(line: &[u8], boundary: &str) -> bool {
    let rest = line.strip_prefix(b"--");
    let rest = rest.and_then(|rest| {
        let front = rest.get(..boundary.len())?;
        front
            .eq_ignore_ascii_case(boundary.as_bytes())
            .then(|| rest.get(boundary.len()..))?
    });
    // RFC 2046 §5.1.1: blanks may follow, and at the last one two hyphens.
    rest.is_some_and(|rest| {
        let rest = rest.strip_prefix(b"--").unwrap_or(rest);
        rest.trim_ascii().is_empty()
    })
}

fn announces_status(line: &[u8]) -> bool {
    let text = lower(line);
    let value = text.strip_prefix("content-type:");
    value.is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        // RFC 6533 §3: the form with letters of all languages.
        kind == "message/delivery-status" || kind == "message/global-delivery-status"
    })
}

/// The word of an action, in lower case.
fn action_of(line: &[u8]) -> Option<String> {
    let text = lower(line);
    let (name, value) = text.split_once(':')?;
    (name.trim_end() == "action").then_some(())?;
    let word = value.split(['(', ';']).next().unwrap_or_default();
    Some(word.trim().to_owned())
}

/// The front of a line in lower case, with what is no ASCII replaced.
fn lower(line: &[u8]) -> String {
    let front = line.iter().take(200);
    let plain = |byte: &u8| match byte {
        0x20..=0x7e | b'\t' => char::from(byte.to_ascii_lowercase()),
        _ => '?',
    };
    front.map(plain).collect()
}

/// A parameter of a field in lower case without comments (RFC 2045 §5.1).
pub(super) fn parameter(field: &str, name: &str) -> Option<String> {
    for piece in pieces(field).into_iter().skip(1) {
        if let Some((key, value)) = piece.split_once('=')
            && key.trim() == name
        {
            let value = value.trim();
            let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            let plain = inner.map_or_else(|| value.to_owned(), |inner| inner.replace('\\', ""));
            return (!plain.is_empty()).then_some(plain);
        }
    }
    None
}

/// Cut at semicolons that are not quoted.
fn pieces(field: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in field.chars() {
        if c == ';' && !quoted {
            pieces.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}
