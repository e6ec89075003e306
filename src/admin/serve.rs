//! Serving the API, over the unix socket or over TCP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};

use crate::base::Shutdown;
use crate::net::{BoxedStream, Listen as _, TcpListen, TlsListen};

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

/// The same over the network: requests know from where they come.
pub async fn serve_network(doorway: Doorway, router: Router, shutdown: Shutdown) {
    let stopping = {
        let shutdown = shutdown.clone();
        async move { shutdown.stopping().await }
    };
    let service = router.into_make_service_with_connect_info::<Remote>();
    let served = axum::serve(doorway, service).with_graceful_shutdown(stopping);
    if let Err(error) = served.await {
        tracing::error!(%error, "the operators' door over the network is closed");
    }
}

/// A port of the network.
#[derive(Debug)]
pub enum Doorway {
    /// Plain http.
    Plain(TcpListen),
    /// Over TLS.
    Secured(TlsListen),
}

/// Pause after a failed accept: out of file descriptors, usually.
const PAUSE: Duration = Duration::from_millis(100);

impl Listener for Doorway {
    type Io = BoxedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoxedStream, SocketAddr) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Secured(socket) => return socket.accept().await,
        };
        loop {
            match socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(match self {
            Self::Plain(socket) => socket.local_address(),
            Self::Secured(socket) => socket.local_address(),
        })
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Doorway>> for Remote {
    fn connect_info(stream: IncomingStream<'_, Doorway>) -> Self {
        Self(*stream.remote_addr())
    }
}
