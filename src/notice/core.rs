//! What is told, and when: a pure function of what is observed, the time, and what was told.

mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Kind, Observed, Severity, Unknown};
use crate::base::Timestamp;
use crate::limits;

const HOUR: Duration = Duration::from_secs(3600);
/// Characters of what happened that a restart leaves.
const KEPT: usize = 160;

/// When what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// What begins within this time is told together.
    pub gather: Duration,
    /// What lasts is told again after this time; `None`: never.
    pub repeat: Option<Duration>,
    /// Notices an hour. A quarter of them is kept for what is critical.
    pub per_hour: u32,
    /// Notices an hour that have something of one kind in them; a quarter of them as well.
    pub kind_per_hour: u32,
}

/// What is said of a condition. The words are in JSON that others read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum News {
    /// It is so.
    Began,
    /// It is otherwise than was told.
    Changed,
    /// It is so still.
    Lasts,
    /// It is over.
    Over,
    /// It has happened, and is over.
    Passed,
}

impl News {
    /// The word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Changed => "changed",
            Self::Lasts => "lasts",
            Self::Over => "over",
            Self::Passed => "passed",
        }
    }

    pub(super) const fn is_end(self) -> bool {
        match self {
            Self::Over | Self::Passed => true,
            Self::Began | Self::Changed | Self::Lasts => false,
        }
    }
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    /// What is said of it.
    pub news: News,
    /// It.
    pub condition: Condition,
    /// When it ended.
    pub until: Option<Timestamp>,
    /// How often it went and came since it was told last.
    pub changes: u32,
}

/// What is told at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// Counts up.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What is told, the worst first; at least one.
    pub items: Vec<Item>,
    /// What waits because there were too many notices.
    pub held_back: usize,
}

impl Notice {
    /// The worst of it. What is over is no longer bad.
    pub(super) fn severity(&self) -> Severity {
        let bad = self.items.iter().filter(|item| !item.news.is_end());
        bad.map(|item| item.condition.severity)
            .max()
            .unwrap_or(Severity::Info)
    }
}

/// Kind and subject.
type Name = (Kind, String);

/// What was told of a condition last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    at: Timestamp,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    condition: Condition,
    /// Not observed any more since.
    ended: Option<Timestamp>,
    /// `None`: nobody knows that it began.
    told: Option<Told>,
    /// Since when there is something to tell.
    waiting: Option<Timestamp>,
    changes: u32,
}

impl Entry {
    fn news(&self, repeat: Option<Duration>, now: Timestamp) -> Option<News> {
        match (&self.told, self.ended) {
            (None, None) => Some(News::Began),
            (None, Some(_)) => Some(News::Passed),
            (Some(_), Some(_)) => Some(News::Over),
            (Some(told), None) if told.state != self.condition.state => Some(News::Changed),
            // It went and came: who was told may have heard that elsewhere.
            (Some(_), None) if self.changes > 0 => Some(News::Lasts),
            (Some(told), None) => repeat
                .is_some_and(|repeat| told.at.after(repeat) <= now)
                .then_some(News::Lasts),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    at: Timestamp,
    kinds: BTreeSet<Kind>,
    #[serde(default)]
    number: u64,
}

/// What has to be known after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    entries: Vec<Entry>,
    sent: Vec<Sent>,
    number: u64,
}

/// Under way: not told before it has arrived somewhere.
#[derive(Debug)]
struct Flight {
    number: u64,
    items: Vec<(Name, News, String)>,
}

/// Decides.
#[derive(Debug, Default)]
pub(super) struct Core {
    entries: BTreeMap<Name, Entry>,
    sent: Vec<Sent>,
    number: u64,
    flights: Vec<Flight>,
    /// Observed at the last look, and not known: too much is wrong at one time.
    beyond: usize,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Somewhere.
    Yes,
    /// Nowhere.
    No,
    /// It was called back: a new config may know a better way.
    Recalled,
}

impl Core {
    /// Goes on with what was known before. What is known already stays.
    pub(super) fn restore(&mut self, memory: Memory) {
        self.number = self.number.max(memory.number);
        self.sent.extend(memory.sent);
        for mut entry in memory.entries {
            // What begins with the start is told together with it.
            entry.waiting = None;
            let name = (entry.condition.kind, entry.condition.subject.clone());
            match self.entries.get_mut(&name) {
                Some(known) if known.told.is_none() => known.told = entry.told,
                Some(_) => {}
                None => drop(self.entries.insert(name, entry)),
            }
        }
    }

    /// What has to be known after a restart.
    pub(super) fn memory(&self) -> Memory {
        let kept = self.entries.values().map(|entry| {
            // A fact is small: what has to be done is known again when it is observed again.
            let what = entry.condition.what.chars().take(KEPT).collect();
            Entry {
                condition: Condition {
                    what,
                    todo: String::new(),
                    ..entry.condition.clone()
                },
                ..entry.clone()
            }
        });
        Memory {
            entries: kept.collect(),
            sent: self.sent.clone(),
            number: self.number,
        }
    }

    /// Something has happened, and is over.
    pub(super) fn happened(&mut self, condition: Condition, now: Timestamp) {
        let name = (condition.kind, condition.subject.clone());
        if self.entries.contains_key(&name) || self.is_full() {
            return;
        }
        let entry = Entry {
            condition,
            ended: Some(now),
            told: None,
            waiting: Some(now),
            changes: 0,
        };
        self.entries.insert(name, entry);
    }

    /// Takes in what is observed, and gives what has to be sent now.
    pub(super) fn step(
        &mut self,
        observed: Observed,
        pace: &Pace,
        now: Timestamp,
    ) -> Option<Notice> {
        self.take(observed, now);
        for entry in self.entries.values_mut() {
            entry.waiting = match (entry.news(pace.repeat, now), entry.waiting) {
                (None, _) => None,
                // A clock that went back makes nobody wait.
                (Some(_), Some(since)) => Some(since.min(now)),
                (Some(_), None) => Some(now),
            };
        }
        self.choose(pace, now)
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= limits::NOTICE_CONDITIONS
    }

