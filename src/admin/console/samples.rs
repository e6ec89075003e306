//! What went through in the last day and in the last minutes: two rings of samples in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::reading::{Reading, Within};
use crate::base::Timestamp;

/// From one sample of the last minutes to the next.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// Of the last day.
const SLOW: Duration = Duration::from_secs(60);
/// Samples that are kept of the last minutes: a quarter of an hour.
const QUICK_KEPT: usize = 90;
/// Of the last day.
const SLOW_KEPT: usize = 24 * 60;

/// A sample over more steps than this is of a pause: when in it something came is not known.
const PAUSE: u32 = 5;

/// What went through during one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sample {
    /// Its begin.
    pub(super) from: Timestamp,
    /// Its end.
    pub(super) at: Timestamp,
    /// Messages accepted.
    pub(super) accepted: u64,
    /// Recipients delivered.
    pub(super) delivered: u64,
    /// Recipients that waited at its end.
    pub(super) waiting: u64,
    /// How long the deliveries took.
    pub(super) within: Within,
}

impl Sample {
    /// Milliseconds within which 95 of 100 deliveries came; none without any.
    pub(super) fn latency(&self) -> Option<u64> {
        self.within.most()
    }

    /// One for both, with the most that waited.
    fn beside(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other {
            self.add(&other);
            self.waiting = self.waiting.max(other.waiting);
        }
        self
    }

    /// One for both; what waits is up to who asks.
    fn add(&mut self, other: &Self) {
        self.at = self.at.max(other.at);
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.within.add_all(&other.within);
    }

    /// What of it fell between two moments of it: of what was counted its share.
    fn share(&self, (begin, end): (Timestamp, Timestamp)) -> Self {
        let whole = self.at.since(self.from).as_millis().max(1);
        let until = |count: u64, at: Timestamp| {
            let passed = at.since(self.from).as_millis().min(whole);
            u64::try_from(u128::from(count) * passed / whole).unwrap_or(count)
        };
        let share = |count: u64| until(count, end).saturating_sub(until(count, begin));
        Self {
            accepted: share(self.accepted),
            delivered: share(self.delivered),
            ..self.clone()
        }
    }
}

/// One ring.
#[derive(Debug)]
pub(super) struct Ring {
    step: Duration,
    /// Samples that are kept.
    pub(super) kept: usize,
    /// The oldest first.
    pub(super) samples: VecDeque<Sample>,
    last: Option<(Timestamp, Reading)>,
}

impl Ring {
    pub(super) const fn new(step: Duration, kept: usize) -> Self {
        Self {
            step,
            kept,
            samples: VecDeque::new(),
            last: None,
        }
    }

