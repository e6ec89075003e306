//! One mail transaction: from MAIL to the final dot, RFC 5321 §3.3.

use std::collections::HashSet;

use crate::mail::Recipient;
use crate::smtp::{MailParameters, ReversePath};

/// What the sender has said so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) from: ReversePath,
    pub(super) parameters: MailParameters,
    pub(super) recipients: Vec<Recipient>,
    /// Keys of the recipients: who is named twice gets one copy.
    keys: HashSet<String>,
}

impl Transaction {
    pub(super) fn new(from: ReversePath, parameters: MailParameters) -> Self {
        Self {
            from,
            parameters,
            recipients: Vec::new(),
            keys: HashSet::new(),
        }
    }

    /// Adds a recipient unless it is there already.
    pub(super) fn add(&mut self, recipient: Recipient) {
        if self.keys.insert(recipient.address.key()) {
            self.recipients.push(recipient);
        }
    }
}
