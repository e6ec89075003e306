//! Delivery status notifications, RFC 3464: what a sender is told about his message.

use std::fmt::Write as _;

use super::letter::one_line as shown;
use super::{Envelope, Failure, Recipient};
use crate::base::Timestamp;
use crate::smtp::{EnhancedStatus, Mailbox, Reply, decode_xtext};

/// Who is told that it failed, and has it perhaps in the mailbox, would send it once more.
const PERHAPS: &str =
    "    It may have arrived all the same: an attempt was cut off at its end.\r\n";

/// A recipient that a report is about.
#[derive(Debug, Clone, Copy)]
pub struct ReportedRecipient<'a> {
    /// As the sender gave it.
    pub recipient: &'a Recipient,
    /// What the next hop said, if it said anything.
    pub reply: Option<&'a Reply>,
    /// What happened, for people.
    pub what: &'a str,
    /// An attempt had no known end: it may have arrived all the same.
    pub uncertain: bool,
}

impl<'a> ReportedRecipient<'a> {
    /// One that an attempt failed for.
    #[must_use]
    pub fn failed(recipient: &'a Recipient, failure: &'a Failure) -> Self {
        Self {
            recipient,
            reply: failure.reply.as_ref(),
            what: &failure.what,
            uncertain: failure.uncertain,
        }
    }
}

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// The recipients will not get the message.
    Failed,
    /// They have not got it yet.
    Delayed {
        /// Given up then.
        until: Timestamp,
    },
    /// It is with a mail system that will report nothing more.
    Relayed,
    /// It is in their mailboxes.
    Delivered,
}

/// What a report returns of the message, RFC 3461 §4.3.
#[derive(Debug, Clone, Copy)]
pub enum Returned<'a> {
    /// Its header; here is at least that.
    Header(&'a [u8]),
    /// All of it, to be put between the two parts of [`Report::compose`].
    Whole,
}

/// A report about some recipients of a message.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What happened.
    pub kind: ReportKind,
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
    /// What goes with it.
    pub returned: Returned<'a>,
}

impl ReportKind {
    /// The subject of such reports.
    #[must_use]
    pub const fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Your message could not be delivered",
            Self::Delayed { .. } => "Your message is not delivered yet",
            Self::Relayed => "Your message was passed on",
            Self::Delivered => "Your message was delivered",
        }
    }

    /// RFC 3464 §2.3.3.
    const fn action(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed { .. } => "delayed",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
        }
    }

    /// The class of the status codes that fit, RFC 3464 §2.3.4.
    const fn class(self) -> u8 {
        match self {
            Self::Failed => 5,
            Self::Delayed { .. } => 4,
            Self::Relayed | Self::Delivered => 2,
        }
    }
}

