//! Serving the API, over the unix socket or over TCP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::map_request;
use axum::serve::{IncomingStream, Listener};

use crate::base::Shutdown;
use crate::limits;
use crate::net::{
    AcceptTls, BoxedStream, Crowd, Listen as _, Placed, TcpListen, TlsListen, UnixDoor,
};

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
    let router = router.layer(map_request(with_address));
    let service = router.into_make_service_with_connect_info::<Remote>();
    let served = axum::serve(doorway, service).with_graceful_shutdown(stopping);
    if let Err(error) = served.await {
        tracing::error!(%error, "the operators' door over the network is closed");
    }
}

/// The address alone, for those who do not know our doors.
async fn with_address(mut request: Request) -> Request {
    let found = request.extensions().get::<ConnectInfo<Remote>>();
    if let Some(ConnectInfo(Remote(address))) = found.copied() {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    request
}

/// A port of the network, with bounds for who stands at it.
#[derive(Debug)]
pub enum Doorway {
    /// Plain http.
    Plain(TcpListen, Crowd),
    /// Over TLS.
    Secured(TlsListen),
}

impl Doorway {
    /// Over TLS if there is somebody who speaks it.
    #[must_use]
    pub fn new(socket: TcpListen, tls: Option<Arc<dyn AcceptTls>>, shutdown: &Shutdown) -> Self {
        let crowd = Crowd::new(limits::WEB_CONNECTIONS, limits::WEB_CONNECTIONS_EACH);
        match tls {
            Some(tls) => Self::Secured(TlsListen::new(socket, tls, crowd, shutdown)),
            None => Self::Plain(socket, crowd),
        }
    }
}

/// Pause after a failed accept: out of file descriptors, usually.
const PAUSE: Duration = Duration::from_millis(100);

impl Listener for Doorway {
    type Io = BoxedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoxedStream, SocketAddr) {
        let (socket, crowd) = match self {
            Self::Plain(socket, crowd) => (socket, crowd),
            Self::Secured(socket) => return socket.accept().await,
        };
        loop {
            let (stream, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if let Some(place) = crowd.enter(peer.ip()) {
                let placed = Placed::new(stream, place, limits::WEB_SILENCE);
                return (Box::new(placed), peer);
            }
            tracing::debug!(%peer, "too many connections: this one is closed");
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(match self {
            Self::Plain(socket, _) => socket.local_address(),
            Self::Secured(socket) => socket.local_address(),
        })
    }
}

impl Listener for UnixDoor {
    type Io = BoxedStream;
    type Addr = PathBuf;

    async fn accept(&mut self) -> (BoxedStream, PathBuf) {
        let stream = Self::accept(self).await;
        (stream, self.path().to_owned())
    }

    fn local_addr(&self) -> std::io::Result<PathBuf> {
        Ok(self.path().to_owned())
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
