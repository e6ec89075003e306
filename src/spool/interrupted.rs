//! Attempts that were under way when the program ended may have arrived (decision 8).

use bytes::Bytes;

use super::SpoolError;
use super::carry::append_and_apply;
use super::event::{Entry, EventLine};
use super::index::{Index, key};
use super::log::LogWriter;
use super::recover::Recover;
use super::told;
use crate::base::Timestamp;
use crate::mail::{NodeId, RecipientEvent, ReplayMark, ReplayStep, SpoolId};

impl Recover {
    /// Writes down that they are in doubt.
    pub(crate) fn interrupt_attempts(
        &mut self,
        log: &mut LogWriter,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let mut found = attempts(&self.index)?;
        found.extend(attempts_of_replays(&self.index)?);
        if found.is_empty() {
            return Ok(());
        }
        let entries: Vec<(Entry, Bytes)> = found
            .into_iter()
            .map(|(id, recipient, event)| {
                let line = EventLine {
                    id,
                    at: now,
                    node: NodeId::default(),
                    recipients: vec![recipient],
                    event,
                };
                (Entry::Event(line), Bytes::new())
            })
            .collect();
        append_and_apply(log, &self.index, &entries)?;
        for (entry, _) in &entries {
            told::tell(entry);
        }
        self.found.interrupted = entries.len() as u64;
        tracing::warn!(
            recipients = entries.len(),
            "attempts were under way when the program ended: these may arrive twice"
        );
        Ok(())
    }
}

type Interrupted = Vec<(SpoolId, u16, RecipientEvent)>;

fn attempts(index: &Index) -> Result<Interrupted, SpoolError> {
    let rows = index.scan(b"a", b"a", usize::MAX)?;
    let found = rows.iter().filter_map(|(row, _)| key::parse_recipient(row));
    let event = RecipientEvent::Interrupted { uncertain: true };
    Ok(found
        .map(|(id, recipient)| (id, recipient, event.clone()))
        .collect())
}

fn attempts_of_replays(index: &Index) -> Result<Interrupted, SpoolError> {
    let rows = index.scan(b"z", b"z", usize::MAX)?;
    let mut found = Vec::with_capacity(rows.len());
    for (id, recipient, backend) in rows.iter().filter_map(|(row, _)| key::parse_replayed(row)) {
        let key = key::replayed(id, recipient, backend.as_str());
        if let Some(mark) = index.row::<ReplayMark>(&key)? {
            let event = RecipientEvent::Replay {
                replay: mark.replay,
                backend,
                step: ReplayStep::Interrupted { uncertain: true },
                diverted_from: None,
            };
            found.push((id, recipient, event));
        }
    }
    Ok(found)
}
