//! Whom a letter goes to: its fields read, and each address admitted.

use super::Webmail;
use super::drafts::Draft;
use super::letter::{RECIPIENTS, parse_addressees};
use crate::mail::{Addressee, Recipient};
use crate::route::{Admission, Origin};
use crate::smtp::RcptParameters;

/// Recipients, read and admitted.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub to: Vec<Addressee>,
    pub cc: Vec<Addressee>,
    /// All of them, each once.
    pub recipients: Vec<Recipient>,
}

/// Why a letter cannot go to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Nobody,
    NoAddress(String),
    Rejected { address: String, reason: String },
    TooMany(usize),
}

impl Webmail {
    /// Whom a letter goes to, or everything that is wrong with it.
    pub(crate) fn addressed(&self, draft: &Draft) -> Result<Addressed, Vec<Refusal>> {
        let mut refusals = Vec::new();
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
        if refusals.is_empty() {
            Ok(Addressed { to, cc, recipients })
        } else {
            Err(refusals)
        }
    }
}
