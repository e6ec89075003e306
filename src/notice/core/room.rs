//! What waits to be told, and until when: news are gathered, and there are so many notices an hour.

use super::{Core, Entry, HOUR, Pace, Severity, usize_of};
use crate::base::Timestamp;
use crate::notice::WaitingNews;

impl Core {
    /// When there is room for a notice with this in it, if nothing else is told meanwhile: not
    /// later than `now` when there is.
    pub(super) fn room_at(&self, entry: &Entry, pace: &Pace, now: Timestamp) -> Timestamp {
        let is_alarm = entry.condition.severity == Severity::Critical && entry.ended.is_none();
        // Warnings must not use up what an alarm needs.
        let open = |most: u32| {
            let kept = if is_alarm { 0 } else { usize_of(most) / 4 };
            usize_of(most) - kept
        };
        let recent = self.sent.iter();
        let recent = recent.filter(|it| it.at <= now && now.since(it.at) < HOUR);
        let of_kind = recent
            .clone()
            .filter(|it| it.kinds.contains(&entry.condition.kind));
        let all = room(open(pace.per_hour), recent.map(|it| it.at).collect());
        let kind = room(open(pace.kind_per_hour), of_kind.map(|it| it.at).collect());
        all.max(kind).unwrap_or(now)
    }

    /// All that waits, as it would go when nothing else happens; what goes first comes first.
    pub(in crate::notice) fn waiting(&self, pace: &Pace, now: Timestamp) -> Vec<WaitingNews> {
        let flying = self.flying();
        let waits = self.entries.iter().filter(|(name, entry)| {
            let has_news = entry.news(pace.repeat, now).is_some();
            has_news && !flying.contains(name)
        });
        let waits = waits.filter_map(|(_, entry)| {
            let since = entry.waiting?;
            let room = self.room_at(entry, pace, now);
            let news = WaitingNews {
                what: entry.condition.what.clone(),
                severity: entry.condition.severity,
                since,
                until: since.after(pace.gather).max(room),
            };
            Some((news, room))
        });
        let mut waits: Vec<(WaitingNews, Timestamp)> = waits.collect();
        // What has room by then goes with what goes first.
        let first = waits.iter().map(|(one, _)| one.until).min();
        for (one, room) in &mut waits {
            if let Some(first) = first.filter(|first| *room <= *first) {
                one.until = first;
            }
        }
        waits.sort_by_key(|(one, _)| (one.until, one.since));
        waits.into_iter().map(|(one, _)| one).collect()
    }
}

/// When fewer than `most` of these times are less than an hour ago; none: they are already.
fn room(most: usize, mut times: Vec<Timestamp>) -> Option<Timestamp> {
    let over = times.len().checked_sub(most)?;
    times.sort_unstable();
    let oldest = times.get(over).or(times.last());
    oldest.map(|oldest| oldest.after(HOUR))
}
