//! What is written down of landings: events of recipients, what is missing, and the cursor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::imap::Place;
use crate::limits;
use crate::mail::{BackendId, FolderKind, Landing, RecipientEvent, SpoolId};
use crate::spool::{Spool, SpoolError};
use crate::telemetry::names;

/// The room under which the facts stand in the log.
const ROOM: &str = "landing";
/// What is missing; id and number follow.
const MISSING: &str = "missing/";
/// All that was delivered before then was looked for.
const CURSOR: &str = "cursor";

/// A message that is in no folder of its mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingMail {
    /// The message.
    pub id: SpoolId,
    /// The recipient's number in its envelope.
    pub recipient: u16,
    /// His address.
    pub address: String,
    /// Who took it.
    pub backend: BackendId,
    /// When it was taken; of a check that was asked for, when it was accepted.
    pub delivered: Timestamp,
    /// When it was missed first.
    pub missed: Timestamp,
    /// Its Message-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl MissingMail {
    /// By this it is dismissed: `06J8Z4K2M0001-0`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.id, self.recipient)
    }
}

/// What the log knows of landings.
#[derive(Debug, Clone)]
pub(in crate::queue) struct Book(pub(in crate::queue) Spool);

impl Book {
    /// A message was found. Nothing is written when that is known.
    pub(in crate::queue) async fn found(
        &self,
        (id, number): (SpoolId, u16),
        backend: &BackendId,
        place: Place,
    ) -> Result<(), SpoolError> {
        metrics::counter!(names::LANDED,
            "backend" => backend.to_string(), "folder" => place.kind.word())
        .increment(1);
        let landing = Landing::Found {
            folder: place.folder,
            kind: place.kind,
            verdict: place.verdict,
        };
        self.say((id, number), backend, landing).await?;
        self.dismiss(&format!("{id}-{number}")).await.map(|_| ())
    }

    /// A message is in no folder. It is on the list from now on.
    pub(in crate::queue) async fn missing(&self, mail: MissingMail) -> Result<(), SpoolError> {
        let key = format!("{MISSING}{}", mail.name());
        let place = (mail.id, mail.recipient);
        self.say(place, &mail.backend, Landing::Missing).await?;
        let known = self.0.fact(ROOM, &key)?.is_some();
        if known || self.count()? >= limits::LANDING_MISSING {
            return Ok(());
        }
        tracing::warn!(id = %mail.id, numbers = %mail.recipient, to = mail.address,
            backend = %mail.backend, "a message is not in its mailbox; `tideover landing status`");
        let value = serde_json::to_value(&mail);
        let value = value.map_err(|error| SpoolError::Index(error.to_string()))?;
        self.0.put_fact(ROOM, &key, Some(value)).await
    }

    /// Writes an event, unless it is the last word already.
    async fn say(
        &self,
        (id, number): (SpoolId, u16),
        backend: &BackendId,
        landing: Landing,
    ) -> Result<(), SpoolError> {
        let new = RecipientEvent::Landing {
            backend: backend.clone(),
            landing,
        };
        if self
            .last((id, number), backend)?
            .is_some_and(|(_, old)| old == new)
        {
            return Ok(());
        }
        self.0.record(id, vec![number], new).await
    }

    /// The last word about a recipient at a backend, and when it was said.
    pub(super) fn last(
        &self,
        (id, number): (SpoolId, u16),
        backend: &BackendId,
    ) -> Result<Option<(Timestamp, RecipientEvent)>, SpoolError> {
        let history = self.0.history(id)?.into_iter().rev();
        let of_it = |event: &RecipientEvent| {
            let RecipientEvent::Landing { backend: of, .. } = event else {
                return false;
            };
            of == backend
        };
        let mut said = history.filter(|one| one.recipients.contains(&number) && of_it(&one.event));
        Ok(said.next().map(|one| (one.at, one.event)))
    }

    /// What is missing, the latest first, and how much it is in all.
    pub(super) fn list(&self, most: usize) -> Result<(Vec<MissingMail>, u64), SpoolError> {
        let facts = self.0.facts(ROOM, MISSING)?;
        let count = facts.len() as u64;
        let read = |(key, value)| {
            serde_json::from_value(value)
                .map_err(|error| SpoolError::Damaged(format!("the fact {key}: {error}")))
        };
        let latest = facts.into_iter().rev().take(most).map(read);
        Ok((latest.collect::<Result<_, _>>()?, count))
    }

    pub(super) fn count(&self) -> Result<u64, SpoolError> {
        Ok(self.0.facts(ROOM, MISSING)?.len() as u64)
    }

    /// It leaves the list; `false`: it is not on it.
    pub(super) async fn dismiss(&self, name: &str) -> Result<bool, SpoolError> {
        let key = format!("{MISSING}{name}");
        if self.0.fact(ROOM, &key)?.is_none() {
            return Ok(false);
        }
        self.0.put_fact(ROOM, &key, None).await?;
        Ok(true)
    }

    pub(super) fn cursor(&self) -> Result<Option<Timestamp>, SpoolError> {
        let value = self.0.fact(ROOM, CURSOR)?;
        // One that cannot be read begins anew.
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }

    pub(super) async fn set_cursor(&self, cursor: Timestamp) -> Result<(), SpoolError> {
        let value = serde_json::to_value(cursor);
        let value = value.map_err(|error| SpoolError::Index(error.to_string()))?;
        self.0.put_fact(ROOM, CURSOR, Some(value)).await
    }
}

/// Does the user not see it where mail arrives?
pub(super) const fn is_junk(kind: FolderKind) -> bool {
    matches!(kind, FolderKind::Junk)
}
