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

    /// A sentence of ours with its times as they are read here. What somebody else says is a
    /// quotation, and stays as he said it.
    pub(super) fn readable(&self, text: &str) -> String {
        let mut is_quoted = false;
        let words = text.split(' ').map(|word| {
            is_quoted |= matches!(word, "says" | "said");
            let bare = word.trim_start_matches('(');
            let bare = bare.trim_end_matches([',', ';', ':', '.', ')']);
            let is_time = !is_quoted && bare.len() >= 20 && bare.ends_with('Z');
            let shown = match bare.parse::<Timestamp>() {
                Ok(at) if is_time => word.replace(bare, &self.clock(at)),
                Ok(_) | Err(_) => word.to_owned(),
            };
            // Behind a colon somebody else may speak.
            is_quoted |= word.ends_with(':');
            shown
        });
        words.collect::<Vec<_>>().join(" ")
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
        for (text, expected) in [
            (
                "accepted from 2026-03-01T22:59:00Z to 2026-03-02T01:14:00.601Z, diverted",
                "accepted from Mar 1, 23:59 to 02:14, diverted",
            ),
            (
                "down since 2026-03-02T01:14:00Z: refused",
                "down since 02:14: refused",
            ),
            ("(2026-03-02T01:14:00Z)", "(02:14)"),
            // The words of others are theirs.
            (
                "cloud says 450 until 2026-03-02T01:14:00Z",
                "cloud says 450 until 2026-03-02T01:14:00Z",
            ),
            (
                "2026-03-02 and 20260302T011400Z1Z",
                "2026-03-02 and 20260302T011400Z1Z",
            ),
            ("", ""),
        ] {
            assert_eq!(moments.readable(text), expected);
        }
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
