//! Sockets that are handed to the program: systemd holds the ports, so that connections wait during
//! a restart and are not refused. `LISTEN_FDS` and `LISTEN_PID` of `sd_listen_fds(3)`.

use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::tcp::BindError;
use super::{Listen, TcpListen};

/// A socket that was handed over is none for us.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// It is no TCP socket.
    #[error(
        "number {number} of the sockets that were handed over (LISTEN_FDS) is not for TCP: {source}"
    )]
    Kind {
        /// Which, from 0.
        number: usize,
        /// What the system says.
        source: io::Error,
    },
    /// Peers of IPv4 would look like others to the networks of the config.
    #[error(
        "the socket {0} that was handed over (LISTEN_FDS) is for IPv6 and IPv4, expected one for \
         each (BindIPv6Only=ipv6-only)"
    )]
    Both(std::net::SocketAddr),
    /// Connections would be shared among two that think they are one.
    #[error("the socket {0} was handed over twice (LISTEN_FDS): name it once in the socket units")]
    Twice(std::net::SocketAddr),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] BindError),
}

/// The sockets that were handed to this process; a second call finds none. To be called within the
/// runtime.
///
/// # Errors
/// [`HandedError`]; they are closed then.
pub fn handed() -> Result<Vec<TcpListen>, HandedError> {
    let mut handed = ListenFd::from_env();
    let mut sockets: Vec<TcpListen> = Vec::new();
    for number in 0..handed.len() {
        let wrong = |source| HandedError::Kind { number, source };
        let taken = handed.take_tcp_listener(number).map_err(wrong)?;
        // There is one for each number.
        let Some(socket) = taken else { continue };
        let address = socket.local_addr().map_err(wrong)?;
        let is_any = address.is_ipv6() && address.ip().is_unspecified();
        if is_any && !SockRef::from(&socket).only_v6().map_err(wrong)? {
            return Err(HandedError::Both(address));
        }
        let mut others = sockets.iter().map(Listen::local_address);
        if others.any(|other| other == address) {
            return Err(HandedError::Twice(address));
        }
        sockets.push(TcpListen::adopt(socket)?);
    }
    Ok(sockets)
}
