//! A message of ours: from what a person wrote to RFC 5322 bytes. Nothing that is put into a field
//! can end it.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;

use super::is_message_id;
use crate::base::Timestamp;
use crate::smtp::Mailbox;

/// Longest subject, in characters; the rest is cut off.
const SUBJECT: usize = 500;

/// Somebody whom a message goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// His name, when it is known.
    pub name: Option<String>,
    /// His address.
    pub address: Mailbox,
}

/// A message before it is bytes.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The writer's name and his own address.
    pub from: (Option<&'a str>, &'a Mailbox),
    /// `To`.
    pub to: &'a [Addressee],
    /// `Cc`.
    pub cc: &'a [Addressee],
    /// `Subject`.
    pub subject: &'a str,
    /// Plain text, with any line ends.
    pub text: &'a str,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// `Date`.
    pub date: Timestamp,
    /// The thread, oldest first; the last one is answered.
    pub references: &'a [String],
}

impl Letter<'_> {
    /// The message in RFC 5322 form, 7-bit unless an address is not.
    ///
    /// # Errors
    /// Never on a memory buffer; passed on from the builder.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let addresses = |list: &[Addressee]| {
            let one = |addressee: &Addressee| {
                let name = addressee.name.as_deref().map(one_line);
                Address::new_address(name, addressee.address.to_string())
            };
            Address::new_list(list.iter().map(one).collect())
        };
        let date = i64::try_from(self.date.as_secs()).unwrap_or_default();
        let subject: String = one_line(self.subject).chars().take(SUBJECT).collect();
        let mut builder = MessageBuilder::new()
            .from(Address::new_address(
                self.from.0.map(one_line),
                self.from.1.to_string(),
            ))
            .date(Date::new(date))
            .message_id(self.message_id)
            .subject(subject);
        if !self.to.is_empty() {
            builder = builder.to(addresses(self.to));
        }
        if !self.cc.is_empty() {
            builder = builder.cc(addresses(self.cc));
        }
        let references: Vec<_> = self
            .references
            .iter()
            .filter(|id| is_message_id(id))
            .collect();
        if let Some(last) = references.last() {
            builder = builder.in_reply_to(MessageId::new(last.as_str()));
            let list = references.iter().map(|id| id.as_str());
            builder = builder.references(MessageId::new_list(list));
        }
        builder.text_body(with_crlf(self.text)).write_to_vec()
    }
}

/// A text on one line: nothing that ends a header field gets into one.
#[must_use]
pub fn one_line(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.trim().to_owned()
}

/// Lines end in CRLF; other control characters than tab are left out.
fn with_crlf(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut body = String::with_capacity(text.len() + text.len() / 32);
    for line in text.trim_end().lines() {
        body.extend(line.chars().filter(|c| *c == '\t' || !c.is_control()));
        body.push_str("\r\n");
    }
    body
}

#[cfg(test)]
#[path = "letter_tests.rs"]
mod tests;
