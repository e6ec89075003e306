//! How fast a mailbox is changed: platforms slow down, or lock, who writes too fast. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// In any time as long as this a mailbox gets at most so many changes.
const SPAN: Duration = Duration::from_secs(60);

/// When the mailboxes of a backend were changed, over all connections and runs.
#[derive(Debug, Default)]
pub(super) struct Paces(BTreeMap<String, VecDeque<Instant>>);

impl Paces {
    /// Notes one change more, if there may be one now; else how long to wait. 0 is no limit.
    pub(super) fn change(
        &mut self,
        (mailbox, most): (&str, usize),
        now: Instant,
    ) -> Option<Duration> {
        if most == 0 {
            return None;
        }
        let is_past = |at: &Instant| now.saturating_duration_since(*at) >= SPAN;
        if !self.0.contains_key(mailbox) {
            // Who had nothing for long is forgotten.
            self.0.retain(|_, last| !last.back().is_none_or(is_past));
        }
        let last = self.0.entry(mailbox.to_owned()).or_default();
        while last.front().is_some_and(is_past) {
            last.pop_front();
        }
        match last.front() {
            Some(first) if last.len() >= most => {
                Some(SPAN.saturating_sub(now.saturating_duration_since(*first)))
            }
            _ => {
                last.push_back(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mailboxes_wait_each_for_itself_and_are_forgotten() {
        let (mut paces, start) = (Paces::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(paces.change(("ann", 3), start), None);
        }
        let later = start + Duration::from_secs(20);
        let wait = paces.change(("ann", 3), later);
        assert_eq!(wait, Some(Duration::from_secs(40)));
        assert_eq!(paces.change(("bob", 3), later), None);
        assert_eq!(paces.change(("ann", 0), later), None, "no limit");
        assert_eq!(paces.change(("ann", 3), start + SPAN), None);
        assert_eq!(paces.change(("cy", 3), later + 9 * SPAN), None);
        assert_eq!(paces.0.len(), 1);
    }

    proptest! {
        #[test]
        fn no_minute_has_more(
            most in 1_usize..20,
            steps in proptest::collection::vec(0_u64..9_000, 1..200),
        ) {
            let (mut paces, mut now) = (Paces::default(), Instant::now());
            let mut done: Vec<Instant> = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                match paces.change(("ann", most), now) {
                    None => done.push(now),
                    Some(wait) => {
                        prop_assert!(wait > Duration::ZERO && wait <= SPAN);
                        now += wait;
                        prop_assert_eq!(paces.change(("ann", most), now), None);
                        done.push(now);
                    }
                }
                let recent = done.iter().filter(|at| now.duration_since(**at) < SPAN);
                prop_assert!(recent.count() <= most);
            }
        }
    }
}
