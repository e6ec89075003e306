//! Whom a letter goes to: its fields read, and each address admitted.

use super::Webmail;
use super::drafts::Draft;
use super::letter::{RECIPIENTS, parse_addressees};
use crate::mail::{Addressee, Recipient, one_line};
use crate::route::{Admission, Origin};
use crate::smtp::{Mailbox, RcptParameters};

/// Characters of an address that is none which are said.
const SHOWN: usize = 100;

/// Recipients, read and admitted.
#[derive(Debug)]
pub(crate) struct Addressed {
    /// As whom it is sent.
    pub from: Mailbox,
    pub to: Vec<Addressee>,
    pub cc: Vec<Addressee>,
    /// All of them, each once.
    pub recipients: Vec<Recipient>,
}

/// Why a letter cannot go to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Nobody,
    /// It is none of the writer's own addresses.
    Sender(String),
    NoAddress(String),
    Rejected {
        address: String,
        reason: String,
    },
    TooMany(usize),
}

impl Webmail {
    /// The address that a letter of a person is sent as: the wanted one, if it belongs to
    /// him now, or the first that does. Nobody who is gone from the directory writes as one of
    /// ours.
    pub(crate) fn sender(&self, person: &Mailbox, wanted: &str) -> Result<Mailbox, Refusal> {
        if self.is_gone(person) {
            return Err(Refusal::Sender(person.to_string()));
        }
        let mut addresses = self.addresses_of(person).into_iter();
        let found = match wanted.trim() {
            "" => addresses.next().or_else(|| Some(person.clone())),
            wanted => wanted.parse::<Mailbox>().ok().and_then(|wanted| {
                let key = wanted.key();
                addresses.find(|own| own.key() == key)
            }),
        };
        found.ok_or_else(|| Refusal::Sender(one_line(wanted).chars().take(SHOWN).collect()))
    }

    /// Is this address one that gets no mail any more, because the directory does not name it? Not
    /// while that cannot be known.
    pub(crate) fn is_gone(&self, address: &Mailbox) -> bool {
        match self.0.world.admit.admit(address, Origin::Trusted) {
            Admission::Reject(reply) => reply.code >= 500,
            Admission::Accept { .. } => self.is_a_tag(address),
        }
    }

    /// Whom a letter goes to, or everything that is wrong with it.
    pub(crate) fn addressed(
        &self,
        writer: &Mailbox,
        draft: &Draft,
    ) -> Result<Addressed, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let from = self.sender(writer, &draft.from);
        let mut read = |field: &str| {
            parse_addressees(field).unwrap_or_else(|bad| {
                refusals.extend(bad.into_iter().map(Refusal::NoAddress));
                Vec::new()
            })
        };
        let (to, cc, bcc) = (read(&draft.to), read(&draft.cc), read(&draft.bcc));
        let count = to.len() + cc.len() + bcc.len();
        if count == 0 && refusals.is_empty() {
            refusals.push(Refusal::Nobody);
        }
        if count > RECIPIENTS {
            return Err(vec![Refusal::TooMany(count)]);
        }
        let mut recipients: Vec<Recipient> = Vec::new();
        for addressee in to.iter().chain(&cc).chain(&bcc) {
            let admit = &self.0.world.admit;
            match admit.admit(&addressee.address, Origin::Trusted) {
                Admission::Accept {
                    address,
                    lane,
                    mailbox,
                } => {
                    let is_same = |other: &Recipient| other.address.key() == address.key();
                    if recipients.iter().any(is_same) {
                        continue;
                    }
                    recipients.push(Recipient {
                        address,
                        parameters: RcptParameters::default(),
                        lane,
                        mailbox,
                    });
                }
                Admission::Reject(reply) => refusals.push(Refusal::Rejected {
                    address: addressee.address.to_string(),
                    reason: reply.text.clone().into_owned(),
                }),
            }
        }
        match from {
            Ok(from) if refusals.is_empty() => Ok(Addressed {
                from,
                to,
                cc,
                recipients,
            }),
            Ok(_) => Err(refusals),
            Err(sender) => {
                refusals.insert(0, sender);
                Err(refusals)
            }
        }
    }
}
