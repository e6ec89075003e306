//! The header section of a message that comes in, in pieces: hops counted, Exchange's internal
//! fields and results of checks and filters that claim to be ours kept out, what lists show
//! remembered. Nothing else changes (I8).

use memchr::memchr;

use crate::auth::{Claim, claim};
use crate::limits;
use crate::mail::{FILTER_FIELD, VISIT_FIELD, decode_text, message_id, says_tls_optional};
use crate::route::Origin;

/// Exchange trusts these fields and writes them itself; from the Internet they are forgeries
/// (DESIGN decision 12: what Exchange's own header firewall does).
const INTERNAL: &[u8] = b"X-MS-Exchange-Organization-";
/// Characters of a subject or sender that lists show.
const SHOWN: usize = 200;

/// Reads the front of a message and passes it on.
#[derive(Debug)]
pub(super) struct HeaderFilter {
    origin: Origin,
    place: Place,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// What happens to the field of the line before.
    fate: Fate,
    /// The field of the line before as far as it came, while its fate is open.
    held: Vec<u8>,
    /// Our name, when senders are checked: results in this name are ours alone.
    checked_as: Option<String>,
    /// The field of the line before, if it is remembered.
    showing: Option<Shown>,
    /// What a message of ours must have, and has not yet.
    mending: Option<Mending>,
    found: Found,
}

/// What is done to the header of a message that somebody of ours hands in, RFC 6409 §8.
#[derive(Debug)]
pub(super) struct Mending {
    /// `Date`, if there is none.
    pub(super) date: String,
    /// `Message-ID`, if there is none, without brackets.
    pub(super) message_id: String,
    /// Our name: results in it are not his to write.
    pub(super) hostname: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// `Received` fields.
    pub(super) hops: usize,
    /// Bytes of the header section.
    pub(super) size: usize,
    /// Values of our own lines from earlier visits, the newest first.
    pub(super) visits: Vec<String>,
    has_date: bool,
    message_id: Vec<u8>,
    subject: Vec<u8>,
    from: Vec<u8>,
    tls_required: Vec<u8>,
    /// Fields `TLS-Required`.
    tls_required_fields: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FirstLine,
    Fields,
    Body,
}

/// Does a field stay?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    /// Results of a check: it is not clear yet whose.
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    MessageId,
    Subject,
    From,
    TlsRequired,
}

impl HeaderFilter {
    /// `checked_as`: our name, when senders are checked.
    pub(super) const fn new(origin: Origin, checked_as: Option<String>) -> Self {
        Self {
            origin,
            place: Place::FirstLine,
            partial: Vec::new(),
            fate: Fate::Stays,
            held: Vec::new(),
            checked_as,
            showing: None,
            mending: None,
            found: Found {
                has_date: false,
                hops: 0,
                size: 0,
                visits: Vec::new(),
                message_id: Vec::new(),
                subject: Vec::new(),
                from: Vec::new(),
                tls_required: Vec::new(),
                tls_required_fields: 0,
            },
        }
    }

    /// For a message of ours.
    pub(super) fn mending(mut self, mending: Mending) -> Self {
        self.checked_as = Some(mending.hostname.clone());
        self.mending = Some(mending);
        self
    }

    pub(super) const fn found(&self) -> &Found {
        &self.found
    }

    /// Bytes of memory that it takes.
    pub(super) fn held(&self) -> usize {
        let found = &self.found;
        let shown = found.message_id.len() + found.subject.len() + found.from.len();
        let shown = shown + found.tls_required.len();
        self.partial.capacity() + self.held.capacity() + shown
    }

