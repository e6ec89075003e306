//! The JSON of the log's records: what happened, when, and on which node.

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::record::{Header, Kind, Record};
use super::segment::Position;
use super::views::LedgerEntry;
use crate::base::Timestamp;
use crate::mail::{
    Envelope, HoldReason, NodeId, RecipientEvent, RecipientState, ReplayedRecipient, SpoolId,
};
use bytes::Bytes;

/// First line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentLine {
    /// `tideover spool`.
    pub(crate) format: String,
    /// Version of the format.
    pub(crate) version: u8,
    /// The spool's identity.
    pub(crate) uuid: String,
    /// Number of the segment.
    pub(crate) segment: u32,
    /// When it was begun.
    pub(crate) at: Timestamp,
    /// Number of the segment before it; 0: it is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<u32>,
    /// Bytes of that one, when it was cut at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous_bytes: Option<u64>,
}

/// A message was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageLine {
    pub(crate) id: SpoolId,
    pub(crate) at: Timestamp,
    pub(crate) node: NodeId,
    /// The body stands in `big/FILE` instead of behind this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<BigFile>,
    /// Recipients that are held from the beginning, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) held: Vec<(u16, HoldReason)>,
    /// It was carried forward from a segment that is gone: what happened to it till then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carried: Option<Carried>,
    pub(crate) envelope: std::sync::Arc<Envelope>,
}

/// What happened to a message before it was carried forward: the record stands for the old one and
/// for all events up to here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Carried {
    /// One for each recipient.
    pub(crate) states: Vec<RecipientState>,
    /// The ledger so far.
    pub(crate) history: Vec<LedgerEntry>,
    /// How far its replays are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) replays: Vec<ReplayedRecipient>,
}

/// A body that stands in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BigFile {
    pub(crate) size: u64,
    pub(crate) crc32c: u32,
}

/// Something happened to recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventLine {
    pub(crate) id: SpoolId,
    pub(crate) at: Timestamp,
    pub(crate) node: NodeId,
    pub(crate) recipients: Vec<u16>,
    pub(crate) event: RecipientEvent,
}

/// A room notes a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FactLine {
    pub(crate) at: Timestamp,
    pub(crate) node: NodeId,
    pub(crate) room: String,
    pub(crate) key: String,
    /// `null`: forgotten.
    pub(crate) value: Option<serde_json::Value>,
}

/// A line that has a meaning for the state.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Message {
        line: MessageLine,
        body_len: u32,
    },
    Event(EventLine),
    Fact(FactLine),
    /// Segment heads, and kinds of a later version.
    Other,
}

impl Entry {
    /// The record of this entry, with its body.
    pub(crate) fn to_record(&self, body: Bytes) -> Result<Record, SpoolError> {
        let (kind, json) = match self {
            Self::Message { line, .. } => (Kind::Message, serde_json::to_vec(line)),
            Self::Event(line) => (Kind::Event, serde_json::to_vec(line)),
            Self::Fact(line) => (Kind::Fact, serde_json::to_vec(line)),
            Self::Other => return Err(SpoolError::Damaged("an entry of no kind".to_owned())),
        };
        let json = json.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        Ok(Record::new(kind, json, body))
    }

    /// The entry of a record that a scan has found at `offset` of a segment, where it is, and where
    /// the next one is.
    pub(crate) fn found(
        segment: u32,
        offset: u32,
        header: &Header,
        meta: &[u8],
    ) -> Result<(Self, Position, Position), SpoolError> {
        let place = |offset| Position { segment, offset };
        let length = u32::try_from(header.record_len()).unwrap_or(0);
        let entry = Self::read(header.kind, meta, header.body_len)?;
        let after = place(offset.saturating_add(length));
        Ok((entry, place(offset), after))
    }

    /// Reads the JSON of a record.
    pub(crate) fn read(kind: Kind, meta: &[u8], body_len: u32) -> Result<Self, SpoolError> {
        let parsed = match kind {
            Kind::Message => {
                serde_json::from_slice(meta).map(|line| Self::Message { line, body_len })
            }
            Kind::Event => serde_json::from_slice(meta).map(Self::Event),
            Kind::Fact => serde_json::from_slice(meta).map(Self::Fact),
            Kind::Segment | Kind::Unknown(_) => Ok(Self::Other),
        };
        parsed.map_err(|error| SpoolError::Damaged(format!("a record's JSON: {error}")))
    }

    /// The same for who reads whole segments; `None`: a message whose line cannot be read though
    /// its checksum is good. It is damage like other, or nothing would ever get past it. Events and
    /// facts are another matter: mail whose end is skipped goes out twice.
    pub(crate) fn read_or_damage(header: &Header, meta: &[u8]) -> Result<Option<Self>, SpoolError> {
        match Self::read(header.kind, meta, header.body_len) {
            Err(error) if header.kind == Kind::Message => {
                tracing::error!(%error, "the line of a message cannot be read");
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}