impl Report<'_> {
    /// The report as a message, RFC 6522 and RFC 3464, in two parts: the message stands between
    /// them when it is returned as a whole.
    #[must_use]
    pub fn compose(&self) -> (Vec<u8>, Vec<u8>) {
        let boundary = format!("report_{}", self.message_id.replace('@', "_"));
        let mut text = String::new();
        self.write_header(&mut text, &boundary);
        self.write_explanation(&mut text);
        let status = if self.is_global() {
            // RFC 6533 §4.
            "message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit"
        } else {
            "message/delivery-status"
        };
        // Writing to a String cannot fail.
        write!(text, "\r\n--{boundary}\r\nContent-Type: {status}\r\n\r\n").ok();
        self.write_status(&mut text);
        let (kind, header) = match self.returned {
            Returned::Header(beginning) => (self.kind_of_header(beginning), header_of(beginning)),
            Returned::Whole if self.is_global() => ("message/global", &[][..]),
            Returned::Whole => ("message/rfc822", &[][..]),
        };
        write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        )
        .ok();
        let mut head = text.into_bytes();
        head.extend_from_slice(header);
        if !header.is_empty() && !header.ends_with(b"\r\n") {
            head.extend_from_slice(b"\r\n");
        }
        (head, format!("\r\n--{boundary}--\r\n").into_bytes())
    }

    /// May the sender's side read UTF-8 where RFC 3464 has ASCII? It has shown so itself.
    fn is_global(&self) -> bool {
        self.envelope.parameters.smtputf8 || !self.sender.is_ascii()
    }

    fn kind_of_header(&self, beginning: &[u8]) -> &'static str {
        // RFC 6533 §4.
        if self.is_global() && !header_of(beginning).is_ascii() {
            "message/global-headers"
        } else {
            "text/rfc822-headers"
        }
    }

    fn write_header(&self, text: &mut String, boundary: &str) {
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
             Content-Transfer-Encoding: 8bit\r\n",
            host = self.hostname,
            to = self.sender,
            subject = self.kind.subject(),
            date = self.now.to_rfc5322(),
            id = self.message_id,
        )
        .ok();
        if let Some(original) = &self.envelope.message_id {
            write!(text, "In-Reply-To: <{}>\r\n", one_line(original)).ok();
        }
        write!(
            text,
            "\r\n--{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             \r\n"
        )
        .ok();
    }

    /// For people.
    fn write_explanation(&self, text: &mut String) {
        // RFC 8689 §5: nothing of a message that needs TLS on its whole way.
        let subject = if self.envelope.parameters.requiretls {
            Some("(not said here)")
        } else {
            self.envelope.subject.as_deref()
        };
        let subject = subject.unwrap_or("(no subject)");
        let verdict = match self.kind {
            ReportKind::Failed => "could not be delivered to:",
            ReportKind::Delayed { .. } => "has not reached these recipients yet:",
            ReportKind::Relayed => {
                "was taken over by the mail system of these recipients. It will not report\r\n\
                 whether it reaches their mailboxes:"
            }
            ReportKind::Delivered => "was delivered to:",
        };
        write!(
            text,
            "Your message\r\n\r\n    Subject: {}\r\n    Sent:    {}\r\n\r\n{verdict}\r\n",
            shown(subject),
            self.received.to_rfc5322(),
        )
        .ok();
        for reported in self.recipients {
            write!(text, "\r\n    {}\r\n", reported.recipient.address).ok();
            if matches!(self.kind, ReportKind::Failed | ReportKind::Delayed { .. }) {
                write!(text, "    {}\r\n", shown(reported.what)).ok();
                if reported.uncertain {
                    text.push_str(PERHAPS);
                }
            }
        }
        match self.kind {
            ReportKind::Failed => text.push_str(
                "\r\nNothing more will be tried. Check the address, or ask the recipient in \
                 another\r\nway; his mail administrator can use the lines above.\r\n",
            ),
            ReportKind::Delayed { until } => {
                write!(
                    text,
                    "\r\nThere is nothing to do for you: it is tried again and again, until\r\n{}. \
                     You will be told if it has to be given up then.\r\n",
                    until.to_rfc5322()
                )
                .ok();
            }
            ReportKind::Relayed | ReportKind::Delivered => {}
        }
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
            write!(text, "Original-Envelope-Id: {}\r\n", self.said(envid)).ok();
        }
        for reported in self.recipients {
            text.push_str("\r\n");
            self.write_recipient(text, reported);
        }
    }

    fn write_recipient(&self, text: &mut String, reported: &ReportedRecipient<'_>) {
        let recipient = reported.recipient;
        if let Some(orcpt) = &recipient.parameters.orcpt {
            // RFC 3464 §2.3.1: the address without its xtext.
            let (kind, address) = orcpt.split_once(';').unwrap_or(("rfc822", orcpt));
            let decoded = decode_xtext(address).and_then(|bytes| String::from_utf8(bytes).ok());
            let address = decoded.as_deref().unwrap_or(address);
            write!(
                text,
                "Original-Recipient: {};{}\r\n",
                one_line(kind),
                self.said(address)
            )
            .ok();
        }
        let address = recipient.address.to_string();
        // RFC 6533 §3.
        let kind = if address.is_ascii() {
            "rfc822"
        } else {
            "utf-8"
        };
        let status = self.status(reported);
        write!(
            text,
            "Final-Recipient: {kind};{}\r\nAction: {}\r\nStatus: {status}\r\n",
            self.said(&address),
            self.kind.action(),
        )
        .ok();
        if let Some(reply) = reported.reply {
            let said = self.said(&reply.to_string());
            write!(text, "Diagnostic-Code: smtp;{said}\r\n").ok();
        }
        if let ReportKind::Delayed { until } = self.kind {
            let until = until.to_rfc5322();
            write!(text, "Will-Retry-Until: {until}\r\n").ok();
        }
    }

    /// The code of the reply if it is of the right class; X.4.1 (no answer from the host, RFC 3463
    /// §3.5) when there was none.
    fn status(&self, reported: &ReportedRecipient<'_>) -> EnhancedStatus {
        let class = self.kind.class();
        let said = reported.reply.and_then(|reply| reply.enhanced);
        match (said, reported.reply) {
            (Some(code), _) if code.class == class => code,
            (None, None) => EnhancedStatus::new(class, 4, 1),
            (Some(_), _) | (None, Some(_)) => EnhancedStatus::new(class, 0, 0),
        }
    }

    /// A text from elsewhere as it may stand in the status part: in UTF-8 for senders who read it,
    /// else in ASCII, RFC 6533 §3 (`\x{C4}`).
    fn said(&self, text: &str) -> String {
        let text = one_line(text);
        if self.is_global() || text.is_ascii() {
            return text;
        }
        let mut ascii = String::with_capacity(text.len() * 2);
        for letter in text.chars() {
            if letter.is_ascii() {
                ascii.push(letter);
            } else {
                write!(ascii, "\\x{{{:X}}}", u32::from(letter)).ok();
            }
        }
        ascii
    }
}

/// The header of a message, without its body.
fn header_of(beginning: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(beginning, b"\r\n\r\n").map(|end| end + 2);
    let header = end.and_then(|end| beginning.get(..end));
    header.unwrap_or(beginning)
}

/// A text from elsewhere that must not begin a new line of ours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
