//! When to try again: pure, time and chance come as arguments.

use std::time::Duration;

use crate::base::Timestamp;

/// Waits between the attempts of one recipient. From minutes to an hour, as Exchange's and
/// Postfix's defaults do; then the last one for ever.
const WAITS: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
];

/// Wait after a backend's trouble: whether it takes mail again is found out by probes, not by
/// each message, so this is short and does not grow.
const AFTER_TROUBLE: Duration = Duration::from_secs(8);

/// First wait when the message may have arrived: a server that was only slow to answer is not given
/// a second copy at once.
const AFTER_UNCERTAIN: Duration = Duration::from_secs(30);

/// No wait is longer than this: what is due later was written before the clock was set back.
pub(super) const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// Largest part by which a wait is longer: mail that failed together does not come back together.
const JITTER: f64 = 0.25;

/// The next attempt of a recipient whose `attempts` attempts failed, `chance` in `0..1`.
#[must_use]
pub(super) fn next_attempt(now: Timestamp, attempts: u32, chance: f64) -> Timestamp {
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let last = WAITS.last().copied().unwrap_or(AFTER_TROUBLE);
    later(now, WAITS.get(place).copied().unwrap_or(last), chance)
}

/// The next attempt after a backend's trouble.
#[must_use]
pub(super) fn after_trouble(now: Timestamp, chance: f64) -> Timestamp {
    later(now, AFTER_TROUBLE, chance)
}

/// The second attempt when the message may have arrived with the first.
#[must_use]
pub(super) fn after_uncertain(now: Timestamp, chance: f64) -> Timestamp {
    later(now, AFTER_UNCERTAIN, chance)
}

/// Mail of ours whose content is refused by a backend that accepts nothing else is a case after
/// this long.
pub(super) const DOUBT: Duration = Duration::from_secs(24 * 3600);

/// Mail to a stranger that cannot be delivered is given up after this long, RFC 5321 §4.5.4.1.
pub(super) const GIVE_UP: Duration = Duration::from_secs(5 * 24 * 3600);

/// Is this failed attempt, after `attempts` counted ones and one at `last`, the first behind
/// `mark`? A release from a hold makes the last attempt forgotten: then it is not.
#[must_use]
pub(super) fn crosses(
    mark: Timestamp,
    (attempts, last): (u32, Option<Timestamp>),
    now: Timestamp,
) -> bool {
    let before = last.map_or(attempts == 0, |last| last < mark);
    now >= mark && before
}

fn later(now: Timestamp, wait: Duration, chance: f64) -> Timestamp {
    now.after(wait.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mark_is_crossed_once() {
        let at = Timestamp::from_millis;
        for (attempts, last, now, expected) in [
            (0, None, 99, false),
            (0, None, 100, true),
            (3, Some(99), 100, true),
            (3, Some(99), 99, false),
            (4, Some(100), 200, false),
            (0, Some(150), 200, false),
            (3, None, 200, false),
        ] {
            let told = crosses(at(100), (attempts, last.map(at)), at(now));
            assert_eq!(told, expected, "{attempts} {last:?} {now}");
        }
    }

    /// Mail that failed together does not come back together.
    #[test]
    fn chance_spreads_what_failed_together() {
        let now = Timestamp::from_millis(1_000_000);
        let millis = |due: Timestamp| due.as_millis() - now.as_millis();
        for (chance, waits) in [
            (0.0, [900_000, 8_000, 30_000]),
            (0.5, [1_012_500, 9_000, 33_750]),
            (1.0, [1_125_000, 10_000, 37_500]),
        ] {
            let dues = [
                next_attempt(now, 3, chance),
                after_trouble(now, chance),
                after_uncertain(now, chance),
            ];
            assert_eq!(dues.map(millis), waits, "{chance}");
        }
    }

    proptest! {
        #[test]
        fn waits_grow_and_are_bounded(attempts in 1_u32..1000, chance in 0.0_f64..1.0) {
            let now = Timestamp::from_millis(1_000_000);
            let wait = next_attempt(now, attempts, chance).since(now);
            prop_assert!(wait >= Duration::from_secs(60));
            prop_assert!(wait <= Duration::from_secs(75 * 60));
            let next = next_attempt(now, attempts + 1, 0.0).since(now);
            prop_assert!(next + Duration::from_millis(1) >= wait.div_f64(1.25));
        }
    }
}
