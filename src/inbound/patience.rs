//! How long a client may keep us waiting: what he has used up of it, pure; and the wait itself.
//!
//! Only the time counts for which we wait for him: what our disk or a filter takes is not his
//! fault. Strangers have much of it while there are places, and little while others need theirs,
//! as with Postfix under stress.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, End};
use super::listener::LAST_WORD;
use super::receive::Incoming;
use super::session::Rules as _;
use super::wire::{Wire, WireError};
use crate::limits;

/// What a client has used up between messages that were taken.
#[derive(Debug, Default)]
pub(super) struct Dawdling {
    /// For the present line.
    line: Duration,
    /// Since his last message that was taken.
    session: Duration,
}

impl Dawdling {
    /// We waited for him for so long.
    pub(super) const fn waited(&mut self, time: Duration) {
        self.line = self.line.saturating_add(time);
        self.session = self.session.saturating_add(time);
    }

    /// A line is there.
    pub(super) const fn line_came(&mut self) {
        self.line = Duration::ZERO;
    }

    /// He has been so far behind with a message, or a part of one.
    pub(super) const fn was_behind(&mut self, time: Duration) {
        self.session = self.session.saturating_add(time);
    }

    /// A message was taken: all begins anew.
    pub(super) const fn brought(&mut self) {
        self.session = Duration::ZERO;
    }

    /// What is left for a line, while places are scarce.
    pub(super) fn left_when_scarce(&self) -> Duration {
        self.left((limits::SCARCE_LINE, limits::SCARCE_SESSION))
    }

    /// The same for who sends what is refused already, and is so far behind with it.
    pub(super) fn left_for_nobody(&self, lag: &Lag) -> Duration {
        let session = self.left((Duration::MAX, limits::SCARCE_SESSION));
        session.min(lag.left(limits::SCARCE_DATA))
    }

    /// What is left of these times for a line and for all of them.
    fn left(&self, (line, session): (Duration, Duration)) -> Duration {
        let line = line.saturating_sub(self.line);
        line.min(session.saturating_sub(self.session))
    }
}

/// How far a client is behind with a message, by [`limits::DATA_RATE`].
#[derive(Debug, Default)]
pub(super) struct Lag(Duration);

impl Lag {
    /// We waited for him for so long.
    pub(super) const fn waited(&mut self, time: Duration) {
        self.0 = self.0.saturating_add(time);
    }

    /// So much came. Who was fast saves nothing up.
    pub(super) fn came(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let worth = Duration::from_nanos(bytes.saturating_mul(BYTE_NANOS));
        self.0 = self.0.saturating_sub(worth);
    }

    /// So far.
    pub(super) const fn behind(&self) -> Duration {
        self.0
    }

    /// What is left of the time for which he may be behind.
    pub(super) const fn left(&self, most: Duration) -> Duration {
        most.saturating_sub(self.0)
    }
}

/// Nanoseconds that a byte may take.
const BYTE_NANOS: u64 = 1_000_000_000 / limits::DATA_RATE;

impl Connection {
    /// More input, unless the program stops while the client is idle; between the parts of a
    /// message with what has come of it.
    pub(super) async fn more(
        &mut self,
        wire: &mut Wire,
        incoming: Option<&mut Incoming>,
    ) -> Result<(), End> {
        let begun = Instant::now();
        let (held, lag) = incoming.map_or((0, None), |message| {
            (message.held(), Some(&mut message.lag))
        });
        let most = self.server.options.bounds.data_timeout;
        let left = lag.as_ref().map_or(Duration::MAX, |lag| lag.left(most));
        let result = self.wait(wire, (held, left)).await;
        let waited = begun.elapsed();
        self.dawdling.waited(waited);
        if let Some(lag) = lag {
            lag.waited(waited);
        }
        result
    }

    /// How long it may keep us waiting now.
    fn idle_left(&self) -> Duration {
        let session = if self.is_awaited() {
            Duration::MAX
        } else {
            limits::IDLE_SESSION
        };
        let timeout = self.server.options.bounds.command_timeout;
        self.login_left()
            .min(self.dawdling.left((timeout, session)))
    }

