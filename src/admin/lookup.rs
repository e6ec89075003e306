//! What the spool is asked for: a message, the traces of an address.
//!
//! The spool reads from the disk, so all of this runs on threads that may block.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError, Limit, MessageView, TraceView};
use crate::backend::BackendHealth;
use crate::mail::SpoolId;
use crate::queue::replay::People;
use crate::smtp::Mailbox;
use crate::spool::{SpoolError, StoredMessage};

/// Which messages to trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TraceQuery {
    /// A Message-ID, a spool id or an address.
    pub(crate) of: String,
    /// Not more than this; absent: 20.
    #[serde(default)]
    pub(crate) limit: Option<Limit>,
}

/// What somebody asks for by a name.
struct Named {
    /// The name, without angle brackets.
    bare: String,
    /// It may be a spool id.
    id: Option<SpoolId>,
    /// It may be an address: the keys under which mail of its mailbox stands.
    keys: People,
}

impl Named {
    /// All names under which the ledger may have it.
    fn names(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter().map(String::as_str);
        [self.bare.as_str()].into_iter().chain(keys)
    }
}

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
            what: format!(
                "there is no backend \"{name}\": there are {}",
                self.told_backends()
            ),
            hint: "`tideover backend list` shows the backends",
        })
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

    /// The messages that a Message-ID, a spool id or an address names, newest first.
    pub(super) fn trace(&self, query: &TraceQuery) -> Result<TraceView, AdminError> {
        let limit = Limit::or(query.limit, TRACE_LIMIT);
        let named = self.named(query.of.trim());
        let backends = self.router.board().snapshot();
        let mut found = BTreeMap::new();
        // One more than asked for tells whether there are more.
        for id in self.ids(&named, limit + 1)? {
            if let Some(view) = self.view(id, &backends)? {
                found.insert(id, view);
            }
        }
        let is_whole = found.len() > limit || named.id.is_some() && !found.is_empty();
        let mut ledger_gaps = 0;
        if !is_whole {
            let all: Vec<&str> = named.names().collect();
            let (gone, gaps) = self.spool.ledger_find_any(&all, limit + 1)?;
            ledger_gaps = gaps;
            for gone in gone {
                let view = || {
                    let message = StoredMessage::from(&gone);
                    MessageView::new(&message, &gone.history, &backends)
                };
                found.entry(gone.id).or_insert_with(view);
            }
        }
        if found.is_empty() {
            return Err(AdminError::NotFound {
                what: match ledger_gaps {
                    0 => format!("no message is known for {}", query.of.trim()),
                    gaps => format!(
                        "no message is known for {}, but {gaps} files of the ledger cannot be \
                         read: `tideover report verify` names them",
                        query.of.trim()
                    ),
                },
                hint: "expected a Message-ID, a spool id (13 letters and digits, as in our 250 \
                       reply) or the address of a recipient",
            });
        }
        Ok(TraceView {
            ledger_gaps,
            more: found.len() > limit,
            messages: found.into_values().rev().take(limit).collect(),
        })
    }

    fn named(&self, of: &str) -> Named {
        let bare = of.trim_start_matches('<').trim_end_matches('>');
        let address = bare.parse::<Mailbox>().ok();
        let keys = address.map(|address| self.keys_of([&address].into_iter()));
        Named {
            bare: bare.to_owned(),
            id: of.parse().ok(),
            keys: keys.unwrap_or_default(),
        }
    }

    /// The newest of them that are kept, in any order.
    fn ids(&self, named: &Named, limit: usize) -> Result<Vec<SpoolId>, SpoolError> {
        if let Some(id) = named.id {
            return Ok(vec![id]);
        }
        // A Message-ID looks like an address, and a sender may take anybody's for one.
        let mut ids: BTreeSet<SpoolId> =
            self.spool.by_message_id(&named.bare)?.into_iter().collect();
        for key in &named.keys {
            ids.extend(self.spool.sent(key, None, limit)?);
            self.received(key, limit, &mut ids)?;
        }
        Ok(ids.into_iter().rev().take(limit).collect())
    }

    /// The newest so many messages for a mailbox: one may have several recipients there.
    fn received(
        &self,
        key: &str,
        limit: usize,
        ids: &mut BTreeSet<SpoolId>,
    ) -> Result<(), SpoolError> {
        let (mut before, mut found) = (None, 0);
        while found < limit {
            let rows = self.spool.mailbox(key, before, limit)?;
            let Some((last, _)) = rows.last().copied() else {
                break;
            };
            let mut here: Vec<SpoolId> = rows.iter().map(|(id, _)| *id).collect();
            here.dedup();
            found += here.len();
            ids.extend(here);
            before = Some(last);
        }
        Ok(())
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
