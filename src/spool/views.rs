//! The door to the spool: what is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::big::BigBody;
use super::documents::facts_of;
use super::event::{Entry, MessageLine};
use super::failures::WriteFailures;
use super::handle::Spool;
use super::index::{FactRow, Index, MessageRow, decode, key, left_out};
use super::log::LogReader;
use super::open::FOLDERS;
use super::record::Header;
use super::segment::Position;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{Body, BodySource, Envelope, NodeId, RecipientEvent, RecipientState, SpoolId};

/// A message as the spool knows it.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its id.
    pub id: SpoolId,
    /// When it was accepted.
    pub received: Timestamp,
    /// What came with it.
    pub envelope: Arc<Envelope>,
    /// Bytes of the body, trace lines included.
    pub size: u64,
    /// One state for each recipient of the envelope.
    pub states: Vec<RecipientState>,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// When.
    pub at: Timestamp,
    /// On which node.
    pub node: NodeId,
    /// Which recipients of the message.
    pub recipients: Vec<u16>,
    /// What happened to them.
    pub event: RecipientEvent,
    /// Alike events between the one of its kind before it and this one, which are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One recipient that is not finished.
#[derive(Debug, Clone)]
pub struct WaitingRecipient {
    /// The message.
    pub id: SpoolId,
    /// The recipient's number in its envelope.
    pub recipient: u16,
    /// Its state.
    pub state: RecipientState,
}

/// A queued recipient as the due index has it. Pass the last one back to go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Not to be tried before.
    pub due: Timestamp,
    /// The message.
    pub id: SpoolId,
    /// The recipient's number in its envelope.
    pub recipient: u16,
}

/// Numbers about the spool.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SpoolStats {
    /// Made at creation; a new one means a new spool.
    pub uuid: String,
    /// Recipients that wait for an attempt, by lane (a backend's name or `@domain`).
    pub queued: BTreeMap<String, u64>,
    /// Recipients that are held one by one.
    pub held: u64,
    /// Recipients, finished or not, of which a copy may have come twice, or though they were given
    /// up.
    pub uncertain: u64,
    /// Acceptance of the oldest message with an unfinished recipient.
    pub oldest: Option<Timestamp>,
    /// Messages that are in the spool, waiting or finished. One that goes after `spool.retain` is
    /// no longer counted, so that an index made anew from the log counts the same.
    pub accepted: u64,
    /// Delivered recipients of those messages.
    pub delivered: u64,
    /// Of those, the ones that another backend than their home got, by home.
    #[serde(default)]
    pub diverted: BTreeMap<String, u64>,
    /// Bytes that the spool takes on disk.
    pub bytes: u64,
    /// Bytes free on its disk.
    pub free_bytes: u64,
    /// Pieces in quarantine: damage that was found and set aside.
    pub quarantined: u64,
    /// Damaged messages that somebody waits for still.
    #[serde(default)]
    pub damaged: u64,
    /// What could not be written since the start.
    #[serde(default)]
    pub write_failures: Option<WriteFailures>,
}

