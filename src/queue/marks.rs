//! Up to where each lane was looked at: pure, time is an argument.
//!
//! What lies before a mark is loaded already, or has to wait. Nobody looks there again before
//! something changes. Else a backlog that waits would be read again and again for the few that
//! need not, and each look would begin with all that was finished since the last one.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::Timestamp;
use crate::spool::Due;

/// A lane in which somebody waits is looked at from its beginning at least this often, whatever is
/// known of it.
const ANEW: Duration = Duration::from_secs(30 * 60);
/// Likewise when everybody before the mark was loaded: they are few.
const SOON: Duration = Duration::from_secs(30);

/// The marks of all lanes.
#[derive(Debug, Default)]
pub(super) struct Marks {
    lanes: HashMap<String, Mark>,
    /// How often marks were cleared.
    cleared: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    last: Due,
    made: Duration,
    /// Somebody before it has to wait, perhaps very many.
    waits: bool,
}

/// A look at a lane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Everything up to here was looked at.
    pub(super) last: Option<Due>,
    /// Where the next look may begin; `None`: at the beginning.
    pub(super) mark: Option<Due>,
    /// Somebody has to wait.
    pub(super) waits: bool,
    /// Somebody was in the hands of a worker: he may come back behind this look.
    pub(super) busy: bool,
    cleared: u64,
}

impl Look {
    /// One that begins behind `last` and leaves no mark.
    pub(super) fn behind(last: Due) -> Self {
        Self {
            last: Some(last),
            ..Self::default()
        }
    }
}

impl Marks {
    /// A look at a lane begins.
    pub(super) fn begin(&mut self, lane: &str, now: Duration) -> Look {
        self.lanes.retain(|_, mark| {
            let lasts = if mark.waits { ANEW } else { SOON };
            now.saturating_sub(mark.made) < lasts
        });
        let last = self.lanes.get(lane).map(|mark| mark.last);
        Look {
            last,
            mark: last,
            waits: false,
            busy: false,
            cleared: self.cleared,
        }
    }

    /// A look ends. What it found counts, unless marks were cleared meanwhile: what lies before it
    /// may go now.
    pub(super) fn end(&mut self, lane: &str, look: &Look, now: Duration) {
        let Some(last) = look.mark.filter(|_| self.cleared == look.cleared) else {
            return;
        };
        let mark = self.lanes.entry(lane.to_owned()).or_insert(Mark {
            last,
            made: now,
            waits: false,
        });
        mark.last = last;
        mark.waits |= look.waits;
    }

    /// Something has changed for all lanes.
    pub(super) fn clear(&mut self) {
        self.cleared += 1;
        self.lanes.clear();
    }

    /// Something has changed for a lane.
    pub(super) fn clear_lane(&mut self, lane: &str) {
        self.cleared += 1;
        self.lanes.remove(lane);
    }

    /// Somebody waits in a lane since `due` whom no look has seen.
    pub(super) fn clear_before(&mut self, lane: &str, due: Timestamp) {
        // A look under way may be behind it already.
        self.cleared += 1;
        if self
            .lanes
            .get(lane)
            .is_some_and(|mark| mark.last.due >= due)
        {
            self.lanes.remove(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::SpoolId;

    fn due(millis: u64) -> Due {
        Due {
            due: Timestamp::from_millis(millis),
            id: SpoolId::from_u64(millis),
            recipient: 0,
        }
    }

    const LOADED: u32 = 0;
    const WAITING: u32 = 1;

    fn marked(marks: &mut Marks, millis: u64, waiting: u32, now: Duration) {
        let mut look = marks.begin("onprem", now);
        look.mark = Some(due(millis));
        look.waits = waiting > 0;
        marks.end("onprem", &look, now);
    }

    fn beginning(marks: &mut Marks, now: Duration) -> Option<u64> {
        let last = marks.begin("onprem", now).last;
        last.map(|due| due.due.as_millis())
    }

    #[test]
    fn a_look_goes_on_where_the_last_one_ended() {
        let mut marks = Marks::default();
        let at = Duration::from_secs;
        assert_eq!(beginning(&mut marks, at(0)), None);
        marked(&mut marks, 7, LOADED, at(0));
        marked(&mut marks, 9, LOADED, at(20));
        assert_eq!(beginning(&mut marks, at(29)), Some(9));
        assert_eq!(marks.begin("cloud", at(29)).last, None);
        // It began at 0: looked at anew, however often it moved.
        assert_eq!(beginning(&mut marks, at(30)), None);
        // Somebody waits: that is dear.
        marked(&mut marks, 7, WAITING, at(100));
        marked(&mut marks, 8, LOADED, at(110));
        assert_eq!(beginning(&mut marks, at(1000)), Some(8));
        assert_eq!(beginning(&mut marks, at(100 + 30 * 60)), None);
    }

    #[test]
    fn a_change_during_a_look_makes_it_count_for_nothing() {
        for change in [
            (|marks| marks.clear()) as fn(&mut Marks),
            |marks| marks.clear_lane("onprem"),
            |marks| marks.clear_before("onprem", Timestamp::from_millis(3)),
        ] {
            let mut marks = Marks::default();
            let now = Duration::ZERO;
            let mut look = marks.begin("onprem", now);
            change(&mut marks);
            look.mark = Some(due(7));
            marks.end("onprem", &look, now);
            assert_eq!(beginning(&mut marks, now), None);
        }
    }

    #[test]
    fn only_what_is_before_a_mark_makes_it_go() {
        let mut marks = Marks::default();
        let now = Duration::ZERO;
        marked(&mut marks, 7, LOADED, now);
        marks.clear_before("onprem", Timestamp::from_millis(8));
        marks.clear_before("cloud", Timestamp::from_millis(1));
        assert_eq!(beginning(&mut marks, now), Some(7));
        marks.clear_before("onprem", Timestamp::from_millis(7));
        assert_eq!(beginning(&mut marks, now), None);
    }
}