    /// Takes what is read now, if a step has passed since the last time.
    pub(super) fn take(&mut self, now: Timestamp, reading: &Reading) {
        let Some((at, before)) = &self.last else {
            self.last = Some((now, reading.clone()));
            return;
        };
        if now < *at {
            // The clock was put back: what lies in the future now would stand in the way.
            self.samples.retain(|sample| sample.at <= now);
            self.last = Some((now, reading.clone()));
            return;
        }
        // Nobody is waked to the millisecond.
        let passed = now.since(*at);
        if passed + self.step / 10 < self.step {
            return;
        }
        let is_pause = passed > self.step * PAUSE;
        let sample = Sample {
            from: if is_pause { now.before(self.step) } else { *at },
            at: now,
            accepted: reading.accepted.saturating_sub(before.accepted),
            delivered: reading.delivered.saturating_sub(before.delivered),
            waiting: reading.waiting,
            within: reading.since(before),
        };
        if self.samples.len() >= self.kept {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.last = Some((now, reading.clone()));
    }

    /// So many equal parts of the time that it keeps, up to the last sample, or to `now` when that
    /// is long ago: in each what went through, and the most that waited. Nothing where nothing was
    /// measured.
    pub(super) fn parts(&self, now: Timestamp, count: usize) -> Vec<Option<Sample>> {
        let newest = self.newest(now).filter(|at| now.since(*at) < self.step * 2);
        let end = newest.unwrap_or(now);
        let whole = self.step * u32::try_from(self.kept).unwrap_or(u32::MAX);
        let begin = end.before(whole);
        let width = whole / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut parts: Vec<Option<Sample>> = vec![None; count];
        let samples = self.samples.iter();
        for sample in samples.filter(|one| one.at > begin && one.at <= end) {
            let (mut left, from) = (begin, sample.from.max(begin));
            for part in &mut parts {
                let right = left.after(width);
                let (first, last) = (from.max(left), sample.at.min(right));
                if first < last {
                    *part = Some(sample.share((first, last)).beside(part.take()));
                }
                left = right;
            }
        }
        parts
    }

    /// The end of the last sample that is not of the future.
    fn newest(&self, now: Timestamp) -> Option<Timestamp> {
        let known = self.samples.iter().map(|one| one.at);
        known.filter(|at| *at <= now).max()
    }

    /// What went through in the last minute, as far as it was measured.
    pub(super) fn minute(&self, now: Timestamp) -> Option<Sample> {
        const MINUTE: Duration = Duration::from_secs(60);
        let newest = self.newest(now)?;
        if now.since(newest) > MINUTE {
            return None;
        }
        let begin = newest.before(MINUTE);
        let recent = self.samples.iter();
        let recent = recent.filter(|one| one.at > begin && one.at <= newest);
        let recent = recent.map(|one| one.share((one.from.max(begin), one.at)));
        recent.reduce(|mut sum, one| {
            sum.add(&one);
            sum.waiting = one.waiting;
            sum
        })
    }
}

/// Both rings; cheap to clone.
#[derive(Debug, Clone)]
pub struct Samples(Arc<Mutex<Rings>>);

#[derive(Debug)]
pub(super) struct Rings {
    /// The last minutes.
    pub(super) quick: Ring,
    /// The last day.
    pub(super) slow: Ring,
    /// When the first reading was taken, by an earlier process perhaps.
    pub(super) since: Option<Timestamp>,
}

impl Default for Samples {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Rings {
            quick: Ring::new(QUICK, QUICK_KEPT),
            slow: Ring::new(SLOW, SLOW_KEPT),
            since: None,
        })))
    }
}

impl Samples {
    /// Takes what is read now.
    pub(super) fn take(&self, now: Timestamp, reading: &Reading) {
        self.change(|rings| {
            rings.quick.take(now, reading);
            rings.slow.take(now, reading);
            rings.since.get_or_insert(now);
        });
    }

