//! Makes the links of the hash chain while the log grows and retention takes its end away.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::SpoolError;
use super::chain::{Anchor, Known, LedgerDigest, Link, Part, ROOM, key_of};
use super::commit::Job;
use super::disk::DiskFile;
use super::handle::Spool;
use super::head;
use super::segment::{self, Position};
use crate::base::{Shutdown, hex};

/// From one look for closed segments to the next.
const PERIOD: Duration = Duration::from_secs(60);
/// Looks from one link of the segment that is written to the next.
const LOOKS_PER_HOUR: u32 = 60;
/// It reads for one part in this many of the time.
const REST: u32 = 4;
/// Read at once.
const PIECE: usize = 256 * 1024;

/// How far the links go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Up to the segment that is written.
    Closed,
    /// Up to what is durable now.
    Everything,
    /// Up to the segment that is written, also over what the disk does not give: it goes now.
    Going,
}

/// Was a file of the ledger written for a segment that goes?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InLedger {
    /// It was.
    Written,
    /// No message went.
    Nothing,
    /// By a process before this one, if there is a file.
    AsItLies,
}

/// The end of the chain.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    number: u64,
    chain: String,
    /// Up to where the log is linked.
    at: Position,
    /// Segments of which it is said that they went.
    retired: BTreeSet<u32>,
    /// Files of the ledger whose time is over.
    expired: BTreeSet<u32>,
    /// Files of the ledger that are older than the chain, and not linked yet.
    older: Vec<u32>,
}

/// Who makes a link holds it.
pub(crate) type Tips = tokio::sync::Mutex<Option<Tip>>;

