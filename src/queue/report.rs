//! Reports to senders: composed, and accepted into the spool like any message.

use std::sync::Arc;

use bytes::Bytes;

use super::state::Job;
use super::{Queue, schedule};
use crate::limits;
use crate::mail::{
    Authenticity, BackendId, BodySource, Envelope, Failure, Handover, Outcome, Peer, Recipient,
    RecipientEvent, RecipientState, Report, ReportKind, ReportedRecipient, Returned,
};
use crate::route::{Admission, Admit, Origin};
use crate::smtp::{BodyKind, MailParameters, Mailbox, RcptParameters, Ret, ReversePath};
use crate::spool::{Draft, SpoolError, Written};

/// Bytes of the original message that are read for its header.
const HEADER: usize = 64 * 1024;

impl Queue {
    /// Records that recipients will not get the message, and tells the sender. The report and the
    /// end of the recipients stand in the log together: whoever was told "failed" of a message that
    /// still waits may get it delivered after all, or be told twice.
    ///
    /// # Errors
    /// When nothing of it could be written down; without a report the result tells.
    pub(super) async fn record_and_report(
        &self,
        job: &Job,
        numbers: &[u16],
        (failure, event): (&Failure, &RecipientEvent),
    ) -> Result<Written, SpoolError> {
        let spool = &self.0.parts.spool;
        let letter = self.failure_letter(job, numbers, failure).await?;
        let (numbers, event) = (numbers.to_vec(), event.clone());
        let Some(letter) = letter else {
            return spool.begin_record(job.id, numbers, event).await;
        };
        let Letter {
            kind,
            sender,
            draft,
            envelope,
        } = letter;
        let with = (job.id, numbers, event);
        let report = spool.accept_with(draft, envelope, with).await?;
        tracing::info!(id = %job.id, %report, to = %sender, ?kind, "reported");
        Ok(Written::durable())
    }

