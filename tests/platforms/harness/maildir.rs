//! What stands in the mailboxes, as bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Headers that Tideover's door and a platform put in front of a message.
const TRACE: [&str; 5] = [
    "received",
    "return-path",
    "delivered-to",
    "x-original-to",
    "x-tideover-trace",
];

/// One stored message, with CRLF line ends as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    bytes: Vec<u8>,
}

impl Stored {
    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value of the first header of that name, unfolded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        headers(&self.bytes)
            .into_iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All values of a header, the newest (topmost) first.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        headers(&self.bytes)
            .into_iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// The id under which the platform's Postfix took it: `by host (Postfix) with ESMTP id ID`.
    fn queue_id(&self) -> String {
        let received = self.headers("received");
        let taken = received.iter().find(|value| value.contains("(Postfix)"));
        let id = taken.and_then(|value| value.rsplit_once(" id "));
        id.and_then(|(_, rest)| rest.split([' ', ';']).next())
            .unwrap_or_default()
            .to_owned()
    }

    /// Panics unless the file is `sent` with nothing but trace headers in front.
    pub(crate) fn assert_is(&self, sent: &[u8], what: &str) {
        let Some(front) = self.bytes.strip_suffix(sent) else {
            panic!(
                "{what}: the bytes differ\nsent:\n{}\nstored:\n{}",
                sent.escape_ascii(),
                self.bytes.escape_ascii()
            );
        };
        for line in front.split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next().unwrap();
            let folded = line.starts_with(b" ") || line.starts_with(b"\t");
            let trace = TRACE
                .iter()
                .any(|trace| name.eq_ignore_ascii_case(trace.as_bytes()));
            assert!(
                folded || trace,
                "{what}: a line was added: {}",
                line.escape_ascii()
            );
        }
    }
}

/// All messages of one Maildir; an absent one is empty.
pub(crate) fn read(maildir: &Path) -> Vec<Stored> {
    let mut found = Vec::new();
    for name in ["new", "cur"] {
        let entries = match fs::read_dir(maildir.join(name)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => panic!("{}: {error}", maildir.display()),
        };
        for entry in entries {
            // Dovecot may move a file from new to cur between the listing and the reading.
            if let Ok(bytes) = fs::read(entry.unwrap().path()) {
                found.push(Stored {
                    bytes: with_crlf(&bytes),
                });
            }
        }
    }
    found
}

/// How often each Message-ID was handed to the platform. Copies under one queue id of its Postfix
/// count once: a Postfix that is stopped between its delivery and its note of it makes them itself.
pub(crate) fn message_ids(messages: &[Stored]) -> BTreeMap<String, usize> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in messages {
        let id = message.header("message-id").unwrap_or_default();
        ids.entry(id).or_default().insert(message.queue_id());
    }
    ids.into_iter()
        .map(|(id, taken)| (id, taken.len()))
        .collect()
}

/// A Maildir has bare LF; what was on the wire had CRLF.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut last = 0;
    for byte in bytes {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    out
}

fn headers(bytes: &[u8]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        if let (true, Some((_, value))) = (text.starts_with([' ', '\t']), found.last_mut()) {
            value.push(' ');
            value.push_str(text.trim());
        } else if let Some((name, value)) = text.split_once(':') {
            found.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    found
}
