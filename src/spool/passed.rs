//! All mail that came between two moments, finished or not, also when only the ledger knows it.

use std::borrow::Cow;
use std::ops::Range;

use super::SpoolError;
use super::handle::Spool;
use super::head;
use super::index::key;
use super::views::{LedgerEntry, StoredMessage};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::SpoolId;

/// How much of what came was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// Messages that cannot be read: damaged.
    pub unreadable: u64,
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

impl Spool {
    /// Shows the messages that were accepted in this time: first those that are gone and stand in
    /// the ledger, then the others, each part oldest first, no more than `most` in all. Bodies are
    /// not read. Blocks.
    ///
    /// # Errors
    /// When the disk or the index fails.
    pub fn passed(
        &self,
        time: Range<Timestamp>,
        most: usize,
        show: &mut dyn FnMut(&Passing<'_>),
    ) -> Result<Passed, SpoolError> {
        let (mut shown, mut left) = (Passed::default(), most);
        let (first, end) = (SpoolId::first_at(time.start), SpoolId::first_at(time.end));
        let oldest = self.oldest_begun()?;
        if oldest.is_none_or(|oldest| time.start < oldest) {
            shown.cut = self.passed_and_gone(first..end, &mut left, show)?;
        }
        let mut start = key::message(first);
        loop {
            let rows = self.index()?.scan(b"m", &start, limits::PAGE)?;
            for id in rows.iter().filter_map(|(row, _)| key::parse_id(row)) {
                if id >= end {
                    return Ok(shown);
                }
                if left == 0 {
                    shown.cut = true;
                    return Ok(shown);
                }
                match self.message(id) {
                    Ok(Some(message)) => {
                        left -= 1;
                        show(&Passing {
                            message: &message,
                            told: Told::Spool(self),
                        });
                    }
                    // It went at this moment.
                    Ok(None) => {}
                    Err(error) if error.is_damage() => shown.unreadable += 1,
                    Err(error) => return Err(error),
                }
            }
            let Some((last, _)) = rows.last() else {
                return Ok(shown);
            };
            start.clone_from(last);
            start.push(0);
        }
    }

    /// Those that only the ledger knows; whether there are more.
    pub(crate) fn passed_and_gone(
        &self,
        ids: Range<SpoolId>,
        left: &mut usize,
        show: &mut dyn FnMut(&Passing<'_>),
    ) -> Result<bool, SpoolError> {
        let mut cut = false;
        let mut failed = None;
        self.0.ledger.each(ids.start.timestamp(), &mut |gone| {
            if !ids.contains(&gone.id) || failed.is_some() {
                return;
            }
            match self.0.index.get(&key::message(gone.id)) {
                // A crash can have left it in both.
                Ok(Some(_)) => {}
                Ok(None) if *left == 0 => cut = true,
                Ok(None) => {
                    *left -= 1;
                    show(&Passing {
                        message: &StoredMessage::from(&gone),
                        told: Told::Ledger(&gone.history),
                    });
                }
                Err(error) => failed = Some(error),
            }
        })?;
        failed.map_or(Ok(cut), Err)
    }

    /// When the oldest segment of the log was begun: what was accepted since is not gone.
    fn oldest_begun(&self) -> Result<Option<Timestamp>, SpoolError> {
        let dir = self.0.options.dir.join("log");
        let numbers = head::numbers(&self.0.disk, &dir)?;
        Ok(numbers.first().and_then(|&number| self.begun(number)))
    }
}
