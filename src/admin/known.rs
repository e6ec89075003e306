//! Names that operators type: one of which nobody has heard is told, and not taken for somebody
//! without mail.

use std::collections::BTreeSet;

use super::{Admin, AdminError};
use crate::directory::Lookup;
use crate::mail::{BackendId, RecipientState, SpoolId};
use crate::smtp::{Domain, Mailbox};
use crate::spool::{SpoolError, StoredMessage};

/// Messages that are looked at in one page.
const PAGE: usize = 200;
/// Names that are told.
const TOLD: usize = 10;

const WHO: &str = "`tideover directory lookup ADDRESS` shows what an address is";

/// The first of some names.
fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(TOLD);
    let mut text = names.iter().take(TOLD).cloned().collect::<Vec<_>>();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

impl Admin {
    /// The backends of the config, for somebody who named another one.
    pub(super) fn told_backends(&self) -> String {
        listed(self.router.board().healths().keys())
    }

    /// A backend that got mail: also one that has left the config.
    pub(super) fn refuse_unknown_source(&self, backend: &BackendId) -> Result<(), AdminError> {
        let refused = self.known_home(backend);
        let took = |state: &RecipientState| match state {
            RecipientState::Delivered { backend: by, .. } => by == backend,
            RecipientState::Queued { .. }
            | RecipientState::Held { .. }
            | RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => false,
        };
        if refused.is_err() && self.any_mail(|message| message.states.iter().any(took))? {
            return Ok(());
        }
        refused
    }

    /// One of our domains, or one for which there is mail: it may have left the config.
    pub(super) fn known_domain(&self, name: &str) -> Result<Domain, AdminError> {
        let domain: Domain = name.parse().map_err(|error| AdminError::Asked {
            what: format!("\"{name}\": {error}"),
            hint: "--domain takes a domain, for example example.org",
        })?;
        let directory = self.router.directory().current();
        if directory.domain(&domain).is_some() {
            return Ok(domain);
        }
        let key = domain.key();
        let has_mail = self.any_mail(|message| {
            let mut recipients = message.envelope.recipients.iter();
            recipients.any(|one| one.mailbox.is_some() && one.address.domain().key() == key)
        })?;
        if has_mail {
            return Ok(domain);
        }
        let ours = listed(directory.domains().map(|rule| &rule.name));
        Err(AdminError::NotFound {
            what: format!(
                "{domain} is no domain of ours, and no mail came for it: ours are {ours}"
            ),
            hint: "`[domain.\"NAME\"]` in the config names them",
        })
    }

    /// People who are neither in the directory nor have any mail here.
    pub(super) fn refuse_strangers(&self, people: &[Mailbox]) -> Result<(), AdminError> {
        let directory = self.router.directory().current();
        let mut unheard = BTreeSet::new();
        for one in people {
            let is_known = matches!(directory.lookup(one), Lookup::Known { .. });
            if !is_known && self.spool.mailbox(&one.key(), None, 1)?.is_empty() {
                unheard.insert(one.key());
            }
        }
        if unheard.is_empty() {
            return Ok(());
        }
        // An alias of somebody who is gone: only the messages have it.
        self.any_mail(|message| {
            for recipient in &message.envelope.recipients {
                unheard.remove(&recipient.address.key());
                if let Some(mailbox) = &recipient.mailbox {
                    unheard.remove(mailbox);
                }
            }
            unheard.is_empty()
        })?;
        let (who, are) = match unheard.len() {
            0 => return Ok(()),
            1 => (listed(&unheard), "is"),
            _ => (listed(&unheard), "are"),
        };
        Err(AdminError::NotFound {
            what: format!("{who} {are} not in the directory, and no mail came for them"),
            hint: WHO,
        })
    }

    /// A message of this Message-ID, without angle brackets.
    pub(super) fn refuse_unknown_message(&self, message_id: &str) -> Result<(), AdminError> {
        if message_id.is_empty() {
            return Err(AdminError::Asked {
                what: "there is no Message-ID".to_owned(),
                hint: "an empty one does not mean all messages",
            });
        }
        let is_kept = !self.spool.by_message_id(message_id)?.is_empty();
        if is_kept || !self.spool.ledger_find(message_id, 1)?.is_empty() {
            return Ok(());
        }
        Err(AdminError::NotFound {
            what: format!("no message is known with the Message-ID {message_id}"),
            hint: "`tideover trace ADDRESS` shows the messages of a mailbox",
        })
    }

    /// Is there such mail, kept or in the ledger? Reads until there is, so it is asked only about
    /// what nobody else knows. Blocks.
    fn any_mail(&self, mut is_it: impl FnMut(&StoredMessage) -> bool) -> Result<bool, SpoolError> {
        let mut from = SpoolId::default();
        let end = SpoolId::from_u64(u64::MAX);
        loop {
            let page = self.spool.accepted(from..end, PAGE)?;
            let Some(last) = page.last() else { break };
            from = SpoolId::from_u64(last.as_u64().saturating_add(1));
            for id in page {
                match self.spool.message(id) {
                    Ok(Some(message)) if is_it(&message) => return Ok(true),
                    Ok(_) => {}
                    Err(error) if error.is_damage() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let mut found = false;
        self.spool.gone(SpoolId::default()..end, &mut |message| {
            found = found || is_it(message);
        })?;
        Ok(found)
    }
}
