//! Addresses of the Internet, apart from those of one's own house: strangers may name hosts to
//! which we connect, and must not reach through us what only we can reach.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{BoxedStream, Dial, Network};
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

/// Wider networks of IPv4 and IPv6 are nobody's own: a /32 is what a registry gives a provider.
const WIDEST_V4: u8 = 16;
const WIDEST_V6: u8 = 32;
/// A host in the midst of a block.
const SOMEWHERE: u32 = 0x4d4d;
/// Bits of the number of places of a network of IPv6 that are looked at.
const PLACES: u32 = 10;

/// An address of the Internet in a network so wide that it is nobody's own: wider than a /16 of
/// IPv4 or a /32 of IPv6. `None` for a narrower one, and for one that the Internet cannot reach.
#[must_use]
pub fn stranger_in(network: &Network) -> Option<IpAddr> {
    let prefix = network.prefix();
    match network.first() {
        IpAddr::V4(first) => {
            let wider = WIDEST_V4.checked_sub(prefix).filter(|bits| *bits > 0)?;
            let blocks = 0..1_u32 << wider;
            let mut all = blocks.map(|block| first.to_bits() | (block << WIDEST_V4) | SOMEWHERE);
            all.find_map(|bits| Some(IpAddr::V4(bits.into())).filter(is_public))
        }
        IpAddr::V6(first) => {
            if prefix >= WIDEST_V6 {
                return None;
            }
            let width = 128 - u32::from(prefix) - PLACES;
            let mut all = (0..1_u128 << PLACES)
                .map(|place| first.to_bits() | (place << width) | u128::from(SOMEWHERE));
            all.find_map(|bits| Some(IpAddr::V6(bits.into())).filter(is_public))
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

    #[test]
    fn who_trusts_a_wide_network_of_the_internet_trusts_strangers() {
        for wide in [
            "0.0.0.0/0",
            "0.0.0.0/1",
            "64.0.0.0/2",
            "45.0.0.0/8",
            "8.0.0.0/7",
            "172.0.0.0/8",
            "192.168.0.0/15",
            "40.92.0.0/15",
            "::/0",
            "2000::/3",
            "2a00::/12",
            "2001:db8::/31",
            "fc00::/6",
            "::ffff:64.0.0.0/98",
        ] {
            let network: Network = wide.parse().unwrap();
            let stranger = stranger_in(&network).unwrap_or_else(|| panic!("{wide}"));
            assert!(
                network.contains(stranger) && is_public(&stranger),
                "{wide} {stranger}"
            );
        }
        for own in [
            "10.0.0.0/8",
            "10.1.0.0/12",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "100.64.0.0/10",
            "192.168.0.0/16",
            "8.8.0.0/16",
            "203.0.113.9",
            "2a00:1::/32",
            "2001:db8::1",
            "fc00::/7",
            "fe80::/10",
        ] {
            let network: Network = own.parse().unwrap();
            assert_eq!(stranger_in(&network), None, "{own}");
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
