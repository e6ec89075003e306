//! What a session costs us, and what errors cost who makes them.

use std::time::Duration;

use super::{Rules, Session, State};
use crate::inbound::Bounds;
use crate::smtp::Reply;

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);

impl Session {
    /// Bytes of what was said so far that are in memory, about.
    pub(in crate::inbound) fn held(&self) -> usize {
        match &self.state {
            State::Collecting(_, transaction) => transaction.held(),
            State::Ungreeted | State::Ready(_) | State::Chunking(_) | State::Refused(..) => 0,
        }
    }

    /// One error more, unless the reply blames us.
    pub(super) fn err(&mut self, reply: &Reply) {
        if reply.is_permanent() {
            self.blame();
        }
    }

    /// One error more.
    pub(super) const fn blame(&mut self) {
        self.errors = self.errors.saturating_add(1);
        self.has_erred = true;
    }

    /// The same of a login: whoever guesses passwords waits from the first one on.
    pub(super) fn err_in_login(&mut self, reply: &Reply, rules: &impl Rules) {
        self.errors = self.errors.max(rules.options().bounds.tarpit_after);
        self.err(reply);
    }

    /// So long the reply to the last line is kept back; asked once for each. Whom we know, and who
    /// has logged in, waits for nothing.
    pub(in crate::inbound) fn take_penalty(&mut self, rules: &impl Rules) -> Duration {
        let has_erred = std::mem::take(&mut self.has_erred);
        if !has_erred || rules.is_awaited() {
            return Duration::ZERO;
        }
        penalty(self.errors, &rules.options().bounds)
    }
}

/// What the error of this number costs.
fn penalty(errors: usize, bounds: &Bounds) -> Duration {
    let Some(beyond) = errors.checked_sub(bounds.tarpit_after + 1) else {
        return Duration::ZERO;
    };
    let doubled = u32::try_from(beyond)
        .ok()
        .and_then(|beyond| 1_u32.checked_shl(beyond));
    let wait = FIRST.saturating_mul(doubled.unwrap_or(u32::MAX));
    wait.min(bounds.tarpit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_costs_twice_the_one_before() {
        let bounds = Bounds {
            tarpit: Duration::from_secs(10),
            tarpit_after: 2,
            ..Bounds::default()
        };
        let waits = (0..9).map(|errors| penalty(errors, &bounds).as_secs());
        assert_eq!(waits.collect::<Vec<_>>(), [0, 0, 0, 1, 2, 4, 8, 10, 10]);
        for many in [31, 32, 33, 34, 35, 36, 1000, usize::MAX] {
            assert_eq!(penalty(many, &bounds), bounds.tarpit);
        }
        let off = Bounds {
            tarpit: Duration::ZERO,
            ..bounds
        };
        assert_eq!(penalty(1000, &off), Duration::ZERO);
    }
}
