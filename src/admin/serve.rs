//! Serving the API, over the unix socket or over TCP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;

use crate::base::Shutdown;
use crate::net::{BoxedStream, Listen};

/// A rest after a failed accept: with no file descriptors left the next one fails as fast.
const REST: Duration = Duration::from_millis(200);

/// A listener of `net` in the form that axum wants.
#[derive(Debug)]
pub struct Door(pub Box<dyn Listen>);

impl Listener for Door {
    type Io = BoxedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoxedStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok(connection) => return connection,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local_address())
    }
}

/// Serves `router` until the stop is asked for; open requests are answered first.
pub async fn serve<L>(listener: L, router: Router, shutdown: Shutdown)
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let stopping = {
        let shutdown = shutdown.clone();
        async move { shutdown.stopping().await }
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopping);
    if let Err(error) = served.await {
        tracing::error!(%error, "the operators' door is closed");
    }
}
