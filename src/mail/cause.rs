//! What a refusal is about: pure, from the reply and from what was being said. The table of real
//! replies stands in the tests.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Blame;
use crate::smtp::{EnhancedStatus, Reply};

/// What was being said when the reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing for a message yet: the connection, EHLO, STARTTLS, AUTH, RSET.
    Connect,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, or the data themselves.
    Data,
    /// The final dot; in LMTP the reply for one recipient.
    End,
}

/// What a refusal is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// This mailbox: unknown there, disabled, full, asked to come later.
    Recipient,
    /// The whole domain: not accepted there, relaying denied, a loop.
    Domain,
    /// The backend does not want us or this sender: block lists, authentication, permissions.
    Policy,
    /// This message, whoever gets it: spam, virus, size, broken, forged.
    Content,
    /// The backend is broken.
    Trouble,
    /// The backend wants less.
    SlowDown,
    /// The backend lacks what the message needs, and was not given it: SMTPUTF8, or TLS that proves
    /// who it is. Rows know a cause by its place: new ones come last.
    Lacking,
}

impl Cause {
    /// One or two words, for tables, JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Domain => "domain",
            Self::Policy => "policy",
            Self::Content => "content",
            Self::Trouble => "trouble",
            Self::SlowDown => "slow-down",
            Self::Lacking => "lacking",
        }
    }

    /// Where an administrator would look first.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Recipient => "the backend does not know these mailboxes: is the directory right?",
            Self::Domain => {
                "the backend does not take this domain: is it added and verified there?"
            }
            Self::Policy => "the backend does not trust this server: look at its connector",
            Self::Content => "the backend takes other mail, but not these messages",
            Self::Lacking => {
                "Tideover did not send it: the backend does not offer what the message needs, \
                 so turn that on there, or release it to a home that has it"
            }
            Self::Trouble | Self::SlowDown => "the backend is broken or overloaded",
        }
    }

    /// Whom a reply with this cause concerns.
    #[must_use]
    pub fn blame(self, reply: &Reply, said: Said) -> Blame {
        // RFC 5321 §3.8: 421 may come at any time and closes the connection.
        if said == Said::Connect || reply.code == 421 {
            return Blame::Backend;
        }
        // Before a recipient was named, "log in first" is about us and not about the message
        // (RFC 4954 §6: 530, 534, 535, 538).
        if said == Said::Mail && matches!(reply.code, 530 | 534 | 535 | 538) {
            return Blame::Backend;
        }
        match self {
            // A permanent one stays with its message, or one odd message would stop them all.
            Self::Trouble | Self::SlowDown if reply.is_transient() => Blame::Backend,
            Self::Content => Blame::Message,
            Self::Recipient
            | Self::Domain
            | Self::Policy
            | Self::Trouble
            | Self::SlowDown
            | Self::Lacking => match said {
                Said::Rcpt => Blame::Recipient,
                Said::Connect | Said::Mail | Said::Data | Said::End => Blame::Message,
            },
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a 4yz or 5yz reply is about.
#[must_use]
pub fn classify(reply: &Reply, said: Said) -> Cause {
    let refusal = Refusal {
        code: reply.code,
        status: reply.enhanced,
        text: reply.text.to_lowercase(),
        said,
    };
    if reply.is_permanent() {
        refusal.permanent()
    } else {
        refusal.transient()
    }
}

struct Refusal {
    code: u16,
    status: Option<EnhancedStatus>,
    /// In lower case.
    text: String,
    said: Said,
}

impl Refusal {
    fn subject(&self) -> Option<(u16, u16)> {
        self.status.map(|status| (status.subject, status.detail))
    }

    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.text.contains(word))
    }

    fn transient(&self) -> Cause {
        if self.asks_for_less() {
            return Cause::SlowDown;
        }
        if self.code == 421 || self.said == Said::Connect {
            return Cause::Trouble;
        }
        match self.subject() {
            // Exchange Online: the domain is in no tenant (ATTR5), or in another region (ATTR35).
            Some((4, 4 | 62)) => Cause::Domain,
            // RFC 3463 §3.5: the network; X.3.5: configured wrongly.
            Some((4, _) | (3, 5)) => Cause::Trouble,
            // Postfix without its tables; a 4.3.0 else may be about one message.
            Some((3, 0)) if self.has(&["lookup"]) => Cause::Trouble,
            _ => Cause::Recipient,
        }
    }

    /// Exchange's submission rates and back pressure (4.3.1, 4.3.2, 4.4.2), congestion (RFC 3463:
    /// X.4.5), the throttling of Exchange Online (4.7.500 to 4.7.699), of old servers in front of
    /// it (4.7.230) and of Google (4.7.28).
    fn asks_for_less(&self) -> bool {
        match self.subject() {
            Some((3, 1 | 2) | (4, 2 | 5) | (7, 28 | 230 | 500..=699)) => true,
            // RFC 5321 §4.2.3: 452 is a full disk, or too many recipients, or a full mailbox.
            None if self.code == 452 => {
                self.said != Said::Rcpt || !self.has(&["recipient", "mailbox", "quota"])
            }
            Some(_) | None => false,
        }
    }

    fn permanent(&self) -> Cause {
        if self.is_about_content() {
            return Cause::Content;
        }
        if self.has(&["relay", "tenantattribution"]) && self.may_deny_relaying() {
            return Cause::Domain;
        }
        if self.has(&["all recipient addresses rejected"]) {
            return Cause::Domain;
        }
        match self.subject() {
            // RFC 3463 §3.2: X.1.2 a bad domain; §3.5: no route, loops.
            Some((1, 2) | (4, 3 | 4 | 6 | 14 | 310)) => Cause::Domain,
            // X.1.7 and X.1.8 are about the sender.
            Some((1, 7 | 8)) => Cause::Policy,
            Some((1 | 2, _) | (4, 1)) => Cause::Recipient,
            Some((3, _)) => Cause::Trouble,
            None if self.said == Said::Rcpt && !self.is_about_us() => Cause::Recipient,
            Some(_) | None => Cause::Policy,
        }
    }

    /// 5.6.x, 5.3.4, 5.2.3, 5.7.26, 5.7.27, and 5.7.1 with words of spam, virus or content. Before
    /// the data nobody can know the content: words at RCPT name a block list.
    fn is_about_content(&self) -> bool {
        match self.subject() {
            Some((6, _) | (3, 4) | (2, 3) | (7, 26 | 27)) => true,
            Some((7, 1)) => matches!(self.said, Said::Data | Said::End) && self.has_content_words(),
            Some(_) | None => false,
        }
    }

    fn has_content_words(&self) -> bool {
        let words = self.text.split(|c: char| !c.is_alphanumeric());
        words
            .filter(|word| !matches!(*word, "spamhaus" | "spamcop" | "spamrats"))
            .any(|word| {
                [
                    "spam",
                    "virus",
                    "malware",
                    "phish",
                    "content",
                    "banned",
                    "unsolicited",
                    "attachment",
                ]
                .iter()
                .any(|stem| word.starts_with(stem) || (*stem == "virus" && word.ends_with(stem)))
            })
    }

    /// 5.7.1 and its like, or no enhanced code at all: relaying is denied with these.
    fn may_deny_relaying(&self) -> bool {
        matches!(
            self.subject(),
            None | Some((7, 0 | 1 | 54 | 64 | 367) | (4, 1) | (1, 0 | 2))
        )
    }

    /// Is it about who connects, in replies without an enhanced code?
    fn is_about_us(&self) -> bool {
        matches!(self.code, 530 | 534 | 535 | 538)
            || self.has(&[
                "blocked",
                "blocklist",
                "blacklist",
                "banned",
                "client host",
                "authentication",
                "sender",
            ])
    }
}

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
