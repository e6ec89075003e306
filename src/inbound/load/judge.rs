//! Is this server busy? Pure: measurements and the time in, a change out.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Marks;
use crate::base::Timestamp;
use crate::limits;

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strain {
    /// Messages wait too long to be on stable storage.
    Disk,
    /// Connections hold too much.
    Memory,
    /// All places for strangers are taken.
    Places,
}

impl Strain {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Places => "places",
        }
    }
}

/// Strangers are told to come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Busy {
    /// From then on.
    pub since: Timestamp,
    /// Why it began.
    pub strain: Strain,
}

/// For people.
impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.strain {
            Strain::Disk => "the disk takes messages too slowly",
            Strain::Memory => "connections hold as much memory as they may",
            Strain::Places => "all places for strangers are taken",
        })
    }
}

/// How it is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) commit_wait: Duration,
    pub(super) held: u64,
}

impl Measured {
    fn strain(self, marks: Marks) -> Option<Strain> {
        if self.is_crowded(marks) {
            Some(Strain::Memory)
        } else if self.commit_wait >= marks.commit_wait {
            Some(Strain::Disk)
        } else {
            None
        }
    }

    /// What is left of the memory is for those who are there, and those who are awaited.
    pub(super) const fn is_crowded(self, marks: Marks) -> bool {
        self.held >= marks.memory / 4 * 3
    }

    fn is_calm(self, marks: Marks) -> bool {
        self.held < marks.memory / 2 && self.commit_wait < marks.commit_wait / 2
    }
}

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Began(Busy),
    Ended(Busy),
}

/// Remembers how it was: what begins at once ends only after a rest, well below where it began.
#[derive(Debug, Default)]
pub(super) struct Judge {
    busy: Option<Busy>,
    /// Since when all is calm.
    calm: Option<Timestamp>,
}

impl Judge {
    pub(super) const fn busy(&self) -> Option<Busy> {
        self.busy
    }

    pub(super) fn look(
        &mut self,
        measured: Measured,
        marks: Marks,
        now: Timestamp,
    ) -> Option<Change> {
        let Some(busy) = self.busy else {
            let strain = measured.strain(marks)?;
            let busy = Busy { since: now, strain };
            (self.busy, self.calm) = (Some(busy), None);
            return Some(Change::Began(busy));
        };
        if !measured.is_calm(marks) {
            self.calm = None;
            return None;
        }
        // A clock that was set back does not make the rest longer.
        let calm = self.calm.filter(|calm| *calm <= now).unwrap_or(now);
        self.calm = Some(calm);
        if now.since(calm) < limits::BUSY_REST {
            return None;
        }
        (self.busy, self.calm) = (None, None);
        Some(Change::Ended(busy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks {
        commit_wait: Duration::from_secs(4),
        memory: 1000,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// Seconds of waiting and bytes, once a second: when it was busy, and why.
    fn course(course: &[(u64, u64)]) -> String {
        let mut judge = Judge::default();
        let seconds = (1_u64..).zip(course);
        let told = seconds.map(|(second, (wait, held))| {
            let measured = Measured {
                commit_wait: Duration::from_secs(*wait),
                held: *held,
            };
            judge.look(measured, MARKS, at(second));
            match judge.busy().map(|busy| busy.strain) {
                None => '.',
                Some(Strain::Disk) => 'D',
                Some(Strain::Memory) => 'M',
                Some(Strain::Places) => 'P',
            }
        });
        told.collect()
    }

    #[test]
    fn it_begins_at_once_and_ends_after_a_rest() {
        assert_eq!(limits::BUSY_REST, Duration::from_secs(3));
        assert_eq!(course(&[(0, 0), (3, 749)]), "..");
        let slow = [(4, 0), (1, 0), (1, 0), (1, 0), (1, 0)];
        assert_eq!(course(&slow), "DDDD.");
        let full = [(0, 750), (0, 499), (0, 0), (0, 0), (0, 0)];
        assert_eq!(course(&full), "MMMM.");
    }

    #[test]
    fn what_is_between_the_marks_changes_nothing() {
        let between = [(3, 700), (4, 0), (2, 0), (3, 0), (2, 0), (3, 0), (2, 0)];
        assert_eq!(course(&between), ".DDDDDD");
        // A rest that was broken begins anew; and why it began stays.
        let broken = [
            (4, 0),
            (0, 0),
            (0, 0),
            (0, 800),
            (0, 0),
            (0, 0),
            (0, 0),
            (0, 0),
        ];
        assert_eq!(course(&broken), "DDDDDDD.");
    }

    #[test]
    fn a_clock_that_is_set_back_ends_it_all_the_same() {
        let mut judge = Judge::default();
        let measured = |held| Measured {
            commit_wait: Duration::ZERO,
            held,
        };
        assert!(judge.look(measured(1000), MARKS, at(9000)).is_some());
        assert_eq!(judge.look(measured(0), MARKS, at(9001)), None);
        assert_eq!(judge.look(measured(0), MARKS, at(10)), None);
        let ended = judge.look(measured(0), MARKS, at(13));
        assert!(matches!(ended, Some(Change::Ended(_))));
        assert_eq!(judge.busy(), None);
    }
}
