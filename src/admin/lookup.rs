//! What the spool is asked for: the queue in pages, a message, the traces of an address.
//!
//! The spool reads from the disk, so all of this runs on threads that may block.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Admin, AdminError, MessageView, QueueItem, TraceView};
use crate::backend::BackendHealth;
use crate::limits;
use crate::mail::{Envelope, SpoolId};
use crate::route::{Shown, ShownState};
use crate::smtp::Mailbox;
use crate::spool::{SpoolError, StoredMessage, WaitingRecipient};

/// Which part of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueueQuery {
    /// Leave out so many that match.
    #[serde(default)]
    pub(crate) skip: usize,
    /// Not more than this; 0 or absent: 100.
    #[serde(default)]
    pub(crate) limit: usize,
    /// Only what waits for this backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    /// Only `queued` or only `held`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<ShownState>,
}

/// Which messages to trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TraceQuery {
    /// A Message-ID, a spool id or an address.
    pub(crate) of: String,
    /// Not more than this; 0 or absent: 20.
    #[serde(default)]
    pub(crate) limit: usize,
}

const QUEUE_LIMIT: usize = 100;
const TRACE_LIMIT: usize = 20;

impl Admin {
    /// Runs `work`, which may block, beside the async threads.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, AdminError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, AdminError> + Send + 'static,
    {
        let admin = self.clone();
        tokio::task::spawn_blocking(move || work(&admin))
            .await
            .map_err(|error| AdminError::Ours(error.to_string()))?
    }

    /// A typing error in a name must not look like an empty queue.
    pub(super) fn refuse_unknown(
        &self,
        backend: Option<&str>,
        backends: &[BackendHealth],
    ) -> Result<(), AdminError> {
        let Some(name) = backend else { return Ok(()) };
        // Mail may still wait for a backend that has left the config; its lane is there then.
        let known = backends.iter().any(|backend| backend.id.as_str() == name)
            || self.spool.lanes().contains_key(name);
        if known {
            return Ok(());
        }
        Err(AdminError::NotFound {
            what: format!("there is no backend \"{name}\""),
            hint: "`tideover backend list` shows the backends",
        })
    }

    /// One line of the queue; `None` when it is finished and gone between the two questions.
    fn queue_item(
        &self,
        one: &WaitingRecipient,
        shown: Shown,
        last: &mut Option<(SpoolId, Arc<Envelope>)>,
    ) -> Result<Option<QueueItem>, AdminError> {
        let known = last.as_ref().filter(|(id, _)| *id == one.id);
        let envelope = match known {
            Some((_, envelope)) => Arc::clone(envelope),
            None => match self.spool.message(one.id) {
                Ok(Some(message)) => message.envelope,
                Ok(None) => return Ok(None),
                // One that cannot be read hides no other.
                Err(error @ (SpoolError::Damaged(_) | SpoolError::Disk { .. })) => {
                    return Ok(Some(QueueItem::unreadable(one.id, shown, &error)));
                }
                Err(error) => return Err(error.into()),
            },
        };
        let recipient = envelope.recipients.get(usize::from(one.recipient));
        let item = recipient.map(|recipient| {
            let recipient = recipient.address.to_string();
            QueueItem::new(one.id, shown, recipient, &envelope)
        });
        *last = Some((one.id, envelope));
        Ok(item)
    }