    /// Appends what stays of `input` to `out`.
    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut rest = input;
        while self.place != Place::Body {
            let Some((line, behind)) =
                memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at + 1))
            else {
                self.partial.extend_from_slice(rest);
                return;
            };
            rest = behind;
            if self.partial.is_empty() {
                self.line(line, out);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, out);
            }
        }
        out.extend_from_slice(rest);
    }

    /// The end of the message.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.partial.is_empty() {
            let whole = std::mem::take(&mut self.partial);
            self.line(&whole, out);
        }
        self.settle(out);
        if self.place == Place::Fields {
            self.mend(out);
        }
        if self.place == Place::FirstLine {
            // Not a single byte: our trace line is all the header there is, and the body is empty.
            out.extend_from_slice(b"\r\n");
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if self.place == Place::FirstLine && !begins_header(line) {
            // Without this line the body would be taken for the rest of our trace line.
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(line);
            self.place = Place::Body;
            return;
        }
        self.place = Place::Fields;
        self.found.size += line.len();
        if line == b"\r\n" {
            self.settle(out);
            self.mend(out);
            self.place = Place::Body;
            out.extend_from_slice(line);
            return;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            self.settle(out);
            self.begin_field(line);
        }
        if let Some(shown) = self.showing {
            self.found.keep(shown, line);
        }
        match self.fate {
            Fate::Stays => out.extend_from_slice(line),
            Fate::Goes => {}
            Fate::Open => {
                self.held.extend_from_slice(line);
                self.judge_results(out);
            }
        }
    }

    /// Whose results is the field that is held? RFC 8601 §5: those in our name go.
    fn judge_results(&mut self, out: &mut Vec<u8>) {
        let own = self.checked_as.as_deref().unwrap_or_default();
        self.fate = match claim(body(&self.held), own) {
            Claim::Foreign => Fate::Stays,
            Claim::Ours => Fate::Goes,
            // So much before a name is nobody's honest field.
            Claim::Open if self.held.len() > limits::FIELD_KEPT => Fate::Goes,
            Claim::Open => return,
        };
        let held = std::mem::take(&mut self.held);
        if self.fate == Fate::Stays {
            out.extend_from_slice(&held);
        }
    }

    /// The field of the line before is at its end.
    fn settle(&mut self, out: &mut Vec<u8>) {
        if self.fate == Fate::Open {
            let held = std::mem::take(&mut self.held);
            let value = [body(&held), b";"].concat();
            let own = self.checked_as.as_deref().unwrap_or_default();
            // What cannot be read could be read as ours by somebody.
            if claim(&value, own) == Claim::Foreign {
                out.extend_from_slice(&held);
            }
        }
        self.fate = Fate::Stays;
    }

    /// RFC 6409 §8.2, §8.3: adds what the header lacks at its end.
    fn mend(&mut self, out: &mut Vec<u8>) {
        let Some(mending) = self.mending.take() else {
            return;
        };
        // The last line of chunks may have no end.
        if !out.is_empty() && !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        if !self.found.has_date {
            let field = format!("Date: {}\r\n", mending.date);
            out.extend_from_slice(field.as_bytes());
        }
        if self.found.message_id.is_empty() {
            let field = format!("Message-ID: <{}>\r\n", mending.message_id);
            out.extend_from_slice(field.as_bytes());
            self.found.keep(Shown::MessageId, field.as_bytes());
        }
    }

    fn begin_field(&mut self, line: &[u8]) {
        let name = field_name(line).unwrap_or_default();
        self.found.has_date |= name.eq_ignore_ascii_case(b"Date");
        // RFC 5322 §3.6.3: whom it names is hidden from all others.
        let is_blind = [b"Bcc".as_slice(), b"Resent-Bcc"]
            .iter()
            .any(|blind| name.eq_ignore_ascii_case(blind));
        let is_result = name.eq_ignore_ascii_case(b"Authentication-Results");
        let is_forged =
            has_prefix(line, INTERNAL) || name.eq_ignore_ascii_case(FILTER_FIELD.as_bytes());
        let goes = is_blind && self.mending.is_some();
        self.fate = if goes || self.origin != Origin::Trusted && is_forged {
            Fate::Goes
        } else if is_result && self.checked_as.is_some() {
            Fate::Open
        } else {
            Fate::Stays
        };
        if name.eq_ignore_ascii_case(VISIT_FIELD.as_bytes())
            && self.found.visits.len() < limits::VISITS
        {
            // A line of ours is ASCII; any other is a forgery.
            let value = std::str::from_utf8(body(line)).unwrap_or_default();
            self.found
                .visits
                .push(value.trim().chars().take(100).collect());
        }
        self.found.hops += usize::from(name.eq_ignore_ascii_case(b"Received"));
        self.showing = [
            (Shown::MessageId, b"Message-ID".as_slice()),
            (Shown::Subject, b"Subject"),
            (Shown::From, b"From"),
            (Shown::TlsRequired, b"TLS-Required"),
        ]
        .into_iter()
        .find(|(_, shown)| name.eq_ignore_ascii_case(shown))
        .map(|(shown, _)| shown)
        // The first of several counts, as in mail programs.
        .filter(|shown| self.found.value(*shown).is_empty());
        let is_tls = name.eq_ignore_ascii_case(b"TLS-Required");
        self.found.tls_required_fields += usize::from(is_tls);
    }
}

