//! When a report is sent, and what became of it. Pure: time and chance are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::tls_day::DayOf;
use crate::base::Timestamp;
use crate::limits;

/// What becomes of the reports of the last days.
#[derive(Debug, Default)]
pub(in crate::outbound) struct Plan(BTreeMap<DayOf, Course>);

/// What became of one so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// Not before; `None`: nothing is under way any more.
    pub(super) due: Option<Timestamp>,
    tries: usize,
    /// What went wrong last.
    pub(super) trouble: Option<String>,
    /// It is over.
    pub(super) end: Option<End>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) at: Timestamp,
    pub(super) how: How,
    /// In words.
    pub(super) what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    Sent,
    /// The domain asks for none.
    Unasked,
    GivenUp,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    Ended(How, String),
    /// Another one may do.
    Failed(String),
}

/// Is it too late for a report of this day?
pub(super) fn is_too_late(of: &DayOf, now: Timestamp) -> bool {
    now >= of.end().after(limits::TLS_REPORT_OLD)
}

impl Plan {
    /// What an earlier life knew.
    pub(super) fn restore(&mut self, of: DayOf, end: End) {
        let course = Course {
            end: Some(end),
            ..Course::default()
        };
        self.0.insert(of, course);
    }

    pub(super) fn course(&self, of: &DayOf) -> Option<&Course> {
        self.0.get(of)
    }

    /// The reports that are to be sent now, of these days; nobody else gets them before
    /// [`Self::heard`]. `chance` is a number in `0..1`.
    pub(super) fn due(
        &mut self,
        now: Timestamp,
        known: &BTreeSet<DayOf>,
        mut chance: impl FnMut() -> f64,
    ) -> Vec<DayOf> {
        self.0.retain(|of, _| known.contains(of));
        let over = |of: &&DayOf| of.end() <= now && !is_too_late(of, now);
        for of in known.iter().filter(over) {
            self.0.entry(of.clone()).or_insert_with(|| {
                // RFC 8460 §4.1: not all at midnight. From now on, for a start after a night is
                // as much of a crowd.
                let delay = limits::TLS_REPORT_DELAY.mul_f64(chance().clamp(0.0, 1.0));
                Course {
                    due: Some(now.after(delay)),
                    ..Course::default()
                }
            });
        }
        let mut found = Vec::new();
        for (of, course) in &mut self.0 {
            if course.due.is_some_and(|due| due <= now) {
                course.due = None;
                found.push(of.clone());
            }
        }
        found
    }

    /// What came of an attempt; an end is to be written down.
    pub(super) fn heard(&mut self, of: &DayOf, now: Timestamp, attempt: Attempt) -> Option<End> {
        let course = self.0.get_mut(of)?;
        let end = |how, what| Some(End { at: now, how, what });
        course.end = match attempt {
            Attempt::Ended(how, what) => end(how, what),
            Attempt::Failed(what) => {
                let pause: Option<Duration> = limits::TLS_REPORT_AGAIN.get(course.tries).copied();
                course.tries += 1;
                course.trouble = Some(what.clone());
                course.due = pause.map(|pause| now.after(pause));
                match pause {
                    Some(_) => None,
                    None => end(How::GivenUp, what),
                }
            }
        };
        course.end.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn of(day: u64, domain: &str) -> DayOf {
        DayOf {
            day,
            domain: domain.to_owned(),
        }
    }

    fn known(all: &[(u64, &str)]) -> BTreeSet<DayOf> {
        all.iter().map(|(day, domain)| of(*day, domain)).collect()
    }

    #[test]
    fn a_report_leaves_once_within_hours_of_its_day() {
        let mut plan = Plan::default();
        let all = known(&[(10, "a.example"), (11, "a.example")]);
        let midnight = of(10, "").end();
        let just_before = Timestamp::from_millis(midnight.as_millis() - 1);
        assert!(plan.due(just_before, &all, || 0.0).is_empty());
        assert!(plan.due(midnight, &all, || 0.5).is_empty());
        // Chance is asked once.
        let at = |time: Duration| midnight.after(time);
        assert!(plan.due(at(HOUR), &all, || 0.0).is_empty());
        assert_eq!(plan.due(at(HOUR * 2), &all, || 0.0), [of(10, "a.example")]);
        assert!(plan.due(at(HOUR * 3), &all, || 0.0).is_empty(), "in hands");
        let sent = Attempt::Ended(How::Sent, "there".to_owned());
        let end = plan.heard(&of(10, "a.example"), at(HOUR * 3), sent);
        assert_eq!(end.map(|it| it.how), Some(How::Sent));
        assert!(plan.due(at(HOUR * 23), &all, || 0.0).is_empty());
    }

    /// RFC 8460 §5.5: attempts go on for a day.
    #[test]
    fn what_fails_is_tried_again_for_a_day() {
        let mut plan = Plan::default();
        let (all, one) = (known(&[(10, "a.example")]), of(10, "a.example"));
        let mut now = one.end();
        let begin = now;
        let mut tries = 0;
        let end = loop {
            if plan.due(now, &all, || 0.0).is_empty() {
                now = now.after(HOUR / 4);
                continue;
            }
            tries += 1;
            let failed = Attempt::Failed("451 later".to_owned());
            if let Some(end) = plan.heard(&one, now, failed) {
                break end;
            }
        };
        assert_eq!(tries, limits::TLS_REPORT_AGAIN.len() + 1);
        let took = end.at.since(begin);
        assert!(took > HOUR * 20 && took <= HOUR * 24, "{took:?}");
        assert_eq!((end.how, end.what.as_str()), (How::GivenUp, "451 later"));
        assert!(plan.due(now.after(HOUR * 10), &all, || 0.0).is_empty());
    }

    #[test]
    fn old_days_are_left_alone_and_forgotten() {
        let mut plan = Plan::default();
        let one = of(10, "a.example");
        let late = one.end().after(limits::TLS_REPORT_OLD);
        assert!(
            plan.due(late, &known(&[(10, "a.example")]), || 0.0)
                .is_empty()
        );
        let end = End {
            at: late,
            how: How::Unasked,
            what: String::new(),
        };
        plan.restore(one.clone(), end);
        assert!(plan.course(&one).is_some());
        plan.due(late, &BTreeSet::new(), || 0.0);
        assert!(plan.course(&one).is_none());
    }
}
