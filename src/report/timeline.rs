//! The course of a time in steps: what came, what ended, what waited.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// At most so many steps.
const STEPS: u64 = 180;
/// Steps that people can read off, in seconds.
const WIDTHS: [u64; 9] = [
    60, 300, 900, 3600, 10_800, 21_600, 86_400, 604_800, 2_592_000,
];

/// One number for each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// Where the first step begins.
    pub start: Timestamp,
    /// Seconds of a step.
    pub step_seconds: u64,
    /// Recipients whose mail came.
    pub arrived: Vec<u64>,
    /// Recipients whose mail was delivered, or came to another end.
    pub ended: Vec<u64>,
    /// Recipients who waited at the end of the step.
    pub waiting: Vec<u64>,
}

impl Timeline {
    /// Steps that cover this time; nothing happened yet.
    #[must_use]
    pub fn new(since: Timestamp, until: Timestamp) -> Self {
        let seconds = until.since(since).as_secs().max(1);
        let fits = |width: &u64| seconds.div_ceil(*width) <= STEPS;
        let last = seconds.div_ceil(STEPS);
        let step_seconds = WIDTHS.into_iter().find(fits).unwrap_or(last);
        let steps = usize::try_from(seconds.div_ceil(step_seconds)).unwrap_or(1);
        Self {
            start: since,
            step_seconds,
            arrived: vec![0; steps],
            ended: vec![0; steps],
            waiting: vec![0; steps],
        }
    }

    /// A recipient's mail came, and ended; what ended after the last step waited in all of them.
    pub(super) fn note(&mut self, came: Timestamp, ended: Option<Timestamp>) {
        let (first, last) = (self.step(came), ended.and_then(|ended| self.step(ended)));
        if let Some(arrived) = first.and_then(|step| self.arrived.get_mut(step)) {
            *arrived += 1;
        }
        if let Some(ended) = last.and_then(|step| self.ended.get_mut(step)) {
            *ended += 1;
        }
    }

    /// Counts who waited, when everything was noted.
    pub(super) fn finish(&mut self) {
        let mut waiting: u64 = 0;
        let steps = self.arrived.iter().zip(&self.ended).zip(&mut self.waiting);
        for ((arrived, ended), now) in steps {
            waiting = waiting.saturating_add(*arrived).saturating_sub(*ended);
            *now = waiting;
        }
    }

    fn step(&self, at: Timestamp) -> Option<usize> {
        let step = at.since(self.start).as_secs() / self.step_seconds;
        let step = usize::try_from(step).ok()?;
        (at >= self.start && step < self.arrived.len()).then_some(step)
    }

    /// Where the last step ends.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let steps = u64::try_from(self.arrived.len()).unwrap_or(u64::MAX);
        self.start
            .after(Duration::from_secs(self.step_seconds.saturating_mul(steps)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    #[test]
    fn a_step_is_one_that_people_can_read_off() {
        let steps = |seconds| {
            let timeline = Timeline::new(at(0), at(seconds));
            (timeline.step_seconds, timeline.arrived.len())
        };
        assert_eq!(steps(0), (60, 1));
        assert_eq!(steps(7200), (60, 120));
        assert_eq!(steps(86_400), (900, 96));
        assert_eq!(steps(3 * 86_400), (3600, 72));
        assert_eq!(steps(400 * 86_400), (604_800, 58));
    }

    #[test]
    fn who_came_and_did_not_end_waits() {
        let mut timeline = Timeline::new(at(0), at(300));
        timeline.note(at(10), Some(at(20)));
        timeline.note(at(70), Some(at(200)));
        timeline.note(at(130), Some(at(9000)));
        timeline.note(at(299), None);
        timeline.finish();
        assert_eq!(timeline.arrived, [1, 1, 1, 0, 1]);
        assert_eq!(timeline.ended, [1, 0, 0, 1, 0]);
        assert_eq!(timeline.waiting, [0, 1, 2, 1, 2]);
        assert_eq!(timeline.end(), at(300));
    }
}
