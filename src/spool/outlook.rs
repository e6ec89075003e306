//! How long the spool lasts at today's traffic.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::handle::Spool;
use super::head;
use super::segment;
use crate::base::Timestamp;
use crate::mail::SpoolId;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Shorter than this, nothing can be said about a day.
const TOO_SHORT: Duration = Duration::from_secs(3600);
/// An outlook is good for this long.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Further than this nobody can see.
const HORIZON: u64 = 3650;

/// What comes in, what there is room for, and how long that lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outlook {
    /// Bytes that mail and its history take now, without what is reserved.
    pub stored: u64,
    /// Bytes that may still be written: free, without `spool.min_free`.
    pub room: u64,
    /// Over how many seconds the traffic was measured: the last day, or longer when little comes.
    pub measured_seconds: u64,
    /// Bytes that a day brings; unknown before an hour of traffic.
    pub bytes_per_day: Option<u64>,
    /// Days until new mail is refused when nothing can be delivered, so that nothing ever goes.
    pub days_in_an_outage: Option<u64>,
    /// Days until new mail is refused when mail goes `spool.retain` after it was delivered; none
    /// when there is room for all of it, for ever.
    pub days: Option<u64>,
}

/// A segment as far as this needs it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    begun: Timestamp,
    bytes: u64,
}

/// The answer, from what was measured; the segments are in order, the last one is written to.
fn look_ahead(
    now: Timestamp,
    pieces: &[Piece],
    (large, room): (&[Piece], u64),
    retain: Duration,
) -> Outlook {
    let sum = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes).sum::<u64>();
    let mut outlook = Outlook {
        stored: sum(pieces) + sum(large),
        room,
        ..Outlook::default()
    };
    let recent = pieces
        .iter()
        .position(|piece| now.since(piece.begun) <= DAY);
    let Some(first) = pieces.get(recent.unwrap_or(pieces.len().saturating_sub(1))..) else {
        return outlook;
    };
    let Some(since) = first.first().map(|piece| piece.begun) else {
        return outlook;
    };
    let measured = now.since(since);
    outlook.measured_seconds = measured.as_secs();
    if measured < TOO_SHORT {
        return outlook;
    }
    let is_recent = |piece: &&Piece| piece.begun >= since;
    let brought = sum(first)
        + large
            .iter()
            .filter(is_recent)
            .map(|one| one.bytes)
            .sum::<u64>();
    let a_day = u128::from(brought) * u128::from(DAY.as_secs()) / u128::from(measured.as_secs());
    let a_day = u64::try_from(a_day).unwrap_or(u64::MAX);
    outlook.bytes_per_day = Some(a_day);
    outlook.days_in_an_outage = room.checked_div(a_day).map(|days| days.min(HORIZON));
    outlook.days = days_until_full(now, (pieces, large), (a_day, room), retain);
    outlook
}

/// Day by day: what comes, and what is old enough to go.
fn days_until_full(
    now: Timestamp,
    (pieces, large): (&[Piece], &[Piece]),
    (a_day, room): (u64, u64),
    retain: Duration,
) -> Option<u64> {
    let kept_days = retain.as_secs().div_ceil(DAY.as_secs());
    // From then on as much goes as comes.
    (1..=kept_days.min(HORIZON)).find(|&day| {
        let then = now.after(DAY * u32::try_from(day).unwrap_or(u32::MAX));
        let over = then.before(retain);
        // A segment is over when the next one is.
        let old = pieces.windows(2).filter_map(|pair| match pair {
            [old, next] if next.begun <= over => Some(old.bytes),
            _ => None,
        });
        let old_large = large.iter().filter(|one| one.begun <= over);
        let gone: u64 = old.sum::<u64>() + old_large.map(|one| one.bytes).sum::<u64>();
        a_day.saturating_mul(day) > room.saturating_add(gone)
    })
}

