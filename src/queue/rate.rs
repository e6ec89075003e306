//! Messages a minute: a bucket per next hop, pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::DeliveryTarget;

/// The buckets of all next hops with a limit.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<DeliveryTarget, Instant>);

impl Rates {
    /// Takes the next place for a message; returns how long to wait for it. A next hop that was
    /// idle may have a tenth of a minute's messages at once.
    pub(super) fn reserve(
        &mut self,
        target: &DeliveryTarget,
        per_minute: u32,
        now: Instant,
    ) -> Duration {
        if per_minute == 0 {
            return Duration::ZERO;
        }
        let interval = Duration::from_secs(60) / per_minute;
        let burst = interval * (per_minute / 10);
        let first = now.checked_sub(burst).unwrap_or(now);
        let next = self.0.entry(target.clone()).or_insert(first);
        let place = (*next).max(first);
        *next = place + interval;
        place.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_after_the_burst() {
        let mut rates = Rates::default();
        let target = DeliveryTarget::Domain("example.net".to_owned());
        let now = Instant::now() + Duration::from_secs(3600);
        let waits: Vec<_> = (0..100).map(|_| rates.reserve(&target, 60, now)).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 7);
        assert_eq!(waits.last().unwrap().as_secs(), 93);
        assert_eq!(rates.reserve(&target, 0, now), Duration::ZERO);
    }
}
