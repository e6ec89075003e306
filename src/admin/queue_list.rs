//! What waits, recipient by recipient, as far as a filter names it. The filter is the one by which
//! mail is held, released and dropped: [`Selection`].

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError, Limit, QueueItem};
use crate::base::{Timestamp, query_words};
use crate::limits;
use crate::mail::{BackendId, Envelope, RecipientState, SpoolId, paced_by};
use crate::route::{Candidate, Pattern, Selection, Shown, ShownState};
use crate::spool::{SpoolError, WaitingRecipient};

const LIMIT: usize = 100;

/// Which part of the queue. All that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct QueueQuery {
    /// Leave out so many that match.
    #[serde(default)]
    pub(crate) skip: usize,
    /// Not more than this; absent: 100.
    #[serde(default)]
    pub(crate) limit: Option<Limit>,
    /// Only `queued` or only `held`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<ShownState>,
    /// Of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<SpoolId>,
    /// With this address, or of this mailbox; `@domain`: with an address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<Pattern>,
    /// From this sender, from `@domain`, or from `<>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<Pattern>,
    /// With an address of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    /// Only what waits for this backend, or was refused by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<BackendId>,
    /// Held for a reason of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason_kind: Option<String>,
    /// Held by the rule of this name, or, with `@domain`, by a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<String>,
    /// Accepted before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accepted_before: Option<Timestamp>,
}

impl QueueQuery {
    /// A part of the queue.
    pub(crate) fn new(
        selection: Selection,
        state: Option<ShownState>,
        (skip, limit): (usize, usize),
    ) -> Self {
        let Selection {
            message,
            recipient,
            sender,
            domain,
            backend,
            reason_kind,
            hold,
            accepted_before,
        } = selection;
        Self {
            skip,
            limit: Some(Limit::of(limit)),
            state,
            message,
            recipient,
            sender,
            domain,
            backend,
            reason_kind,
            hold,
            accepted_before,
        }
    }

    /// Who is meant.
    fn selection(&self) -> Selection {
        Selection {
            message: self.message,
            recipient: self.recipient.clone(),
            sender: self.sender.clone(),
            domain: self.domain.clone(),
            backend: self.backend.clone(),
            reason_kind: self.reason_kind.clone(),
            hold: self.hold.clone(),
            accepted_before: self.accepted_before,
        }
    }

    /// As it stands behind the `?` of the address.
    pub(crate) fn words(&self) -> String {
        let named = [
            ("skip", Some(self.skip.to_string())),
            ("limit", Some(Limit::or(self.limit, LIMIT).to_string())),
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("message", self.message.map(|id| id.to_string())),
            ("recipient", self.recipient.as_ref().map(Pattern::to_string)),
            ("sender", self.sender.as_ref().map(Pattern::to_string)),
            ("domain", self.domain.clone()),
            ("backend", self.backend.as_ref().map(BackendId::to_string)),
            ("reason_kind", self.reason_kind.clone()),
            ("hold", self.hold.clone()),
            (
                "accepted_before",
                self.accepted_before.map(|at| at.to_string()),
            ),
        ];
        query_words(named)
    }
}

/// The envelope that was read last: recipients of one message often stand together.
type Last = Option<(SpoolId, Arc<Envelope>)>;

impl Admin {
    /// The envelope of a message; `None` when it is finished and gone between two questions.
    fn envelope(&self, id: SpoolId, last: &mut Last) -> Result<Option<Arc<Envelope>>, SpoolError> {
        if let Some((of, envelope)) = last
            && *of == id
        {
            return Ok(Some(Arc::clone(envelope)));
        }
        let found = self.spool.message(id)?.map(|message| message.envelope);
        if let Some(envelope) = &found {
            *last = Some((id, Arc::clone(envelope)));
        }
        Ok(found)
    }

