//! What is said about a message before it is sent: MAIL, RCPT and DATA, with the parameters that
//! this server understands; and whether it can be said to it at all.

use std::fmt::Write as _;
use std::io::Write as _;

use super::link::{Link, Proof};
use crate::limits;
use crate::mail::{Blame, BodySource, Cause, Delivery, Failure, NOT_SENT, Recipient, read_header};
use crate::smtp::{
    BodyKind, Extensions, MailParameters, Mailbox, RcptParameters, Reply, ReversePath, encode_xtext,
};

/// The commands of one message, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// All lines.
    pub(super) bytes: Vec<u8>,
    /// Where each line ends: MAIL, RCPT…, and DATA if it is sent so.
    pub(super) ends: Vec<usize>,
    /// How the message is sent.
    pub(super) carriage: Carriage,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Carriage {
    /// DATA, with dots doubled.
    #[default]
    Data,
    /// BDAT (RFC 3030), announced with its length and sent as it is.
    Chunk,
}

impl Carriage {
    /// A chunk needs no search for dots. For a small message that is nothing, and DATA goes out
    /// together with the recipients.
    pub(super) fn of(delivery: &Delivery, extensions: &Extensions) -> Self {
        if extensions.chunking && delivery.body.len() > limits::BODY_PIECE as u64 {
            Self::Chunk
        } else {
            Self::Data
        }
    }
}

impl Commands {
    /// What to say for `delivery` to a server with `extensions`.
    pub(super) fn new(delivery: &Delivery, extensions: &Extensions) -> Self {
        let mut commands = Self {
            bytes: Vec::with_capacity(96 + 64 * delivery.recipients.len()),
            ends: Vec::with_capacity(delivery.recipients.len() + 2),
            carriage: Carriage::of(delivery, extensions),
        };
        let envelope = &delivery.envelope;
        let from = match &envelope.from {
            ReversePath::Null => String::new(),
            ReversePath::Mailbox(mailbox) => spelled(mailbox, extensions),
        };
        let parameters = mail_parameters(delivery, extensions);
        commands.line(format_args!("MAIL FROM:<{from}>{parameters}\r\n"));
        for (number, address) in &delivery.recipients {
            let said = envelope.recipients.get(usize::from(*number));
            let parameters = said.filter(|_| extensions.dsn);
            let parameters = parameters.map_or_else(RcptParameters::default, |recipient| {
                rcpt_parameters(recipient, address, extensions)
            });
            let address = spelled(address, extensions);
            commands.line(format_args!("RCPT TO:<{address}>{parameters}\r\n"));
        }
        if commands.carriage == Carriage::Data {
            commands.line(format_args!("DATA\r\n"));
        }
        commands
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        self.bytes.write_fmt(line).ok();
        self.ends.push(self.bytes.len());
    }
}

/// RFC 3461 §5.2.1: what the sender said. An address that is changed on the way is named with it,
/// so that reports are about the one that the sender knows.
fn rcpt_parameters(
    recipient: &Recipient,
    address: &Mailbox,
    extensions: &Extensions,
) -> RcptParameters {
    let mut parameters = recipient.parameters.clone();
    let known = &recipient.address;
    let is_changed = known.local() != address.local() || known.domain() != address.domain();
    if parameters.orcpt.is_none() && known.is_ascii() && is_changed {
        let named = encode_xtext(known.to_string().as_bytes());
        parameters.orcpt = Some(format!("rfc822;{named}"));
    }
    if !extensions.smtputf8 {
        parameters.orcpt = parameters.orcpt.map(|orcpt| in_ascii(&orcpt));
    }
    parameters
}

/// RFC 6533 §3: `utf-8` addresses have a form in ASCII (`\x{E4}`) for servers without SMTPUTF8.
fn in_ascii(orcpt: &str) -> String {
    let mut ascii = String::with_capacity(orcpt.len());
    for letter in orcpt.chars() {
        if letter.is_ascii() {
            ascii.push(letter);
        } else {
            // Writing to a String cannot fail.
            write!(ascii, "\\x{{{:X}}}", u32::from(letter)).ok();
        }
    }
    ascii
}

