//! What the metrics of the process say at one moment, read from their text (Prometheus'
//! exposition format 0.0.4).

use crate::telemetry::names;

/// Counters of the process and what waits, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    /// Messages accepted since the start.
    pub(super) accepted: u64,
    /// Recipients delivered since the start.
    pub(super) delivered: u64,
    /// Recipients that wait now.
    pub(super) waiting: u64,
    /// How long the deliveries since the start took.
    pub(super) within: Within,
}

impl Reading {
    /// Of the text of all metrics; what waits is not in it.
    pub(super) fn of(text: &str, waiting: u64) -> Self {
        let mut reading = Self {
            waiting,
            ..Self::default()
        };
        let bucket = format!("{}_bucket", names::DELIVERY_SECONDS);
        for line in text.lines() {
            let Some((name, labels, value)) = sample(line) else {
                continue;
            };
            if name == names::MESSAGES_ACCEPTED {
                reading.accepted += value;
            } else if name == names::ATTEMPTS && label(labels, "outcome") == Some("delivered") {
                reading.delivered += value;
            } else if name == bucket {
                let bound = label(labels, "le").and_then(|le| le.parse().ok());
                if let Some(bound) = bound {
                    reading.within.add(bound, value);
                }
            }
        }
        reading
    }

    /// How long the deliveries took that came since `before`.
    pub(super) fn since(&self, before: &Self) -> Within {
        let all = self.within.0.iter();
        let all = all.map(|(le, count)| (*le, count.saturating_sub(before.within.at(*le))));
        Within(all.collect())
    }
}

/// How many deliveries took no longer than so many seconds; ascending, each with those before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Within(pub(super) Vec<(f64, u64)>);

impl Within {
    fn at(&self, bound: f64) -> u64 {
        let found = self.0.iter().find(|(le, _)| le.total_cmp(&bound).is_eq());
        found.map_or(0, |(_, count)| *count)
    }

    fn add(&mut self, bound: f64, count: u64) {
        let place = self.0.binary_search_by(|(le, _)| le.total_cmp(&bound));
        match place {
            Ok(place) => {
                if let Some((_, sum)) = self.0.get_mut(place) {
                    *sum += count;
                }
            }
            Err(place) => self.0.insert(place, (bound, count)),
        }
    }

    /// Those of another time, too.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (bound, count) in &other.0 {
            self.add(*bound, *count);
        }
    }

    /// Within how many milliseconds 95 of 100 of them came; none without any.
    pub(super) fn most(&self) -> Option<u64> {
        let all = &self.0;
        let total = all.last().map_or(0, |(_, count)| *count);
        if total == 0 {
            return None;
        }
        let wanted = (total * 95).div_ceil(100);
        let mut finite = all.iter().filter(|(le, _)| le.is_finite());
        let reached = finite.clone().find(|(_, count)| *count >= wanted);
        // Longer than the longest that is measured: at least that.
        let bound = reached.or_else(|| finite.next_back())?.0;
        Some(millis(bound))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounds of days in seconds, as floating point"
)]
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round().max(0.0) as u64
}

/// `name{labels} value`; the value of a counter is a whole number.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    if line.starts_with('#') {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (head, ""),
    };
    Some((name, labels, value.parse().ok()?))
}

/// The value of a label; ours have no quotes and commas in them.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|one| {
        let (key, value) = one.split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP tideover_messages_accepted_total x
tideover_messages_accepted_total{listener=\"mx\"} 40
tideover_messages_accepted_total{listener=\"relay\"} 2
tideover_attempts_total{backend=\"onprem\",outcome=\"delivered\"} 30
tideover_attempts_total{backend=\"@\",outcome=\"delivered\"} 5
tideover_attempts_total{backend=\"onprem\",outcome=\"deferred\"} 700
tideover_oldest_seconds 3.5
tideover_delivery_seconds_bucket{le=\"0.1\"} 10
tideover_delivery_seconds_bucket{le=\"1\"} 34
tideover_delivery_seconds_bucket{le=\"86400\"} 35
tideover_delivery_seconds_bucket{le=\"+Inf\"} 35
tideover_delivery_seconds_sum 12.5
broken
";

    #[test]
    fn the_text_of_the_metrics_is_read() {
        let reading = Reading::of(TEXT, 7);
        assert_eq!((reading.accepted, reading.delivered), (42, 35));
        assert_eq!(reading.waiting, 7);
        assert_eq!(reading.within.0.len(), 4);
        assert_eq!(reading.since(&Reading::default()).most(), Some(1000));
        assert_eq!(reading.since(&reading).most(), None, "nothing came since");
    }

    #[test]
    fn the_own_metrics_are_read() {
        let metrics = crate::telemetry::Metrics::install().unwrap();
        let before = Reading::of(&metrics.render(), 0);
        metrics::counter!(names::MESSAGES_ACCEPTED, "listener" => "reading").increment(3);
        let tags = [("backend", "reading"), ("outcome", "delivered")];
        metrics::counter!(names::ATTEMPTS, &tags).increment(2);
        metrics::histogram!(names::DELIVERY_SECONDS, "backend" => "reading").record(0.2);
        let after = Reading::of(&metrics.render(), 0);
        // Other tests of this process count, too.
        assert!(after.accepted >= before.accepted + 3);
        assert!(after.delivered >= before.delivered + 2);
        assert!(after.since(&before).most().is_some());
    }

    #[test]
    fn what_took_longer_than_is_measured_took_that_at_least() {
        let late = Within(vec![(1.0, 0), (60.0, 0), (f64::INFINITY, 9)]);
        assert_eq!(late.most(), Some(60_000));
    }
}