impl Found {
    pub(super) fn message_id(&self) -> Option<String> {
        message_id(body(&self.message_id))
    }

    pub(super) fn subject(&self) -> Option<String> {
        shown(&self.subject)
    }

    pub(super) fn from(&self) -> Option<String> {
        shown(&self.from)
    }

    /// RFC 8689 §3: there may be one field only, and what is not kept whole is not read.
    pub(super) fn is_tls_optional(&self) -> bool {
        let field = &self.tls_required;
        let is_whole = field.len() < limits::FIELD_KEPT;
        self.tls_required_fields == 1 && is_whole && says_tls_optional(body(field))
    }

    const fn value(&self, shown: Shown) -> &Vec<u8> {
        match shown {
            Shown::MessageId => &self.message_id,
            Shown::Subject => &self.subject,
            Shown::From => &self.from,
            Shown::TlsRequired => &self.tls_required,
        }
    }

    fn keep(&mut self, shown: Shown, line: &[u8]) {
        let value = match shown {
            Shown::MessageId => &mut self.message_id,
            Shown::Subject => &mut self.subject,
            Shown::From => &mut self.from,
            Shown::TlsRequired => &mut self.tls_required,
        };
        let room = limits::FIELD_KEPT.saturating_sub(value.len());
        value.extend_from_slice(line.get(..room).unwrap_or(line));
    }
}

fn shown(field: &[u8]) -> Option<String> {
    let text = decode_text(body(field), SHOWN);
    (!text.is_empty()).then_some(text)
}

/// What stands behind the colon.
fn body(field: &[u8]) -> &[u8] {
    let colon = memchr(b':', field);
    colon.and_then(|at| field.get(at + 1..)).unwrap_or_default()
}

/// Can a header section begin with this line? Also an mbox `From ` line in front of one: it
/// comes from broken programs and is passed on as it is.
fn begins_header(line: &[u8]) -> bool {
    line == b"\r\n"
        || line.starts_with(b"From ")
        || line.starts_with(b">From ")
        || field_name(line).is_some()
}

/// RFC 5322 §2.2, with the blanks before the colon of §4.5.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line.get(..memchr(b':', line)?)?.trim_ascii_end();
    let legal = !name.is_empty() && name.iter().all(|byte| matches!(byte, b'!'..=b'~'));
    legal.then_some(name)
}

