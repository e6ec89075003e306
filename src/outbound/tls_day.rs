//! A day of a domain: by it sessions are counted, kept and reported (RFC 8460 §4.1).

use crate::base::Timestamp;

/// Days that are kept, today among them.
pub(super) const DAYS: u64 = 7;
pub(super) const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// The sessions of a day with the hosts of a domain: what is written down together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DayOf {
    /// Since 1970, UTC.
    pub(super) day: u64,
    pub(super) domain: String,
}

/// The day of a moment, UTC.
pub(super) const fn day_of(moment: Timestamp) -> u64 {
    moment.as_millis() / DAY_MILLIS
}

impl DayOf {
    /// Its key among the facts that begin with `prefix`.
    pub(super) fn key(&self, prefix: &str) -> String {
        format!("{prefix}{}/{}", self.day, self.domain)
    }

    /// The same the other way round.
    pub(super) fn of_key(prefix: &str, key: &str) -> Option<Self> {
        let (day, domain) = key.strip_prefix(prefix)?.split_once('/')?;
        Some(Self {
            day: day.parse().ok()?,
            domain: domain.to_owned(),
        })
    }

    /// Its first moment.
    pub(super) const fn begin(&self) -> Timestamp {
        Timestamp::from_millis(self.day * DAY_MILLIS)
    }

    /// The first moment of the next one.
    pub(super) const fn end(&self) -> Timestamp {
        Timestamp::from_millis((self.day + 1) * DAY_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let of = DayOf {
            day: 20_772,
            domain: "a.example".to_owned(),
        };
        let read = |key: &str| DayOf::of_key("tls/", key);
        assert_eq!(of.key("tls/"), "tls/20772/a.example");
        assert_eq!(read("tls/20772/a.example"), Some(of));
        for wrong in ["tls/a.example", "sts/1/a.example", "tls/x/a.example"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