    /// A page of the queue.
    pub(super) fn queue(&self, query: &QueueQuery) -> Result<Vec<QueueItem>, AdminError> {
        let limit = page(query.limit, QUEUE_LIMIT);
        let backends = self.router.board().snapshot();
        self.refuse_unknown(query.backend.as_deref(), &backends)?;
        let matches = |shown: &Shown| {
            let backend = shown.backend.as_ref().map(crate::mail::BackendId::as_str);
            query.state.is_none_or(|state| state == shown.state)
                && query
                    .backend
                    .as_deref()
                    .is_none_or(|name| backend == Some(name))
        };
        let mut items = Vec::new();
        let (mut read, mut to_skip) = (0, query.skip);
        let mut last: Option<(SpoolId, Arc<Envelope>)> = None;
        loop {
            let waiting = self.spool.waiting(read, limits::PAGE)?;
            read += waiting.len();
            let at_end = waiting.len() < limits::PAGE;
            for one in waiting {
                let shown = Shown::of(&one.state, one.id.timestamp(), &backends);
                if !matches(&shown) {
                    continue;
                }
                if to_skip > 0 {
                    to_skip -= 1;
                    continue;
                }
                items.extend(self.queue_item(&one, shown, &mut last)?);
                if items.len() == limit {
                    return Ok(items);
                }
            }
            if at_end {
                return Ok(items);
            }
        }
    }

    /// One message.
    pub(super) fn one_message(&self, id: SpoolId) -> Result<MessageView, AdminError> {
        self.view(id, &self.router.board().snapshot())?
            .ok_or_else(|| AdminError::NotFound {
                what: format!("the spool has no message {id}"),
                hint: "`tideover trace ADDRESS` lists the messages of a mailbox; messages go \
                       spool.retain after their last recipient is finished",
            })
    }

    /// The messages that a Message-ID, a spool id or an address names.
    pub(super) fn trace(&self, query: &TraceQuery) -> Result<TraceView, AdminError> {
        let limit = page(query.limit, TRACE_LIMIT);
        let of = query.of.trim();
        let mut ids = self.ids(of, limit + 1)?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let backends = self.router.board().snapshot();
        let mut messages = Vec::with_capacity(ids.len());
        for id in ids {
            messages.extend(self.view(id, &backends)?);
        }
        if messages.is_empty() {
            let bare = of.trim_start_matches('<').trim_end_matches('>');
            for gone in self.spool.ledger_find(bare, limit)? {
                messages.push(MessageView::new(
                    &StoredMessage::from(&gone),
                    &gone.history,
                    &backends,
                ));
            }
        }
        if messages.is_empty() {
            return Err(AdminError::NotFound {
                what: format!("no message is known for {of}"),
                hint: "expected a Message-ID, a spool id (13 letters and digits, as in our 250 \
                       reply) or the address of a recipient",
            });
        }
        Ok(TraceView { messages, more })
    }

    /// Newest first.
    fn ids(&self, of: &str, limit: usize) -> Result<Vec<SpoolId>, SpoolError> {
        if let Ok(id) = of.parse::<SpoolId>() {
            return Ok(vec![id]);
        }
        let bare = of.trim_start_matches('<').trim_end_matches('>');
        // A Message-ID looks like an address; addresses that are Message-IDs do not exist.
        let mut ids = self.spool.by_message_id(bare)?;
        ids.reverse();
        if ids.is_empty()
            && let Ok(address) = bare.parse::<Mailbox>()
        {
            let key = self.router.explain(&address).mailbox;
            let key = key.unwrap_or_else(|| address.key());
            let to = self.spool.mailbox(&key, None, limit)?;
            let from = self.spool.sent(&key, None, limit)?;
            let all: BTreeSet<SpoolId> = to.into_iter().map(|(id, _)| id).chain(from).collect();
            ids = all.into_iter().rev().collect();
        }
        ids.truncate(limit);
        Ok(ids)
    }

    fn view(
        &self,
        id: SpoolId,
        backends: &[BackendHealth],
    ) -> Result<Option<MessageView>, SpoolError> {
        let Some(message) = self.spool.message(id)? else {
            return Ok(None);
        };
        let history = self.spool.history(id)?;
        Ok(Some(MessageView::new(&message, &history, backends)))
    }
}

const fn page(asked: usize, usual: usize) -> usize {
    match asked {
        0 => usual,
        1..=limits::PAGE => asked,
        _ => limits::PAGE,
    }
}