fn has_prefix(line: &[u8], prefix: &[u8]) -> bool {
    line.get(..prefix.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(message: &[u8], size: usize, origin: Origin) -> (Vec<u8>, HeaderFilter) {
        let own = (origin == Origin::Internet).then(|| "mx.example.org".to_owned());
        let mut filter = HeaderFilter::new(origin, own);
        let mut out = Vec::new();
        for piece in message.chunks(size) {
            filter.push(piece, &mut out);
        }
        filter.finish(&mut out);
        (out, filter)
    }

    #[test]
    fn exchange_fields_of_strangers_are_removed() {
        let message = b"Subject: a\r\nx-ms-exchange-organization-SCL: -1\r\n\tfolded\r\n\
            X-MS-Exchange-CrossTenant-Id: stays\r\nX-MS-Exchange-Organization-X\r\n\
            To: b\r\n\r\nX-MS-Exchange-Organization-Body: stays\r\n";
        let kept = b"Subject: a\r\nX-MS-Exchange-CrossTenant-Id: stays\r\n\
            To: b\r\n\r\nX-MS-Exchange-Organization-Body: stays\r\n";
        for size in [1, 7, 1000] {
            assert_eq!(filter(message, size, Origin::Internet).0, kept);
            assert_eq!(filter(message, size, Origin::Trusted).0, message);
        }
    }

    #[test]
    fn what_a_filter_of_ours_never_said_is_removed() {
        let message = b"x-tideover-filter : clamav=clean; by=mx.example.org\r\n\tsaid=\"\"\r\n\
            X-Tideover-Filters: stays\r\nX-TIDEOVER-FILTER:\r\n\r\nX-Tideover-Filter: body\r\n";
        let kept = b"X-Tideover-Filters: stays\r\n\r\nX-Tideover-Filter: body\r\n";
        for size in [1, 7, 1000] {
            assert_eq!(filter(message, size, Origin::Internet).0, kept);
            assert_eq!(filter(message, size, Origin::Trusted).0, message);
        }
    }

    #[test]
    fn results_in_our_name_are_removed() {
        let message = b"Authentication-Results: mx.example.org; spf=pass\r\n\tdkim=pass\r\n\
            authentication-results : (x\r\n y) MX.EXAMPLE.ORG 1; dmarc=pass\r\n\
            Authentication-Results: other.example; dmarc=fail\r\n mx.example.org; x\r\n\
            Authentication-Results:\r\n\tmx.example.org\r\n\
            Authentication-Results:\r\n\tother\r\nAuthentication-Results: (open\r\n\
            Subject: a\r\nAuthentication-Results:\r\n\r\n\
            Authentication-Results: mx.example.org; body\r\n";
        let kept = b"Authentication-Results: other.example; dmarc=fail\r\n mx.example.org; x\r\n\
            Authentication-Results:\r\n\tother\r\nSubject: a\r\n\
            Authentication-Results:\r\n\r\nAuthentication-Results: mx.example.org; body\r\n";
        for size in [1, 7, 1000] {
            let (out, _) = filter(message, size, Origin::Internet);
            assert_eq!(String::from_utf8(out), String::from_utf8(kept.to_vec()));
            assert_eq!(filter(message, size, Origin::Trusted).0, message);
        }
        let long = " \r\n".repeat(9_000);
        let bomb = format!("Authentication-Results:{long} mx.example.org; x\r\n\r\n");
        assert_eq!(filter(bomb.as_bytes(), 999, Origin::Internet).0, b"\r\n");
    }

    #[test]
    fn a_message_without_header_gets_an_empty_line() {
        for (message, passed) in [
            (b"".as_slice(), b"\r\n".as_slice()),
            (b"just text\r\n", b"\r\njust text\r\n"),
            (b" indented: text\r\n", b"\r\n indented: text\r\n"),
            (b"\r\nbody\r\n", b"\r\nbody\r\n"),
            (b"Subject: only\r\n", b"Subject: only\r\n"),
            (
                b"A: b\r\ngarbage\r\nC: d\r\n",
                b"A: b\r\ngarbage\r\nC: d\r\n",
            ),
        ] {
            assert_eq!(filter(message, 3, Origin::Internet).0, passed);
        }
    }

    #[test]
    fn finds_what_lists_show() {
        let message = b"Received: a\r\nreceived : b\r\nSubject: =?utf-8?q?=C3=A4?=\r\n  b\r\n\
            From: Ann <ann@example.org>\r\nMessage-Id: <1@example.org>\r\nSubject: no\r\n\r\n";
        let (_, filter) = filter(message, 5, Origin::Internet);
        let found = filter.found();
        assert_eq!(found.hops, 2);
        assert_eq!(found.size, message.len());
        assert_eq!(found.subject().as_deref(), Some("ä b"));
        assert_eq!(found.from().as_deref(), Some("Ann <ann@example.org>"));
        assert_eq!(found.message_id().as_deref(), Some("1@example.org"));
    }

    proptest! {
        #[test]
        fn everything_else_passes(
            lines in proptest::collection::vec(
                "(A: b|Subject: [ -~]{0,9}| x|[ -~]{0,9}|)\r\n",
                0..12,
            ),
            size in 1_usize..40,
        ) {
            let message = lines.concat().into_bytes();
            let (out, _) = filter(&message, size, Origin::Internet);
            let added = out.len() - message.len();
            prop_assert!(added == 0 || &out[..added] == b"\r\n");
            prop_assert_eq!(&out[added..], &message);
        }
    }
}
