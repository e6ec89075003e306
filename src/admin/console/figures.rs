//! The plots of the overview: the last quarter of an hour, and the last day.

use std::time::Duration;

use super::moments::{Moments, grouped};
use super::samples::{Rings, Sample};
use crate::base::Timestamp;
use crate::report::bars_of;

/// Bars in the plot of the last minutes: ten seconds each.
const QUICK: usize = 90;
/// Of the last day: ten minutes each.
const SLOW: usize = 144;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A quantity, now and over the time.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) title: &'static str,
    pub(super) now: String,
    pub(super) minutes: String,
    pub(super) minutes_most: String,
    pub(super) day: String,
    pub(super) day_most: String,
}

/// All plots.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) all: Vec<Figure>,
    /// Said when the day is not known as a whole.
    pub(super) young: Option<String>,
}

/// What is plotted of a sample.
struct Quantity {
    title: &'static str,
    class: &'static str,
    value: fn(&Sample) -> Option<u64>,
    shown: fn(u64) -> String,
    /// What it is now.
    now: fn(Option<&Sample>) -> String,
}

const QUANTITIES: [Quantity; 4] = [
    Quantity {
        title: "Accepted",
        class: "plot accepted",
        value: |sample| Some(sample.accepted),
        shown: grouped,
        now: |minute| a_minute(minute.map(|sample| sample.accepted)),
    },
    Quantity {
        title: "Delivered",
        class: "plot delivered",
        value: |sample| Some(sample.delivered),
        shown: grouped,
        now: |minute| a_minute(minute.map(|sample| sample.delivered)),
    },
    Quantity {
        title: "Waiting",
        class: "plot waits",
        value: |sample| Some(sample.waiting),
        shown: grouped,
        now: |minute| minute.map_or_else(unknown, |sample| grouped(sample.waiting)),
    },
    Quantity {
        title: "From acceptance to delivery",
        class: "plot latency",
        // A step in which nothing was delivered is known, and has no bar.
        value: |sample| Some(sample.latency().unwrap_or(0)),
        shown: lasting,
        now: |minute| {
            let latency = minute.and_then(Sample::latency);
            latency.map_or_else(
                || "nothing delivered in this minute".to_owned(),
                |took| format!("95 of 100 within {}", lasting(took)),
            )
        },
    },
];

fn a_minute(count: Option<u64>) -> String {
    count.map_or_else(unknown, |count| format!("{} a minute", grouped(count)))
}

fn unknown() -> String {
    "not known yet".to_owned()
}

/// `0.3 s`, `12 s`, `4 min`.
fn lasting(millis: u64) -> String {
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..10_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => crate::terminal::duration(Duration::from_millis(millis)),
    }
}

impl Figures {
    pub(super) fn of(rings: &Rings, moments: &Moments) -> Self {
        let now = moments.now;
        let (quick, slow) = (rings.quick.parts(now, QUICK), rings.slow.parts(now, SLOW));
        let minute = rings.quick.minute(now);
        let all = QUANTITIES.iter().map(|quantity| {
            let plot = |parts: &[Option<Sample>], time: &str| {
                let value = |part: &Option<Sample>| part.as_ref().and_then(quantity.value);
                let values: Vec<Option<u64>> = parts.iter().map(value).collect();
                let most = values.iter().flatten().copied().max().unwrap_or(0);
                let most = (quantity.shown)(most);
                let words = format!("{} in the last {time}, at most {most}", quantity.title);
                (bars_of(&values, (quantity.class, &words)), most)
            };
            let (minutes, minutes_most) = plot(&quick, "quarter of an hour");
            let (day, day_most) = plot(&slow, "24 hours");
            Figure {
                title: quantity.title,
                now: (quantity.now)(minute.as_ref()),
                minutes,
                minutes_most,
                day,
                day_most,
            }
        });
        Self {
            all: all.collect(),
            young: young(rings.since, (&slow, moments)),
        }
    }
}

/// Not all of the day is known: it is not measured for so long, or nobody measured for a while.
fn young(
    since: Option<Timestamp>,
    (day, moments): (&[Option<Sample>], &Moments),
) -> Option<String> {
    let since = since?;
    if moments.now.since(since) < DAY {
        let since = moments.since(since);
        return Some(format!(
            "Measured since {since}; what is grey was not measured."
        ));
    }
    day.iter()
        .any(Option::is_none)
        .then(|| "What is grey was not measured: the program did not run then.".to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::admin::console::reading::Reading;
    use crate::admin::console::samples::Samples;

    #[test]
    fn a_young_process_says_so_and_a_step_without_deliveries_is_known() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let samples = Samples::default();
        let reading = |accepted| Reading {
            accepted,
            ..Reading::default()
        };
        for step in 0..20 {
            let at = now.before(Duration::from_secs(200 - step * 10));
            samples.take(at, &reading(step * 3));
        }
        let moments = Moments {
            now,
            zone: TimeZone::UTC,
        };
        let figures = samples.look(|rings| Figures::of(rings, &moments));
        assert!(figures.young.unwrap().contains("3 min"));
        let accepted = &figures.all[0];
        assert_eq!(accepted.now, "18 a minute");
        assert_eq!(accepted.minutes_most, "3");
        assert!(accepted.day.contains("unknown"));
        assert_eq!(figures.all[3].now, "nothing delivered in this minute");
        let old = Moments {
            now: now.after(DAY),
            zone: TimeZone::UTC,
        };
        let figures = samples.look(|rings| Figures::of(rings, &old));
        assert!(figures.young.unwrap().contains("did not run then"));
        assert_eq!(figures.all[0].now, "not known yet");
    }

    #[test]
    fn latencies_are_short() {
        for (millis, expected) in [
            (30, "30 ms"),
            (3_000, "3.0 s"),
            (60_000, "60 s"),
            (600_000, "10 min"),
        ] {
            assert_eq!(lasting(millis), expected);
        }
    }
}
