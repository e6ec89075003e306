//! What a message is. Only what its header says surely counts: a subject says nothing, and in
//! doubt it is ordinary mail, which no policy touches. `docs/automatic.md` has the table.

use super::marks::Marks;
use super::report::{Action, action, parameter};
use crate::limits;
use crate::mail::AutomaticKind;
use crate::smtp::ReversePath;

/// An automatic answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// What it is.
    pub kind: AutomaticKind,
    /// By what it was recognised.
    pub sign: String,
}

impl Recognised {
    fn by(kind: AutomaticKind, sign: impl Into<String>) -> Self {
        let sign = sign.into();
        Self { kind, sign }
    }
}

/// What a message is; `None`: ordinary mail, or nobody can tell surely. `body` is the front of
/// what follows the header section; of a report no more is needed than the bounds allow.
#[must_use]
pub fn recognise(from: &ReversePath, marks: &Marks, body: &[u8]) -> Option<Recognised> {
    if marks.is_cut {
        return None;
    }
    if let Some(kind) = report_type(marks) {
        return report(&kind, marks, (from, body));
    }
    if *from == ReversePath::Null && marks.failed_recipients {
        let sign = "a null reverse-path and X-Failed-Recipients";
        return Some(Recognised::by(AutomaticKind::Ndr, sign));
    }
    answer(marks, from).or_else(|| forward(marks, from))
}

impl Marks {
    /// Is more than the header needed, because the actions of a report are to be read?
    #[must_use]
    pub fn wants_body(&self) -> bool {
        report_type(self).is_some()
    }
}

/// `delivery-status` of `multipart/report` (RFC 6522 §3).
fn report_type(marks: &Marks) -> Option<String> {
    let kind = marks.content_type.split(';').next().unwrap_or_default();
    (kind.trim() == "multipart/report").then_some(())?;
    Some(parameter(&marks.content_type, "report-type").unwrap_or_default())
}

fn report(kind: &str, marks: &Marks, (from, body): (&ReversePath, &[u8])) -> Option<Recognised> {
    match kind {
        // RFC 8098 §3; clients with an account of their own do not always use the null path.
        "disposition-notification" => {
            let sign = "multipart/report; report-type=disposition-notification";
            Some(Recognised::by(AutomaticKind::ReadReceipt, sign))
        }
        // RFC 3464 §2: a report has the null path; what has not was passed on by somebody.
        "delivery-status" if *from == ReversePath::Null => {
            let front = body.get(..limits::AUTOMATIC_REPORT).unwrap_or(body);
            match action(&marks.content_type, front)? {
                Action::Failed => {
                    let sign = "multipart/report; Action: failed";
                    Some(Recognised::by(AutomaticKind::Ndr, sign))
                }
                Action::Other(word) => {
                    let sign = format!("multipart/report; Action: {word}");
                    Some(Recognised::by(AutomaticKind::DeliveryReport, sign))
                }
            }
        }
        _ => None,
    }
}

/// Absence notices and other replies.
fn answer(marks: &Marks, from: &ReversePath) -> Option<Recognised> {
    let is_null = *from == ReversePath::Null;
    let submitted = marks.auto_submitted.as_ref();
    // RFC 3834 §5: somebody wrote it.
    if marks.is_submitted("no") {
        return None;
    }
    let is_automatic = marks.is_submitted("auto-replied") || marks.is_submitted("auto-generated");
    // Exchange marks its absence notices and the replies of its rules alike.
    let by_rule = marks.generated_by.trim() == "mailbox rules agent";
    let suppresses_all = marks.suppress.as_deref() == Some("all");
    if by_rule && is_automatic && (is_null || suppresses_all) {
        let sign = "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent";
        return Some(Recognised::by(AutomaticKind::OutOfOffice, sign));
    }
    if marks.is_submitted("auto-replied") {
        let is_vacation = submitted.is_some_and(|submitted| submitted.is_vacation);
        return Some(if is_vacation {
            let sign = "Auto-Submitted: auto-replied (vacation)";
            Recognised::by(AutomaticKind::OutOfOffice, sign)
        } else {
            Recognised::by(AutomaticKind::AutoReply, "Auto-Submitted: auto-replied")
        });
    }
    if let Some(name) = marks.autoreply {
        return Some(Recognised::by(AutomaticKind::AutoReply, name));
    }
    if marks.precedence == "auto_reply" {
        return Some(Recognised::by(
            AutomaticKind::AutoReply,
            "Precedence: auto_reply",
        ));
    }
    // Nobody answers with the null path by hand; what a mail system says so is a report of old.
    let says_so = if marks.is_submitted("auto-generated") {
        "Auto-Submitted: auto-generated"
    } else if matches!(marks.precedence.as_str(), "bulk" | "junk") {
        "Precedence"
    } else if marks.suppress.is_some() {
        "X-Auto-Response-Suppress"
    } else {
        return None;
    };
    let is_answer = is_null && marks.in_reply_to && !marks.from_system;
    is_answer.then(|| {
        let sign = format!("a null reverse-path, In-Reply-To and {says_so}");
        Recognised::by(AutomaticKind::AutoReply, sign)
    })
}

/// What a rule or a mailbox passes on. It keeps a sender, who hears when it fails.
fn forward(marks: &Marks, from: &ReversePath) -> Option<Recognised> {
    from.mailbox()?;
    let google = (marks.forwarded == [true, true]).then_some("X-Forwarded-To and X-Forwarded-For");
    let sign = marks.passed_on.or(google)?;
    Some(Recognised::by(AutomaticKind::AutoForward, sign))
}
