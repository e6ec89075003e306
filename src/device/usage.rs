//! What a device did last, and how much of its day is used: pure.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

const DAY: u64 = 86_400;

/// What is remembered of a device: a fact under its name, written now and then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The day of the count, in days since the epoch: days are those of UTC.
    #[serde(default)]
    pub day: u64,
    /// Recipients on that day.
    #[serde(default)]
    pub recipients: u64,
    /// Its last message was taken then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// Who that message said that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Something of it was refused then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<(Timestamp, String)>,
}

/// Must what was counted be on the disk before the device hears of it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It is written with the rest.
    Later,
    /// A crash would give it back too much.
    Now,
}

impl Usage {
    /// Recipients of the day of `now`.
    #[must_use]
    pub const fn today(&self, now: Timestamp) -> u64 {
        if self.day == now.as_secs() / DAY {
            self.recipients
        } else {
            0
        }
    }

    /// So many more recipients are taken.
    pub(super) fn spend(&mut self, recipients: u64, now: Timestamp) {
        self.recipients = self.today(now).saturating_add(recipients);
        self.day = now.as_secs() / DAY;
    }

    /// They were not taken after all.
    pub(super) fn refund(&mut self, recipients: u64, now: Timestamp) {
        self.recipients = self.today(now).saturating_sub(recipients);
        self.day = now.as_secs() / DAY;
    }

    /// How much of a day is lost when only `written` is there after a crash: at most a tenth of
    /// what it may, or the last minutes of one that may everything.
    pub(super) fn urgency(&self, written: &Self, cap: Option<u32>) -> Urgency {
        let written = if written.day == self.day {
            written.recipients
        } else {
            0
        };
        match cap {
            Some(most) if self.recipients.saturating_sub(written) > u64::from(most) / 10 => {
                Urgency::Now
            }
            Some(_) | None => Urgency::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn each_day_begins_at_nothing() {
        let mut usage = Usage::default();
        usage.spend(5, at(24));
        usage.spend(2, at(47));
        usage.refund(1, at(47));
        assert_eq!((usage.today(at(47)), usage.today(at(48))), (6, 0));
        usage.spend(1, at(48));
        assert_eq!(usage.today(at(71)), 1);
        usage.refund(5, at(72));
        assert_eq!(usage.today(at(72)), 0);
    }

    #[test]
    fn a_crash_gives_at_most_a_tenth_of_the_day_back() {
        let used = |recipients, day| Usage {
            day,
            recipients,
            ..Usage::default()
        };
        for (now, written, cap, expected) in [
            (used(10, 1), used(0, 1), Some(100), Urgency::Later),
            (used(11, 1), used(0, 1), Some(100), Urgency::Now),
            (used(11, 2), used(11, 1), Some(100), Urgency::Now),
            (used(1, 1), used(0, 1), Some(3), Urgency::Now),
            (used(9999, 1), used(0, 1), None, Urgency::Later),
        ] {
            assert_eq!(now.urgency(&written, cap), expected, "{now:?} {cap:?}");
        }
    }
}
