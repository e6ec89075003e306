//! What a running replay has in memory: bounded, whatever its size. Pure, time is an argument.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::gap::Gap;
use super::selection::Selection;
use super::walk::Walk;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::SpoolId;

/// One recipient of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pair {
    pub(super) id: SpoolId,
    pub(super) number: u16,
    /// Whose mailbox it is, in short.
    pub(super) mailbox: u64,
    /// His mailbox need not be asked any more.
    pub(super) is_asked: bool,
    /// What becomes of him is counted: he was met for the first time.
    pub(super) counts: bool,
}

impl Pair {
    pub(super) fn new(id: SpoolId, number: u16, mailbox: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        mailbox.hash(&mut hasher);
        Self {
            id,
            number,
            mailbox: hasher.finish(),
            is_asked: false,
            counts: true,
        }
    }

    /// His mailbox need not be asked any more.
    pub(super) const fn asked(self) -> Self {
        Self {
            is_asked: true,
            ..self
        }
    }
}

/// What waits, what is under way, and how far the walk over the mail is.
#[derive(Debug)]
pub(super) struct Work {
    /// By the time when they are due, and within it in the order in which they came.
    waiting: BTreeMap<(Timestamp, u64), Pair>,
    of_mailbox: HashMap<u64, u32>,
    /// Waiting or under way: the walk leaves them alone.
    known: HashSet<(SpoolId, u16)>,
    under_way: Vec<Pair>,
    last: u64,
    pub(super) walk: Walk,
    walked: bool,
    /// Somebody found no place: all has to be walked over once more.
    overflowed: bool,
    /// How many waited when the walk came to its end.
    at_end: usize,
    /// It is the first walk of this run: what it meets is counted.
    pub(super) counts: bool,
    /// Mailboxes that are to be asked.
    pub(super) gap: Gap,
}

impl Work {
    pub(super) fn new(selection: &Selection) -> Self {
        Self {
            waiting: BTreeMap::new(),
            of_mailbox: HashMap::new(),
            known: HashSet::new(),
            under_way: Vec::new(),
            last: 0,
            walk: Walk::new(selection.ids(), selection.order),
            walked: false,
            overflowed: false,
            at_end: 0,
            counts: true,
            gap: Gap::default(),
        }
    }

    /// Is it waiting, under way, or to be asked about?
    pub(super) fn knows(&self, id: SpoolId, number: u16) -> bool {
        self.known.contains(&(id, number))
    }

    /// It waits until then, if there is a place for it; else it is found again later.
    pub(super) fn wait(&mut self, pair: Pair, due: Timestamp) {
        let mine = self.of_mailbox.entry(pair.mailbox).or_default();
        if self.waiting.len() >= limits::REPLAY_WAITING || *mine >= limits::REPLAY_OF_MAILBOX {
            self.overflowed = true;
            self.known.remove(&(pair.id, pair.number));
            return;
        }
        *mine += 1;
        self.last += 1;
        self.known.insert((pair.id, pair.number));
        self.waiting.insert((due, self.last), pair);
    }

    /// Its mailbox is to be asked whether it has it.
    pub(super) fn gather(&mut self, pair: Pair) {
        self.known.insert((pair.id, pair.number));
        self.gap.gather(pair);
    }

    /// It has come to its end.
    pub(super) fn forget(&mut self, pair: Pair) {
        self.known.remove(&(pair.id, pair.number));
    }

    /// The next one that is due.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Pair> {
        let first = self.waiting.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let pair = first.remove();
        self.known.remove(&(pair.id, pair.number));
        if let Some(mine) = self.of_mailbox.get_mut(&pair.mailbox) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                self.of_mailbox.remove(&pair.mailbox);
            }
        }
        Some(pair)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// It is in a row now.
    pub(super) fn send(&mut self, pair: Pair) {
        self.known.insert((pair.id, pair.number));
        self.under_way.push(pair);
    }

    /// Takes out those under way that `is_busy` no longer has.
    pub(super) fn returned(&mut self, is_busy: impl Fn(SpoolId, u16) -> bool) -> Vec<Pair> {
        let gone = |pair: &mut Pair| !is_busy(pair.id, pair.number);
        let returned: Vec<Pair> = self.under_way.extract_if(.., gone).collect();
        for pair in &returned {
            self.known.remove(&(pair.id, pair.number));
        }
        returned
    }

    pub(super) const fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Has the walk come to its end?
    pub(super) const fn walked(&self) -> bool {
        self.walked
    }

    /// The walk has come to its end.
    pub(super) fn end_walk(&mut self) {
        self.walked = true;
        self.counts = false;
        self.at_end = self.waiting.len();
    }

    /// Walks again, when somebody found no place and half of those who had one are gone.
    pub(super) fn walk_again(&mut self, selection: &Selection) {
        let is_low = self.waiting.len() <= self.at_end / 2 && self.gap.is_empty();
        if self.walked && self.overflowed && is_low {
            self.walked = false;
            self.overflowed = false;
            self.walk = Walk::new(selection.ids(), selection.order);
        }
    }

    /// Has all of it come to its end?
    pub(super) fn is_done(&self) -> bool {
        self.walked
            && !self.overflowed
            && self.waiting.is_empty()
            && self.under_way.is_empty()
            && self.gap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn pair(id: u64, mailbox: &str) -> Pair {
        Pair::new(SpoolId::from_u64(id), 0, mailbox)
    }

    #[test]
    fn who_is_due_first_goes_first_and_nobody_is_forgotten() {
        let mut work = Work::new(&Selection::default());
        for (id, due) in [(1, 50), (2, 10), (3, 10), (4, 90)] {
            work.wait(pair(id, "ann"), at(due));
        }
        assert_eq!(work.next_due(), Some(at(10)));
        let order: Vec<u64> = std::iter::from_fn(|| work.due(at(60)))
            .map(|pair| pair.id.as_u64())
            .collect();
        assert_eq!(order, [2, 3, 1]);
        work.send(pair(9, "bob"));
        assert!(work.knows(SpoolId::from_u64(9), 0));
        assert_eq!(work.returned(|_, _| true), []);
        assert_eq!(work.returned(|_, _| false), [pair(9, "bob")]);
        assert!(!work.knows(SpoolId::from_u64(9), 0) && !work.is_done());
    }

    #[test]
    fn a_mailbox_that_gets_very_much_takes_no_more_than_its_place() {
        let mut work = Work::new(&Selection::default());
        let many = u64::from(limits::REPLAY_OF_MAILBOX);
        for id in 0..many + 5 {
            work.wait(pair(id, "ann"), at(id));
        }
        work.wait(pair(1 << 40, "bob"), at(1 << 40));
        assert_eq!(work.waiting() as u64, many + 1);
        work.end_walk();
        work.walk_again(&Selection::default());
        assert!(work.walked(), "it has enough to do");
        while work.due(at(1 << 41)).is_some() {}
        assert!(!work.is_done(), "five had no place");
        work.walk_again(&Selection::default());
        assert!(!work.walked());
        work.end_walk();
        assert!(work.is_done());
    }
}
