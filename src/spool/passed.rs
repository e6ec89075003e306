//! All mail that came between two moments, finished or not, also when only the ledger knows it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use super::SpoolError;
use super::handle::Spool;
use super::head;
use super::index::key;
use super::losses::Lost;
use super::views::{LedgerEntry, StoredMessage};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{RecipientState, SpoolId};

/// Retention may take by then what is nearly over.
const SOON: Duration = Duration::from_secs(3600);

/// How much of what came was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// Messages that cannot be read: damaged.
    pub unreadable: u64,
    /// What is not there any more, and no row knows.
    pub lost: Lost,
    /// Files of the ledger that cannot be read, or are gone before their time.
    pub ledger_gaps: u64,
    /// Places in which the index is not what the log has ([`Spool::balance`]), of any time: what
    /// stands there may have been left out, or shown as it is not.
    pub disorder: u64,
    /// There were more than were asked for.
    pub cut: bool,
}

/// A message that is shown.
#[derive(Debug)]
pub struct Passing<'a> {
    /// Its envelope, and what became of its recipients.
    pub message: &'a StoredMessage,
    told: Told<'a>,
}

/// Who knows what happened to it.
#[derive(Debug)]
enum Told<'a> {
    Spool(&'a Spool),
    Ledger(&'a [LedgerEntry]),
}

impl Passing<'_> {
    /// Everything that happened to it after its acceptance, in order.
    ///
    /// # Errors
    /// When the index or the log fails.
    pub fn history(&self) -> Result<Cow<'_, [LedgerEntry]>, SpoolError> {
        match self.told {
            Told::Spool(spool) => spool.history(self.message.id).map(Cow::Owned),
            Told::Ledger(entries) => Ok(Cow::Borrowed(entries)),
        }
    }
}

/// How far a walk over all of it is.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// So many more may be shown.
    left: usize,
    passed: Passed,
    /// Shown from the log, in order, and retention may take it meanwhile.
    kept: Vec<SpoolId>,
    /// Segments of which the ledger was read, and nothing in it was left for the log to show.
    read: BTreeSet<u32>,
    /// Of the others, what was shown.
    gone: BTreeMap<u32, BTreeSet<SpoolId>>,
    /// Segments whose part of the ledger cannot be read.
    unreadable: BTreeSet<u32>,
}

impl Walk {
    /// Nothing was shown, and this many may be.
    pub(crate) fn new(left: usize) -> Self {
        Self {
            left,
            ..Self::default()
        }
    }

    fn knows(&self, segment: u32, id: SpoolId) -> bool {
        let gone = self.gone.get(&segment);
        self.kept.binary_search(&id).is_ok() || gone.is_some_and(|gone| gone.contains(&id))
    }
}

impl Spool {
    /// Shows the messages that were accepted in this time: first those that are gone and stand in
    /// the ledger, then the others, each part oldest first, and at last those that went meanwhile;
    /// no more than `most` in all. Bodies are not read. Blocks.
    ///
    /// # Errors
    /// When the disk or the index fails.
    pub fn passed(
        &self,
        time: Range<Timestamp>,
        most: usize,
        show: &mut dyn FnMut(&Passing<'_>),
    ) -> Result<Passed, SpoolError> {
        let ids = SpoolId::first_at(time.start)..SpoolId::first_at(time.end);
        let mut walk = Walk::new(most);
        self.passed_and_gone(&ids, &mut walk, show)?;
        self.passed_and_kept(&ids, &mut walk, show)?;
        self.passed_and_gone(&ids, &mut walk, show)?;
        let gaps = self.ledger_gaps(time.start, &walk.unreadable)?;
        Ok(Passed {
            ledger_gaps: gaps,
            lost: self.lost(&ids)?,
            disorder: self.balance().map_or(0, |balance| balance.wrong),
            ..walk.passed
        })
    }

    /// Those that stand in the log.
    fn passed_and_kept(
        &self,
        ids: &Range<SpoolId>,
        walk: &mut Walk,
        show: &mut dyn FnMut(&Passing<'_>),
    ) -> Result<(), SpoolError> {
        let mut start = key::message(ids.start);
        loop {
            let rows = self.index()?.scan(b"m", &start, limits::PAGE)?;
            for id in rows.iter().filter_map(|(row, _)| key::parse_id(row)) {
                if id >= ids.end {
                    return Ok(());
                }
                if walk.left == 0 {
                    walk.passed.cut = true;
                    return Ok(());
                }
                match self.message(id) {
                    Ok(Some(message)) => {
                        walk.left -= 1;
                        walk.kept.extend(Some(id).filter(|_| self.may_go(&message)));
                        show(&Passing {
                            message: &message,
                            told: Told::Spool(self),
                        });
                    }
                    // It went at this moment: the ledger has it.
                    Ok(None) => {}
                    Err(error) if error.is_damage() => walk.passed.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            start.clone_from(last);
            start.push(0);
        }
    }

    /// Can retention take it within the next hour?
    fn may_go(&self, message: &StoredMessage) -> bool {
        let over = message.received.after(self.0.options.retain);
        over <= self.0.clock.now().after(SOON)
            && message.states.iter().all(RecipientState::is_finished)
    }

    /// Those that only the ledger knows, but for what was shown before.
    pub(crate) fn passed_and_gone(
        &self,
        ids: &Range<SpoolId>,
        walk: &mut Walk,
        show: &mut dyn FnMut(&Passing<'_>),
    ) -> Result<(), SpoolError> {
        let since = ids.start.timestamp();
        if self.oldest_begun()?.is_some_and(|oldest| since >= oldest) {
            return Ok(());
        }
        let known = self.0.ledger.segments()?;
        let (mut failed, mut both) = (None, BTreeSet::new());
        let read = std::mem::take(&mut walk.read);
        let unreadable = self.0.ledger.each((since, &read), &mut |segment, gone| {
            if !ids.contains(&gone.id) || walk.knows(segment, gone.id) {
                return;
            }
            match self.0.index.get(&key::message(gone.id)) {
                // It goes just now, or a crash has left it in both: it is shown with the others.
                Ok(Some(_)) => {
                    both.insert(segment);
                }
                Ok(None) if walk.left == 0 => walk.passed.cut = true,
                Ok(None) => {
                    walk.left -= 1;
                    // Of a file that is behind us nobody asks again.
                    walk.gone
                        .retain(|one, _| *one == segment || both.contains(one));
                    walk.gone.entry(segment).or_default().insert(gone.id);
                    show(&Passing {
                        message: &StoredMessage::from(&gone),
                        told: Told::Ledger(&gone.history),
                    });
                }
                Err(error) => failed = Some(error),
            }
        })?;
        walk.gone.retain(|segment, _| both.contains(segment));
        walk.read = read;
        let done = known.into_iter().filter(|one| !both.contains(one));
        walk.read.extend(done);
        walk.unreadable.extend(unreadable);
        failed.map_or(Ok(()), Err)
    }

    /// When the oldest segment of the log was begun: what was accepted since is not gone.
    fn oldest_begun(&self) -> Result<Option<Timestamp>, SpoolError> {
        let dir = self.0.options.dir.join("log");
        let numbers = head::numbers(&self.0.disk, &dir)?;
        Ok(numbers.first().and_then(|&number| self.begun(number)))
    }
}