impl Spool {
    /// How long the spool lasts; measured once a minute at most. Blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn outlook(&self) -> Result<Outlook, SpoolError> {
        let now = self.0.clock.now();
        let mut known = self.0.outlook.lock().map_err(|_| SpoolError::Closed)?;
        if let Some((at, outlook)) = &*known
            && *at <= now
            && now.since(*at) < GOOD_FOR
        {
            return Ok(outlook.clone());
        }
        let dir = &self.0.options.dir;
        let free = self.0.disk.free_bytes(dir);
        let free = free.map_err(|error| SpoolError::disk("measuring", dir, error))?;
        let (pieces, reserved) = self.pieces()?;
        let room = free.saturating_sub(self.0.options.min_free);
        let room = room.saturating_add(reserved);
        let large = self.large_pieces()?;
        let outlook = look_ahead(now, &pieces, (&large, room), self.0.options.retain);
        *known = Some((now, outlook.clone()));
        Ok(outlook)
    }

    /// The segments, and the bytes that the last one has reserved and not written yet.
    fn pieces(&self) -> Result<(Vec<Piece>, u64), SpoolError> {
        let dir = self.0.options.dir.join("log");
        let end = self.0.follow.durable();
        let (mut pieces, mut reserved) = (Vec::new(), 0);
        for number in head::numbers(&self.0.disk, &dir)? {
            let path = segment::path(&dir, number);
            let length = self.0.disk.open(&path).and_then(|file| file.len());
            let length = length.map_err(|error| SpoolError::disk("measuring", &path, error))?;
            let bytes = if number == end.segment {
                reserved = length.saturating_sub(u64::from(end.offset));
                length.min(u64::from(end.offset))
            } else {
                length
            };
            // One whose head is damaged is as old as the one before.
            let before = pieces.last().map(|piece: &Piece| piece.begun);
            let begun = self.begun(number).or(before).unwrap_or(Timestamp::EPOCH);
            pieces.push(Piece { begun, bytes });
        }
        Ok((pieces, reserved))
    }

    fn large_pieces(&self) -> Result<Vec<Piece>, SpoolError> {
        let dir = &self.0.big.dir;
        let names = self.0.disk.list(dir);
        let names = names.map_err(|error| SpoolError::disk("listing", dir, error))?;
        let mut pieces = Vec::new();
        for name in names {
            let id = name.strip_suffix(".eml").map(str::parse::<SpoolId>);
            // One that goes at this moment takes nothing.
            if let Some(Ok(id)) = id
                && let Ok(bytes) = self
                    .0
                    .disk
                    .open(&dir.join(&name))
                    .and_then(|file| file.len())
            {
                let begun = id.timestamp();
                pieces.push(Piece { begun, bytes });
            }
        }
        Ok(pieces)
    }

    /// When a segment was begun; `None` when it does not say.
    pub(crate) fn begun(&self, segment: u32) -> Option<Timestamp> {
        let dir = self.0.options.dir.join("log");
        head::read(&self.0.disk, &dir, segment).map(|line| line.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * 1024 * 1024;
    const RETAIN: Duration = Duration::from_secs(30 * 24 * 3600);

    fn now() -> Timestamp {
        Timestamp::EPOCH.after(DAY * 20_000)
    }

    /// Segments of a GiB, the last one begun `hours` ago, the others `hours` apart before it.
    fn log(hours: u32, count: u32) -> Vec<Piece> {
        let begun = |number| now().before(DAY / 24 * hours * number);
        let numbers = (1..=count).rev();
        numbers
            .map(|number| Piece {
                begun: begun(number),
                bytes: GIB,
            })
            .collect()
    }

    #[test]
    fn a_short_time_says_nothing() {
        let pieces = [Piece {
            begun: now().before(DAY / 48),
            bytes: GIB,
        }];
        let outlook = look_ahead(now(), &pieces, (&[], 90 * GIB), RETAIN);
        assert_eq!((outlook.stored, outlook.measured_seconds), (GIB, 1800));
        assert_eq!((outlook.bytes_per_day, outlook.days), (None, None));
        assert_eq!(look_ahead(now(), &[], (&[], 1), RETAIN).bytes_per_day, None);
    }

    #[test]
    fn the_rate_is_that_of_the_last_day_or_longer() {
        // Two GiB a day, and there is room for 20 days of it.
        let outlook = look_ahead(now(), &log(12, 10), (&[], 40 * GIB), RETAIN);
        assert_eq!(outlook.bytes_per_day, Some(2 * GIB));
        assert_eq!(outlook.days_in_an_outage, Some(20));
        // What there is is five days old: nothing goes before.
        assert_eq!(outlook.days, Some(21));
        // A large body counts where it belongs.
        let large = [(2, GIB), (5 * 24, 7 * GIB)].map(|(hours, bytes)| Piece {
            begun: now().before(DAY / 24 * hours),
            bytes,
        });
        let outlook = look_ahead(now(), &log(12, 10), (&large, 40 * GIB), RETAIN);
        assert_eq!(outlook.bytes_per_day, Some(3 * GIB));
        assert_eq!(outlook.stored, 18 * GIB);
        // One segment in ten days.
        let quiet = look_ahead(now(), &log(240, 1), (&[], GIB), RETAIN);
        assert_eq!(quiet.measured_seconds, 10 * DAY.as_secs());
        assert_eq!(quiet.bytes_per_day, Some(GIB / 10));
    }

    #[test]
    fn with_room_for_all_that_is_kept_it_lasts() {
        // Old enough: as much goes as comes.
        let old = look_ahead(now(), &log(24, 40), (&[], 5 * GIB), RETAIN);
        assert_eq!((old.days, old.days_in_an_outage), (None, Some(5)));
        // Young, and there is room for thirty days.
        let young = look_ahead(now(), &log(24, 2), (&[], 31 * GIB), RETAIN);
        assert_eq!(young.days, None);
        let tight = look_ahead(now(), &log(24, 2), (&[], 10 * GIB), RETAIN);
        assert_eq!(tight.days, Some(11));
    }
}
