//! Whose mail a report is about: everybody's, or that of a wave or a domain.

use std::collections::BTreeSet;

use crate::mail::{Envelope, Recipient};

/// Whose mail counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Addresses and mailboxes, as keys; `None`: all people.
    pub people: Option<BTreeSet<String>>,
    /// The domain of the recipients, in its ASCII form; `None`: all domains.
    pub domain: Option<String>,
    /// In words; `None`: everybody.
    pub told: Option<String>,
}

impl Scope {
    /// Is the mail of this recipient meant?
    #[must_use]
    pub fn names(&self, recipient: &Recipient) -> bool {
        let named = |people: &BTreeSet<String>| {
            let mailbox = recipient.mailbox.as_ref();
            people.contains(&recipient.address.key())
                || mailbox.is_some_and(|mailbox| people.contains(mailbox))
        };
        let domain = recipient.address.domain().key();
        self.people.as_ref().is_none_or(named)
            && self.domain.as_ref().is_none_or(|wanted| *wanted == domain)
    }

    /// The numbers of the recipients who are meant.
    #[must_use]
    pub fn numbers(&self, envelope: &Envelope) -> BTreeSet<u16> {
        let recipients = (0_u16..).zip(&envelope.recipients);
        let meant = recipients.filter(|(_, recipient)| self.names(recipient));
        meant.map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::message;

    fn meant(people: Option<&[&str]>, domain: Option<&str>) -> Vec<u16> {
        let scope = Scope {
            people: people.map(|all| all.iter().map(|&key| key.to_owned()).collect()),
            domain: domain.map(str::to_owned),
            told: None,
        };
        let (mut message, _) = message();
        let envelope = std::sync::Arc::make_mut(&mut message.envelope);
        envelope.recipients[2].mailbox = Some("cyril@example.org".to_owned());
        scope.numbers(envelope).into_iter().collect()
    }

    #[test]
    fn people_are_meant_by_address_and_by_mailbox() {
        assert_eq!(meant(None, None), [0, 1, 2, 3]);
        assert_eq!(meant(Some(&["bob@example.org"]), None), [1]);
        assert_eq!(meant(Some(&["cyril@example.org"]), None), [2]);
        assert_eq!(meant(Some(&[]), None), [0_u16; 0]);
        assert_eq!(meant(None, Some("example.org")), [0, 1, 2, 3]);
        assert_eq!(meant(None, Some("example.net")), [0_u16; 0]);
        assert_eq!(
            meant(Some(&["bob@example.org"]), Some("example.net")),
            [0_u16; 0]
        );
    }
}
