//! When an outage begins and ends for the webmail: later than for the queue, so that a hiccup
//! opens nothing and a platform that comes and goes does not open and close all day. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// An outage that the webmail is open for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// The backend was down since then.
    pub since: Timestamp,
    /// It counts as an outage since then.
    pub opened: Timestamp,
    /// The backend is not down any more since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Timestamp>,
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A backend that is down for so long has an outage.
    pub open_after: Duration,
    /// The outage is over when the backend has not been down for so long.
    pub close_after: Duration,
}

/// What is to be known after one more look: the backend is down since then, or it is not.
#[must_use]
pub fn step(
    known: Option<Outage>,
    down_since: Option<Timestamp>,
    (now, patience): (Timestamp, Patience),
) -> Option<Outage> {
    match (known, down_since) {
        (None, None) => None,
        (None, Some(since)) => (now.since(since) >= patience.open_after).then_some(Outage {
            since,
            opened: now,
            recovered: None,
        }),
        (Some(outage), Some(_)) => Some(Outage {
            recovered: None,
            ..outage
        }),
        (Some(outage), None) => {
            let recovered = outage.recovered.unwrap_or(now);
            (now.since(recovered) < patience.close_after).then_some(Outage {
                recovered: Some(recovered),
                ..outage
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience {
        open_after: Duration::from_secs(600),
        close_after: Duration::from_secs(1800),
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    #[test]
    fn it_opens_late_and_closes_later() {
        let look = |known, down: Option<u64>, now| step(known, down.map(at), (at(now), PATIENCE));
        assert_eq!(look(None, Some(0), 599), None);
        let outage = look(None, Some(0), 600);
        assert_eq!(outage.as_ref().map(|it| it.opened), Some(at(600)));
        let calm = look(outage, None, 700);
        assert_eq!(calm.as_ref().and_then(|it| it.recovered), Some(at(700)));
        let again = look(calm, Some(2400), 2400);
        assert_eq!(again.as_ref().map(|it| it.recovered), Some(None));
        let calm = look(again, None, 2500);
        assert!(look(calm.clone(), None, 4299).is_some());
        assert_eq!(look(calm, None, 4300), None);
    }

    proptest! {
        /// A backend that is down and up for random times, looked at every ten seconds.
        #[test]
        fn flapping_opens_rarely(
            spans in prop::collection::vec((1..300_u64, any::<bool>()), 1..40),
        ) {
            let (mut known, mut now) = (None::<Outage>, 0);
            let (mut down_since, mut calm_since) = (None, Some(0));
            let mut opened: Option<u64> = None;
            for (looks, is_down) in spans {
                for _ in 0..looks {
                    now += 10;
                    down_since = is_down.then(|| down_since.unwrap_or(now));
                    calm_since = (!is_down).then(|| calm_since.unwrap_or(now));
                    let before = known.is_some();
                    known = step(known, down_since.map(at), (at(now), PATIENCE));
                    match (before, known.is_some()) {
                        (false, true) => {
                            let down = down_since.ok_or_else(|| TestCaseError::fail("is up"))?;
                            prop_assert!(now - down >= 600);
                            // Closing took half an hour, opening another ten minutes.
                            prop_assert!(opened.is_none_or(|before| now - before >= 2400));
                            opened = Some(now);
                        }
                        (true, false) => {
                            let calm = calm_since.ok_or_else(|| TestCaseError::fail("is down"))?;
                            prop_assert!(now - calm >= 1800);
                        }
                        // Neither late.
                        (false, false) => {
                            prop_assert!(down_since.is_none_or(|down| now - down < 600));
                        }
                        (true, true) => {
                            prop_assert!(calm_since.is_none_or(|calm| now - calm < 1800));
                        }
                    }
                }
            }
        }
    }
}
