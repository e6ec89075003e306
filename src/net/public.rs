//! Addresses of the Internet, apart from those of one's own house: strangers may name hosts to
//! which we connect, and must not reach through us what only we can reach.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{BoxedStream, Dial};
use crate::base::Boxed;

/// Can the Internet reach it?
#[must_use]
pub const fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // RFC 6598: carriers share these.
            let shared = first == 100 && second & 0xc0 == 64;
            // 0.0.0.0/8 is this machine, or nobody.
            let here = first == 0;
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || here
                || v4.is_multicast()
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

/// Dials addresses of the Internet only.
#[derive(Debug, Clone)]
pub struct PublicDial(pub Arc<dyn Dial>);

impl Dial for PublicDial {
    fn dial(&self, address: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        Box::pin(async move {
            // `::ffff:127.0.0.1` is this machine, too.
            if !is_public(&address.ip().to_canonical()) {
                return Err(io::Error::other("the Internet cannot reach its address"));
            }
            self.0.dial(address).await
        })
    }

    fn source(&self, address: SocketAddr) -> Option<IpAddr> {
        self.0.source(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Anything;

    impl Dial for Anything {
        fn dial(&self, _: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
            Box::pin(async { Ok(Box::new(tokio::io::empty()) as BoxedStream) })
        }
    }

    #[tokio::test]
    async fn nobody_of_the_house_is_dialled() {
        let dial = PublicDial(Arc::new(Anything));
        for (address, expected) in [
            ("192.0.2.1:443", true),
            ("[2001:db8::1]:443", true),
            ("127.0.0.1:443", false),
            ("[::ffff:127.0.0.1]:443", false),
            ("[::ffff:10.0.0.1]:443", false),
            ("[::1]:443", false),
            ("10.1.2.3:443", false),
            ("172.16.0.1:443", false),
            ("192.168.1.1:443", false),
            ("169.254.169.254:443", false),
            ("100.64.0.1:443", false),
            ("0.0.0.0:443", false),
            ("0.1.2.3:443", false),
            ("255.255.255.255:443", false),
            ("224.0.0.1:443", false),
            ("[fd00::1]:443", false),
            ("[fe80::1]:443", false),
        ] {
            let dialled = dial.dial(address.parse().unwrap()).await;
            assert_eq!(dialled.is_ok(), expected, "{address}");
        }
    }
}
