//! Looks for damage before anybody needs what is damaged: every closed segment and every large
//! body, slowly, once a week.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SpoolError;
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
    /// its turn.
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
        for segment in numbers {
            let begun = Instant::now();
            let found = self.beside(move |spool| spool.scrub_segment(segment)).await;
            match found {
                Ok(large) => {
                    for id in large {
                        self.scrub_large(id).await?;
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
        Ok(done)
    }

    /// Reads a segment; the messages in it whose bodies have files of their own.
    fn scrub_segment(&self, segment: u32) -> Result<Vec<SpoolId>, SpoolError> {
        let path = segment::path(&self.0.options.dir.join("log"), segment);
        let file = self.0.disk.open(&path);
        let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
        let ours = self.0.reader.spool();
        let scan = Scan::new(Arc::clone(&file), ours, segment, Ending::Sealed)?;
        let mut large = Vec::new();
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
            if let Entry::Message { line, .. } = Entry::read(header.kind, meta, header.body_len)?
                && self.stands_at(line.id, at)?
            {
                if let Some(remains) = remains {
                    self.quarantine().keep_maimed(line.id, &*file, &remains)?;
                } else if line.file.is_some() {
                    large.push(line.id);
                }
            }
            Ok(())
        })?;
        Ok(large)
    }

    async fn scrub_large(&self, id: SpoolId) -> Result<(), SpoolError> {
        let damage = self.beside(move |spool| spool.damage(id)).await?;
        if damage.is_some() {
            self.set_aside(id).await?;
        }
        Ok(())
    }

    /// Is this the place of the message? It may be carried forward, or gone.
    fn stands_at(&self, id: SpoolId, at: Position) -> Result<bool, SpoolError> {
        let row = self.0.index.row::<MessageRow>(&key::message(id))?;
        Ok(row.is_some_and(|row| row.position == at.to_u64()))
    }
}