impl Spool {
    /// Links closed segments every minute and everything every hour, until the stop.
    pub async fn chain_task(self, shutdown: Shutdown) {
        let mut looks = 0_u32;
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            looks = looks.wrapping_add(1);
            let reach = if looks.is_multiple_of(LOOKS_PER_HOUR) {
                Reach::Everything
            } else {
                Reach::Closed
            };
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                linked = self.link_gently(reach) => match linked {
                    Ok(()) | Err(SpoolError::Closed) => {}
                    Err(error) => tracing::error!(%error, "the ledger's chain does not grow"),
                },
            }
        }
    }

    /// After an upgrade there may be much to read.
    async fn link_gently(&self, reach: Reach) -> Result<(), SpoolError> {
        let end = self.durable_end().await?;
        loop {
            let begun = Instant::now();
            let mut tip = self.0.chain.lock().await;
            let grown = self.link_one(&mut tip, (end, reach)).await?;
            let anchor = tip.as_ref().map(Tip::anchor);
            drop(tip);
            if !grown {
                return Ok(());
            }
            // Who keeps the log elsewhere has an anchor for every hour.
            if let Some(anchor) = anchor {
                tracing::info!(%anchor, "the ledger's chain has grown");
            }
            tokio::time::sleep(begun.elapsed() * (REST - 1)).await;
        }
    }

    /// Links what is not linked yet; the end of the chain then.
    ///
    /// # Errors
    /// When the log cannot be written, or the index does not know all of it.
    pub async fn link(&self, reach: Reach) -> Result<Anchor, SpoolError> {
        let mut tip = self.0.chain.lock().await;
        // A link is a record, too: the end as it was then.
        let end = self.durable_end().await?;
        while self.link_one(&mut tip, (end, reach)).await? {}
        self.tip(&mut tip).await.map(|tip| tip.anchor())
    }

    /// Says that a segment is about to go, once: its ledger is written for good.
    pub(crate) async fn link_retired(
        &self,
        segment: u32,
        ledger: InLedger,
    ) -> Result<(), SpoolError> {
        let mut held = self.0.chain.lock().await;
        let upto = (self.durable_end().await?, Reach::Going);
        while self.tip(&mut held).await?.at.segment <= segment
            && self.link_one(&mut held, upto).await?
        {}
        let tip = self.tip(&mut held).await?;
        if tip.retired.contains(&segment) {
            return Ok(());
        }
        let ledger = match ledger {
            // What lies there all the same is not ours.
            InLedger::Nothing => None,
            InLedger::Written | InLedger::AsItLies => {
                self.beside(move |spool| Ok(spool.ledger_digest(segment)))
                    .await?
            }
        };
        self.add(tip, Part::Retired { segment, ledger }).await
    }

    /// Says that files of the ledger are about to go, because their time is over.
    pub(crate) async fn link_expired(&self, segments: &[u32]) -> Result<(), SpoolError> {
        let mut held = self.0.chain.lock().await;
        let tip = self.tip(&mut held).await?;
        for &segment in segments {
            if !tip.expired.contains(&segment) {
                self.add(tip, Part::Expired { segment }).await?;
            }
        }
        Ok(())
    }

    /// Says in the chain that somebody knows of these problems: a check counts them no more.
    ///
    /// # Errors
    /// When the log cannot be written, or the index does not know all of it.
    pub async fn acknowledge(&self, known: Known) -> Result<Anchor, SpoolError> {
        let mut held = self.0.chain.lock().await;
        let tip = self.tip(&mut held).await?;
        self.add(tip, Part::Known(known)).await?;
        Ok(tip.anchor())
    }

    /// Makes the next link; `false`: nothing is left to do.
    async fn link_one(
        &self,
        held: &mut Option<Tip>,
        (end, reach): (Position, Reach),
    ) -> Result<bool, SpoolError> {
        let tip = self.tip(held).await?;
        if let Some(&segment) = tip.older.last() {
            let ledger = self
                .beside(move |spool| Ok(spool.ledger_digest(segment)))
                .await?;
            self.add(tip, Part::Retired { segment, ledger }).await?;
            tip.older.pop();
            return Ok(true);
        }
        let at = tip.at;
        let next = self
            .beside(move |spool| spool.next_part(at, end, reach))
            .await?;
        match next {
            Some(part) => self.add(tip, part).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn tip<'a>(&self, held: &'a mut Option<Tip>) -> Result<&'a mut Tip, SpoolError> {
        let tip = match held.take() {
            Some(tip) => tip,
            None => self.beside(Self::read_tip).await?,
        };
        Ok(held.insert(tip))
    }

    fn read_tip(&self) -> Result<Tip, SpoolError> {
        let mut tip = Tip {
            number: 0,
            chain: hex(&Sha256::digest(self.0.uuid.as_bytes())),
            at: Position::default(),
            retired: BTreeSet::new(),
            expired: BTreeSet::new(),
            older: Vec::new(),
        };
        for (key, link) in self.links()? {
            tip.number = key.parse().unwrap_or(tip.number);
            tip.chain.clone_from(&link.chain);
            tip.note(&link.of);
        }
        // Later on a file that nobody has linked was put there by somebody else.
        if tip.at == Position::default() {
            let still = head::numbers(&self.0.disk, &self.0.options.dir.join("log"))?;
            let mut older = self.0.ledger.segments()?;
            older.retain(|segment| !still.contains(segment) && !tip.retired.contains(segment));
            older.reverse();
            tip.older = older;
        }
        Ok(tip)
    }

    /// The links in the order of the chain, with their keys.
    pub(crate) fn links(&self) -> Result<Vec<(String, Link)>, SpoolError> {
        let links = self.facts(ROOM, "")?.into_iter();
        links
            .map(|(key, value)| {
                let link = serde_json::from_value(value);
                let link = link.map_err(|error| {
                    SpoolError::Damaged(format!("the link {key} of the chain: {error}"))
                })?;
                Ok((key, link))
            })
            .collect()
    }

    async fn add(&self, tip: &mut Tip, of: Part) -> Result<(), SpoolError> {
        let number = tip.number + 1;
        let link = Link::new(number, &tip.chain, self.0.clock.now(), of);
        let value = serde_json::to_value(&link);
        let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        self.put_fact(ROOM, &key_of(number), Some(value)).await?;
        tip.number = number;
        tip.note(&link.of);
        tip.chain = link.chain;
        Ok(())
    }

    /// Where the log ends of which everybody was told.
    pub(super) async fn durable_end(&self) -> Result<Position, SpoolError> {
        self.index()?;
        let (done, told) = oneshot::channel();
        let asked = self.0.jobs.send(Job::End(done)).await;
        asked.map_err(|_| SpoolError::Closed)?;
        told.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// Waits until the writer answers; `false`: it has ended.
    pub async fn answers(&self) -> bool {
        let (done, told) = oneshot::channel();
        // An error is an answer, too.
        self.0.jobs.send(Job::End(done)).await.is_ok() && told.await.is_ok()
    }

    /// The part behind `at`, up to the end of its segment or of the log.
    fn next_part(
        &self,
        at: Position,
        end: Position,
        reach: Reach,
    ) -> Result<Option<Part>, SpoolError> {
        let log = self.0.options.dir.join("log");
        for segment in head::numbers(&self.0.disk, &log)? {
            let is_written = segment >= end.segment;
            if segment < at.segment || is_written && reach != Reach::Everything {
                continue;
            }
            let path = segment::path(&log, segment);
            let file = match self.0.disk.open(&path) {
                // Retention was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(|error| SpoolError::disk("opening", &path, error))?,
            };
            let length = file.len();
            let length = length.map_err(|error| SpoolError::disk("reading", &path, error))?;
            let to = if segment == end.segment {
                length.min(u64::from(end.offset))
            } else {
                length
            };
            let from = if segment == at.segment {
                u64::from(at.offset)
            } else {
                0
            };
            // A crash can leave one that has nothing in it.
            let is_empty = !is_written && segment > at.segment && to == 0;
            if (from < to || is_empty) && segment <= end.segment {
                let sha256 = match digest(&*file, from, to) {
                    Ok(sha256) => Some(sha256),
                    Err(error) if reach == Reach::Going => {
                        tracing::error!(segment, %error, "a part of the log is not chained");
                        None
                    }
                    Err(error) => return Err(SpoolError::disk("reading", &path, error)),
                };
                return Ok(Some(Part::Log {
                    segment,
                    from,
                    to,
                    sha256,
                }));
            }
        }
        Ok(None)
    }

    /// The digest of a ledger file; `None`: there is none.
    fn ledger_digest(&self, segment: u32) -> Option<LedgerDigest> {
        let path = self.0.ledger.path(segment);
        let newest = match self.0.ledger.newest(&path) {
            Ok(Some(newest)) => newest,
            Ok(None) => return None,
            Err(error) => {
                tracing::error!(%error, "a part of the ledger cannot be read");
                self.0.clock.now()
            }
        };
        let sha256 = self.file_digest(&path).ok();
        Some(LedgerDigest { sha256, newest })
    }

    /// SHA-256 of a whole file.
    pub(crate) fn file_digest(&self, path: &Path) -> io::Result<String> {
        let file = self.0.disk.open(path)?;
        digest(&*file, 0, file.len()?)
    }
}

impl Tip {
    fn anchor(&self) -> Anchor {
        Anchor {
            number: self.number,
            chain: self.chain.clone(),
        }
    }

    fn note(&mut self, of: &Part) {
        match of {
            Part::Log { segment, to, .. } => {
                let offset = u32::try_from(*to).unwrap_or(u32::MAX);
                self.at = Position {
                    segment: *segment,
                    offset,
                };
            }
            Part::Retired { segment, .. } => {
                self.retired.insert(*segment);
            }
            Part::Expired { segment } => {
                self.expired.insert(*segment);
            }
            Part::Known(_) => {}
        }
    }
}

/// SHA-256 of the bytes of a file from one place to another.
pub(crate) fn digest(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<String> {
    let (mut at, mut hasher) = (from, Sha256::new());
    let mut piece = vec![0; PIECE];
    while at < to {
        let left = usize::try_from(to - at).unwrap_or(PIECE).min(PIECE);
        let Some(room) = piece.get_mut(..left) else {
            break;
        };
        let read = file.read_at(room, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(room.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(hex(&hasher.finalize()))
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
