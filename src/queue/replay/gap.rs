//! `--missing-only`: what a mailbox has is not brought to it. What is meant is gathered, mailbox by
//! mailbox, and each is asked about all of its messages in one go. Pure; [`super::ask`] asks.

use std::collections::BTreeMap;

use super::work::Pair;
use crate::base::Timestamp;
use crate::limits;

/// Recipients of one mailbox, about whom it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) pairs: Vec<Pair>,
    /// How often it was asked in vain.
    pub(super) tries: u32,
}

/// May more come for the mailboxes that are gathered?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathering {
    GoesOn,
    Done,
}

impl From<bool> for Gathering {
    fn from(done: bool) -> Self {
        if done { Self::Done } else { Self::GoesOn }
    }
}

/// The mailboxes that are to be asked: bounded.
#[derive(Debug, Default)]
pub(super) struct Gap {
    gathered: BTreeMap<u64, Batch>,
    /// Recipients in there.
    count: usize,
    /// There were enough: no more come before these are gone.
    is_full: bool,
    /// Mailboxes that are asked once more.
    later: Vec<(Timestamp, Batch)>,
    /// Mailboxes that are being asked.
    under_way: usize,
    /// None is asked before then, for this reason.
    pub(super) waits: Option<(Timestamp, String)>,
}

impl Gap {
    /// This recipient's mailbox is to be asked.
    pub(super) fn gather(&mut self, pair: Pair) {
        self.gathered
            .entry(pair.mailbox)
            .or_default()
            .pairs
            .push(pair);
        self.count += 1;
        self.is_full |= self.count >= limits::REPLAY_GATHERED;
    }

    /// Is there no place for more?
    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// The next mailbox to be asked. While more are being gathered, only those that have waited.
    pub(super) fn next(&mut self, now: Timestamp, gathering: Gathering) -> Option<Batch> {
        if self.waits.as_ref().is_some_and(|(until, _)| *until > now) {
            return None;
        }
        let due = self.later.iter().position(|(due, _)| *due <= now);
        let batch = if let Some(due) = due {
            self.later.swap_remove(due).1
        } else if gathering == Gathering::Done || self.is_full {
            let (_, batch) = self.gathered.pop_first()?;
            self.count = self.count.saturating_sub(batch.pairs.len());
            self.is_full &= !self.gathered.is_empty();
            batch
        } else {
            return None;
        };
        self.under_way += 1;
        Some(batch)
    }

    /// One has answered, or not.
    pub(super) fn heard(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// It is asked once more, then.
    pub(super) fn later(&mut self, batch: Batch, due: Timestamp) {
        self.later.push((due, batch));
    }

    /// Is nobody to be asked any more?
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.later.is_empty() && self.under_way == 0
    }

    /// Recipients whose mailboxes are still to be asked.
    pub(super) fn len(&self) -> usize {
        let later = self.later.iter().map(|(_, batch)| batch.pairs.len());
        self.count + later.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::SpoolId;

    fn pair(id: u64, mailbox: &str) -> Pair {
        Pair::new(SpoolId::from_u64(id), 0, mailbox)
    }

    const NOW: Timestamp = Timestamp::from_millis(100);

    #[test]
    fn a_mailbox_is_asked_once_about_all_of_its_messages() {
        let mut gap = Gap::default();
        for id in 0..6 {
            gap.gather(pair(id, if id % 2 == 0 { "ann" } else { "bob" }));
        }
        assert_eq!(gap.next(NOW, Gathering::GoesOn), None, "more may come");
        let batches: Vec<Batch> = std::iter::from_fn(|| gap.next(NOW, Gathering::Done)).collect();
        assert_eq!(batches.len(), 2);
        for batch in &batches {
            assert_eq!(batch.pairs.len(), 3);
            let first = batch.pairs[0].mailbox;
            assert!(batch.pairs.iter().all(|pair| pair.mailbox == first));
        }
        assert!(!gap.is_empty(), "both are being asked");
        gap.heard();
        gap.heard();
        assert!(gap.is_empty());
    }

    #[test]
    fn who_could_not_be_asked_waits_and_a_server_that_is_away_stops_all() {
        let mut gap = Gap::default();
        gap.gather(pair(1, "ann"));
        let batch = gap.next(NOW, Gathering::Done).unwrap();
        gap.heard();
        gap.later(batch, Timestamp::from_millis(200));
        assert_eq!((gap.next(NOW, Gathering::Done), gap.len()), (None, 1));
        gap.waits = Some((Timestamp::from_millis(300), "away".to_owned()));
        assert_eq!(gap.next(Timestamp::from_millis(250), Gathering::Done), None);
        assert!(
            gap.next(Timestamp::from_millis(300), Gathering::GoesOn)
                .is_some()
        );
    }

    #[test]
    fn when_there_are_enough_they_are_asked_before_more_are_gathered() {
        let mut gap = Gap::default();
        let many = limits::REPLAY_GATHERED as u64;
        for id in 0..many {
            assert!(!gap.is_full());
            gap.gather(pair(id, &format!("u{}", id % 3)));
        }
        assert!(gap.is_full());
        for _ in 0..3 {
            assert!(gap.next(NOW, Gathering::GoesOn).is_some());
        }
        assert!(!gap.is_full());
        assert_eq!((gap.next(NOW, Gathering::GoesOn), gap.len()), (None, 0));
    }
}
