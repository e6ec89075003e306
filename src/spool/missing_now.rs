//! Who waits in vain for what stood in a segment that is missing: ever fewer, as such mail is
//! delivered after all (the file was open still) or dropped.

use std::sync::Arc;
use std::time::Duration;

use super::SpoolError;
use super::handle::Spool;
use super::index::{MessageRow, decode, key};
use super::missing::Missing;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::SpoolId;

/// Between two counts of very many.
const PAUSE: Duration = Duration::from_secs(5);

/// What the last look missed, and what has become of it since.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    missing: Missing,
    /// The messages of [`Missing::waiting`]. None joins them: nothing is written there any more.
    waiting: Arc<[SpoolId]>,
    counted: Timestamp,
}

impl Gone {
    pub(super) fn new(missing: Missing, waiting: Vec<SpoolId>, counted: Timestamp) -> Self {
        Self {
            missing,
            waiting: waiting.into(),
            counted,
        }
    }

    pub(super) const fn missing(&self) -> &Missing {
        &self.missing
    }

    /// Has nobody looked or counted since?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.waiting, &other.waiting)
    }

    /// Is it time to count anew? A few are counted whenever somebody asks.
    fn is_due(&self, now: Timestamp) -> bool {
        match self.waiting.len() {
            0 => false,
            few if few <= limits::PAGE => true,
            // Or the clock was set back.
            _ => self.counted > now || now.since(self.counted) >= PAUSE,
        }
    }
}

impl Spool {
    /// What the last look missed of the log, and who waits for it now; `None`: nothing. Reads rows
    /// of the index: nothing for the threads of the runtime.
    #[must_use]
    pub fn missing(&self) -> Option<Missing> {
        let gone = self.0.looks.gone()?;
        let now = self.0.clock.now();
        if !gone.is_due(now) {
            return Some(gone.missing);
        }
        // While the index is made, nobody knows better than the look did.
        let Ok(counted) = self.counted_anew(&gone, now) else {
            return Some(gone.missing);
        };
        let missing = counted.missing.clone();
        self.0.looks.counted(&gone, counted);
        Some(missing)
    }

    fn counted_anew(&self, gone: &Gone, now: Timestamp) -> Result<Gone, SpoolError> {
        let index = self.index()?;
        let mut missing = Missing {
            recipients: 0,
            ..gone.missing.clone()
        };
        let mut waiting = Vec::with_capacity(gone.waiting.len());
        for &id in gone.waiting.iter() {
            let Some(row) = index.get(&key::message(id))? else {
                continue;
            };
            let row: MessageRow = decode(&row)?;
            if row.unfinished > 0 {
                missing.recipients += u64::from(row.unfinished);
                waiting.push(id);
            } else {
                missing.finished += 1;
            }
        }
        missing.waiting = waiting.len() as u64;
        Ok(Gone::new(missing, waiting, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever asks `/health` each second must not have a million rows read each time.
    #[test]
    fn very_many_are_counted_now_and_then() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let gone = |count: usize| {
            let waiting = vec![SpoolId::from_u64(1); count];
            Gone::new(Missing::default(), waiting, at(100))
        };
        for (count, seconds, expected) in [
            (0, 900, false),
            (1, 100, true),
            (limits::PAGE, 100, true),
            (limits::PAGE + 1, 104, false),
            (limits::PAGE + 1, 105, true),
            // The clock was set back.
            (limits::PAGE + 1, 99, true),
        ] {
            let is_due = gone(count).is_due(at(seconds));
            assert_eq!(is_due, expected, "{count} at {seconds}");
        }
    }
}
