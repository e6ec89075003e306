//! Documents: facts with a body, for what is too large for the index. The index has the fact and
//! where it stands; the body stays in the log.

use bytes::Bytes;
use serde_json::Value;

use super::SpoolError;
use super::event::{Entry, FactLine};
use super::handle::{Spool, Written};
use super::index::{FactRow, Row, decode, key};
use super::segment::Position;
use super::views::parse_fact;
use crate::limits;

/// Facts that are looked at in one go.
const FACTS: usize = 1_000;

impl Spool {
    /// Sets a fact with a body behind it, durably when the result says so. Documents become durable
    /// in the order in which they were begun; [`Self::put_fact`] with `None` forgets them.
    ///
    /// # Errors
    /// When it is larger than [`limits::DOCUMENT`], or the spool is closed.
    pub async fn put_document(
        &self,
        room: &str,
        key: &str,
        value: Value,
        body: Bytes,
    ) -> Result<Written, SpoolError> {
        if body.len() > limits::DOCUMENT {
            return Err(SpoolError::Index(format!(
                "the document {room}/{key} has {} bytes, {} are allowed",
                body.len(),
                limits::DOCUMENT
            )));
        }
        let entry = self.fact_entry(room, key, Some(value))?;
        self.begin_synced(entry, body).await
    }

    /// A document: the fact and its body, which is empty when it was set without one.
    ///
    /// # Errors
    /// When the index or the log fails.
    pub fn document(&self, room: &str, key: &str) -> Result<Option<(Value, Bytes)>, SpoolError> {
        let row_key = key::fact(room, key);
        loop {
            let Some(row) = self.index()?.get(&row_key)? else {
                return Ok(None);
            };
            let row: FactRow = decode(&row)?;
            let body = self.fact_body(Position::from_u64(row.position));
            let now = self.index()?.get(&row_key)?;
            let now: Option<FactRow> = now.map(|row| decode(&row)).transpose()?;
            // Carried forward between the two looks: once more.
            if body.is_ok() || now.is_some_and(|now| now.position == row.position) {
                return Ok(Some((parse_fact(&row)?, body?)));
            }
        }
    }

    fn fact_body(&self, at: Position) -> Result<Bytes, SpoolError> {
        let (header, _) = self.0.reader.meta(at)?;
        if header.body_len == 0 {
            return Ok(Bytes::new());
        }
        self.0.reader.body(at, &header)
    }

    /// Facts of a room from the key `start` on, in the order of their keys, so many at most.
    ///
    /// # Errors
    /// When the index fails.
    pub fn facts_from(
        &self,
        room: &str,
        start: &str,
        limit: usize,
    ) -> Result<Vec<(String, Value)>, SpoolError> {
        let (prefix, start) = (key::fact(room, ""), key::fact(room, start));
        let rows = self.index()?.scan(&prefix, &start, limit)?;
        facts_of(room, rows)
    }

    /// The facts whose value stands in this segment, and how many bytes their bodies have.
    pub(crate) fn facts_in(
        &self,
        segment: u32,
    ) -> Result<Vec<(Position, FactLine, u64)>, SpoolError> {
        let mut facts = Vec::new();
        let mut start = b"f".to_vec();
        // Page by page: there may be a million, and few of them stand in one segment.
        loop {
            let rows = self.0.index.scan(b"f", &start, FACTS)?;
            let Some((last, _)) = rows.last() else {
                return Ok(facts);
            };
            start = [last.as_slice(), b"\0"].concat();
            self.facts_among(rows, segment, &mut facts)?;
        }
    }

    fn facts_among(
        &self,
        rows: Vec<Row>,
        segment: u32,
        facts: &mut Vec<(Position, FactLine, u64)>,
    ) -> Result<(), SpoolError> {
        for (_, value) in rows {
            let at = Position::from_u64(decode::<FactRow>(&value)?.position);
            if at.segment > segment {
                continue;
            }
            // A damaged one stays behind, in quarantine: the others go on.
            let (header, meta) = match self.0.reader.meta(at) {
                Err(error) if error.is_damage() => {
                    tracing::error!(%error, "a fact cannot be carried forward");
                    continue;
                }
                other => other?,
            };
            if let Entry::Fact(line) = Entry::read(header.kind, &meta, header.body_len)? {
                facts.push((at, line, u64::from(header.body_len)));
            }
        }
        Ok(())
    }
}

/// Facts of a room, by their keys.
pub(super) fn facts_of(room: &str, rows: Vec<Row>) -> Result<Vec<(String, Value)>, SpoolError> {
    let room_prefix = key::fact(room, "");
    rows.into_iter()
        .map(|(row, value)| {
            let name = row.get(room_prefix.len()..).unwrap_or_default().to_vec();
            let name = String::from_utf8(name)
                .map_err(|_| SpoolError::Index("the key of a fact is no text".to_owned()))?;
            Ok((name, parse_fact(&decode(&value)?)?))
        })
        .collect()
}
