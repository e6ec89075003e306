//! How long the spool lasts at today's traffic.

use std::cmp::Ordering;
use std::io;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::handle::Spool;
use super::head;
use super::room::kept_free;
use super::segment;
use crate::base::Timestamp;
use crate::mail::SpoolId;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Shorter than this, nothing can be said about a day.
const TOO_SHORT: Duration = Duration::from_secs(3600);
/// A measurement of the traffic is good for this long; what there is room for is always measured.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Further than this nobody can see.
const HORIZON: u64 = 3650;

/// What comes in, what there is room for, and how long that lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outlook {
    /// Bytes that mail and its history take now, without what is reserved; of large bodies those of
    /// a minute ago at most.
    pub stored: u64,
    /// Bytes that may still be written: free, without `spool.min_free`, and what is reserved.
    pub room: u64,
    /// Over how many seconds the traffic was measured: the last day, or longer when little comes;
    /// 0: not yet.
    pub measured_seconds: u64,
    /// Bytes that a day brings; unknown before an hour of traffic.
    pub bytes_per_day: Option<u64>,
    /// Days until new mail is refused when nothing can be delivered, so that nothing ever goes.
    pub days_in_an_outage: Option<u64>,
    /// Days until new mail is refused when mail goes `spool.retain` after it was delivered; none
    /// when there is room for all of it, for ever.
    pub days: Option<u64>,
}

/// A segment or a large body as far as this needs it.
#[derive(Debug, Clone, Copy)]
struct Piece {
    begun: Timestamp,
    bytes: u64,
}

/// What comes in, as it was measured: without what there is room for, which can change at once.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    at: Timestamp,
    /// The newest segment then; 0: there was none.
    newest: u32,
    /// Bytes of what is stored, without that segment.
    stored: u64,
    measured: Duration,
    bytes_per_day: Option<u64>,
    /// Bytes of it that are old enough to go by the end of each day from then on.
    gone: Vec<u64>,
}

impl Traffic {
    /// Of what is stored at a time; the segments are in order, the last one is written to.
    fn measured(at: Timestamp, pieces: &[Piece], large: &[Piece], retain: Duration) -> Self {
        let sum = |pieces: &[Piece]| pieces.iter().map(|piece| piece.bytes).sum::<u64>();
        let recent = pieces.iter().position(|piece| at.since(piece.begun) <= DAY);
        let first = recent.unwrap_or(pieces.len().saturating_sub(1));
        let recent = pieces.get(first..).unwrap_or_default();
        let since = recent.first().map_or(at, |piece| piece.begun);
        let measured = at.since(since);
        let bytes_per_day = (measured >= TOO_SHORT).then(|| {
            let large = large.iter().filter(|one| one.begun >= since);
            let brought = sum(recent) + large.map(|one| one.bytes).sum::<u64>();
            let a_day =
                u128::from(brought) * u128::from(DAY.as_secs()) / u128::from(measured.as_secs());
            u64::try_from(a_day).unwrap_or(u64::MAX)
        });
        let newest = pieces.last().map_or(0, |piece| piece.bytes);
        Self {
            at,
            newest: 0,
            stored: sum(pieces) - newest + sum(large),
            measured,
            bytes_per_day,
            gone: gone_by_day(at, (pieces, large), retain),
        }
    }

    fn is_good(&self, now: Timestamp) -> bool {
        self.at.is_within(GOOD_FOR, now)
    }

    /// How long `room` lasts; `newest` are the bytes that stand in the newest segment.
    fn outlook(&self, newest: u64, room: u64) -> Outlook {
        let a_day = self.bytes_per_day;
        let in_an_outage = a_day.and_then(|a_day| room.checked_div(a_day));
        Outlook {
            stored: self.stored.saturating_add(newest),
            room,
            measured_seconds: self.measured.as_secs(),
            bytes_per_day: a_day,
            days_in_an_outage: in_an_outage.map(|days| days.min(HORIZON)),
            days: a_day.and_then(|a_day| self.days_until_full(a_day, room)),
        }
    }

    /// Day by day: what comes, and what is old enough to go. From the last of these days on as much
    /// goes as comes.
    fn days_until_full(&self, a_day: u64, room: u64) -> Option<u64> {
        (1_u64..)
            .zip(&self.gone)
            .find(|&(day, gone)| a_day.saturating_mul(day) > room.saturating_add(*gone))
            .map(|(day, _)| day)
    }
}

/// What is old enough to go by the end of each day from now on, until all of it is.
fn gone_by_day(
    now: Timestamp,
    (pieces, large): (&[Piece], &[Piece]),
    retain: Duration,
) -> Vec<u64> {
    let days = retain.as_secs().div_ceil(DAY.as_secs()).min(HORIZON);
    let mut gone = vec![0_u64; usize::try_from(days).unwrap_or(0)];
    // A segment is over when the next one is.
    let old = pieces.windows(2).filter_map(|pair| match pair {
        [old, next] => Some((next.begun, old.bytes)),
        _ => None,
    });
    let large = large.iter().map(|one| (one.begun, one.bytes));
    for (begun, bytes) in old.chain(large) {
        let left = retain.saturating_sub(now.since(begun));
        let day = left.as_millis().div_ceil(DAY.as_millis());
        let place = usize::try_from(day.saturating_sub(1));
        if let Some(sum) = place.ok().and_then(|place| gone.get_mut(place)) {
            *sum += bytes;
        }
    }
    let mut sum = 0;
    for day in &mut gone {
        sum += *day;
        *day = sum;
    }
    gone
}

