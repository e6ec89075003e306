//! Connections that speak TLS from their first byte, for those who serve more than mail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{AcceptTls, BoxedStream, Crowd, Listen, Placed, TcpListen};
use crate::base::Shutdown;
use crate::limits;

/// Pause after a failed accept: out of file descriptors, usually.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections whose handshake is done and that wait to be served.
const READY: usize = 16;

/// A port over which TLS is spoken. Handshakes go on beside each other: who is slow holds up
/// nobody, and has his place at the door while he is.
#[derive(Debug)]
pub struct TlsListen {
    local: SocketAddr,
    ready: mpsc::Receiver<(BoxedStream, SocketAddr)>,
}

impl TlsListen {
    /// Takes connections from now on, until the stop is asked for.
    #[must_use]
    pub fn new(
        mut socket: TcpListen,
        tls: Arc<dyn AcceptTls>,
        crowd: Crowd,
        shutdown: &Shutdown,
    ) -> Self {
        let local = socket.local_address();
        let (done, ready) = mpsc::channel(READY);
        let tasks = shutdown.clone();
        shutdown.spawn("TLS listener", async move {
            loop {
                let accepted = tokio::select! {
                    biased;
                    () = tasks.stopping() => return,
                    accepted = socket.accept() => accepted,
                };
                let Ok((stream, from)) = accepted else {
                    // Out of file descriptors, for example: others must be able to close theirs.
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let Some(place) = crowd.enter(from.ip()) else {
                    tracing::debug!(%from, "too many connections: this one is closed");
                    continue;
                };
                let stream = Box::new(Placed::new(stream, place, limits::WEB_SILENCE));
                let (tls, done) = (Arc::clone(&tls), done.clone());
                tasks.spawn("TLS handshake", async move {
                    match tls.accept(stream).await {
                        Ok((stream, _)) => drop(done.send((stream, from)).await),
                        Err(error) => tracing::debug!(%error, %from, "no TLS"),
                    }
                });
            }
        });
        Self { local, ready }
    }

    /// The next connection; none comes any more after the stop.
    pub async fn accept(&mut self) -> (BoxedStream, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            None => std::future::pending().await,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }
}