    /// What the sender is told when recipients will not get the message; `None`: nothing.
    async fn failure_letter(
        &self,
        job: &Job,
        numbers: &[u16],
        failure: &Failure,
    ) -> Result<Option<Letter>, SpoolError> {
        let Some(sender) = told(&job.envelope) else {
            if job.envelope.from.mailbox().is_some() {
                let id = job.id;
                tracing::warn!(%id, "refused for good; the sender is not proven, no report");
            }
            return Ok(None);
        };
        // RFC 3461 §4.1: NEVER, or a list without FAILURE, asks for none.
        let wanted = |told: &ReportedRecipient<'_>| {
            let notify = told.recipient.parameters.notify;
            notify.is_none_or(|notify| notify.failure && !notify.never)
        };
        let mut recipients = self.failed(job, numbers, failure);
        recipients.retain(wanted);
        self.letter(job, sender, ReportKind::Failed, &recipients)
            .await
    }

    /// Tells the sender once that strangers have not got the message yet. Recipients of ours are
    /// never reported: their mail is safe here, and an outage is no news for the Internet
    /// (decision 5).
    pub(super) async fn report_delay(
        &self,
        job: &Job,
        numbers: &[u16],
        (backend, failure): (&BackendId, &Failure),
    ) -> Result<(), SpoolError> {
        let now = self.0.parts.clock.now();
        let after = self.options().delay_notice_after;
        let (Some(after), Some(sender)) = (after, told(&job.envelope)) else {
            return Ok(());
        };
        // RFC 3461 §4.1: a list without DELAY asks for none.
        let wanted = |told: &ReportedRecipient<'_>| {
            let (notify, ours) = (told.recipient.parameters.notify, &told.recipient.mailbox);
            ours.is_none() && notify.is_none_or(|notify| notify.delay && !notify.never)
        };
        // Time on hold is no delay of anybody's.
        let since = |number: u16| self.patient_since(backend, job, number);
        let late = numbers.iter().copied();
        let late = late.filter(|number| now.since(since(*number)) >= after);
        let untold = late.filter(|number| match self.0.parts.spool.state(job.id, *number) {
            Ok(Some(RecipientState::Queued { attempts, last, .. })) => {
                let last = last.map(|(at, _)| at);
                schedule::crosses(since(*number).after(after), (attempts, last), now)
            }
            Ok(_) | Err(_) => false,
        });
        let untold: Vec<u16> = untold.collect();
        let mut recipients = self.failed(job, &untold, failure);
        recipients.retain(wanted);
        let Some(received) = untold.iter().map(|number| since(*number)).min() else {
            return Ok(());
        };
        let until = received.after(schedule::GIVE_UP);
        self.send_report(job, sender, ReportKind::Delayed { until }, &recipients)
            .await
    }

    /// Tells the sender who asked for it that the next hop has the message, unless the next hop
    /// will tell him itself (RFC 3461 §5.2.2).
    pub(super) async fn report_success(
        &self,
        job: &Job,
        outcomes: &[Outcome],
        handover: Handover,
    ) -> Result<(), SpoolError> {
        let kind = match handover {
            Handover::Taken => return Ok(()),
            Handover::Relayed => ReportKind::Relayed,
            Handover::Delivered => ReportKind::Delivered,
        };
        let Some(sender) = told(&job.envelope) else {
            return Ok(());
        };
        let attempted = job.recipients.iter().zip(outcomes);
        let recipients: Vec<_> = attempted
            .filter_map(|(recipient, outcome)| {
                let Outcome::Delivered { reply } = outcome else {
                    return None;
                };
                let number = usize::from(recipient.number);
                let recipient = job.envelope.recipients.get(number)?;
                let wanted = recipient.parameters.notify?;
                (wanted.success && !wanted.never).then_some(ReportedRecipient {
                    recipient,
                    reply: Some(reply),
                    what: "",
                    uncertain: false,
                })
            })
            .collect();
        self.send_report(job, sender, kind, &recipients).await
    }

    /// The recipients with these numbers, for whom an attempt has failed, as their sender is told.
    fn failed<'a>(
        &self,
        job: &'a Job,
        numbers: &[u16],
        failure: &'a Failure,
    ) -> Vec<ReportedRecipient<'a>> {
        let spool = &self.0.parts.spool;
        let told = numbers.iter().filter_map(|&number| {
            let recipient = job.envelope.recipients.get(usize::from(number))?;
            let told = ReportedRecipient::failed(recipient, failure);
            // An earlier attempt may have arrived, whatever this one says.
            let before = spool.state(job.id, number).ok().flatten();
            let doubt = before.is_some_and(|state| state.is_uncertain());
            Some(ReportedRecipient {
                uncertain: told.uncertain || doubt,
                ..told
            })
        });
        told.collect()
    }

    async fn send_report(
        &self,
        job: &Job,
        sender: &Mailbox,
        kind: ReportKind,
        recipients: &[ReportedRecipient<'_>],
    ) -> Result<(), SpoolError> {
        if let Some(letter) = self.letter(job, sender, kind, recipients).await? {
            let Letter {
                draft, envelope, ..
            } = letter;
            let report = self.0.parts.spool.accept(draft, envelope).await?;
            tracing::info!(id = %job.id, %report, to = %sender, ?kind, "reported");
        }
        Ok(())
    }

    /// A report, written, and in nobody's hands yet; `None`: there is nothing to tell, or nobody.
    async fn letter(
        &self,
        job: &Job,
        sender: &Mailbox,
        kind: ReportKind,
        recipients: &[ReportedRecipient<'_>],
    ) -> Result<Option<Letter>, SpoolError> {
        if recipients.is_empty() {
            return Ok(None);
        }
        let parts = &self.0.parts;
        let Admission::Accept {
            address,
            lane,
            mailbox,
        } = parts.router.admit(sender, Origin::Trusted)
        else {
            tracing::warn!(id = %job.id, %sender, "no report: the sender cannot be written to");
            return Ok(None);
        };
        let original = self.original_of(job, kind);
        let mut draft = parts.spool.draft_of_ours();
        let hostname = self.options().hostname.clone();
        let message_id = format!("{}@{hostname}", draft.id());
        let report = Report {
            kind,
            hostname: &hostname,
            message_id: &message_id,
            now: parts.clock.now(),
            received: job.id.timestamp(),
            sender,
            envelope: &job.envelope,
            recipients,
            returned: match &original {
                Original::Whole(_) => Returned::Whole,
                Original::Header(header) => Returned::Header(header),
            },
        };
        let (head, tail) = report.compose();
        let body = if head.is_ascii() && matches!(original, Original::Header(_)) {
            BodyKind::SevenBit
        } else {
            BodyKind::EightBitMime
        };
        draft.append(&head).await?;
        if let Original::Whole(body) = &original {
            append(&mut draft, body.as_ref()).await?;
        }
        draft.append(&tail).await?;
        let to = Recipient {
            address,
            parameters: RcptParameters::default(),
            lane,
            mailbox,
        };
        let envelope = envelope_of(to, (kind, message_id, &hostname), body);
        Ok(Some(Letter {
            kind,
            sender: sender.clone(),
            draft,
            envelope,
        }))
    }

    /// What goes back with a report, RFC 3461 §4.3: RET counts for failures only, without it the
    /// header is enough. A report without it is better than none.
    fn original_of(&self, job: &Job, kind: ReportKind) -> Original {
        // RFC 8689 §5: the way back promises nothing, so it carries nothing of the message.
        if job.envelope.parameters.requiretls {
            return Original::Header(Bytes::new());
        }
        let body = match self.0.parts.spool.body(job.id) {
            Ok(Some(body)) => body,
            Ok(None) => return Original::Header(Bytes::new()),
            Err(error) => {
                tracing::warn!(id = %job.id, %error, "reported without its header");
                return Original::Header(Bytes::new());
            }
        };
        let is_asked = job.envelope.parameters.ret == Some(Ret::Full) && kind == ReportKind::Failed;
        if is_asked && body.len() <= limits::RETURNED_MESSAGE {
            return Original::Whole(body);
        }
        Original::Header(body.front(HEADER).unwrap_or_default())
    }
}

/// A report on its way to the spool.
struct Letter {
    kind: ReportKind,
    sender: Mailbox,
    draft: Draft,
    envelope: Envelope,
}

/// What is returned of a message.
enum Original {
    Header(Bytes),
    Whole(Arc<dyn BodySource>),
}

/// The one decision who is told anything: nobody who did not prove to be the sender, for that would
/// be backscatter (decision 6), and never the null path (I5).
fn told(envelope: &Envelope) -> Option<&Mailbox> {
    let sender = envelope.from.mailbox()?;
    envelope.is_sender_proven().then_some(sender)
}

async fn append(draft: &mut Draft, body: &dyn BodySource) -> Result<(), SpoolError> {
    let mut offset = 0;
    while offset < body.len() {
        let Ok(piece) = body.read_at(offset, limits::BODY_PIECE) else {
            // Half of it is better than no report; `spool verify` tells of the damage.
            return Ok(());
        };
        if piece.is_empty() {
            return Ok(());
        }
        offset += piece.len() as u64;
        draft.append(&piece).await?;
    }
    Ok(())
}

fn envelope_of(
    to: Recipient,
    (kind, message_id, hostname): (ReportKind, String, &str),
    body: BodyKind,
) -> Envelope {
    Envelope {
        from: ReversePath::Null,
        parameters: MailParameters {
            body,
            smtputf8: !to.address.is_ascii(),
            ..MailParameters::default()
        },
        recipients: vec![to],
        peer: Peer {
            protocol: "dsn".to_owned(),
            ..Peer::default()
        },
        message_id: Some(message_id),
        subject: Some(kind.subject().to_owned()),
        header_from: Some(format!("Mail system <MAILER-DAEMON@{hostname}>")),
        authenticity: Authenticity::Local,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}
