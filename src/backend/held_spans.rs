//! When operators held a backend. Time that mail spent waiting for it uses up no patience (decision
//! 5), though nothing is written down for each message.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Board, Override, Wish};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::BackendId;

/// A hold that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    from: Timestamp,
    to: Timestamp,
}

/// The holds with the one that the next word of an operator ends. Bounded: the oldest go.
pub(super) fn with_ended(
    mut spans: Vec<Span>,
    before: Option<&Override>,
    to: Timestamp,
) -> Vec<Span> {
    let held = before.filter(|said| said.wish == Wish::Hold);
    if let Some(from) = held.map(|said| said.since).filter(|from| *from < to) {
        spans.push(Span { from, to });
    }
    let too_many = spans.len().saturating_sub(limits::HELD_SPANS);
    spans.drain(..too_many);
    spans
}

/// How much of a time was held; what overlaps counts once.
pub(super) fn held_within(spans: &[Span], from: Timestamp, to: Timestamp) -> Duration {
    let mut spans = spans.to_vec();
    spans.sort_by_key(|span| span.from);
    let (mut held, mut reached) = (Duration::ZERO, from);
    for span in spans {
        let (begin, end) = (span.from.max(reached), span.to.min(to));
        if begin < end {
            held += end.since(begin);
            reached = end;
        }
    }
    held
}

impl Board {
    /// How long operators held a backend in this time.
    #[must_use]
    pub fn held_for(&self, backend: &BackendId, from: Timestamp, to: Timestamp) -> Duration {
        let mut spans = self.spans_of(backend);
        if let Some(said) = self.said(backend).filter(|said| said.wish == Wish::Hold) {
            spans.push(Span {
                from: said.since,
                to: to.max(said.since),
            });
        }
        held_within(&spans, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn what_was_held_is_counted_once() {
        let spans = |list: &[(u64, u64)]| -> Vec<Span> {
            let list = list.iter();
            list.map(|(from, to)| Span {
                from: at(*from),
                to: at(*to),
            })
            .collect()
        };
        for (list, expected) in [
            (&[][..], 0),
            (&[(10, 20)], 10),
            (&[(0, 200)], 100),
            (&[(0, 20), (90, 200)], 30),
            (&[(50, 60), (10, 20)], 20),
            (&[(10, 60), (20, 30), (50, 70)], 60),
            (&[(100, 200), (0, 0)], 0),
        ] {
            let held = held_within(&spans(list), at(0), at(100));
            assert_eq!(held, Duration::from_secs(expected), "{list:?}");
        }
    }

    #[test]
    fn a_hold_ends_with_the_next_word_and_old_ones_are_forgotten() {
        let said = |wish, since| Override {
            wish,
            actor: "root".to_owned(),
            reason: String::new(),
            since: at(since),
        };
        assert_eq!(with_ended(Vec::new(), None, at(9)), []);
        assert_eq!(with_ended(Vec::new(), Some(&said(Wish::Up, 1)), at(9)), []);
        let mut spans = Vec::new();
        for number in 0..200 {
            let (from, to) = (number * 10, number * 10 + 5);
            spans = with_ended(spans, Some(&said(Wish::Hold, from)), at(to));
        }
        assert_eq!(spans.len(), limits::HELD_SPANS);
        let held = held_within(&spans, at(1_980), at(10_000));
        assert_eq!(held, Duration::from_secs(10));
    }
}