/// When each segment was begun. One whose head is damaged is as old as the one before, and older
/// than anything when there is none. When no head can be read, no time before `now` is covered.
fn dated(now: Timestamp, segments: Vec<(Option<Timestamp>, u64)>) -> Vec<Piece> {
    let is_any_known = segments.iter().any(|(begun, _)| begun.is_some());
    let mut before = if is_any_known { Timestamp::EPOCH } else { now };
    let date = |(begun, bytes): (Option<Timestamp>, u64)| {
        before = begun.unwrap_or(before);
        Piece {
            begun: before,
            bytes,
        }
    };
    segments.into_iter().map(date).collect()
}

/// What stands in segments, and what they have reserved and not written yet.
#[derive(Debug, Clone, Copy, Default)]
struct Filled {
    bytes: u64,
    reserved: u64,
}

impl Spool {
    /// How long the spool lasts. The traffic is measured once a minute at most, the room each time.
    /// Blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn outlook(&self) -> Result<Outlook, SpoolError> {
        let now = self.0.clock.now();
        let mut known = self.0.traffic.lock().map_err(|_| SpoolError::Closed)?;
        let traffic = match known.take() {
            Some(traffic) if traffic.is_good(now) => traffic,
            _ => self.traffic(now)?,
        };
        let traffic = known.insert(traffic);
        let newest = self.filled_from(traffic.newest)?;
        // After what is reserved: nothing is counted twice when a segment is begun meanwhile.
        let dir = &self.0.options.dir;
        let free = self.0.disk.free_bytes(dir);
        let free = free.map_err(|error| SpoolError::disk("measuring", dir, error))?;
        let room = free.checked_sub(kept_free(self.0.options.min_free));
        // Below that, nothing is taken, whatever is reserved.
        let room = room.map_or(0, |room| room.saturating_add(newest.reserved));
        Ok(traffic.outlook(newest.bytes, room))
    }

    fn traffic(&self, now: Timestamp) -> Result<Traffic, SpoolError> {
        let end = self.0.follow.durable();
        let (mut segments, mut newest) = (Vec::new(), 0);
        let dir = self.0.options.dir.join("log");
        for number in head::numbers(&self.0.disk, &dir)? {
            // One behind the end is just begun: nothing that counts stands in it.
            if number <= end.segment
                && let Some(filled) = self.filled(number)?
            {
                segments.push((self.begun(number), filled.bytes));
                newest = number;
            }
        }
        let pieces = dated(now, segments);
        let large = self.large_pieces()?;
        let traffic = Traffic::measured(now, &pieces, &large, self.0.options.retain);
        Ok(Traffic { newest, ..traffic })
    }

    /// Of the segments from this one on.
    fn filled_from(&self, first: u32) -> Result<Filled, SpoolError> {
        let dir = self.0.options.dir.join("log");
        let mut all = Filled::default();
        for number in head::numbers(&self.0.disk, &dir)? {
            if number >= first
                && let Some(filled) = self.filled(number)?
            {
                all.bytes += filled.bytes;
                all.reserved += filled.reserved;
            }
        }
        Ok(all)
    }

    /// Of one segment; `None` when it went at this moment: because it is over, or could not be
    /// begun.
    fn filled(&self, number: u32) -> Result<Option<Filled>, SpoolError> {
        // Before the length: what is written meanwhile was reserved.
        let end = self.0.follow.durable();
        let path = segment::path(&self.0.options.dir.join("log"), number);
        let length = match self.0.disk.open(&path).and_then(|file| file.len()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            length => length.map_err(|error| SpoolError::disk("measuring", &path, error))?,
        };
        let bytes = match number.cmp(&end.segment) {
            Ordering::Less => length,
            Ordering::Equal => length.min(u64::from(end.offset)),
            Ordering::Greater => 0,
        };
        Ok(Some(Filled {
            bytes,
            reserved: length - bytes,
        }))
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

    fn look_ahead(
        now: Timestamp,
        pieces: &[Piece],
        (large, room): (&[Piece], u64),
        retain: Duration,
    ) -> Outlook {
        let newest = pieces.last().map_or(0, |piece| piece.bytes);
        Traffic::measured(now, pieces, large, retain).outlook(newest, room)
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

    #[test]
    fn what_says_no_time_covers_none() {
        let begun = |segments| {
            let dated = dated(now(), segments);
            dated.iter().map(|one| one.begun).collect::<Vec<_>>()
        };
        let then = now().before(DAY);
        assert_eq!(
            begun(vec![(None, 1), (Some(then), 1), (None, 1)]),
            [Timestamp::EPOCH, then, then]
        );
        // None of them says when it was begun.
        assert_eq!(begun(vec![(None, 1), (None, 1)]), [now(), now()]);
        let pieces = dated(now(), vec![(None, GIB)]);
        let outlook = look_ahead(now(), &pieces, (&[], GIB), RETAIN);
        assert_eq!((outlook.measured_seconds, outlook.bytes_per_day), (0, None));
    }
}
