//! The envelope: what the sender said beside the message. Immutable once accepted.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Automatic, Filtered, HoldReason, SpoolId, Verdict};
use crate::smtp::{MailParameters, Mailbox, RcptParameters, ReversePath, nfc};

/// What came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// The reverse-path of MAIL.
    pub from: ReversePath,
    /// Parameters of MAIL.
    #[serde(default)]
    pub parameters: MailParameters,
    /// The forward-paths of RCPT, in their order; a recipient's number is its place here.
    pub recipients: Vec<Recipient>,
    /// Who handed the message in.
    pub peer: Peer,
    /// `Message-ID` of the header, without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `Subject` of the header, decoded and cut to 200 characters, for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `From` of the header, decoded and cut to 200 characters, for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_from: Option<String>,
    /// Whether the sender proved to be one of ours.
    #[serde(default)]
    pub authenticity: Authenticity,
    /// The group whose people these recipients are, when its home was down (RFC 5321 §3.9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanded: Option<ExpandedFrom>,
    /// What was found out about the sender when it came in; `None`: nothing was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Box<Verdict>>,
    /// What content filters said when it came in, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filtered: Vec<Filtered>,
    /// What the config does with it as an automatic answer, or with the wish for one; `None`:
    /// nothing, or nothing was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<Box<Automatic>>,
    /// RFC 8689 §4.1: its header says `TLS-Required: No`, and MAIL did not say REQUIRETLS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls_optional: bool,
}

impl Envelope {
    /// Of a message of ours that never is in the spool: to one address. Nothing comes back to this
    /// server: a report of it would wait behind the platform that it is about, or go round
    /// (RFC 3834 §3.3).
    #[must_use]
    pub fn one_way(to: &Mailbox) -> Self {
        Self {
            from: ReversePath::Null,
            parameters: MailParameters {
                smtputf8: !to.is_ascii(),
                ..MailParameters::default()
            },
            recipients: vec![Recipient {
                address: to.clone(),
                parameters: RcptParameters::default(),
                lane: String::new(),
                mailbox: None,
            }],
            peer: Peer::default(),
            message_id: None,
            subject: None,
            header_from: None,
            authenticity: Authenticity::Local,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        }
    }

    /// Did the sender prove that MAIL FROM is his, so that a report to it is no backscatter? One of
    /// ours, or a stranger whose domain answers for the message (SPF, or an aligned signature).
    #[must_use]
    pub fn is_sender_proven(&self) -> bool {
        let verdict = self.verdict.as_ref();
        self.authenticity != Authenticity::Unproven || verdict.is_some_and(|it| it.proves_sender)
    }

    /// The rule by which a recipient is dropped from the beginning.
    #[must_use]
    pub fn dropped(&self, number: u16) -> Option<String> {
        self.automatic.as_ref()?.dropped(number)
    }

    /// Who is held is not dropped.
    pub fn spare(&mut self, held: &[(u16, HoldReason)]) {
        if let Some(automatic) = &mut self.automatic {
            automatic.spare(held.iter().map(|(number, _)| *number));
        }
        self.automatic
            .take_if(|automatic| automatic.rulings.is_empty());
    }

    /// Fields that a recipient does not get.
    #[must_use]
    pub fn stripped(&self, number: u16) -> &[String] {
        let automatic = self.automatic.as_ref();
        automatic.map_or(&[], |automatic| automatic.stripped(number))
    }
}

/// The recipient of another message that was expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpandedFrom {
    /// The message.
    pub message: SpoolId,
    /// The number of the recipient in its envelope.
    pub recipient: u16,
    /// Its address: the group.
    pub group: Mailbox,
}

/// One forward-path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recipient {
    /// As the sender wrote it.
    pub address: Mailbox,
    /// Parameters of RCPT.
    #[serde(default)]
    pub parameters: RcptParameters,
    /// The lane in which its mail waits first: the name of its home backend at the time of
    /// acceptance, or `@domain` for a stranger. A hint: the route is decided anew at each attempt.
    pub lane: String,
    /// The mailbox (directory key) under which the webmail lists it; `None` for strangers.
    #[serde(
        default,
        deserialize_with = "composed",
        skip_serializing_if = "Option::is_none"
    )]
    pub mailbox: Option<String>,
}

/// Earlier versions wrote keys with letters and accents apart: their mail belongs to the same
/// mailbox.
fn composed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let mailbox = Option::<String>::deserialize(deserializer)?;
    Ok(mailbox.map(|key| nfc(&key).into_owned()))
}

/// Who handed a message in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Its address and port; empty for the program itself.
    pub address: String,
    /// What it said in EHLO, HELO or LHLO.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub helo: String,
    /// `SMTP`, `ESMTP`, `ESMTPS`, `UTF8SMTPS` … (RFC 3848, RFC 6531), or `webmail`, `dsn`.
    pub protocol: String,
    /// TLS version and cipher, when it was encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The name that its certificate proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The account that logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The device that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Did the sender prove to be who he says?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Authenticity {
    /// Not proven: reports about the content would be backscatter.
    #[default]
    Unproven,
    /// Written in our webmail, submitted with a login, or made by ourselves.
    Local,
    /// From a peer that may relay through us: one of ours, so it is told what fails. Which person
    /// it speaks for is not proven.
    Relayed,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its webmail asks for the key that addresses have now.
    #[test]
    fn a_mailbox_of_before_is_the_same_one() {
        let line =
            r#"{"address":"jo\u0308rg@example.org","lane":"a","mailbox":"jo\u0308rg@example.org"}"#;
        let recipient: Recipient = serde_json::from_str(line).unwrap();
        assert_eq!(recipient.mailbox.as_deref(), Some("jörg@example.org"));
        assert_eq!(recipient.address.to_string(), "jo\u{308}rg@example.org");
        let stranger: Recipient =
            serde_json::from_str(r#"{"address":"ann@example.org","lane":"@example.org"}"#).unwrap();
        assert_eq!(stranger.mailbox, None);
    }
}
