//! The fields by which automatic answers are recognised, as far as they are needed. Every byte is
//! hostile: of each field the first ones count, cut, and no more than so many are looked at.

use crate::limits;
use crate::mail::header_fields;

/// What a header says; read once for all that is asked of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// RFC 3834 §5; `None`: there is none, or several that contradict each other.
    pub(super) auto_submitted: Option<AutoSubmitted>,
    /// RFC 2045 §5.1, in lower case and without comments.
    pub(super) content_type: String,
    /// Not standardised, in lower case.
    pub(super) precedence: String,
    /// `X-Autoreply`, `X-Autorespond`, `X-Autoresponder`: its name, unless its value says no.
    pub(super) autoreply: Option<&'static str>,
    /// `X-Auto-Response-Suppress` (MS-OXCMAIL §2.1.3.2.20), in lower case.
    pub(super) suppress: Option<String>,
    /// `X-MS-Exchange-Generated-Message-Source`, in lower case.
    pub(super) generated_by: String,
    /// What Exchange and Google write into mail that they pass on: the name of the field.
    pub(super) passed_on: Option<&'static str>,
    /// `X-Forwarded-To` and `X-Forwarded-For` of Gmail.
    pub(super) forwarded: [bool; 2],
    /// `X-Failed-Recipients` of Exim and Gmail.
    pub(super) failed_recipients: bool,
    /// `In-Reply-To`.
    pub(super) in_reply_to: bool,
    /// The local part in `From` is that of a mail system, not of a person.
    pub(super) from_system: bool,
    /// There are more fields than are looked at.
    pub(super) is_cut: bool,
}

/// The word of `Auto-Submitted`, and what is said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AutoSubmitted {
    /// `no`, `auto-generated`, `auto-replied` …, in lower case.
    pub word: String,
    /// It says `vacation` in a comment or parameter, as Pigeonhole and Cyrus do.
    pub is_vacation: bool,
}

/// Names of fields of responders, as they are printed.
const AUTOREPLY: [&str; 3] = ["X-Autoreply", "X-Autorespond", "X-Autoresponder"];
/// Fields of Exchange in mail that a rule or a mailbox has passed on or answered.
const PASSED_ON: [&str; 2] = [
    "X-MS-Exchange-Inbox-Rules-Loop",
    "X-MS-Exchange-ForwardingLoop",
];
/// The same, where the value says whether (MS-OXCMAIL §2.1.3.2.21, RFC 2156 §4).
const PASSED_ON_IF_TRUE: [&str; 2] = ["X-MS-Exchange-Organization-AutoForwarded", "Autoforwarded"];

impl Marks {
    /// Reads a header section.
    #[must_use]
    pub fn read(header: &[u8]) -> Self {
        let mut marks = Self::default();
        let mut is_contradicted = false;
        for (number, field) in header_fields(header).enumerate() {
            if number >= limits::AUTOMATIC_FIELDS {
                marks.is_cut = true;
                break;
            }
            let Ok(name) = std::str::from_utf8(field.name) else {
                continue;
            };
            let value = || value(field.body);
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("Auto-Submitted") {
                let found = auto_submitted(&value());
                let same = |known: &AutoSubmitted| known.word == found.word;
                is_contradicted |= marks.auto_submitted.as_ref().is_some_and(|it| !same(it));
                marks.auto_submitted.get_or_insert(found);
            } else if is("Content-Type") && marks.content_type.is_empty() {
                marks.content_type = without_comments(&value()).to_ascii_lowercase();
            } else if is("Precedence") && marks.precedence.is_empty() {
                marks.precedence = value().trim().to_ascii_lowercase();
            } else if is("X-Auto-Response-Suppress") {
                let said = || value().trim().to_ascii_lowercase();
                marks.suppress.get_or_insert_with(said);
            } else if is("X-MS-Exchange-Generated-Message-Source") {
                marks.generated_by = value().to_ascii_lowercase();
            } else if is("X-Forwarded-To") {
                marks.forwarded[0] |= value().contains('@');
            } else if is("X-Forwarded-For") {
                // Others write the address of a host into a field of this name.
                marks.forwarded[1] |= value().contains('@');
            } else if is("X-Failed-Recipients") {
                marks.failed_recipients |= value().contains('@');
            } else if is("In-Reply-To") {
                marks.in_reply_to |= !value().trim().is_empty();
            } else if is("From") {
                marks.from_system |= names_a_system(&value());
            } else {
                marks.read_named(name, &value);
            }
        }
        if is_contradicted {
            marks.auto_submitted = None;
            // Nobody knows which of them is true.
            marks.is_cut = true;
        }
        marks
    }

    fn read_named(&mut self, name: &str, value: &dyn Fn() -> String) {
        let is = |known: &&&str| name.eq_ignore_ascii_case(known);
        let said = || value().trim().to_ascii_lowercase();
        if let Some(known) = AUTOREPLY.iter().find(is) {
            if !matches!(said().as_str(), "" | "no" | "false" | "0") {
                self.autoreply.get_or_insert(known);
            }
        } else if let Some(known) = PASSED_ON.iter().find(is) {
            if !said().is_empty() {
                self.passed_on.get_or_insert(known);
            }
        } else if let Some(known) = PASSED_ON_IF_TRUE.iter().find(is)
            && said() == "true"
        {
            self.passed_on.get_or_insert(known);
        }
    }

    /// Is the word of `Auto-Submitted` this one?
    pub(super) fn is_submitted(&self, word: &str) -> bool {
        let submitted = self.auto_submitted.as_ref();
        submitted.is_some_and(|submitted| submitted.word == word)
    }
}

/// A field body as text: unfolded, cut, with what is no ASCII replaced.
fn value(body: &[u8]) -> String {
    let body = body.get(..limits::FIELD_KEPT).unwrap_or(body);
    let text = body.iter().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    let plain = |byte: &u8| match byte {
        b'\t' => ' ',
        0x20..=0x7e => char::from(*byte),
        _ => '?',
    };
    text.map(plain).collect()
}

/// Without what stands in parentheses outside of quotes (RFC 5322 §3.2.2).
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut depth, mut quoted) = (0_usize, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next();
                if depth == 0 {
                    plain.push(c);
                    plain.extend(escaped);
                }
            }
            '"' if depth == 0 => {
                quoted = !quoted;
                plain.push(c);
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain
}

fn auto_submitted(value: &str) -> AutoSubmitted {
    let value = value.to_ascii_lowercase();
    let plain = without_comments(&value);
    let word = plain.split([';', ' ']).find(|word| !word.is_empty());
    AutoSubmitted {
        word: word.unwrap_or_default().to_owned(),
        is_vacation: value.contains("vacation"),
    }
}

/// Who answers for a mail system (RFC 2142 §5, and the name of old).
fn names_a_system(from: &str) -> bool {
    let Some((front, _)) = from.rsplit_once('@') else {
        return false;
    };
    let local = front.rsplit(['<', ' ', ',', ':', '"']).next();
    let local = local.unwrap_or_default();
    ["mailer-daemon", "postmaster"]
        .iter()
        .any(|known| local.eq_ignore_ascii_case(known))
}
