//! Moments as people write them, in the time zone of the organisation.

use jiff::Zoned;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::texts::{Texts, fill};
use crate::base::Timestamp;
use crate::mail::calendar::When;

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
        let day = self.of(then.date(), self.texts.day_year);
        fill(
            self.texts.day_time,
            &[("day", &day), ("time", &time(&then))],
        )
    }

    /// When an event is: `Monday, 4 May 2026, 10:00 – 11:00`.
    pub(crate) fn event(&self, start: &When, end: Option<&When>) -> String {
        let (first, has_time) = self.civil(start);
        let mut text = self.weekday(first.date());
        if has_time {
            text = fill(
                self.texts.day_time,
                &[("day", &text), ("time", &clock_time(first.time()))],
            );
        }
        let last = end.map(|end| match end {
            // The day after the last one (RFC 5545 §3.6.1).
            When::Day(day) => day.yesterday().unwrap_or(*day).to_datetime(first.time()),
            When::Moment(_) | When::Local(_) => self.civil(end).0,
        });
        if let Some(last) = last.filter(|last| *last > first) {
            let until = match (last.date() == first.date(), has_time) {
                (true, _) => clock_time(last.time()),
                (false, false) => self.weekday(last.date()),
                (false, true) => {
                    let day = self.weekday(last.date());
                    let time = clock_time(last.time());
                    fill(self.texts.day_time, &[("day", &day), ("time", &time)])
                }
            };
            text = format!("{text} – {until}");
        }
        if matches!(start, When::Local(_)) {
            text = fill(self.texts.event_local, &[("when", &text)]);
        }
        text
    }

    /// As a clock on the wall shows it, and whether it has a time.
    fn civil(&self, when: &When) -> (DateTime, bool) {
        match when {
            When::Day(day) => (day.to_datetime(Time::midnight()), false),
            When::Moment(moment) => (self.at(*moment).datetime(), true),
            When::Local(local) => (*local, true),
        }
    }

    fn weekday(&self, day: Date) -> String {
        let number = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
        let name = self.texts.weekdays.get(number).copied().unwrap_or_default();
        let day = self.of(day, self.texts.day_year);
        fill(self.texts.weekday_day, &[("weekday", name), ("day", &day)])
    }

    fn day(&self, then: &Zoned, now: &Zoned) -> String {
        let pattern = if then.year() == now.year() {
            self.texts.day
        } else {
            self.texts.day_year
        };
        self.of(then.date(), pattern)
    }

    fn of(&self, then: Date, pattern: &str) -> String {
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
    clock_time(moment.time())
}

fn clock_time(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
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
        let utc = |text: &str| When::Moment(moment(text));
        let day = |day| When::Day(Date::constant(2026, 5, day));
        let (start, end) = (utc("2026-05-04T20:30:00Z"), utc("2026-05-04T22:15:00Z"));
        for (start, end, text) in [
            (&start, None, "Monday, 4 May 2026, 22:30"),
            (
                &start,
                Some(&end),
                "Monday, 4 May 2026, 22:30 – Tuesday, 5 May 2026, 00:15",
            ),
            (&start, Some(&start), "Monday, 4 May 2026, 22:30"),
            (&day(4), Some(&day(5)), "Monday, 4 May 2026"),
            (
                &day(4),
                Some(&day(6)),
                "Monday, 4 May 2026 – Tuesday, 5 May 2026",
            ),
        ] {
            assert_eq!(moments.event(start, end), text);
        }
        assert_eq!(
            moments.full(moment("2026-05-04T08:02:00Z")),
            "4 May 2026, 10:02"
        );
    }
}
