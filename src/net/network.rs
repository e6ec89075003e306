//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses: `192.0.2.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Bits of an IPv6 address in front of an IPv4 one (`::ffff:192.0.2.1`).
const MAPPED: u8 = 96;

/// Not an address with an optional prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network, expected for example 192.0.2.0/24 or 2001:db8::/32")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits.parse().map_err(|_| InvalidNetwork)?,
        };
        if prefix > longest {
            return Err(InvalidNetwork);
        }
        // An IPv4 network may be written as an IPv6 one.
        match address.to_canonical() {
            own if address.is_ipv6() && own.is_ipv4() && prefix >= MAPPED => Ok(Self {
                address: own,
                prefix: prefix - MAPPED,
            }),
            _ => Ok(Self { address, prefix }),
        }
    }
}

/// As it was written: `192.0.2.0/24`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Network {
    /// Is every address in it?
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// How many bits of an address say that it is in it.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Has it addresses of IPv4?
    #[must_use]
    pub const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Has it the same addresses, however it is written?
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.contains(other.address)
    }

    /// The first address of it.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        first_of(self.address, self.prefix)
    }

    /// The first address of the network of so many bits that an address is in. An IPv4 address
    /// that comes as an IPv6 one counts as IPv4.
    #[must_use]
    pub fn first_around(address: IpAddr, prefix: u8) -> IpAddr {
        first_of(address.to_canonical(), prefix)
    }

    /// Is the address in it? An IPv4 address that comes as an IPv6 one counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(own) => {
            let host = 32_u32.saturating_sub(u32::from(prefix));
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(own.to_bits() & mask))
        }
        IpAddr::V6(own) => {
            let host = 128_u32.saturating_sub(u32::from(prefix));
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_only() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
            ("::ffff:192.0.2.0/120", "192.0.2.9", true),
            ("::ffff:192.0.2.0/120", "192.0.3.9", false),
            ("::ffff:0:0/96", "192.0.3.9", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::ffff:0:0/90", "192.0.2.1", false),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{address}"
            );
        }
        for text in [
            "",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2.0/-1",
            "example.org",
            "::/129",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