impl Spool {
    /// A message, its envelope and the states of its recipients.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn message(&self, id: SpoolId) -> Result<Option<StoredMessage>, SpoolError> {
        let Some((row, _, line)) = self.read_message(id)? else {
            return Ok(None);
        };
        Ok(Some(StoredMessage {
            id,
            received: line.at,
            envelope: line.envelope,
            size: row.size,
            states: self.states(id, row.recipients)?,
        }))
    }

    /// Reads the record of a message. Its place can change between two looks, when it is carried
    /// forward; it is looked up again then.
    pub(crate) fn read_message(
        &self,
        id: SpoolId,
    ) -> Result<Option<(MessageRow, Header, MessageLine)>, SpoolError> {
        let mut row = self.index()?.row::<MessageRow>(&key::message(id))?;
        while let Some(found) = row {
            let position = found.position;
            let read = self.read_message_at(id, found);
            if read.is_ok() {
                return read.map(Some);
            }
            row = self.index()?.row::<MessageRow>(&key::message(id))?;
            if row.as_ref().map(|row| row.position) == Some(position) {
                return read.map(Some);
            }
        }
        Ok(None)
    }

    fn read_message_at(
        &self,
        id: SpoolId,
        row: MessageRow,
    ) -> Result<(MessageRow, Header, MessageLine), SpoolError> {
        let (header, meta) = self.0.reader.meta(Position::from_u64(row.position))?;
        match Entry::read(header.kind, &meta, header.body_len)? {
            Entry::Message { line, .. } if line.id == id => Ok((row, header, line)),
            Entry::Message { .. } | Entry::Event(_) | Entry::Fact(_) | Entry::Other => Err(
                SpoolError::Damaged(format!("{id} is not where the index says")),
            ),
        }
    }

    pub(crate) fn states(
        &self,
        id: SpoolId,
        count: u16,
    ) -> Result<Vec<RecipientState>, SpoolError> {
        let prefix = key::recipients_prefix(id);
        let rows = self.index()?.scan(&prefix, &prefix, usize::from(count))?;
        rows.iter().map(|(_, value)| decode(value)).collect()
    }

    /// The state of one recipient.
    ///
    /// # Errors
    /// When the index fails.
    pub fn state(&self, id: SpoolId, recipient: u16) -> Result<Option<RecipientState>, SpoolError> {
        self.index()?.row(&key::recipient(id, recipient))
    }

    /// The bytes of a message, trace lines included.
    ///
    /// # Errors
    /// When the disk fails or the checksum is wrong.
    pub fn body(&self, id: SpoolId) -> Result<Option<Arc<dyn BodySource>>, SpoolError> {
        loop {
            let Some((row, header, line)) = self.read_message(id)? else {
                return Ok(None);
            };
            let body = self.body_at(Position::from_u64(row.position), &header, &line);
            if body.is_ok() {
                return body.map(Some);
            }
            let now = self.index()?.row::<MessageRow>(&key::message(id))?;
            // Carried forward between the two looks: once more.
            if now.is_some_and(|now| now.position == row.position) {
                return body.map(Some);
            }
        }
    }

    fn body_at(
        &self,
        at: Position,
        header: &Header,
        line: &MessageLine,
    ) -> Result<Arc<dyn BodySource>, SpoolError> {
        let Some(expected) = line.file.clone() else {
            return Ok(Arc::new(Body(self.0.reader.body(at, header)?)));
        };
        Ok(Arc::new(BigBody::new(self.0.big.open(line.id)?, expected)))
    }

    /// Messages with this recipient (directory key, or the address key of a stranger), newest
    /// first, older than `before`: `(message, number of the recipient)`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn mailbox(
        &self,
        mailbox: &str,
        before: Option<SpoolId>,
        limit: usize,
    ) -> Result<Vec<(SpoolId, u16)>, SpoolError> {
        let prefix = key::mailbox_prefix(mailbox);
        let start = before.map_or_else(
            || prefix.clone(),
            |id| key::mailbox(mailbox, SpoolId::from_u64(id.as_u64().saturating_sub(1)), 0),
        );
        let rows = self.index()?.scan(&prefix, &start, limit)?;
        Ok(rows
            .iter()
            .filter_map(|(row, _)| key::parse_mailbox(row))
            .collect())
    }

    /// Messages that this address sent through us while logged in (webmail, submission), newest
    /// first, older than `before`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn sent(
        &self,
        sender: &str,
        before: Option<SpoolId>,
        limit: usize,
    ) -> Result<Vec<SpoolId>, SpoolError> {
        let prefix = key::sent_prefix(sender);
        let start = before.map_or_else(
            || prefix.clone(),
            |id| key::sent(sender, SpoolId::from_u64(id.as_u64().saturating_sub(1))),
        );
        let rows = self.index()?.scan(&prefix, &start, limit)?;
        Ok(rows
            .iter()
            .filter_map(|(row, _)| key::parse_sent(row))
            .collect())
    }

    /// Messages with this `Message-ID` (without angle brackets), oldest first; at most 1,000. Looks
    /// through a row for each message that is kept.
    ///
    /// # Errors
    /// When the index fails.
    pub fn by_message_id(&self, message_id: &str) -> Result<Vec<SpoolId>, SpoolError> {
        let index = self.index()?;
        let (mut found, mut start) = (Vec::new(), key::MESSAGE_IDS.to_vec());
        while found.len() < limits::PAGE {
            let rows = index.scan(key::MESSAGE_IDS, &start, limits::PAGE)?;
            for (row, _) in &rows {
                let Some(id) = key::parse_message_id(row, message_id) else {
                    continue;
                };
                // The index has a hash; the log has the truth.
                let message = self.read_message(id)?;
                let same = message.is_some_and(|(_, _, line)| {
                    line.envelope.message_id.as_deref() == Some(message_id)
                });
                found.extend(same.then_some(id));
            }
            match rows.last() {
                Some((last, _)) if rows.len() == limits::PAGE => {
                    start.clone_from(last);
                    start.push(0);
                }
                _ => break,
            }
        }
        found.truncate(limits::PAGE);
        Ok(found)
    }

    /// Everything that happened to a message after its acceptance, in order.
    ///
    /// # Errors
    /// When the index or the log fails.
    pub fn history(&self, id: SpoolId) -> Result<Vec<LedgerEntry>, SpoolError> {
        let carried = self.read_message(id)?.and_then(|(_, _, line)| line.carried);
        let carried = carried.map(|carried| carried.history);
        history(
            self.index()?,
            &self.0.reader,
            id,
            carried.unwrap_or_default(),
        )
    }

    /// Lanes with queued recipients, and how many; none while the index is made.
    #[must_use]
    pub fn lanes(&self) -> BTreeMap<String, u64> {
        let index = self.index();
        index.map_or_else(|_| BTreeMap::new(), |index| index.counters().queued)
    }

    /// Queued recipients of a lane by due time, behind `after`, up to `limit`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn due(
        &self,
        lane: &str,
        after: Option<Due>,
        limit: usize,
    ) -> Result<Vec<Due>, SpoolError> {
        let prefix = key::lane_prefix(lane);
        let start = after.map_or_else(
            || prefix.clone(),
            |last| {
                let mut behind = key::queued(lane, last.due, last.id, last.recipient);
                behind.push(0);
                behind
            },
        );
        let rows = self.index()?.scan(&prefix, &start, limit)?;
        Ok(rows
            .iter()
            .filter_map(|(row, _)| key::parse_queued(row))
            .map(|(due, id, recipient)| Due { due, id, recipient })
            .collect())
    }

    /// Unfinished recipients, by lane and due time, then the held ones; after `skip` of them.
    ///
    /// # Errors
    /// When the index fails.
    pub fn waiting(&self, skip: usize, limit: usize) -> Result<Vec<WaitingRecipient>, SpoolError> {
        let wanted = skip.saturating_add(limit);
        let mut keys = Vec::new();
        for lane in self.lanes().into_keys() {
            let room = wanted.saturating_sub(keys.len());
            let due = self.due(&lane, None, room)?;
            keys.extend(due.into_iter().map(|due| (due.id, due.recipient)));
        }
        let room = wanted.saturating_sub(keys.len());
        for (row, _) in self.index()?.scan(b"h", b"h", room)? {
            keys.extend(key::parse_recipient(&row));
        }
        let mut waiting = Vec::new();
        for (id, recipient) in keys.into_iter().skip(skip) {
            // It may have been finished since.
            if let Some(state) = self.state(id, recipient)? {
                waiting.push(WaitingRecipient {
                    id,
                    recipient,
                    state,
                });
            }
        }
        Ok(waiting)
    }

    /// Which spool it is.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.0.uuid
    }

    /// How many recipients wait, queued or held; 0 while the index is made. No disk is asked.
    #[must_use]
    pub fn count_waiting(&self) -> u64 {
        let counters = self.index().map(Index::counters).unwrap_or_default();
        let queued = counters.queued.values();
        queued.chain(counters.held.values()).sum()
    }

    /// Numbers for `status`; those of the index are zero while it is made ([`Self::rebuilding`]).
    /// Blocks.
    #[must_use]
    pub fn stats(&self) -> SpoolStats {
        // Half of the truth is none: the numbers are zero until the index knows the whole log.
        let index = self.index().ok();
        let counters = index.map(Index::counters).unwrap_or_default();
        let oldest = index.and_then(|index| index.scan(b"u", b"u", 1).ok());
        let oldest = oldest.unwrap_or_default();
        let dir = &self.0.options.dir;
        let bytes = FOLDERS
            .iter()
            .map(|name| {
                self.0
                    .disk
                    .folder_bytes(&dir.join(name))
                    .unwrap_or_default()
            })
            .sum();
        let quarantined = self.quarantine().pieces();
        SpoolStats {
            uuid: self.0.uuid.clone(),
            queued: counters.queued,
            held: counters.held.values().sum(),
            uncertain: counters.uncertain,
            oldest: oldest
                .first()
                .and_then(|(row, _)| key::parse_id(row))
                .map(SpoolId::timestamp),
            accepted: counters.accepted,
            delivered: counters.delivered.values().sum(),
            diverted: counters.diverted,
            bytes,
            free_bytes: self.0.disk.free_bytes(dir).unwrap_or_default(),
            damaged: self.waiting_maimed(&quarantined),
            quarantined: quarantined.len() as u64,
            write_failures: self.write_failures(),
        }
    }

    /// A fact.
    ///
    /// # Errors
    /// When the index fails.
    pub fn fact(&self, room: &str, key: &str) -> Result<Option<serde_json::Value>, SpoolError> {
        let value = self.index()?.get(&key::fact(room, key))?;
        value.map(|value| parse_fact(&decode(&value)?)).transpose()
    }

    /// All facts of a room whose key begins with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When the index fails.
    pub fn facts(
        &self,
        room: &str,
        prefix: &str,
    ) -> Result<Vec<(String, serde_json::Value)>, SpoolError> {
        let start = key::fact(room, prefix);
        let rows = self.index()?.scan(&start, &start, usize::MAX)?;
        facts_of(room, rows)
    }
}

pub(crate) fn parse_fact(row: &FactRow) -> Result<serde_json::Value, SpoolError> {
    serde_json::from_str(&row.json).map_err(|error| SpoolError::Index(error.to_string()))
}

/// What happened to a message: what it was carried with, then the events since.
pub(crate) fn history(
    index: &Index,
    reader: &LogReader,
    id: SpoolId,
    carried: Vec<LedgerEntry>,
) -> Result<Vec<LedgerEntry>, SpoolError> {
    let prefix = key::events_prefix(id);
    let mut entries = carried;
    for (row, value) in index.scan(&prefix, &prefix, usize::MAX)? {
        let Some(position) = key::parse_event(&row) else {
            continue;
        };
        let (header, meta) = reader.meta(position)?;
        if let Entry::Event(line) = Entry::read(header.kind, &meta, header.body_len)? {
            entries.push(LedgerEntry {
                at: line.at,
                node: line.node,
                recipients: line.recipients,
                event: line.event,
                left_out: left_out(&value)?,
            });
        }
    }
    Ok(entries)
}
