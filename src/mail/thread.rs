//! What the header of a message says about the conversation that it belongs to.

use std::panic::AssertUnwindSafe;

use mail_parser::{HeaderName, MessageParser};

use super::header::mended;
use super::header_fields::fields_only;
use super::mime::{clean, is_message_id, references};

/// Message-IDs that a message may point back to: the first and the newest.
const KEPT: usize = 20;
/// Characters of a subject that are compared.
const COMPARED: usize = 200;
/// What programs put before the subject of an answer, in the languages that we know of.
const ANSWERS: [&str; 8] = ["re", "aw", "sv", "antw", "vs", "odp", "ref", "res"];
/// What they put before the subject of what is passed on.
const FORWARDS: [&str; 7] = ["fwd", "fw", "wg", "tr", "rv", "vb", "doorst"];

/// What the header of a message says about its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ties {
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// `References`, or `In-Reply-To` when there are none, oldest first (RFC 5322 §3.6.4): the
    /// first and the newest, 20 in all.
    pub references: Vec<String>,
    /// The subject without `Re:` and the like, in lower case; empty when nothing is left.
    pub subject: String,
    /// The subject says that it is an answer.
    pub is_answer: bool,
}

impl Ties {
    /// Reads them from the beginning of a message; nothing behind the header is looked at.
    #[must_use]
    pub fn read(beginning: &[u8]) -> Self {
        // As for whole messages: a panic in the parser must cost one line and not the program.
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let parser = MessageParser::new()
                .with_message_ids()
                .header_text(HeaderName::Subject);
            let end = memchr::memmem::find(beginning, b"\r\n\r\n");
            let header = end.and_then(|end| beginning.get(..end + 4));
            let fields = fields_only(header.unwrap_or(beginning));
            let header = mended(&fields);
            let message = parser.parse_headers(&header)?;
            let mut references = references(&message);
            if references.len() > KEPT {
                references.drain(1..=references.len() - KEPT);
            }
            let (subject, is_answer) = base_subject(message.subject().unwrap_or_default());
            let message_id = message.message_id().map(clean);
            Some(Self {
                message_id: message_id.filter(|id| is_message_id(id)),
                references,
                subject,
                is_answer,
            })
        }));
        read.ok().flatten().unwrap_or_default()
    }
}

/// A subject without what programs put before it, to be compared; and whether that says that it is
/// an answer.
fn base_subject(subject: &str) -> (String, bool) {
    let short: String = subject.chars().take(COMPARED).collect();
    let mut rest = short.trim();
    let mut is_answer = false;
    while let Some((word, behind)) = rest.split_once([':', '：']) {
        // `Re[2]:`, `AW (3):`.
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit() || "[]() ".contains(c));
        let is_one_of = |known: &[&str]| known.iter().any(|one| word.eq_ignore_ascii_case(one));
        if is_one_of(&ANSWERS) {
            is_answer = true;
        } else if !is_one_of(&FORWARDS) {
            break;
        }
        rest = behind.trim_start();
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    (words.join(" ").to_lowercase(), is_answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Ties {
        Ties::read(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn the_header_says_what_is_answered() {
        let ties = read(
            "Message-ID: <c@x>\nIn-Reply-To: <b@x>\nReferences: <a@x> <b@x>\n\
             Subject: =?utf-8?Q?AW:_Re[2]:_Gr=C3=BC=C3=9Fe?=  aus Wien\n\nReferences: <no@x>\n",
        );
        assert_eq!(ties.message_id.as_deref(), Some("c@x"));
        assert_eq!(ties.references, ["a@x", "b@x"]);
        assert_eq!(ties.subject, "grüße aus wien");
        assert!(ties.is_answer);
        let ties = read("In-Reply-To: <b@x>\nSubject: Fwd: Report: done\n\n");
        assert_eq!(ties.references, ["b@x"]);
        assert_eq!((&*ties.subject, ties.is_answer), ("report: done", false));
        let ties = Ties::read(b"Subject: Re: Gr\xfc\xdfe\r\n\r\n\xff");
        assert_eq!((&*ties.subject, ties.is_answer), ("grüße", true));
        assert_eq!(read("\nno header"), Ties::default());
        assert_eq!(read("Subject: Re: \n\n").subject, "");
    }

    #[test]
    fn ten_thousand_references_are_a_few() {
        let ids: Vec<String> = (0..10_000).map(|n| format!("<{n}@x>")).collect();
        let ties = read(&format!("References: {}\n\n", ids.join("\n ")));
        assert_eq!(ties.references.len(), KEPT);
        assert_eq!(ties.references[0], "0@x");
        assert_eq!(ties.references[KEPT - 1], "9999@x");
        let ties = read(&format!("Subject: {}x\n\n", "Re: ".repeat(10_000)));
        assert!(ties.is_answer && ties.subject.len() < COMPARED);
    }

    mod properties {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
                prop_assert!(Ties::read(&bytes).references.len() <= KEPT);
            }
        }
    }
}
