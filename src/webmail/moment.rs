//! Moments as people write them, in the time zone of the organisation.

use jiff::Zoned;
use jiff::tz::TimeZone;

use super::texts::{Texts, fill};
use crate::base::Timestamp;

/// Writes moments for a reader who looks at `now`.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    pub texts: &'static Texts,
    pub zone: TimeZone,
    pub now: Timestamp,
}

impl Moments {
    /// `10:02` today, `3 May` this year, `3 May 2025` before: for lists.
    pub(crate) fn short(&self, moment: Timestamp) -> String {
        let (then, now) = (self.at(moment), self.at(self.now));
        if then.date() == now.date() {
            time(&then)
        } else {
            self.day(&then, &now)
        }
    }

    /// `10:02` today, `3 May, 10:02` before.
    pub(crate) fn long(&self, moment: Timestamp) -> String {
        let (then, now) = (self.at(moment), self.at(self.now));
        if then.date() == now.date() {
            return time(&then);
        }
        let day = self.day(&then, &now);
        fill(
            self.texts.day_time,
            &[("day", &day), ("time", &time(&then))],
        )
    }

    /// `3 May 2026, 10:02`.
    pub(crate) fn full(&self, moment: Timestamp) -> String {
        let then = self.at(moment);
        let day = self.of(&then, self.texts.day_year);
        fill(
            self.texts.day_time,
            &[("day", &day), ("time", &time(&then))],
        )
    }

    fn day(&self, then: &Zoned, now: &Zoned) -> String {
        let pattern = if then.year() == now.year() {
            self.texts.day
        } else {
            self.texts.day_year
        };
        self.of(then, pattern)
    }

    fn of(&self, then: &Zoned, pattern: &str) -> String {
        let month = usize::try_from(then.month() - 1).unwrap_or_default();
        let month = self.texts.months.get(month).copied().unwrap_or_default();
        let (day, year) = (then.day().to_string(), then.year().to_string());
        fill(pattern, &[("day", &day), ("month", month), ("year", &year)])
    }

    fn at(&self, moment: Timestamp) -> Zoned {
        moment.to_jiff().to_zoned(self.zone.clone())
    }
}

fn time(moment: &Zoned) -> String {
    format!("{:02}:{:02}", moment.hour(), moment.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webmail::texts::ENGLISH;

    #[test]
    fn the_nearer_the_shorter() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        let moments = Moments {
            texts: &ENGLISH,
            zone: TimeZone::fixed(jiff::tz::offset(2)),
            now: moment("2026-05-04T10:00:00Z"),
        };
        assert_eq!(moments.short(moment("2026-05-03T22:30:00Z")), "00:30");
        assert_eq!(moments.short(moment("2026-05-03T12:00:00Z")), "3 May");
        assert_eq!(moments.short(moment("2025-12-31T23:00:00Z")), "1 Jan");
        assert_eq!(moments.short(moment("2025-12-31T21:00:00Z")), "31 Dec 2025");
        assert_eq!(moments.long(moment("2026-05-03T12:00:00Z")), "3 May, 14:00");
        assert_eq!(
            moments.full(moment("2026-05-04T08:02:00Z")),
            "4 May 2026, 10:02"
        );
    }
}