    /// One line of the queue; `None` when it is finished and gone between the two questions, or is
    /// not meant.
    fn queue_item(
        &self,
        selection: &Selection,
        (one, shown): (&WaitingRecipient, Shown),
        last: &mut Last,
    ) -> Result<Option<QueueItem>, AdminError> {
        let envelope = match self.envelope(one.id, last) {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(None),
            // One that cannot be read hides no other, and is none of which a filter could tell from
            // whom or for whom it is.
            Err(error @ (SpoolError::Damaged(_) | SpoolError::Disk { .. })) => {
                let item = QueueItem::unreadable(one.id, shown, &error);
                return Ok(Some(item).filter(|_| !selection.asks_envelope()));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(recipient) = envelope.recipients.get(usize::from(one.recipient)) else {
            return Ok(None);
        };
        let candidate = Candidate {
            id: one.id,
            number: one.recipient,
            from: &envelope.from,
            recipient,
            state: &one.state,
        };
        Ok(selection.matches(&candidate).then(|| {
            let recipient = recipient.address.to_string();
            let shown = self.with_pace(shown, &one.state, &envelope);
            QueueItem::new(one.id, shown, recipient, &envelope)
        }))
    }

    /// Says why mail waits that nothing else keeps: its sender has sent, or its mailbox has got, as
    /// much as it may.
    fn with_pace(&self, mut shown: Shown, state: &RecipientState, envelope: &Envelope) -> Shown {
        let is_later = shown.due.is_some_and(|due| due > self.clock.now());
        if is_later && (state.is_paced() || shown.reason.is_empty()) {
            let told = self.queue.sender_waits(envelope);
            shown.reason = paced_by(told.as_ref());
        }
        shown
    }

    /// A page of the queue.
    pub(super) fn queue(&self, query: &QueueQuery) -> Result<Vec<QueueItem>, AdminError> {
        let limit = Limit::or(query.limit, LIMIT);
        let selection = query.selection();
        self.check_names(&selection)?;
        let backends = self.router.board().snapshot();
        let until = self.clock.now().after(limits::QUEUE_LOOK);
        let mut items = Vec::new();
        let (mut read, mut to_skip) = (0, query.skip);
        let mut last: Last = None;
        loop {
            let waiting = self.spool.waiting(read, limits::PAGE)?;
            read += waiting.len();
            let at_end = waiting.len() < limits::PAGE;
            for one in waiting {
                let shown = Shown::of(&one.state, one.id.timestamp(), &backends);
                let is_in = query.state.is_none_or(|state| state == shown.state);
                if !is_in || !selection.may_mean(one.id, &one.state) {
                    continue;
                }
                // Without an envelope it is known who is left out.
                if to_skip > 0 && !selection.asks_envelope() {
                    to_skip -= 1;
                    continue;
                }
                let item = self.queue_item(&selection, (&one, shown), &mut last)?;
                match item {
                    Some(_) if to_skip > 0 => to_skip -= 1,
                    item => items.extend(item),
                }
                if items.len() == limit {
                    return Ok(items);
                }
            }
            if at_end {
                return Ok(items);
            }
            if self.clock.now() > until {
                return Err(too_long(read));
            }
        }
    }
}

/// What was found until then would look like all of it.
fn too_long(read: usize) -> AdminError {
    AdminError::Asked {
        what: format!(
            "{read} recipients were looked at in {} seconds, and there are more; too few match \
             for a page",
            limits::QUEUE_LOOK.as_secs()
        ),
        hint: "ask for fewer with --limit, or look page by page: the queue page of the console, \
               `tideover queue export`, or `tideover queue drop` without --yes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_knows_each_filter_of_the_acts() {
        let selection: Selection = serde_json::from_value(serde_json::json!({
            "message": "06J8Z4K2M0001", "recipient": "ann@example.org", "sender": "<>",
            "domain": "example.org", "backend": "onprem", "reason_kind": "refused",
            "hold": "@example.org", "accepted_before": "2026-03-01T06:00:00Z",
        }))
        .unwrap();
        let query = QueueQuery::new(selection.clone(), Some(ShownState::Held), (3, 7));
        assert_eq!(query.selection(), selection);
        let words = query.words();
        assert_eq!(
            words,
            "skip=3&limit=7&state=held&message=06J8Z4K2M0001&recipient=ann%40example.org\
             &sender=%3C%3E&domain=example.org&backend=onprem&reason_kind=refused\
             &hold=%40example.org&accepted_before=2026-03-01T06%3A00%3A00.000Z"
        );
        // And the server reads it so.
        let uri: axum::http::Uri = format!("/api/queue?{words}").parse().unwrap();
        let read = axum::extract::Query::<QueueQuery>::try_from_uri(&uri).unwrap();
        assert_eq!(read.0, query);
    }
}
