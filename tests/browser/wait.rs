//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

/// Longer than anything takes that works, on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` until it gives a value; panics with `what` when it never does.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < LIMIT, "waited in vain: {what}");
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process there is nothing to wait for but time"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}
