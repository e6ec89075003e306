//! TCP: connections without Nagle's delay, ports that say why they cannot be had.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::{BoxedStream, Dial, Listen};
use crate::base::Boxed;
use crate::limits;

/// Dials over TCP.
#[derive(Debug, Clone)]
pub struct TcpDial {
    timeout: Duration,
}

impl TcpDial {
    /// Gives a connection up after `timeout`.
    #[must_use]
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// A connection as the system has it, for a library that takes no other.
    ///
    /// # Errors
    /// As [`Dial::dial`].
    pub async fn dial_plain(&self, address: SocketAddr) -> io::Result<std::net::TcpStream> {
        self.connect(address).await?.into_std()
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = tokio::time::timeout(self.timeout, TcpStream::connect(address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // Commands are small and wait for replies: Nagle's delay would cost 40 ms each.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Default for TcpDial {
    fn default() -> Self {
        Self::new(limits::CONNECT_TIMEOUT)
    }
}

impl Dial for TcpDial {
    fn dial(&self, address: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        Box::pin(async move {
            let stream = self.connect(address).await?;
            Ok(Box::new(stream) as BoxedStream)
        })
    }

    /// A datagram socket that is connected sends nothing, and knows where it would send from.
    fn source(&self, address: SocketAddr) -> Option<IpAddr> {
        let any: IpAddr = match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
        socket.connect(address).ok()?;
        Some(socket.local_addr().ok()?.ip())
    }
}

/// Listens on a TCP port.
#[derive(Debug)]
pub struct TcpListen {
    listener: TcpListener,
    address: SocketAddr,
}

impl TcpListen {
    /// Binds `address`; port 0 takes any free one. To be called within the runtime.
    ///
    /// # Errors
    /// [`BindError`], which says what to do.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let open = || -> io::Result<(TcpListener, SocketAddr)> {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            // A restart must not wait for the old connections' TIME_WAIT.
            socket.set_reuse_address(true)?;
            if address.is_ipv6() {
                // `[::]` means IPv6; IPv4 has a listener of its own, on every system alike.
                socket.set_only_v6(true)?;
            }
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(limits::LISTEN_BACKLOG)?;
            let listener = TcpListener::from_std(socket.into())?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        };
        let (listener, address) = open().map_err(|source| BindError { address, source })?;
        Ok(Self { listener, address })
    }

    /// A socket that somebody else has bound. To be called within the runtime.
    ///
    /// # Errors
    /// [`BindError`], when it cannot listen.
    pub fn adopt(socket: std::net::TcpListener) -> Result<Self, BindError> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = socket.local_addr().unwrap_or(unknown);
        let open = || -> io::Result<TcpListener> {
            // It may have been bound only; twice does no harm.
            SockRef::from(&socket).listen(limits::LISTEN_BACKLOG)?;
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)
        };
        let listener = open().map_err(|source| BindError { address, source })?;
        Ok(Self { listener, address })
    }

    /// The listener itself, for servers that bring their own accept loop.
    #[must_use]
    pub fn into_inner(self) -> TcpListener {
        self.listener
    }
}

impl Listen for TcpListen {
    fn accept(&mut self) -> Boxed<'_, io::Result<(BoxedStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as BoxedStream, peer))
        })
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}

/// A port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", bind_advice(source))]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

fn bind_advice(error: &io::Error) -> String {
    let advice = [
        (
            io::ErrorKind::AddrInUse,
            "another program uses this port; stop it or choose another port",
        ),
        (
            io::ErrorKind::PermissionDenied,
            "ports below 1024 need a privilege; choose a higher port, or give the program \
             CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)",
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            "no interface of this machine has this address; bind one that it has",
        ),
    ];
    let known = advice.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, advice)| (*advice).to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn loopback() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn dials_and_listens() {
        let mut listen = TcpListen::bind(loopback()).unwrap();
        let dial = TcpDial::default();
        let address = listen.local_address();
        let (accepted, dialled) = tokio::join!(listen.accept(), dial.dial(address));
        let ((mut server, peer), mut client) = (accepted.unwrap(), dialled.unwrap());
        assert!(peer.ip().is_loopback());
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn a_used_port_is_explained() {
        let listen = TcpListen::bind(loopback()).unwrap();
        let error = TcpListen::bind(listen.local_address()).unwrap_err();
        assert!(error.to_string().contains("another program uses this port"));
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let address = TcpListen::bind(loopback()).unwrap().local_address();
        let error = TcpDial::default().dial(address).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
