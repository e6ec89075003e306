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
use super::look::{LookUnderWay, Looked};
use super::segment::{self, Ending, Found, Position, Scan};
use crate::base::{Boxed, Shutdown};
use crate::mail::SpoolId;

/// After a start, which has enough to read.
const FIRST: Duration = Duration::from_secs(3600);
/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(7 * 24 * 3600);
/// It reads for one part in this many of the time.
const REST: u32 = 20;
/// When somebody waits for it.
const SHORT_REST: u32 = 4;

impl Spool {
    /// Does a round an hour after the start, and then every week, and when somebody asks for one,
    /// until the stop.
    pub async fn scrub_task(self, shutdown: Shutdown) {
        self.scrub_and(shutdown, || Box::pin(async {})).await;
    }

    /// The same; after each round in which something was found `then` is done, before anybody is
    /// told that the round is over.
    pub async fn scrub_and<F>(self, shutdown: Shutdown, then: F)
    where
        F: Fn() -> Boxed<'static, ()> + Send,
    {
        let mut wait = FIRST;
        self.see_what_is_missing(&shutdown).await;
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = self.0.looks.wanted() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = PERIOD;
            let scrubbed = tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                scrubbed = self.scrub() => scrubbed,
            };
            let failed = match scrubbed {
                Ok(looked) => {
                    told(&looked);
                    if looked.damaged > 0 {
                        let done = then();
                        done.await;
                    }
                    None
                }
                Err(SpoolError::Closed) => return,
                Err(error) => {
                    tracing::error!(%error, "the log could not be looked through");
                    Some(Looked {
                        ended: self.0.clock.now(),
                        failed: 1,
                        error: Some(error.to_string()),
                        ..Looked::default()
                    })
                }
            };
            self.0.looks.over(failed);
        }
    }

    /// What the log lacks is told at the start, before anybody asks.
    async fn see_what_is_missing(&self, shutdown: &Shutdown) {
        let looked = tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            looked = self.look_for_missing() => looked,
        };
        match looked {
            Ok(_) | Err(SpoolError::Closed | SpoolError::Rebuilding(_)) => {}
            Err(error) => tracing::error!(%error, "missing segments could not be looked for"),
        }
    }

    /// One round over the closed segments, and the large bodies that they name. What is damaged is
    /// in quarantine then, and known ([`Self::found_damaged`]) to who holds mail. A message that
    /// stands in the log and that the index does not know is an alarm of the account
    /// ([`Self::balance`]). One segment that cannot be looked at hides no other.
    ///
    /// # Errors
    /// When the index fails, or what was found cannot be written down.
    pub async fn scrub(&self) -> Result<Looked, SpoolError> {
        self.index()?;
        let log = self.0.options.dir.join("log");
        let mut numbers = head::numbers(&self.0.disk, &log)?;
        // The newest one is being written.
        numbers.pop();
        let since = self.0.clock.now();
        let show = |done| {
            let of = numbers.len() as u64;
            self.0.looks.show(LookUnderWay { since, done, of });
        };
        // Already while the rows are read: that takes long when there are many.
        show(0);
        let mut looked = Looked::default();
        let missing = self.look_for_missing().await?;
        looked.missing = missing.map_or(0, |missing| missing.segments);
        let mut strays = Strays::default();
        for (done, segment) in (0..).zip(&numbers) {
            show(done);
            let begun = Instant::now();
            match self.scrub_one(*segment, &mut strays).await {
                Ok(damaged) => {
                    looked.segments += 1;
                    looked.damaged += damaged;
                }
                // Retention was faster.
                Err(SpoolError::Disk { error, .. })
                    if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(SpoolError::Closed) => return Err(SpoolError::Closed),
                Err(error) => {
                    tracing::error!(segment, %error, "a segment could not be looked through");
                    looked.failed += 1;
                    looked.error.get_or_insert_with(|| error.to_string());
                }
            }
            let rest = if self.0.looks.is_asked_for() {
                SHORT_REST
            } else {
                REST
            };
            tokio::time::sleep(begun.elapsed() * (rest - 1)).await;
        }
        looked.unknown = strays.count;
        // Who has not looked at everything cannot say that nobody is astray.
        if looked.failed == 0 || strays.count > 0 {
            self.keep_strays(&strays).await?;
        }
        looked.ended = self.0.clock.now();
        self.keep_look(&looked).await?;
        Ok(looked)
    }

    /// Looks at one segment and its large bodies; how many damaged pieces.
    async fn scrub_one(&self, segment: u32, strays: &mut Strays) -> Result<u64, SpoolError> {
        let seen = self.beside(move |spool| spool.scrub_segment(segment));
        let seen = seen.await?;
        let mut damaged = seen.damaged;
        for id in seen.large {
            damaged += u64::from(self.scrub_large(id).await?);
        }
        for id in seen.unknown {
            strays.add(id);
        }
        Ok(damaged)
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
                    seen.damaged += 1;
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
            let line = match Entry::read_or_damage(&header, meta)? {
                Some(Entry::Message { line, .. }) => line,
                Some(Entry::Event(_) | Entry::Fact(_) | Entry::Other) => return Ok(()),
                None => {
                    seen.damaged += 1;
                    let range = at.range(&header);
                    return self.quarantine().keep_range(segment, &*file, &range);
                }
            };
            match (self.position_of(line.id)?, remains) {
                (None, _) => seen.unknown.push(line.id),
                // Carried forward.
                (Some(place), _) if place != at => {}
                (Some(_), Some(remains)) => {
                    seen.damaged += 1;
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

    async fn scrub_large(&self, id: SpoolId) -> Result<bool, SpoolError> {
        let damage = self.beside(move |spool| spool.damage(id)).await?;
        if damage.is_some() {
            self.set_aside(id).await?;
        }
        Ok(damage.is_some())
    }

    pub(super) fn position_of(&self, id: SpoolId) -> Result<Option<Position>, SpoolError> {
        let row = self.0.index.row::<MessageRow>(&key::message(id))?;
        Ok(row.map(|row| Position::from_u64(row.position)))
    }
}

/// Says in the log what a round has found.
fn told(looked: &Looked) {
    let Looked {
        segments,
        damaged,
        unknown,
        missing,
        failed,
        ..
    } = looked;
    if looked.is_clean() {
        tracing::info!(segments, "looked through the log for damage");
    } else {
        tracing::error!(
            segments,
            damaged,
            unknown,
            missing,
            failed,
            "looked through the log, and it is not whole"
        );
    }
}

/// Messages of a segment.
#[derive(Default)]
struct Seen {
    /// Damaged pieces.
    damaged: u64,
    /// Their bodies have files of their own.
    large: Vec<SpoolId>,
    /// The index does not know them.
    unknown: Vec<SpoolId>,
}