    async fn wait(&self, wire: &mut Wire, (held, left): (u64, Duration)) -> Result<(), End> {
        let patience = self.idle_left().min(left);
        // What has come already would be read without a wait.
        if patience.is_zero() {
            return Err(WireError::Timeout.into());
        }
        tokio::select! {
            biased;
            filled = wire.fill(patience, limits::READ_IDLE) => Ok(filled?),
            end = self.wanted_back(held) => Err(end),
        }
    }

    /// Sends what is queued before more is said: who does not read is as late as who does not
    /// write.
    pub(super) async fn deliver(&mut self, wire: &mut Wire) -> Result<(), End> {
        let begun = Instant::now();
        let flushed = tokio::select! {
            biased;
            flushed = wire.flush(self.idle_left()) => flushed.map_err(End::from),
            end = self.wanted_back(0) => Err(end),
        };
        self.dawdling.waited(begun.elapsed());
        flushed
    }

    /// Returns when its place, or what it holds, is needed while it keeps us waiting.
    pub(super) async fn wanted_back(&self, held: u64) -> End {
        tokio::select! {
            biased;
            () = self.shutdown.stopping() => End::Stopping,
            () = self.squeezed(held) => End::Crowded,
            () = self.outstayed(self.dawdling.left_when_scarce()) => End::Slow,
        }
    }

    /// So long he has to read the last word to his last line: what is left of his time for that.
    pub(super) fn time_to_read(&self) -> Duration {
        self.idle_left().max(LAST_WORD)
    }

    /// Says the last word in this time and closes; who does not read it keeps neither a place nor
    /// a stop.
    pub(super) async fn leave(&self, wire: Wire, time: Duration) {
        let stopped = async {
            self.shutdown.stopping().await;
            tokio::time::sleep(LAST_WORD).await;
        };
        tokio::select! {
            biased;
            () = wire.close(time) => {}
            () = self.outstayed(LAST_WORD) => {}
            () = stopped => {}
        }
    }

    /// Returns when others need its place, but not before this time is over; never for one of ours.
    pub(super) async fn outstayed(&self, least: Duration) {
        if self.is_awaited() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(least).await;
        self.server.until_places_are_scarce().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_line_and_a_session_have_times_of_their_own() {
        let mut used = Dawdling::default();
        let bounds = (10 * SECOND, 25 * SECOND);
        used.waited(4 * SECOND);
        assert_eq!(used.left(bounds), 6 * SECOND);
        used.waited(7 * SECOND);
        assert_eq!(used.left(bounds), Duration::ZERO);
        used.line_came();
        assert_eq!(used.left(bounds), 10 * SECOND);
        used.waited(9 * SECOND);
        used.line_came();
        assert_eq!(used.left(bounds), 5 * SECOND);
        used.brought();
        assert_eq!(used.left(bounds), 10 * SECOND);
    }

    #[test]
    fn who_is_behind_again_and_again_has_one_time_for_all() {
        let mut used = Dawdling::default();
        let late = |seconds: u32, bytes: usize| {
            let mut lag = Lag::default();
            lag.waited(seconds * SECOND);
            lag.came(bytes);
            lag
        };
        assert_eq!(used.left_for_nobody(&late(25, 2500)), 10 * SECOND);
        for _ in 0..2 {
            used.was_behind(late(25, 2500).behind());
        }
        assert_eq!(used.left_when_scarce(), 10 * SECOND);
        used.was_behind(late(15, 0).behind());
        assert_eq!(used.left_when_scarce(), 5 * SECOND);
        assert_eq!(used.left_for_nobody(&Lag::default()), 5 * SECOND);
        used.brought();
        assert_eq!(used.left_for_nobody(&Lag::default()), 30 * SECOND);
    }

    #[test]
    fn who_keeps_the_rate_is_never_late() {
        let most = 180 * SECOND;
        let mut lag = Lag::default();
        // 50 MiB at 500 bytes a second.
        for _ in 0..104_858 {
            lag.waited(SECOND);
            assert!(lag.left(most) > 178 * SECOND);
            lag.came(500);
        }
        assert_eq!(lag.left(most), most);
        // One byte each ten seconds.
        let drops = (0..100).find(|_| {
            lag.waited(10 * SECOND);
            lag.came(1);
            lag.left(most) <= 10 * SECOND
        });
        assert_eq!(drops, Some(17));
        // Who was fast has saved nothing up.
        lag.came(100_000_000);
        assert_eq!(lag.left(most), most);
    }
}
