//! Reports to senders: composed, and accepted into the spool like any message.

use bytes::Bytes;

use super::Queue;
use super::state::Job;
use crate::mail::{
    Authenticity, Envelope, Failure, FailureReport, Peer, Recipient, ReportedRecipient,
};
use crate::route::{Admission, Admit, Origin};
use crate::smtp::{MailParameters, Mailbox, RcptParameters, ReversePath};
use crate::spool::SpoolError;

/// Bytes of the original message that a report carries at most: its header.
const HEADER: usize = 64 * 1024;

impl Queue {
    /// Tells the sender that recipients will not get the message. Nobody is told who did not
    /// prove to be the sender: that would be backscatter (decision 6); reports are never answered
    /// (I5).
    pub(super) async fn report_failure(
        &self,
        job: &Job,
        numbers: &[u16],
        failure: &Failure,
    ) -> Result<(), SpoolError> {
        let envelope = &job.envelope;
        let Some(sender) = envelope.from.mailbox() else {
            return Ok(());
        };
        if envelope.authenticity == Authenticity::Unproven {
            tracing::warn!(id = %job.id, "refused for good; the sender is not proven, no report");
            return Ok(());
        }
        let recipients: Vec<ReportedRecipient<'_>> = numbers
            .iter()
            .filter_map(|number| envelope.recipients.get(usize::from(*number)))
            // RFC 3461 §4.1: NEVER, or a list without FAILURE, asks for none.
            .filter(|recipient| {
                let notify = recipient.parameters.notify;
                notify.is_none_or(|notify| notify.failure && !notify.never)
            })
            .map(|recipient| ReportedRecipient { recipient, failure })
            .collect();
        if recipients.is_empty() {
            return Ok(());
        }
        self.send_report(job, sender, &recipients).await
    }

    /// The beginning of the message. A report without it is better than none.
    fn beginning_of(&self, job: &Job) -> Bytes {
        let body = match self.0.parts.spool.body(job.id) {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(id = %job.id, %error, "reported without its header");
                None
            }
        };
        let read = body.and_then(|body| body.read_at(0, HEADER).ok());
        read.unwrap_or_default()
    }

    async fn send_report(
        &self,
        job: &Job,
        sender: &Mailbox,
        recipients: &[ReportedRecipient<'_>],
    ) -> Result<(), SpoolError> {
        let parts = &self.0.parts;
        let admission = parts.router.admit(sender, Origin::Trusted);
        let Admission::Accept {
            address,
            lane,
            mailbox,
        } = admission
        else {
            tracing::warn!(id = %job.id, %sender, "no report: the sender cannot be written to");
            return Ok(());
        };
        let original = self.beginning_of(job);
        let mut draft = parts.spool.draft();
        let message_id = format!("{}@{}", draft.id(), self.options().hostname);
        let report = FailureReport {
            hostname: &self.options().hostname,
            message_id: &message_id,
            now: parts.clock.now(),
            received: job.id.timestamp(),
            sender,
            envelope: &job.envelope,
            recipients,
            original: &original,
        };
        draft.append(&report.compose()).await?;
        let envelope = Envelope {
            from: ReversePath::Null,
            parameters: MailParameters::default(),
            recipients: vec![Recipient {
                address,
                parameters: RcptParameters::default(),
                lane,
                mailbox,
            }],
            peer: Peer {
                protocol: "dsn".to_owned(),
                ..Peer::default()
            },
            message_id: Some(message_id),
            subject: Some(FailureReport::SUBJECT.to_owned()),
            header_from: Some(format!(
                "Mail system <MAILER-DAEMON@{}>",
                self.options().hostname
            )),
            authenticity: Authenticity::Local,
        };
        let id = parts.spool.accept(draft, envelope).await?;
        tracing::info!(original = %job.id, report = %id, %sender, "failure reported");
        Ok(())
    }
}
