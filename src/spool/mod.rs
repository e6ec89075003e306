//! Durable or not accepted: the log, its index, and what can be asked of them.
//!
//! The log is the truth; the index can be rebuilt from it. [`Spool`] is the only door.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::mail::{BodySource, Envelope, NodeId, RecipientEvent, RecipientState, SpoolId};

/// The spool; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {}

/// A body on its way in. Dropped without [`Spool::accept`] it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {}

impl Draft {
    /// The id that the message gets; known beforehand because `Received` carries it.
    #[must_use]
    pub fn id(&self) -> SpoolId {
        todo!()
    }

    /// Appends bytes of the message. Beyond [`crate::limits::BODY_IN_MEMORY`] they go to a file.
    ///
    /// # Errors
    /// [`SpoolError::Disk`] when the file cannot be written.
    pub async fn append(&mut self, _bytes: &[u8]) -> Result<(), SpoolError> {
        todo!()
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        todo!()
    }

    /// Nothing yet?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why the spool cannot do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// Less than `spool.min_free` is left: 452 4.3.1.
    #[error("the disk of the spool is almost full: {free} bytes free, {min_free} are kept")]
    Full {
        /// Bytes free.
        free: u64,
        /// `spool.min_free`.
        min_free: u64,
    },
    /// The disk failed: 451 4.3.0 (452 4.3.1 when it is full).
    #[error("{what}: {error}")]
    Disk {
        /// What was tried, with the file.
        what: String,
        /// What the system said.
        error: Arc<std::io::Error>,
    },
    /// A record does not match its checksum or cannot be decoded.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The writer has stopped: the program ends.
    #[error("the spool is closed")]
    Closed,
}

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

/// Numbers about the spool.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SpoolStats {
    /// Made at creation; a new one means a new spool.
    pub uuid: String,
    /// Recipients that wait for an attempt, by lane (a backend's name or `@domain`).
    pub queued: std::collections::BTreeMap<String, u64>,
    /// Recipients that are held one by one.
    pub held: u64,
    /// Recipients, finished or not, of which a copy may have come twice.
    pub uncertain: u64,
    /// Acceptance of the oldest message with an unfinished recipient.
    pub oldest: Option<Timestamp>,
    /// Messages accepted since creation.
    pub accepted: u64,
    /// Recipients delivered since creation.
    pub delivered: u64,
    /// Bytes that the spool takes on disk.
    pub bytes: u64,
    /// Bytes free on its disk.
    pub free_bytes: u64,
}

impl Spool {
    /// Is there room for more mail?
    ///
    /// # Errors
    /// [`SpoolError::Full`] below `spool.min_free`, [`SpoolError::Closed`].
    pub fn admission(&self) -> Result<(), SpoolError> {
        todo!()
    }

    /// Begins a message.
    #[must_use]
    pub fn draft(&self) -> Draft {
        todo!()
    }

    /// Commits a message: returns when it is on stable storage (I1).
    ///
    /// # Errors
    /// When it is not; nothing of it stays.
    pub async fn accept(&self, _draft: Draft, _envelope: Envelope) -> Result<SpoolId, SpoolError> {
        todo!()
    }

    /// Records what happened to recipients of a message, durably.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn record(
        &self,
        _id: SpoolId,
        _recipients: Vec<u16>,
        _event: RecipientEvent,
    ) -> Result<(), SpoolError> {
        todo!()
    }

    /// A message, its envelope and the states of its recipients.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn message(&self, _id: SpoolId) -> Result<Option<StoredMessage>, SpoolError> {
        todo!()
    }

    /// The bytes of a message, trace lines included.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn body(&self, _id: SpoolId) -> Result<Option<Arc<dyn BodySource>>, SpoolError> {
        todo!()
    }

    /// Messages with this recipient (directory key, or the address key of a stranger), newest
    /// first, older than `before`: `(message, number of the recipient)`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn mailbox(
        &self,
        _key: &str,
        _before: Option<SpoolId>,
        _limit: usize,
    ) -> Result<Vec<(SpoolId, u16)>, SpoolError> {
        todo!()
    }

    /// Messages that this address sent through us while logged in (webmail, submission), newest
    /// first, older than `before`.
    ///
    /// # Errors
    /// When the index fails.
    pub fn sent(
        &self,
        _key: &str,
        _before: Option<SpoolId>,
        _limit: usize,
    ) -> Result<Vec<SpoolId>, SpoolError> {
        todo!()
    }

    /// Messages with this `Message-ID` (without angle brackets), oldest first.
    ///
    /// # Errors
    /// When the index fails.
    pub fn by_message_id(&self, _message_id: &str) -> Result<Vec<SpoolId>, SpoolError> {
        todo!()
    }

    /// Everything that happened to a message after its acceptance, in order.
    ///
    /// # Errors
    /// When the index or the log fails.
    pub fn history(&self, _id: SpoolId) -> Result<Vec<LedgerEntry>, SpoolError> {
        todo!()
    }

    /// Unfinished recipients, by lane and due time, then the held ones; after `skip` of them.
    ///
    /// # Errors
    /// When the index fails.
    pub fn waiting(
        &self,
        _skip: usize,
        _limit: usize,
    ) -> Result<Vec<WaitingRecipient>, SpoolError> {
        todo!()
    }

    /// Numbers for `status`.
    #[must_use]
    pub fn stats(&self) -> SpoolStats {
        todo!()
    }

    /// Sets (`Some`) or forgets (`None`) a fact of a room, durably: accounts, sessions, read
    /// flags, overrides. The last value wins. Values are small (up to 64 KiB of JSON).
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn put_fact(
        &self,
        _room: &str,
        _key: &str,
        _value: Option<serde_json::Value>,
    ) -> Result<(), SpoolError> {
        todo!()
    }

    /// A fact.
    ///
    /// # Errors
    /// When the index fails.
    pub fn fact(&self, _room: &str, _key: &str) -> Result<Option<serde_json::Value>, SpoolError> {
        todo!()
    }

    /// All facts of a room whose key begins with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When the index fails.
    pub fn facts(
        &self,
        _room: &str,
        _prefix: &str,
    ) -> Result<Vec<(String, serde_json::Value)>, SpoolError> {
        todo!()
    }
}
