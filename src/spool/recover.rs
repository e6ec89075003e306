//! Recovery: brings the index up to the end of the log, and finds out what a crash left behind.

use std::sync::Arc;

use super::SpoolError;
use super::carry::append_and_apply;
use super::disk::Disk;
use super::draft::BigHome;
use super::event::{Entry, EventLine};
use super::index::{self, Index, key};
use super::ledger::Ledger;
use super::log::{LogOptions, LogWriter};
use super::open::Recovery;
use super::quarantine::Quarantine;
use super::segment::{self, Ending, Found, Position, Scan};
use crate::base::Timestamp;
use crate::mail::{NodeId, RecipientEvent, SpoolId};

/// Is it the last segment? Only that one can have a torn end.
#[derive(Clone, Copy)]
enum Order {
    Newest,
    Older,
}

/// Brings the index up to the end of the log.
pub(crate) struct Recover {
    pub(crate) disk: Disk,
    pub(crate) log: LogOptions,
    pub(crate) quarantine: Quarantine,
    pub(crate) index: Arc<Index>,
    pub(crate) found: Recovery,
}

impl Recover {
    /// Replays the log from the checkpoint; from its beginning when there is none, or when the
    /// index does not fit. Returns the number of the last segment.
    pub(crate) fn run(&mut self) -> Result<u32, SpoolError> {
        let segments = self.segments()?;
        let last = segments.last().copied().unwrap_or(0);
        match self.index.resume(&self.log.uuid) {
            Ok(Some(from)) if self.replay(&segments, from).is_ok() => return Ok(last),
            Ok(None) => {}
            Ok(Some(_)) => tracing::warn!("the index does not fit the log; it is made anew"),
            Err(error) => tracing::warn!(%error, "the index cannot be read; it is made anew"),
        }
        self.index.clear()?;
        self.found = Recovery {
            rebuilt: true,
            ..Recovery::default()
        };
        self.replay(&segments, Position::default())?;
        Ok(last)
    }

    fn segments(&self) -> Result<Vec<u32>, SpoolError> {
        let names = self.disk.list(&self.log.dir);
        let names = names.map_err(|error| SpoolError::disk("listing", &self.log.dir, error))?;
        Ok(names
            .iter()
            .filter_map(|name| segment::number(name))
            .collect())
    }

    fn replay(&mut self, segments: &[u32], from: Position) -> Result<(), SpoolError> {
        let last = segments.last().copied();
        for &number in segments.iter().filter(|&&number| number >= from.segment) {
            let start = if number == from.segment {
                u64::from(from.offset)
            } else {
                0
            };
            let order = if Some(number) == last {
                Order::Newest
            } else {
                Order::Older
            };
            self.replay_segment(number, start, order)?;
        }
        Ok(())
    }

    fn replay_segment(&mut self, number: u32, start: u64, order: Order) -> Result<(), SpoolError> {
        let path = segment::path(&self.log.dir, number);
        let file = self.disk.open(&path);
        let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
        let ending = match order {
            Order::Newest => Ending::of_newest(&*file)
                .map_err(|error| SpoolError::disk("reading", &path, error))?,
            Order::Older => Ending::Sealed,
        };
        let scan = Scan::new(Arc::clone(&file), self.log.spool, number, ending)?;
        let (index, quarantine, found) = (&self.index, &self.quarantine, &mut self.found);
        let tail = scan.run(start, |piece| match piece {
            Found::Damage(range) => {
                found.damaged += 1;
                quarantine.keep_range(number, &*file, &range)
            }
            Found::Record {
                offset,
                header,
                meta,
                ..
            } => {
                let at = Position {
                    segment: number,
                    offset,
                };
                let after = Position {
                    segment: number,
                    offset: offset.saturating_add(u32::try_from(header.record_len()).unwrap_or(0)),
                };
                found.replayed += 1;
                let entry = Entry::read(header.kind, meta, header.body_len)?;
                index::apply(index, &entry, at, after)?;
                if index.is_crowded() {
                    index.flush(&self.log.uuid)?;
                }
                Ok(())
            }
        })?;
        if ending == Ending::Open {
            // The next batch goes to a new segment; what is behind the last good record was
            // never acknowledged.
            file.set_len(tail.end)
                .and_then(|()| file.sync())
                .map_err(|error| SpoolError::disk("cutting", &path, error))?;
        }
        Ok(())
    }

    /// Attempts that were under way when the program ended may have arrived (decision 8).
    pub(crate) fn interrupt_attempts(
        &mut self,
        log: &mut LogWriter,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let rows = self.index.scan(b"a", b"a", usize::MAX)?;
        let entries: Vec<(Entry, bytes::Bytes)> = rows
            .iter()
            .filter_map(|(row, _)| key::parse_recipient(row))
            .map(|(id, recipient)| {
                let line = EventLine {
                    id,
                    at: now,
                    node: NodeId::default(),
                    recipients: vec![recipient],
                    event: RecipientEvent::Interrupted { uncertain: true },
                };
                (Entry::Event(line), bytes::Bytes::new())
            })
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        append_and_apply(log, &self.index, &entries)?;
        self.found.interrupted = entries.len() as u64;
        tracing::warn!(
            recipients = entries.len(),
            "attempts were under way when the program ended: these may arrive twice"
        );
        Ok(())
    }

    /// Large bodies that no record names: unfinished ones and those whose message is in the ledger
    /// go, others go to quarantine.
    pub(crate) fn sweep(&mut self, big: &BigHome, ledger: &Ledger) -> Result<(), SpoolError> {
        let floor = self.index.counters().floor;
        if self.segments()?.first().is_some_and(|&first| first < floor) {
            // Retention was interrupted before the segment went: it will go on.
            return Ok(());
        }
        let names = self.disk.list(&big.dir);
        let names = names.map_err(|error| SpoolError::disk("listing", &big.dir, error))?;
        for name in names {
            let path = big.dir.join(&name);
            let remove = || {
                let removed = self.disk.remove(&path);
                removed.map_err(|error| SpoolError::disk("removing", &path, error))
            };
            let id = |end: &str| name.strip_suffix(end)?.parse::<SpoolId>().ok();
            if id(".tmp").is_some() {
                // It was on its way in: nobody was told that it is safe.
                remove()?;
            } else if let Some(id) = id(".eml")
                && self.index.get(&key::message(id))?.is_none()
            {
                let ended = ledger.find(&id.to_string(), 1);
                if ended.is_ok_and(|ended| !ended.is_empty()) {
                    remove()?;
                    continue;
                }
                self.quarantine.keep_file(&big.dir, &name)?;
                self.found.orphans += 1;
            }
        }
        Ok(())
    }
}
