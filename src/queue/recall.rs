//! What mailboxes got before a restart: the log knows it. Without it every restart would give each
//! mailbox another hour's messages at once (decision 11).

use std::collections::HashMap;
use std::time::Duration;

use super::pace::Item;
use super::{Queue, TargetLimits};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::BackendId;
use crate::smtp::Mailbox;
use crate::spool::{Recent, Spool, SpoolError};

/// The longest window of a rate, with its slice too many.
const LATELY: Duration = Duration::from_secs(65 * 60);
/// That of a sender.
const LAST_MINUTE: Duration = Duration::from_secs(70);

impl Queue {
    /// Counts what mailboxes got lately, before the first one of the backlog asks for its turn.
    pub(super) async fn recall_pace(&self) {
        self.restore_senders().await;
        let options = self.options();
        let is_unlimited =
            |limits: &TargetLimits| limits.mailbox.is_unlimited() && limits.sender.is_unlimited();
        if options.backends.values().all(is_unlimited) {
            return;
        }
        let (queue, now) = (self.clone(), self.0.parts.clock.now());
        let read = move |spool: &Spool| queue.recall_from(spool, now);
        if let Err(error) = self.0.parts.spool.beside(read).await {
            tracing::error!(%error, "what mailboxes got lately is not known: rates begin anew");
        }
    }

    fn recall_from(&self, spool: &Spool, now: Timestamp) -> Result<(), SpoolError> {
        let mut messages: HashMap<_, u32> = HashMap::new();
        let mut count = |recent: Recent| {
            // What is delivered from now on is counted already.
            if recent.at <= now && !self.stopping() {
                let is_late = now.since(recent.at) <= LAST_MINUTE;
                let first = is_late && {
                    let of_it = messages.entry((recent.id, recent.backend.clone()));
                    let before = of_it.or_default();
                    *before += 1;
                    self.begins_a_message(&recent.backend, *before - 1)
                };
                self.recall_one(spool, now, (&recent, first));
            }
        };
        spool.recent(now.before(LATELY), limits::RECALLED_RECORDS, &mut count)
    }

    /// Does a recipient begin a transaction, when so many of his message came before him?
    fn begins_a_message(&self, backend: &BackendId, before: u32) -> bool {
        let most = self.limits_of_backend(backend).sender.per_message;
        before.checked_rem(most).unwrap_or(before) == 0
    }

    /// `first`: of its message in the last minute, or of one of its transactions.
    fn recall_one(&self, spool: &Spool, now: Timestamp, (recent, first): (&Recent, bool)) {
        let rates = self.limits_of_backend(&recent.backend).mailbox;
        if rates.is_unlimited() && !first {
            return;
        }
        // A message that is gone or cannot be read is one less.
        let Ok(Some(message)) = spool.message(recent.id) else {
            return;
        };
        if first {
            self.recall_sender((&recent.backend, recent.at), &message.envelope);
        }
        let recipients = &message.envelope.recipients;
        let Some(recipient) = recipients.get(usize::from(recent.number)) else {
            return;
        };
        let address = recent.delivery_address.as_ref();
        let address = address.and_then(|address| address.parse::<Mailbox>().ok());
        let key = address.as_ref().unwrap_or(&recipient.address).key();
        let item = Item {
            backend: &recent.backend,
            mailbox: recipient.mailbox.as_ref().unwrap_or(&key),
            sender: &message.envelope.from.to_string(),
            rates,
            attempts: 0,
        };
        let at = self.elapsed().saturating_sub(now.since(recent.at));
        self.pace().count(&item, at);
    }
}