    fn take(&mut self, observed: Observed, now: Timestamp) {
        let Observed {
            conditions,
            unknown,
        } = observed;
        let mut seen = BTreeSet::new();
        self.beyond = 0;
        for condition in conditions {
            let name = (condition.kind, condition.subject.clone());
            seen.insert(name.clone());
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.is_so(condition);
            } else if !self.is_full() || self.forget_one_below(condition.severity) {
                self.entries.insert(name, Entry::new(condition));
            } else {
                self.beyond += 1;
            }
        }
        let is_unknown = |(kind, subject): &Name| {
            let covers = |it: &Unknown| it.covers(*kind, subject);
            unknown.iter().any(covers)
        };
        for (name, entry) in &mut self.entries {
            if entry.ended.is_none() && !seen.contains(name) && !is_unknown(name) {
                entry.ended = Some(now);
            }
        }
    }

    /// A full book has room for what is worse than something in it; no: it has not.
    fn forget_one_below(&mut self, severity: Severity) -> bool {
        let less = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.condition.severity < severity);
        // Whoever was told of it waits for its end.
        let rank = |entry: &Entry| (entry.condition.severity, entry.told.is_some());
        let least = less.min_by_key(|(_, entry)| rank(entry));
        let Some(name) = least.map(|(name, _)| name.clone()) else {
            return false;
        };
        self.entries.remove(&name);
        self.beyond += 1;
        true
    }

    fn choose(&mut self, pace: &Pace, now: Timestamp) -> Option<Notice> {
        self.sent
            .retain(|sent| sent.at <= now && now.since(sent.at) < HOUR);
        let may_go = |entry: &Entry| self.room_at(entry, pace, now) <= now;
        let flying = self.flying();
        let news = |entry: &Entry| entry.news(pace.repeat, now);
        let waits = self.entries.iter().filter(|(name, entry)| {
            entry.waiting.is_some() && !flying.contains(name) && news(entry).is_some()
        });
        let (mut ready, late): (Vec<_>, Vec<_>) = waits.partition(|(_, entry)| may_go(entry));
        let is_due = |entry: &Entry| {
            let since = entry.waiting.unwrap_or(now);
            since.after(pace.gather) <= now
        };
        if !ready.iter().any(|(_, entry)| is_due(entry)) {
            return None;
        }
        let rank = |entry: &Entry| {
            let is_end = news(entry).is_some_and(News::is_end);
            (is_end, std::cmp::Reverse(entry.condition.severity))
        };
        ready.sort_by_key(|(_, entry)| rank(entry));
        let more = ready.len().saturating_sub(limits::NOTICE_ITEMS);
        ready.truncate(limits::NOTICE_ITEMS);
        let late = late.iter().filter(|(_, entry)| is_due(entry)).count();
        let held_back = more + late + self.beyond;
        let named = ready.into_iter().filter_map(|(name, entry)| {
            let item = Item {
                news: news(entry)?,
                condition: entry.condition.clone(),
                until: entry.ended,
                changes: entry.changes,
            };
            Some((name.clone(), item))
        });
        let named: Vec<_> = named.collect();
        Some(self.launch(named, held_back, now))
    }

    /// What is under way.
    fn flying(&self) -> BTreeSet<&Name> {
        let items = self.flights.iter().flat_map(|flight| &flight.items);
        items.map(|(name, ..)| name).collect()
    }

    fn launch(&mut self, named: Vec<(Name, Item)>, held_back: usize, now: Timestamp) -> Notice {
        self.number += 1;
        self.sent.push(Sent {
            at: now,
            number: self.number,
            kinds: named.iter().map(|((kind, _), _)| *kind).collect(),
        });
        let told =
            |(name, item): &(Name, Item)| (name.clone(), item.news, item.condition.state.clone());
        self.flights.push(Flight {
            number: self.number,
            items: named.iter().map(told).collect(),
        });
        Notice {
            number: self.number,
            at: now,
            items: named.into_iter().map(|(_, item)| item).collect(),
            held_back,
        }
    }

    /// What became of a notice. The first word counts.
    pub(super) fn settle(&mut self, number: u64, arrived: Arrived, now: Timestamp) {
        let Some(at) = self.flights.iter().position(|it| it.number == number) else {
            return;
        };
        if arrived == Arrived::Recalled {
            self.sent.retain(|sent| sent.number != number);
        }
        for (name, news, state) in self.flights.remove(at).items {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            match arrived {
                Arrived::Yes => {}
                Arrived::No => {
                    entry.waiting = Some(now);
                    continue;
                }
                Arrived::Recalled => continue,
            }
            entry.changes = 0;
            entry.waiting = None;
            if !news.is_end() {
                entry.told = Some(Told { at: now, state });
            } else if entry.ended.is_some() {
                self.entries.remove(&name);
            } else {
                // It has begun again while its end was told.
                entry.told = None;
            }
        }
    }
}

impl Entry {
    const fn new(condition: Condition) -> Self {
        Self {
            condition,
            ended: None,
            told: None,
            waiting: None,
            changes: 0,
        }
    }

    /// It is observed.
    fn is_so(&mut self, condition: Condition) {
        let since = if self.ended.take().is_some() {
            self.changes = self.changes.saturating_add(1);
            condition.since
        } else if condition.state != self.condition.state {
            condition.since
        } else {
            // A restart makes nothing younger.
            condition.since.min(self.condition.since)
        };
        self.condition = Condition { since, ..condition };
    }
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
