//! The time of a paused runtime: it passes only when everybody waits.

use tideover::base::{TimeSource, Timestamp};
use tokio::time::Instant;

/// Starts at `zero`; goes on with the runtime's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimClock {
    zero: Timestamp,
    begun: Instant,
}

impl SimClock {
    /// A clock that shows `zero` now.
    pub(crate) fn starting_at(zero: Timestamp) -> Self {
        Self {
            zero,
            begun: Instant::now(),
        }
    }
}

impl TimeSource for SimClock {
    fn now(&self) -> Timestamp {
        self.zero.after(self.begun.elapsed())
    }
}