    /// Changes them.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Rings) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at them.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Rings) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(Duration::from_secs(seconds))
    }

    fn reading(accepted: u64, waiting: u64) -> Reading {
        Reading {
            accepted,
            delivered: accepted / 2,
            waiting,
            within: Within::default(),
        }
    }

    #[test]
    fn a_step_is_what_differs_between_two_readings() {
        let mut ring = Ring::new(MINUTE, 3);
        ring.take(at(0), &reading(100, 0));
        ring.take(at(53), &reading(150, 9));
        assert!(ring.samples.is_empty(), "no step has passed");
        ring.take(at(60), &reading(160, 4));
        let first = &ring.samples[0];
        assert_eq!(
            (first.accepted, first.delivered, first.waiting),
            (60, 30, 4)
        );
        for minute in 2..9 {
            ring.take(at(minute * 60), &reading(160 + minute, 0));
        }
        assert_eq!(ring.samples.len(), 3, "it is bounded");
        assert_eq!(ring.minute(at(480)).unwrap().accepted, 1);
        assert_eq!(ring.minute(at(4800)), None);
    }

    #[test]
    fn what_was_not_measured_is_not_nothing() {
        let mut ring = Ring::new(MINUTE, 10);
        ring.take(at(0), &reading(0, 0));
        ring.take(at(60), &reading(5, 8));
        ring.take(at(120), &reading(7, 3));
        let parts = ring.parts(at(120), 5);
        assert!(parts[..4].iter().all(Option::is_none));
        let last = parts[4].clone().unwrap();
        assert_eq!(
            (last.accepted, last.waiting),
            (7, 8),
            "summed, and the most"
        );
        let old = ring.parts(at(1200), 5);
        assert!(old.iter().all(Option::is_none), "too long ago");
        // A pause, as of a machine that slept, is a gap.
        ring.take(at(480), &reading(9, 0));
        let parts = ring.parts(at(480), 10);
        let known: Vec<bool> = parts.iter().map(Option::is_some).collect();
        let (no, yes) = (false, true);
        assert_eq!(known, [no, no, yes, yes, no, no, no, no, no, yes]);
    }

    /// Who is waked a little late, or misses a turn, leaves neither a gap nor a double bar.
    #[test]
    fn a_sample_covers_all_of_its_time() {
        let begin = at(0);
        let mut ring = Ring::new(QUICK, 10);
        let (mut now, mut all) = (begin, 0);
        ring.take(now, &reading(0, 0));
        for step in 0..10_u64 {
            // 10.4 s, 9.7 s, and once 20.1 s.
            let millis = match step {
                4 => 20_100,
                step if step % 2 == 0 => 10_400,
                _ => 9_700,
            };
            now = now.after(Duration::from_millis(millis));
            all += millis / 100;
            ring.take(now, &reading(all, 7));
        }
        for late in [0, 3, 9, 14] {
            let parts = ring.parts(now.after(Duration::from_secs(late)), 10);
            let counts = parts
                .iter()
                .map(|part| part.as_ref().map(|one| one.accepted));
            let counts: Vec<u64> = counts.map(|count| count.expect("no gap")).collect();
            assert!(
                counts.iter().all(|count| (99..=101).contains(count)),
                "ten a second: {counts:?}"
            );
        }
        let minute = ring.minute(now).unwrap().accepted;
        assert!((598..=602).contains(&minute), "{minute}");
        // What is split is neither lost nor counted twice.
        let mut ring = Ring::new(MINUTE, 4);
        ring.take(begin, &reading(0, 0));
        for (seconds, sum) in [(61, 1), (120, 8), (183, 11), (240, 24)] {
            ring.take(at(seconds), &reading(sum, 0));
        }
        let parts = ring.parts(at(240), 4);
        let sum: u64 = parts.iter().flatten().map(|one| one.accepted).sum();
        assert_eq!(sum, 24);
    }

    /// Of two steps, one of a single slow delivery, 95 of 100 are those of both.
    #[test]
    fn what_95_of_100_took_is_asked_of_all_of_them() {
        let took = |quick: u64, slow: u64| Reading {
            within: Within(vec![
                (1.0, quick),
                (60.0, quick + slow),
                (f64::INFINITY, quick + slow),
            ]),
            ..Reading::default()
        };
        let mut ring = Ring::new(MINUTE, 2);
        ring.take(at(0), &took(0, 0));
        ring.take(at(60), &took(999, 0));
        ring.take(at(120), &took(999, 1));
        let parts = ring.parts(at(120), 2);
        let latencies: Vec<Option<u64>> = parts.iter().flatten().map(Sample::latency).collect();
        assert_eq!(latencies, [Some(1_000), Some(60_000)]);
        let both = ring.parts(at(120), 1)[0].clone().unwrap();
        assert_eq!(both.latency(), Some(1_000), "not the worst of the two");
        let mut quick = Ring::new(QUICK, 90);
        quick.take(at(0), &took(0, 0));
        quick.take(at(10), &took(999, 0));
        quick.take(at(20), &took(999, 1));
        assert_eq!(quick.minute(at(20)).unwrap().latency(), Some(1_000));
    }

    #[test]
    fn a_clock_that_is_put_back_and_counters_that_fall_do_no_harm() {
        let mut ring = Ring::new(MINUTE, 10);
        ring.take(at(600), &reading(50, 0));
        ring.take(at(660), &reading(60, 0));
        ring.take(at(0), &reading(61, 0));
        assert!(ring.samples.is_empty());
        ring.take(at(60), &reading(10, 0));
        assert_eq!(ring.samples[0].accepted, 0);
    }
}
