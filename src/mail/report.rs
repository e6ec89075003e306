//! Delivery status notifications, RFC 3464: what a sender is told when mail cannot be delivered.

use std::fmt::Write as _;

use super::{Envelope, Failure, Recipient};
use crate::base::Timestamp;
use crate::smtp::{EnhancedStatus, Mailbox};

/// A recipient that will not get the message.
#[derive(Debug, Clone, Copy)]
pub struct ReportedRecipient<'a> {
    /// As the sender gave it.
    pub recipient: &'a Recipient,
    /// Why not.
    pub failure: &'a Failure,
}

/// A report about recipients that will not get a message.
#[derive(Debug, Clone, Copy)]
pub struct FailureReport<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// The report's own Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// The present.
    pub now: Timestamp,
    /// When the message was accepted.
    pub received: Timestamp,
    /// Who gets the report.
    pub sender: &'a Mailbox,
    /// The message's envelope.
    pub envelope: &'a Envelope,
    /// Whom it is about.
    pub recipients: &'a [ReportedRecipient<'a>],
    /// The beginning of the message, at least its header.
    pub original: &'a [u8],
}

impl FailureReport<'_> {
    /// The subject of all such reports.
    pub const SUBJECT: &'static str = "Your message could not be delivered";

    /// The whole report as a message, RFC 3462 and RFC 3464; 7-bit unless an address or the
    /// original's header is not.
    #[must_use]
    pub fn compose(&self) -> Vec<u8> {
        let boundary = format!("report_{}", self.message_id.replace('@', "_"));
        let original = self.original_header();
        let mut text = String::new();
        // Writing to a String cannot fail.
        write!(
            text,
            "From: Mail system <MAILER-DAEMON@{host}>\r\n\
             To: <{to}>\r\n\
             Subject: {subject}\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n\
             \r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             \r\n",
            host = self.hostname,
            to = self.sender,
            subject = Self::SUBJECT,
            date = self.now.to_rfc5322(),
            id = self.message_id,
        )
        .ok();
        self.write_explanation(&mut text);
        write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n"
        )
        .ok();
        self.write_status(&mut text);
        write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        )
        .ok();
        let mut report = text.into_bytes();
        report.extend_from_slice(original);
        if !original.ends_with(b"\r\n") {
            report.extend_from_slice(b"\r\n");
        }
        report.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        report
    }

    /// For people.
    fn write_explanation(&self, text: &mut String) {
        let subject = self.envelope.subject.as_deref().unwrap_or("(no subject)");
        write!(
            text,
            "Your message\r\n\r\n    Subject: {}\r\n    Sent:    {}\r\n\r\n\
             could not be delivered to:\r\n",
            one_line(subject),
            self.received.to_rfc5322(),
        )
        .ok();
        for reported in self.recipients {
            write!(
                text,
                "\r\n    {}\r\n    {}\r\n",
                reported.recipient.address,
                one_line(&reported.failure.what)
            )
            .ok();
        }
        text.push_str(
            "\r\nNothing more will be tried. Check the address, or ask the recipient in another\r\n\
             way; his mail administrator can use the lines above.\r\n",
        );
    }

    /// RFC 3464 §2.2 and §2.3.
    fn write_status(&self, text: &mut String) {
        write!(
            text,
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
            self.hostname,
            self.received.to_rfc5322()
        )
        .ok();
        if let Some(envid) = &self.envelope.parameters.envid {
            write!(text, "Original-Envelope-Id: {}\r\n", one_line(envid)).ok();
        }
        for reported in self.recipients {
            let recipient = reported.recipient;
            text.push_str("\r\n");
            if let Some(orcpt) = &recipient.parameters.orcpt {
                write!(text, "Original-Recipient: {}\r\n", one_line(orcpt)).ok();
            }
            let kind = if recipient.address.is_ascii() {
                "rfc822"
            } else {
                "utf-8"
            };
            let reply = reported.failure.reply.as_ref();
            let status = reply
                .and_then(|reply| reply.enhanced)
                .unwrap_or(EnhancedStatus::new(5, 0, 0));
            write!(
                text,
                "Final-Recipient: {kind}; {}\r\nAction: failed\r\nStatus: {status}\r\n",
                recipient.address
            )
            .ok();
            if let Some(reply) = reply {
                write!(
                    text,
                    "Diagnostic-Code: smtp; {}\r\n",
                    one_line(&reply.to_string())
                )
                .ok();
            }
        }
    }

    /// The header of the original, without its body.
    fn original_header(&self) -> &[u8] {
        let end = memchr::memmem::find(self.original, b"\r\n\r\n").map(|end| end + 2);
        let header = end.and_then(|end| self.original.get(..end));
        header.unwrap_or(self.original)
    }
}

/// A text from elsewhere that must not begin a new line of ours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Authenticity, Blame, Peer};
    use crate::smtp::{MailParameters, RcptParameters, Reply, ReversePath};

    #[test]
    fn a_report_is_complete_and_injects_nothing() {
        let sender: Mailbox = "ann@example.org".parse().unwrap();
        let recipient = Recipient {
            address: "bob@example.net".parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "@example.net".to_owned(),
            mailbox: None,
        };
        let envelope = Envelope {
            from: ReversePath::Mailbox(sender.clone()),
            parameters: MailParameters {
                envid: Some("x\r\nBcc: eve@example.com".to_owned()),
                ..MailParameters::default()
            },
            recipients: vec![recipient.clone()],
            peer: Peer::default(),
            message_id: None,
            subject: Some("Hi\r\nBcc: eve@example.com".to_owned()),
            header_from: None,
            authenticity: Authenticity::Local,
        };
        let reply = Reply::new(550, (5, 1, 1), "No such user");
        let failure = Failure::replied(Blame::Recipient, reply);
        let report = FailureReport {
            hostname: "mx.example.org",
            message_id: "1@mx.example.org",
            now: Timestamp::from_millis(1_800_000_000_000),
            received: Timestamp::from_millis(1_700_000_000_000),
            sender: &sender,
            envelope: &envelope,
            recipients: &[ReportedRecipient {
                recipient: &recipient,
                failure: &failure,
            }],
            original: b"Subject: Hi\r\nX: y\r\n\r\nsecret body",
        };
        let text = String::from_utf8(report.compose()).unwrap();
        assert!(text.contains("Final-Recipient: rfc822; bob@example.net\r\n"));
        assert!(text.contains("Status: 5.1.1\r\n"));
        assert!(text.contains("Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"));
        assert!(text.contains("X: y\r\n"));
        assert!(!text.contains("secret body"));
        assert!(!text.contains("\nBcc:"), "{text}");
        assert!(text.lines().all(|line| line.len() < 998));
    }
}
