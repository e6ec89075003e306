//! Who may be a recipient at this listener: the router's word, and `postmaster`.

use super::Options;
use crate::route::{Admission, Admit, Origin};
use crate::smtp::{EnhancedStatus, ForwardPath, Mailbox};

/// A client at a listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doorway<'a> {
    pub(super) options: &'a Options,
    pub(super) admit: &'a dyn Admit,
    pub(super) origin: Origin,
}

const NO_SUCH_USER: EnhancedStatus = EnhancedStatus::new(5, 1, 1);

impl Doorway<'_> {
    pub(super) fn admission(&self, to: &ForwardPath) -> Admission {
        match to {
            ForwardPath::Postmaster => self.postmaster(),
            ForwardPath::Mailbox(mailbox) => self.mailbox(mailbox),
        }
    }

    fn mailbox(&self, mailbox: &Mailbox) -> Admission {
        let admission = self.admit.admit(mailbox, self.origin);
        let Admission::Reject(reply) = &admission else {
            return admission;
        };
        // RFC 5321 §4.5.1: postmaster of any domain that we take mail for, and of this host.
        let ours = reply.enhanced == Some(NO_SUCH_USER)
            || mailbox.domain().is_literal()
            || mailbox.domain().key() == self.options.hostname.to_ascii_lowercase();
        if mailbox.is_postmaster() && ours {
            self.postmaster()
        } else {
            admission
        }
    }

    /// The configured postmaster is always taken; if nobody knows a way to him the mail is held.
    fn postmaster(&self) -> Admission {
        let postmaster = &self.options.postmaster;
        match self.admit.admit(postmaster, Origin::Trusted) {
            accept @ Admission::Accept { .. } => accept,
            Admission::Reject(_) => Admission::Accept {
                address: postmaster.clone(),
                lane: format!("@{}", postmaster.domain().key()),
                mailbox: None,
            },
        }
    }
}
