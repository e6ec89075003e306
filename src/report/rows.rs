//! One line for each recipient, as CSV: for spreadsheets and auditors.

use super::{Scope, is_uncertain};
use crate::mail::{HoldReason, Landing, RecipientEvent, RecipientState, ReplayStep};
use crate::spool::{LedgerEntry, StoredMessage};

const HEAD: [&str; 22] = [
    "id",
    "message_id",
    "received",
    "from",
    "peer",
    "tls_in",
    "recipient",
    "state",
    "backend",
    "delivery_address",
    "ended",
    "wait_seconds",
    "reply",
    "tls_out",
    "deferred",
    "held",
    "held_by",
    "replayed",
    "uncertain",
    "diverted_from",
    "landed",
    "verdict",
];

/// The first line.
#[must_use]
pub fn head() -> Vec<u8> {
    line(&HEAD.map(str::to_owned))
}

/// The lines of a message: one for each recipient who is meant.
#[must_use]
pub fn rows(scope: &Scope, message: &StoredMessage, history: &[LedgerEntry]) -> Vec<u8> {
    let mut text = Vec::new();
    let recipients = (0_u16..).zip(&message.envelope.recipients);
    for ((number, recipient), state) in recipients.zip(&message.states) {
        if !scope.names(recipient) {
            continue;
        }
        let own = history
            .iter()
            .filter(|entry| entry.recipients.contains(&number));
        let story = Story::of(own);
        let envelope = &message.envelope;
        let end = End::of(state);
        let wait = end.at.map(|at| at.since(message.received).as_secs());
        text.extend(line(&[
            message.id.to_string(),
            envelope.message_id.clone().unwrap_or_default(),
            message.received.to_string(),
            envelope.from.to_string(),
            envelope.peer.address.clone(),
            envelope.peer.tls.clone().unwrap_or_default(),
            recipient.address.to_string(),
            state.name().to_owned(),
            end.backend,
            end.address,
            end.at.map(|at| at.to_string()).unwrap_or_default(),
            wait.map(|wait| wait.to_string()).unwrap_or_default(),
            end.reply,
            story.tls,
            story.deferred.to_string(),
            story.held.to_string(),
            story.held_by.join("; "),
            story.replayed.to_string(),
            if is_uncertain(state, (history, number)) {
                "yes"
            } else {
                ""
            }
            .to_owned(),
            state
                .diverted_from()
                .map(ToString::to_string)
                .unwrap_or_default(),
            story.landed,
            story.verdict,
        ]));
    }
    text
}

/// How a recipient ended, or where he is.
#[derive(Default)]
struct End {
    backend: String,
    address: String,
    at: Option<crate::base::Timestamp>,
    reply: String,
}

impl End {
    fn of(state: &RecipientState) -> Self {
        match state {
            RecipientState::Delivered {
                backend,
                at,
                reply,
                delivery_address,
                ..
            } => Self {
                backend: backend.to_string(),
                address: delivery_address.clone(),
                at: Some(*at),
                reply: reply.to_string(),
            },
            RecipientState::Queued { lane, last, .. } => Self {
                backend: lane.clone(),
                reply: last
                    .as_ref()
                    .map(|(_, why)| why.to_string())
                    .unwrap_or_default(),
                ..Self::default()
            },
            RecipientState::Held { lane, reason, .. } => Self {
                backend: lane.clone(),
                reply: reason.to_string(),
                ..Self::default()
            },
            RecipientState::Bounced { at, failure, .. } => Self {
                at: Some(*at),
                reply: failure.to_string(),
                ..Self::default()
            },
            RecipientState::Dropped { at, actor, .. } => Self {
                at: Some(*at),
                reply: format!("by {actor}"),
                ..Self::default()
            },
            RecipientState::Expanded { at, into, .. } => Self {
                at: Some(*at),
                reply: into.map(|id| id.to_string()).unwrap_or_default(),
                ..Self::default()
            },
        }
    }
}

