//! Who makes errors waits for his replies. It must not cost us anything: only so many wait at one
//! time, and they go as soon as somebody else needs their places.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::connection::{Connection, End};
use super::server::Server;
use super::session::{Action, Session};
use super::wire::Wire;

/// Those of a listener who wait.
#[derive(Debug, Default)]
pub(super) struct Tarpit {
    waiting: AtomicUsize,
    scarce: Notify,
}

/// One of them.
#[derive(Debug)]
struct Stuck<'a>(&'a Tarpit);

impl Tarpit {
    /// One more, unless there are so many already.
    fn enter(&self, most: usize) -> Option<Stuck<'_>> {
        let enter = |waiting| (waiting < most).then_some(waiting + 1);
        let entered = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter);
        entered.is_ok().then(|| Stuck(self))
    }

    /// Others need the places of those who wait.
    pub(super) fn clear(&self) {
        self.scarce.notify_waiters();
    }
}

impl Server {
    /// Returns when others need places: at once while there are few.
    pub(super) async fn until_places_are_scarce(&self) {
        loop {
            // From here on: who fills the house after the look must be heard.
            let mut scarce = std::pin::pin!(self.tarpit.scarce.notified());
            scarce.as_mut().enable();
            if !self.has_many_places() {
                return;
            }
            scarce.await;
        }
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// Keeps the reply to an error back.
    pub(super) async fn punish(
        &mut self,
        wire: &mut Wire,
        (mut session, action): (Session, &Action),
    ) -> Result<Session, End> {
        let wait = session.take_penalty(&*self);
        if !matches!(action, Action::Close(_)) {
            self.keep_waiting(wire, wait).await?;
        }
        Ok(session)
    }

    /// What was said before goes out.
    pub(super) async fn keep_waiting(
        &mut self,
        wire: &mut Wire,
        wait: Duration,
    ) -> Result<(), End> {
        if wait.is_zero() {
            return Ok(());
        }
        let server = Arc::clone(&self.server);
        let Some(_stuck) = server
            .tarpit
            .enter(server.options.bounds.tarpit_connections)
        else {
            return Ok(());
        };
        // From here on: who fills the house after the look must be heard.
        let mut scarce = std::pin::pin!(server.tarpit.scarce.notified());
        scarce.as_mut().enable();
        if !server.has_many_places() {
            return Err(End::Unwanted);
        }
        self.deliver(wire).await?;
        tokio::select! {
            biased;
            () = self.shutdown.stopping() => Err(End::Stopping),
            () = scarce => Err(End::Unwanted),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}
