//! Retention: a message goes `retain` after its last recipient is finished, whole segments at once,
//! oldest first. What must stay in them is carried forward; what goes leaves a line in the ledger.
//!
//! Each step is durable before the next one, and the steps are in an order in which a crash
//! between two of them leaves work to do again, and nothing lost: carry, ledger, floor, rows,
//! checkpoint, segment, large bodies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::SpoolError;
use super::carry::{Alteration, Leaving, Moving};
use super::chaining::InLedger;
use super::commit::Job;
use super::event::{Entry, MessageLine};
use super::handle::Spool;
use super::head;
use super::index::{MessageRow, decode, key, names_of};
use super::ledger::LedgerMessage;
use super::replays::KeptBack;
use super::residents::Resident;
use super::segment::{self, Position};
use super::views::history;
use crate::base::{Shutdown, Timestamp};
use crate::limits;
use crate::mail::SpoolId;
use crate::telemetry::names;

/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(3600);
/// What must stay may take up to one part in this many of what goes away.
const STRAGGLERS: u64 = 5;
/// A segment is closed after this time, or `spool.retain` when that is shorter.
const SEGMENT_AGE: Duration = Duration::from_secs(24 * 3600);
/// Messages that the writer carries or forgets between two batches.
const SLICE: usize = 64;
/// Bytes of bodies that it carries between two batches.
const SLICE_BYTES: u64 = 512 * 1024;
/// Roughly what a record takes beside its body.
const RECORD: u64 = 1024;

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retired {
    /// Segments removed.
    pub segments: u64,
    /// Messages that went.
    pub removed: u64,
    /// Messages carried forward.
    pub carried: u64,
    /// Ledger files removed.
    pub ledgers: u64,
}

/// By what a round decides.
#[derive(Debug, Clone)]
struct Round {
    now: Timestamp,
    kept: Arc<KeptBack>,
}

