//! One mail transaction: from MAIL to the final dot, RFC 5321 §3.3.

use std::collections::{BTreeSet, HashMap};
use std::mem::size_of;

use crate::mail::Recipient;
use crate::smtp::{ForwardPath, MailParameters, ReversePath};

/// What the sender has said so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) from: ReversePath,
    pub(super) parameters: MailParameters,
    pub(super) recipients: Vec<Recipient>,
    /// Those who were named as a postmaster, by number: nothing is refused to them (RFC 5321
    /// §4.5.1), and the address that gets their mail may be any.
    pub(super) postmasters: BTreeSet<u16>,
    /// Numbers of the recipients by their keys: who is named twice gets one copy.
    keys: HashMap<String, u16>,
    /// How often RCPT was answered with yes.
    accepted: usize,
    /// How often it was answered with no because there were so many already.
    turned_away: usize,
    /// Bytes of its recipients in memory, about.
    held: usize,
}

impl Transaction {
    pub(super) fn new(from: ReversePath, parameters: MailParameters) -> Self {
        Self {
            from,
            parameters,
            recipients: Vec::new(),
            postmasters: BTreeSet::new(),
            keys: HashMap::new(),
            accepted: 0,
            turned_away: 0,
            held: 0,
        }
    }

    /// How often RCPT was answered with yes: at least once for each recipient.
    pub(super) const fn accepted(&self) -> usize {
        self.accepted
    }

    /// One beyond the bound; how many of them there are with it.
    pub(super) const fn turn_away(&mut self) -> usize {
        self.turned_away = self.turned_away.saturating_add(1);
        self.turned_away
    }

    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Adds a recipient, whom the sender calls `to`, unless it is there already.
    pub(super) fn add(&mut self, recipient: Recipient, to: &ForwardPath) {
        self.accepted += 1;
        let next = u16::try_from(self.recipients.len()).unwrap_or(u16::MAX);
        let number = *self.keys.entry(recipient.address.key()).or_insert(next);
        if number == next {
            self.held += weight(&recipient);
            self.recipients.push(recipient);
        }
        if to.is_postmaster() {
            self.postmasters.insert(number);
        }
    }
}

/// What a recipient takes of memory: here, and once more in the record that is made of it. Vectors
/// and maps have room for twice as many.
fn weight(recipient: &Recipient) -> usize {
    let texts = [
        Some(recipient.lane.len()),
        recipient.mailbox.as_ref().map(String::len),
        recipient.parameters.orcpt.as_ref().map(String::len),
    ];
    let address = recipient.address.key().len();
    let texts: usize = texts.into_iter().flatten().sum();
    2 * (2 * size_of::<Recipient>() + 2 * address + texts)
}
