//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

/// For what happens at once unless something is broken.
pub(crate) const SHORT: Duration = Duration::from_secs(30);
/// For what needs an outage to be noticed, or a load to drain, on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(180);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` until it gives a value; panics with `what` after `limit`.
pub(crate) fn eventually<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            start.elapsed() < limit,
            "waited {} s in vain: {what}",
            limit.as_secs()
        );
        pause();
    }
}

/// The breath between two looks at a condition.
#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process there is nothing to wait for but time"
)]
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}