impl Spool {
    /// Does a round of retention now and every hour, until the stop.
    pub async fn retention_task(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                retired = self.retire() => match retired {
                    Ok(retired) if retired == Retired::default() => {}
                    Ok(retired) => tracing::info!(?retired, "old mail was cleaned up"),
                    Err(SpoolError::Closed) => return,
                    Err(error) => tracing::error!(%error, "old mail could not be cleaned up"),
                },
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// One round: removes the segments whose time is over, and old ledger files.
    ///
    /// # Errors
    /// When the disk or the index fails, or somebody waits for damaged mail; its segment stays
    /// then, and the rest of the work waits for the next round.
    pub async fn retire(&self) -> Result<Retired, SpoolError> {
        self.index()?;
        let now = self.0.clock.now();
        let kept = Arc::new(self.kept_back()?);
        let round = Round { now, kept };
        let mut done = Retired::default();
        // Where little mail comes a segment is never full, and would keep its mail for ever.
        let age = SEGMENT_AGE.min(self.0.options.retain);
        self.alter(Alteration::Turn(now.before(age))).await?;
        let mut segments = self.find_over(&round).await?;
        let going = segments.clone();
        if self.beside(move |spool| spool.is_gap_at(&going)).await? {
            self.look_for_missing().await?;
            segments = self.find_over(&round).await?;
        }
        for segment in segments {
            self.retire_segment(segment, &round, &mut done).await?;
        }
        let retain = self.0.options.ledger_retain;
        let over = self.beside(move |spool| spool.0.ledger.over(now, retain));
        let over = over.await?;
        go_on_unchained(self.link_expired(&over).await)?;
        done.ledgers = over.len() as u64;
        self.beside(move |spool| spool.0.ledger.remove(&over))
            .await?;
        Ok(done)
    }

    async fn alter(&self, alteration: Alteration) -> Result<(), SpoolError> {
        let (done, told) = oneshot::channel();
        let asked = self.0.jobs.send(Job::Alter(alteration, done)).await;
        asked.map_err(|_| SpoolError::Closed)?;
        told.await.unwrap_or(Err(SpoolError::Closed))
    }

    async fn find_over(&self, round: &Round) -> Result<Vec<u32>, SpoolError> {
        let round = round.clone();
        self.beside(move |spool| spool.segments_to_retire(&round))
            .await
    }

    /// The oldest segments, as many as are over and have little that must stay; none behind one
    /// that is missing.
    fn segments_to_retire(&self, round: &Round) -> Result<Vec<u32>, SpoolError> {
        let dir = self.0.options.dir.join("log");
        let all = head::numbers(&self.0.disk, &dir)?;
        let cutoff = round.now.before(self.0.options.retain);
        let mut over = 0;
        for (count, &number) in all.iter().enumerate() {
            match self.begun(number) {
                // Everything before it was written by then.
                Some(at) if at <= cutoff => over = count,
                Some(_) => break,
                None => {}
            }
        }
        let before = self.before_a_gap(&all);
        if over > before {
            tracing::warn!("old mail stays: a segment before it is missing");
            over = before;
        }
        let staying = self.staying_bytes(cutoff, round)?;
        let floor = self.0.index.counters().floor;
        let (mut total, mut stays, mut take) = (0, 0, 0);
        for (count, &number) in all.iter().enumerate() {
            if number < floor {
                // Begun before: it has to be finished.
                take = count + 1;
            } else if count < over {
                let path = segment::path(&dir, number);
                let file = self.0.disk.open(&path);
                let length = file.and_then(|file| file.len());
                total += length.map_err(|error| SpoolError::disk("opening", &path, error))?;
                stays += staying.get(&number).copied().unwrap_or(0);
                if stays <= total / STRAGGLERS {
                    take = count + 1;
                }
            }
        }
        Ok(all.into_iter().take(take).collect())
    }

    /// Bytes of old messages that must stay, by segment.
    fn staying_bytes(
        &self,
        cutoff: Timestamp,
        round: &Round,
    ) -> Result<BTreeMap<u32, u64>, SpoolError> {
        let mut staying = BTreeMap::new();
        let end = key::message(SpoolId::first_at(cutoff));
        let mut start = b"m".to_vec();
        loop {
            let rows = self.0.index.scan(b"m", &start, limits::PAGE)?;
            for (name, value) in &rows {
                let row: MessageRow = decode(value)?;
                let stays = |id| self.must_stay(id, &row, round);
                if *name < end && key::parse_id(name).is_some_and(stays) {
                    let segment = Position::from_u64(row.position).segment;
                    let inline = Some(row.size).filter(|&size| self.is_in_log(size));
                    *staying.entry(segment).or_default() += RECORD + inline.unwrap_or(0);
                }
            }
            match rows.last() {
                Some((last, _)) if *last < end && rows.len() == limits::PAGE => {
                    start.clone_from(last);
                    start.push(0);
                }
                _ => return Ok(staying),
            }
        }
    }

    fn is_in_log(&self, size: u64) -> bool {
        usize::try_from(size).is_ok_and(|size| size <= self.0.options.body_in_log)
    }

    fn must_stay(&self, id: SpoolId, row: &MessageRow, round: &Round) -> bool {
        let end = Timestamp::from_millis(row.finished_at);
        let is_young = end.after(self.0.options.retain) > round.now;
        row.unfinished > 0 || is_young || round.kept.contains(id)
    }

    async fn retire_segment(
        &self,
        segment: u32,
        round: &Round,
        done: &mut Retired,
    ) -> Result<(), SpoolError> {
        let found = self.beside(move |spool| spool.residents(segment)).await?;
        let (residents, unreadable) = (Arc::<[Resident]>::from(found.readable), found.unreadable);
        let mut ledger = InLedger::AsItLies;
        if segment >= self.0.index.counters().floor {
            self.refuse_unknown(segment, &residents).await?;
            // What is damaged cannot be carried, and nobody can read it: it does not wait.
            let round = round.clone();
            let wanted = move |spool: &Self, one: &Resident, row: &MessageRow| {
                !one.maimed && spool.must_stay(one.id, row, &round)
            };
            let staying = self.split(&residents, wanted).await?;
            done.carried += staying.len() as u64;
            self.carry(staying).await?;
            self.carry_facts(segment).await?;
            let leaving = self.split(&residents, |_, _, _| true).await?;
            ledger = match leaving.len() {
                0 => InLedger::Nothing,
                _ => InLedger::Written,
            };
            let write = move |spool: &Self| spool.write_ledger(segment, &leaving);
            self.beside(write).await?;
            self.alter(Alteration::Floor(segment + 1)).await?;
        }
        let leaving = self.split(&residents, |_, _, _| true).await?;
        done.removed += leaving.len() as u64;
        self.forget(leaving).await?;
        done.removed += unreadable.len() as u64;
        self.alter(Alteration::Remove(unreadable)).await?;
        if let Some(left) = self.split(&residents, |_, _, _| true).await?.first() {
            return Err(SpoolError::Damaged(format!(
                "segment {segment} stays: {} is not finished, and was not carried forward",
                left.id
            )));
        }
        go_on_unchained(self.link_retired(segment, ledger).await)?;
        self.checkpoint().await?;
        self.beside(move |spool| spool.unlink(segment, &residents))
            .await?;
        done.segments += 1;
        Ok(())
    }

    /// A message that the index does not know may wait: nothing goes then (I2).
    async fn refuse_unknown(
        &self,
        segment: u32,
        residents: &Arc<[Resident]>,
    ) -> Result<(), SpoolError> {
        let residents = Arc::clone(residents);
        self.beside(move |spool| {
            for resident in residents.iter() {
                if spool.0.index.get(&key::message(resident.id))?.is_none() {
                    metrics::counter!(names::SPOOL_INDEX_ERRORS).increment(1);
                    return Err(SpoolError::Index(format!(
                        "segment {segment} stays: the index does not know {}, which is in it: \
                         stop, and run `tideover spool rebuild`",
                        resident.id
                    )));
                }
            }
            Ok(())
        })
        .await
    }

    /// Those that the index finds here and that are wanted.
    async fn split(
        &self,
        residents: &Arc<[Resident]>,
        wanted: impl Fn(&Self, &Resident, &MessageRow) -> bool + Send + 'static,
    ) -> Result<Vec<Resident>, SpoolError> {
        let residents = Arc::clone(residents);
        self.beside(move |spool| {
            let mut found = Vec::new();
            for resident in residents.iter() {
                let row = spool
                    .0
                    .index
                    .row::<MessageRow>(&key::message(resident.id))?;
                let here = |row: &MessageRow| row.position == resident.at.to_u64();
                if row.is_some_and(|row| here(&row) && wanted(spool, resident, &row)) {
                    found.push(*resident);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn carry(&self, staying: Vec<Resident>) -> Result<(), SpoolError> {
        let mut rest = staying.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut slice, mut bytes) = (Vec::new(), 0);
            while slice.len() < SLICE && bytes < SLICE_BYTES {
                let Some(resident) = rest.next() else { break };
                bytes += u64::from(resident.body_len);
                slice.push(resident);
            }
            let read = move |spool: &Self| slice.iter().map(|one| spool.moving(one)).collect();
            let moving = self.beside(read).await?;
            self.alter(Alteration::Carry(moving)).await?;
        }
        Ok(())
    }

    fn moving(&self, resident: &Resident) -> Result<Moving, SpoolError> {
        let (header, meta) = self.0.reader.meta(resident.at)?;
        let body = if header.body_len == 0 {
            Bytes::new()
        } else {
            self.0.reader.body(resident.at, &header)?
        };
        Ok(Moving {
            from: resident.at,
            line: message_line(Entry::read(header.kind, &meta, header.body_len)?)?,
            body,
        })
    }

    /// Facts whose value stands in this segment.
    async fn carry_facts(&self, segment: u32) -> Result<(), SpoolError> {
        let facts = self.beside(move |spool| spool.facts_in(segment)).await?;
        let mut rest = facts.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut slice, mut bytes) = (Vec::new(), 0);
            while slice.len() < SLICE && bytes < SLICE_BYTES {
                let Some((at, line, body)) = rest.next() else {
                    break;
                };
                bytes += body;
                slice.push((at, line));
            }
            self.alter(Alteration::CarryFacts(slice)).await?;
        }
        Ok(())
    }

    fn write_ledger(&self, segment: u32, leaving: &[Resident]) -> Result<(), SpoolError> {
        if leaving.is_empty() {
            return Ok(());
        }
        let mut newest = Timestamp::EPOCH;
        for one in leaving {
            if let Some(row) = self.0.index.row::<MessageRow>(&key::message(one.id))? {
                newest = newest.max(Timestamp::from_millis(row.finished_at));
            }
        }
        let lines = leaving.iter().map(|one| self.ledger_message(one));
        self.0.ledger.write(segment, newest, lines)
    }

    fn ledger_message(&self, resident: &Resident) -> Result<LedgerMessage, SpoolError> {
        let (header, meta) = self.0.reader.meta(resident.at)?;
        let line = message_line(Entry::read(header.kind, &meta, header.body_len)?)?;
        let earlier = line.carried.map(|carried| carried.history);
        let earlier = earlier.unwrap_or_default();
        let mut envelope = line.envelope;
        // A subject is content.
        Arc::make_mut(&mut envelope).subject = None;
        Ok(LedgerMessage {
            id: line.id,
            received: line.at,
            size: line
                .file
                .map_or(u64::from(header.body_len), |file| file.size),
            states: self.states(line.id, u16::MAX)?,
            history: history(&self.0.index, &self.0.reader, line.id, earlier)?,
            envelope,
        })
    }

    async fn forget(&self, leaving: Vec<Resident>) -> Result<(), SpoolError> {
        let mut rest = leaving.into_iter().peekable();
        while rest.peek().is_some() {
            let slice: Vec<Resident> = rest.by_ref().take(SLICE).collect();
            let read = move |spool: &Self| slice.iter().map(|one| spool.leaving(one)).collect();
            let leaving = self.beside(read).await?;
            self.alter(Alteration::Remove(leaving)).await?;
        }
        Ok(())
    }

    fn leaving(&self, resident: &Resident) -> Result<Leaving, SpoolError> {
        let (header, meta) = self.0.reader.meta(resident.at)?;
        let line = message_line(Entry::read(header.kind, &meta, header.body_len)?)?;
        Ok(Leaving {
            from: resident.at,
            id: line.id,
            names: names_of(line.id, &line.envelope),
        })
    }

    /// Removes the segment, then the large bodies that only it named. A crash between the two
    /// leaves bodies that the ledger knows: the next start removes them.
    fn unlink(&self, segment: u32, residents: &[Resident]) -> Result<(), SpoolError> {
        let dir = self.0.options.dir.join("log");
        let path = segment::path(&dir, segment);
        self.0.reader.forget(segment);
        self.0
            .disk
            .remove(&path)
            .and_then(|()| self.0.disk.sync_dir(&dir))
            .map_err(|error| SpoolError::disk("removing", &path, error))?;
        for resident in residents.iter().filter(|resident| resident.in_file) {
            if self.0.index.get(&key::message(resident.id))?.is_some() {
                continue;
            }
            let path = self.0.big.path(resident.id);
            match self.0.disk.remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(SpoolError::disk("removing", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Messages that are gone, named by a spool id, a Message-ID or an address; newest first. Reads
    /// the ledger files one after the other, and blocks.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn ledger_find(&self, of: &str, limit: usize) -> Result<Vec<LedgerMessage>, SpoolError> {
        Ok(self.ledger_find_any(&[of], limit)?.0)
    }

    /// The same for messages that are named by one of these, and how many files of the ledger
    /// cannot be read, or are gone before their time: what is looked for may stand there.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn ledger_find_any(
        &self,
        of: &[&str],
        limit: usize,
    ) -> Result<(Vec<LedgerMessage>, u64), SpoolError> {
        let (found, unreadable) = self.0.ledger.find(of, limit)?;
        let gaps = self.ledger_gaps(Timestamp::EPOCH, &unreadable)?;
        Ok((found, gaps))
    }
}

/// A chain that cannot be read must not fill the disk.
fn go_on_unchained(linked: Result<(), SpoolError>) -> Result<(), SpoolError> {
    match linked {
        Err(error @ SpoolError::Damaged(_)) => {
            tracing::error!(%error, "retention goes on without the chain");
            Ok(())
        }
        other => other,
    }
}

fn message_line(entry: Entry) -> Result<MessageLine, SpoolError> {
    match entry {
        Entry::Message { line, .. } => Ok(line),
        Entry::Event(_) | Entry::Fact(_) | Entry::Other => Err(SpoolError::Damaged(
            "a message is not where it was a moment ago".to_owned(),
        )),
    }
}
