//! Times as an operator reads them.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::base::Timestamp;
use crate::terminal::duration;

/// The present, and where it is read.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
}

/// A moment in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// For programs.
    pub(super) iso: String,
    /// `02:14`, or `Nov 21, 02:14`.
    pub(super) text: String,
    /// `37 min`: how far away it is.
    pub(super) away: String,
}

impl Moments {
    /// `02:14`; with the day unless it is today, with the year unless it is this one.
    pub(super) fn clock(&self, at: Timestamp) -> String {
        let local = |at: Timestamp| at.to_jiff().to_zoned(self.zone.clone());
        let (at, now) = (local(at), local(self.now));
        let format = if at.date() == now.date() {
            "%H:%M"
        } else if at.year() == now.year() {
            "%b %-d, %H:%M"
        } else {
            "%Y-%m-%d %H:%M"
        };
        at.strftime(format).to_string()
    }

    /// The time of the day to the second.
    pub(super) fn exact(&self, at: Timestamp) -> String {
        let local = at.to_jiff().to_zoned(self.zone.clone());
        local.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `37 min`, to a moment in the past or in the future.
    pub(super) fn away(&self, at: Timestamp) -> String {
        duration(self.now.since(at).max(at.since(self.now)))
    }

    /// `02:14 (37 min)`.
    pub(super) fn since(&self, at: Timestamp) -> String {
        format!("{} ({})", self.clock(at), self.away(at))
    }

    pub(super) fn when(&self, at: Timestamp) -> When {
        When {
            iso: at.to_string(),
            text: self.clock(at),
            away: self.away(at),
        }
    }

    /// The name of the time zone: `Europe/Vienna`, `UTC`.
    pub(super) fn zone_name(&self) -> String {
        let now = self.now.to_jiff().to_zoned(self.zone.clone());
        let name = self.zone.iana_name().map(str::to_owned);
        name.unwrap_or_else(|| now.strftime("UTC%:z").to_string())
    }
}

/// `in about 12 min`.
pub(super) fn takes(seconds: u64) -> String {
    format!("about {}", duration(Duration::from_secs(seconds)))
}

/// `1 recipient`, `412 recipients`.
pub(super) fn many(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// `12 345` with a narrow space that keeps it together.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_says_its_day_when_it_is_not_today() {
        let now: Timestamp = "2026-03-02T02:51:00Z".parse().unwrap();
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        let moments = Moments { now, zone: vienna };
        for (at, expected) in [
            ("2026-03-02T01:14:00Z", "02:14"),
            ("2026-03-01T22:59:00Z", "Mar 1, 23:59"),
            ("2026-03-01T23:01:00Z", "00:01"),
            ("2025-12-31T12:00:00Z", "2025-12-31 13:00"),
        ] {
            assert_eq!(moments.clock(at.parse().unwrap()), expected, "{at}");
        }
        let at = "2026-03-02T01:14:00Z".parse().unwrap();
        assert_eq!(moments.since(at), "02:14 (97 min)");
        assert_eq!(moments.away(now.after(Duration::from_secs(300))), "5 min");
        assert_eq!(moments.zone_name(), "Europe/Vienna");
    }

    #[test]
    fn large_numbers_can_be_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1\u{202f}000");
        assert_eq!(grouped(12_345_678), "12\u{202f}345\u{202f}678");
        assert_eq!(many(1, "recipient"), "1 recipient");
    }
}
