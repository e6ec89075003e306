//! Looks for damage before anybody needs what is damaged, and for mail that the index has
//! forgotten: every closed segment and every large body, slowly, once a week.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SpoolError;
use super::balance::Strays;
use super::event::Entry;
use super::handle::Spool;
use super::head;
use super::index::{MessageRow, key};
use super::segment::{self, Ending, Found, Position, Scan};
use crate::base::Shutdown;
use crate::mail::SpoolId;

/// After a start, which has enough to read.
const FIRST: Duration = Duration::from_secs(3600);
/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(7 * 24 * 3600);
/// It reads for one part in this many of the time.
const REST: u32 = 20;

impl Spool {
    /// Does a round an hour after the start, and then every week, until the stop.
    pub async fn scrub_task(self, shutdown: Shutdown) {
        let mut wait = FIRST;
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = PERIOD;
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                scrubbed = self.scrub() => match scrubbed {
                    Ok(segments) => tracing::info!(segments, "looked through the log for damage"),
                    Err(SpoolError::Closed) => return,
                    Err(error) => tracing::error!(%error, "the log could not be looked through"),
                },
            }
        }
    }

    /// One round over the closed segments, and the large bodies that they name; how many segments.
    /// What is damaged is in quarantine then. A message that somebody waits for is held when it is
    /// its turn. A message that stands in the log and that the index does not know is an alarm of
    /// the account ([`Self::balance`]).
    ///
    /// # Errors
    /// When the disk or the index fails.
    pub async fn scrub(&self) -> Result<u64, SpoolError> {
        self.index()?;
        let log = self.0.options.dir.join("log");
        let mut numbers = head::numbers(&self.0.disk, &log)?;
        // The newest one is being written.
        numbers.pop();
        let mut done = 0;
        let mut strays = Strays::default();
        for segment in numbers {
            let begun = Instant::now();
            let found = self.beside(move |spool| spool.scrub_segment(segment)).await;
            match found {
                Ok(seen) => {
                    for id in seen.large {
                        self.scrub_large(id).await?;
                    }
                    for id in seen.unknown {
                        strays.add(id);
                    }
                    done += 1;
                }
                // Retention was faster.
                Err(SpoolError::Disk { error, .. })
                    if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(begun.elapsed() * (REST - 1)).await;
        }
        self.keep_strays(&strays).await?;
        Ok(done)
    }

    /// Reads a segment.
    fn scrub_segment(&self, segment: u32) -> Result<Seen, SpoolError> {
        let path = segment::path(&self.0.options.dir.join("log"), segment);
        let file = self.0.disk.open(&path);
        let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
        let ours = self.0.reader.spool();
        let scan = Scan::new(Arc::clone(&file), ours, segment, Ending::Sealed)?;
        let mut seen = Seen::default();
        scan.run(0, |piece| {
            let (offset, header, meta, remains) = match piece {
                Found::Damage(range) => {
                    return self.quarantine().keep_range(segment, &*file, &range);
                }
                Found::Record {
                    offset,
                    header,
                    meta,
                } => (offset, header, meta, None),
                Found::Maimed {
                    offset,
                    header,
                    meta,
                    body,
                } => (offset, header, meta, Some(body)),
            };
            let at = Position { segment, offset };
            let Entry::Message { line, .. } = Entry::read(header.kind, meta, header.body_len)?
            else {
                return Ok(());
            };
            match (self.position_of(line.id)?, remains) {
                (None, _) => seen.unknown.push(line.id),
                // Carried forward.
                (Some(place), _) if place != at => {}
                (Some(_), Some(remains)) => {
                    self.quarantine().keep_maimed(line.id, &*file, &remains)?;
                }
                (Some(_), None) => seen.large.extend(line.file.map(|_| line.id)),
            }
            Ok(())
        })?;
        // Rows go after the floor has risen, and before their segment goes.
        if segment < self.0.index.counters().floor {
            seen.unknown.clear();
        }
        Ok(seen)
    }

    async fn scrub_large(&self, id: SpoolId) -> Result<(), SpoolError> {
        let damage = self.beside(move |spool| spool.damage(id)).await?;
        if damage.is_some() {
            self.set_aside(id).await?;
        }
        Ok(())
    }

    pub(super) fn position_of(&self, id: SpoolId) -> Result<Option<Position>, SpoolError> {
        let row = self.0.index.row::<MessageRow>(&key::message(id))?;
        Ok(row.map(|row| Position::from_u64(row.position)))
    }
}

/// Messages of a segment.
#[derive(Default)]
struct Seen {
    /// Their bodies have files of their own.
    large: Vec<SpoolId>,
    /// The index does not know them.
    unknown: Vec<SpoolId>,
}
