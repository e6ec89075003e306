//! Since when strangers find no place. Pure: who was sent away and the time in.

use crate::base::Timestamp;
use crate::limits;

/// Remembers who was sent away because all places are taken, until nobody has been for a while.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The first of them, and the last one.
    sent_away: Option<(Timestamp, Timestamp)>,
}

impl Places {
    /// A stranger found none.
    pub(super) fn note(&mut self, now: Timestamp) {
        let since = self.since(now).unwrap_or(now);
        self.sent_away = Some((since, now));
    }

    /// Since when none is found.
    pub(super) fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let (since, last) = self.sent_away?;
        // A clock that was set back ends it.
        last.is_within(limits::PLACES_REST, now).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn it_lasts_as_long_as_strangers_are_sent_away() {
        let rest = limits::PLACES_REST.as_secs();
        let mut places = Places::default();
        assert_eq!(places.since(at(1000)), None);
        for now in [1000, 1010, 1010 + rest - 1] {
            places.note(at(now));
            assert_eq!(places.since(at(now)), Some(at(1000)));
        }
        let last = 1010 + rest - 1;
        assert_eq!(places.since(at(last + rest - 1)), Some(at(1000)));
        assert_eq!(places.since(at(last + rest)), None);
        assert_eq!(places.since(at(last - 1)), None);
        // What comes behind a rest begins anew.
        places.note(at(last + rest));
        assert_eq!(places.since(at(last + rest)), Some(at(last + rest)));
    }
}
