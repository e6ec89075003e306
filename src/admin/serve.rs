//! Serving the API, over the unix socket or over TCP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::map_request;
use axum::serve::{IncomingStream, Listener};

use crate::base::Shutdown;
use crate::limits;
use crate::net::{BoxedStream, Crowd, Listen as _, Placed, TcpListen, TlsListen};

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
pub struct Doorway {
    port: Port,
    crowd: Crowd,
}

impl Doorway {
    /// Plain http.
    #[must_use]
    pub fn plain(socket: TcpListen) -> Self {
        Self::new(Port::Plain(socket))
    }

    /// Over TLS.
    #[must_use]
    pub fn secured(socket: TlsListen) -> Self {
        Self::new(Port::Secured(socket))
    }

    fn new(port: Port) -> Self {
        let crowd = Crowd::new(limits::WEB_CONNECTIONS, limits::WEB_CONNECTIONS_EACH);
        Self { port, crowd }
    }
}

#[derive(Debug)]
enum Port {
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
        loop {
            let (stream, peer) = self.port.accept().await;
            if let Some(place) = self.crowd.enter(peer.ip()) {
                let placed = Placed::new(stream, place, limits::WEB_SILENCE);
                return (Box::new(placed), peer);
            }
            tracing::debug!(%peer, "too many connections: this one is closed");
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(match &self.port {
            Port::Plain(socket) => socket.local_address(),
            Port::Secured(socket) => socket.local_address(),
        })
    }
}

impl Port {
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
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Doorway>> for Remote {
    fn connect_info(stream: IncomingStream<'_, Doorway>) -> Self {
        Self(*stream.remote_addr())
    }
}
