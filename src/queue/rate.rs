//! Messages a minute: a bucket per next hop, pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::DeliveryTarget;

/// A message may come so much later than its place, and the next ones not, without a minute that
/// sees more than its rate.
const LATE: Duration = Duration::from_secs(1);
/// What a rate is for.
const MINUTE: Duration = Duration::from_secs(60);

/// The buckets of all next hops with a limit.
#[derive(Debug)]
pub(super) struct Rates {
    places: HashMap<DeliveryTarget, Instant>,
    /// Nobody was idle before: what was sent then is not known any more.
    begun: Instant,
}

impl Rates {
    /// Of a program that begins now.
    pub(super) fn new(begun: Instant) -> Self {
        Self {
            places: HashMap::new(),
            begun,
        }
    }

    /// Takes the next place for a message; returns how long to wait for it. A next hop that was
    /// idle may have a tenth of a minute's messages at once; with them no minute sees more than its
    /// rate.
    pub(super) fn reserve(
        &mut self,
        target: &DeliveryTarget,
        per_minute: u32,
        now: Instant,
    ) -> Duration {
        if per_minute == 0 {
            return Duration::ZERO;
        }
        let at_once = per_minute / 10;
        // Rounded up.
        let interval = (MINUTE + LATE) / (per_minute - at_once) + Duration::from_nanos(1);
        let first = now.checked_sub(interval * at_once).unwrap_or(now);
        let next = self.places.entry(target.clone()).or_insert(self.begun);
        let place = (*next).max(first);
        *next = place + interval;
        place.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_sees_more_than_the_rate() {
        for per_minute in [1, 7, 10, 60, 1000] {
            let begun = Instant::now();
            let mut rates = Rates::new(begun);
            let target = DeliveryTarget::Domain("example.net".to_owned());
            let now = begun + Duration::from_secs(3600);
            let places: Vec<Duration> = (0..per_minute * 3)
                .map(|_| rates.reserve(&target, per_minute, now))
                .collect();
            let at_once = places.iter().filter(|wait| wait.is_zero()).count();
            assert_eq!(at_once, per_minute as usize / 10 + 1);
            for from in &places {
                // The first one comes late.
                let minute = *from..*from + MINUTE + LATE;
                let within = places.iter().filter(|place| minute.contains(*place));
                assert!(within.count() <= per_minute as usize, "{per_minute}");
            }
            assert_eq!(rates.reserve(&target, 0, now), Duration::ZERO);
        }
    }

    /// A restart is no way around the rate: the first minute has its share and nothing at once.
    #[test]
    fn a_restart_gives_nothing_at_once() {
        let now = Instant::now();
        let mut rates = Rates::new(now);
        let target = DeliveryTarget::Domain("example.net".to_owned());
        let waits: Vec<u128> = (0..4)
            .map(|_| rates.reserve(&target, 600, now).as_millis())
            .collect();
        assert_eq!(waits, [0, 112, 225, 338]);
    }
}
