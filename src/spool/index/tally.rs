//! The counters, and beside them a second count from the rows that must come to the same.

use super::rows::Counters;
use crate::mail::{RecipientState, SpoolId};

/// The counters as changes make them, and, while somebody counts the rows anew, what he has
/// counted so far. A change of a message that he has passed counts for both, one of a message that
/// is still before him for the counters only; so both are equal whenever he has passed everything,
/// however much is changed meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counters: Counters,
    again: Option<Recount>,
}

#[derive(Debug)]
struct Recount {
    /// Messages up to this one are passed; `None`: none is.
    passed: Option<SpoolId>,
    counters: Counters,
}

impl From<Counters> for Tally {
    fn from(counters: Counters) -> Self {
        Self {
            counters,
            again: None,
        }
    }
}

impl Tally {
    /// As changes made them.
    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts a change of this message.
    pub(crate) fn count(&mut self, id: SpoolId, count: impl Fn(&mut Counters)) {
        count(&mut self.counters);
        if let Some(again) = &mut self.again
            && again.passed.is_some_and(|passed| id <= passed)
        {
            count(&mut again.counters);
        }
    }

    /// Segments below are being removed.
    pub(crate) fn raise_floor(&mut self, floor: u32) {
        self.counters.floor = self.counters.floor.max(floor);
    }

    /// Begins to count anew; what was counted before is forgotten.
    pub(crate) fn begin_anew(&mut self) {
        self.again = Some(Recount {
            passed: None,
            counters: Counters::default(),
        });
    }

    /// Counts the next message by its rows: those before it are counted.
    pub(crate) fn pass(&mut self, id: SpoolId, states: &[RecipientState]) {
        if let Some(again) = &mut self.again {
            again.counters.accept(states);
            again.passed = Some(id);
        }
    }

    /// What was counted anew, when all messages are passed. `None`: the index was made anew
    /// meanwhile.
    pub(crate) fn end_anew(&mut self) -> Option<Counters> {
        self.again.take().map(|again| again.counters)
    }
}