/// The parameters of MAIL that the server offers to understand.
///
/// `BODY=8BITMIME` is not offered by a few old servers. The message goes to them as it is: to
/// convert it would break signatures, to refuse it would help nobody, and they take it.
fn mail_parameters(delivery: &Delivery, extensions: &Extensions) -> MailParameters {
    let said = &delivery.envelope.parameters;
    MailParameters {
        // RFC 1870 §6.1: the size with our trace lines, without dot-stuffing.
        size: extensions.size.map(|_| delivery.body.len()),
        body: if extensions.eight_bit_mime {
            said.body
        } else {
            BodyKind::SevenBit
        },
        smtputf8: extensions.smtputf8 && (said.smtputf8 || !is_ascii(delivery)),
        ret: said.ret.filter(|_| extensions.dsn),
        envid: said.envid.clone().filter(|_| extensions.dsn),
        requiretls: said.requiretls && extensions.requiretls,
        // RFC 4954 §5: it means something to who knows us only.
        auth: None,
    }
}

/// Why this server cannot be given this message, before a word is said about it.
pub(super) fn obstacle(delivery: &Delivery, link: &Link, peer: &str) -> Option<Failure> {
    let extensions = &link.extensions;
    if let Some((status, why)) = breaks_promise(delivery, link) {
        // RFC 8689 §4.2.1. It is the way that lacks something, not the message.
        let text = format!("{NOT_SENT}the message requires TLS on its whole way, and {peer} {why}");
        let reply = Reply::with_text(550, status, text);
        return Some(Failure {
            cause: Some(Cause::Lacking),
            ..Failure::replied(Blame::Recipient, reply)
        });
    }
    let size = delivery.body.len();
    // RFC 1870 §6.1: a client need not begin what the server has declared too large.
    if let Some(limit) = extensions.size.filter(|limit| *limit > 0 && size > *limit) {
        let text = format!("{NOT_SENT}the message has {size} bytes, {peer} takes {limit}");
        return Some(Failure::replied(
            Blame::Message,
            Reply::with_text(552, (5, 3, 4), text),
        ));
    }
    if extensions.smtputf8 || !needs_smtputf8(delivery) {
        return None;
    }
    // RFC 6531 §3.2, §3.6: it cannot be said otherwise. Nothing is wrong with the message: the
    // backend lacks something, so it is no final verdict for a recipient of ours.
    let text = format!(
        "{NOT_SENT}the message has an address or header beyond ASCII, which {peer} does not take \
         (SMTPUTF8)"
    );
    let reply = Reply::with_text(550, (5, 6, 7), text);
    Some(Failure {
        cause: Some(Cause::Lacking),
        ..Failure::replied(Blame::Recipient, reply)
    })
}

/// What a server lacks to get a message with REQUIRETLS, and the status for it.
fn breaks_promise(delivery: &Delivery, link: &Link) -> Option<((u8, u16, u16), &'static str)> {
    let envelope = &delivery.envelope;
    // §4.2.1 is about messages with a sender, and §5: a report is not thrown away because of it.
    if !envelope.parameters.requiretls || envelope.from.mailbox().is_none() {
        return None;
    }
    match link.proof {
        Proof::Nothing => Some(((5, 7, 10), "has not proven who it is")),
        Proof::Identity if !link.extensions.requiretls => {
            Some(((5, 7, 30), "does not offer REQUIRETLS"))
        }
        Proof::Identity => None,
    }
}

fn is_ascii(delivery: &Delivery) -> bool {
    let from = delivery.envelope.from.mailbox();
    from.is_none_or(Mailbox::is_ascii)
        && delivery
            .recipients
            .iter()
            .all(|(_, address)| address.is_ascii())
}

/// A sender may ask for SMTPUTF8 without need: what counts is a local part (a domain has its
/// ASCII form) or a header beyond ASCII.
fn needs_smtputf8(delivery: &Delivery) -> bool {
    let from = delivery.envelope.from.mailbox();
    let local = |mailbox: &Mailbox| !mailbox.local().is_ascii();
    from.is_some_and(local)
        || delivery
            .recipients
            .iter()
            .any(|(_, address)| local(address))
        || (delivery.envelope.parameters.smtputf8 && !is_header_ascii(delivery.body.as_ref()))
}

/// The whole section counts, whatever stands in front of it and however little a read gives.
/// Headers of MIME parts do not: they are lines of a body, which goes as it is (RFC 6152).
fn is_header_ascii(body: &dyn BodySource) -> bool {
    // An unreadable body is found out when it is sent.
    let Ok(header) = read_header(body) else {
        return true;
    };
    header.is_ascii()
}

/// As written; to a server without SMTPUTF8 with the domain in its ASCII form (RFC 5891).
pub(super) fn spelled(mailbox: &Mailbox, extensions: &Extensions) -> String {
    if extensions.smtputf8 || mailbox.is_ascii() {
        mailbox.to_string()
    } else {
        format!("{}@{}", mailbox.local(), mailbox.domain().key())
    }
}