/// What happened on the way.
#[derive(Default)]
struct Story {
    tls: String,
    deferred: u64,
    held: u64,
    held_by: Vec<String>,
    replayed: u64,
    landed: String,
    verdict: String,
}

impl Story {
    fn of<'a>(entries: impl Iterator<Item = &'a LedgerEntry>) -> Self {
        let mut story = Self::default();
        for entry in entries {
            match &entry.event {
                RecipientEvent::Delivered { tls, .. } => {
                    story.tls = tls.clone().unwrap_or_default();
                }
                RecipientEvent::Deferred { .. } => story.deferred += entry.left_out + 1,
                RecipientEvent::Held { reason } => {
                    story.held += 1;
                    if let HoldReason::Operator { actor, .. } | HoldReason::Move { actor, .. } =
                        reason
                        && !story.held_by.contains(actor)
                    {
                        story.held_by.push(actor.clone());
                    }
                }
                RecipientEvent::Replay {
                    step: ReplayStep::Delivered { .. },
                    ..
                } => story.replayed += 1,
                RecipientEvent::Landing { landing, .. } => {
                    (story.landed, story.verdict) = match landing {
                        Landing::Found {
                            folder, verdict, ..
                        } => (folder.clone(), verdict.clone()),
                        Landing::Missing => ("missing".to_owned(), String::new()),
                    };
                }
                RecipientEvent::Attempted { .. }
                | RecipientEvent::Interrupted { .. }
                | RecipientEvent::Paced { .. }
                | RecipientEvent::Replay { .. }
                | RecipientEvent::Rerouted { .. }
                | RecipientEvent::Released { .. }
                | RecipientEvent::Bounced { .. }
                | RecipientEvent::Dropped { .. }
                | RecipientEvent::Expanded { .. } => {}
            }
        }
        story
    }
}

/// A spreadsheet takes a field that begins with one of these for a formula, and addresses and
/// replies come from strangers: OWASP, CSV Injection.
fn harmless(field: &str) -> String {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{field}")
    } else {
        field.to_owned()
    }
}

fn line(fields: &[String]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory does not fail.
    let fields = fields.iter().map(|field| harmless(field));
    writer.write_record(fields).ok();
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn each_recipient_has_a_line_with_all_columns() {
        let (message, history) = samples::message();
        let mut bytes = head();
        bytes.extend(rows(&Scope::default(), &message, &history));
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(reader.headers().unwrap().len(), HEAD.len());
        let column = |name: &str| HEAD.iter().position(|one| *one == name).unwrap();
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let cells = |name: &str| {
            let cells = lines.iter().map(|line| line.get(column(name)).unwrap());
            cells.collect::<Vec<_>>().join("|")
        };
        assert_eq!(
            cells("recipient"),
            "ann@example.org|bob@example.org|cy@example.org|'=cmd@example.org"
        );
        assert_eq!(cells("state"), "delivered|held|bounced|delivered");
        assert_eq!(cells("wait_seconds"), "90||10|5");
        assert_eq!(cells("deferred"), "3|0|0|0");
        assert_eq!(cells("held_by"), "|root||");
        assert_eq!(cells("replayed"), "1|0|0|0");
        assert_eq!(cells("diverted_from"), "onprem|||");
        assert_eq!(cells("uncertain"), "yes|||yes");
        assert_eq!(cells("landed"), "Junk|||missing");
        assert_eq!(cells("verdict"), "SCL 5|||");
    }

    #[test]
    fn only_who_is_meant_has_a_line() {
        let (message, history) = samples::message();
        let scope = Scope {
            people: Some(["bob@example.org".to_owned()].into()),
            ..Scope::default()
        };
        let text = String::from_utf8(rows(&scope, &message, &history)).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("bob@example.org"), "{text}");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_quoted() {
        assert_eq!(
            line(&["=1+1".to_owned(), "a,b".to_owned()]),
            b"'=1+1,\"a,b\"\n"
        );
    }
}
