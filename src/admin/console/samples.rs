//! What went through in the last day and in the last minutes: two rings of samples in memory. A
//! restart begins anew, and the pages say so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::reading::Reading;
use crate::admin::Admin;
use crate::base::{Shutdown, Timestamp};

/// From one sample of the last minutes to the next.
const QUICK: Duration = Duration::from_secs(10);
/// Of the last day.
const SLOW: Duration = Duration::from_secs(60);
/// Samples that are kept of the last minutes: a quarter of an hour.
const QUICK_KEPT: usize = 90;
/// Of the last day.
const SLOW_KEPT: usize = 24 * 60;

/// What went through during one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    /// Its end.
    pub(super) at: Timestamp,
    /// Messages accepted.
    pub(super) accepted: u64,
    /// Recipients delivered.
    pub(super) delivered: u64,
    /// Recipients that waited at its end.
    pub(super) waiting: u64,
    /// Milliseconds within which 95 of 100 deliveries came; none without any.
    pub(super) latency: Option<u64>,
}

/// One ring.
#[derive(Debug)]
pub(super) struct Ring {
    step: Duration,
    kept: usize,
    samples: VecDeque<Sample>,
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
        if now.since(*at) < self.step {
            return;
        }
        let sample = Sample {
            at: now,
            accepted: reading.accepted.saturating_sub(before.accepted),
            delivered: reading.delivered.saturating_sub(before.delivered),
            waiting: reading.waiting,
            latency: reading.latency_since(before),
        };
        if self.samples.len() >= self.kept {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.last = Some((now, reading.clone()));
    }

    /// So many equal parts of the time that it keeps, up to `now`: in each the sums of what went
    /// through, and the most that waited. Nothing where nothing was measured.
    pub(super) fn parts(&self, now: Timestamp, count: usize) -> Vec<Option<Sample>> {
        let whole = self.step * u32::try_from(self.kept).unwrap_or(u32::MAX);
        let begin = now.before(whole);
        let mut parts: Vec<Option<Sample>> = vec![None; count];
        let width = (whole.as_millis() / count.max(1) as u128).max(1);
        for sample in &self.samples {
            if sample.at <= begin || sample.at > now {
                continue;
            }
            // The sample is about the step before its end.
            let place = sample.at.since(begin).as_millis().saturating_sub(1) / width;
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            if let Some(part) = parts.get_mut(place) {
                *part = Some(part.map_or(*sample, |part| Sample {
                    at: sample.at,
                    accepted: part.accepted + sample.accepted,
                    delivered: part.delivered + sample.delivered,
                    waiting: part.waiting.max(sample.waiting),
                    latency: part.latency.max(sample.latency),
                }));
            }
        }
        parts
    }

    /// What went through in the last minute, as far as it was measured.
    pub(super) fn minute(&self, now: Timestamp) -> Option<Sample> {
        const MINUTE: Duration = Duration::from_secs(60);
        let known = self.samples.iter().filter(|one| one.at <= now);
        let newest = known.clone().map(|one| one.at).max()?;
        if now.since(newest) > MINUTE {
            return None;
        }
        let begin = newest.before(MINUTE);
        let recent = known.filter(|one| one.at > begin);
        recent.copied().reduce(|sum, one| Sample {
            at: one.at,
            accepted: sum.accepted + one.accepted,
            delivered: sum.delivered + one.delivered,
            waiting: one.waiting,
            latency: sum.latency.max(one.latency),
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
    /// When the first reading was taken.
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
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rings.quick.take(now, reading);
        rings.slow.take(now, reading);
        rings.since.get_or_insert(now);
    }

    /// Looks at them.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Rings) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes a sample now and then, until the stop is asked for.
pub async fn keep_samples(admin: Arc<Admin>, samples: Samples, shutdown: Shutdown) {
    loop {
        let stats = admin.spool.stats();
        let waiting = stats.queued.values().sum::<u64>() + stats.held;
        let reading = Reading::of(&admin.metrics.render(), waiting);
        samples.take(admin.clock.now(), &reading);
        tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            () = tokio::time::sleep(QUICK) => {}
        }
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
            within: Vec::new(),
        }
    }

    #[test]
    fn a_step_is_what_differs_between_two_readings() {
        let mut ring = Ring::new(MINUTE, 3);
        ring.take(at(0), &reading(100, 0));
        ring.take(at(59), &reading(150, 9));
        assert!(ring.samples.is_empty(), "no step has passed");
        ring.take(at(60), &reading(160, 4));
        let first = ring.samples[0];
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
        assert_eq!(parts[..4], [None; 4]);
        let last = parts[4].unwrap();
        assert_eq!(
            (last.accepted, last.waiting),
            (7, 8),
            "summed, and the most"
        );
        assert_eq!(ring.parts(at(1200), 5), [None; 5], "too long ago");
        // A pause, as of a machine that slept, is a gap.
        ring.take(at(480), &reading(9, 0));
        let parts = ring.parts(at(480), 10);
        let known: Vec<bool> = parts.iter().map(Option::is_some).collect();
        let (no, yes) = (false, true);
        assert_eq!(known, [no, no, yes, yes, no, no, no, no, no, yes]);
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
