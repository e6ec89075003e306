//! Which device is at an address: found in a few steps, however many devices there are. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Device, Way};
use crate::net::Network;

/// The devices that are known by their addresses.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By the bits of their networks; of IPv4 and IPv6 apart.
    by_prefix: BTreeMap<(Kind, u8), HashMap<IpAddr, Arc<Device>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    V4,
    V6,
}

impl Kind {
    const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl Places {
    pub(super) fn of<'a>(devices: impl Iterator<Item = &'a Arc<Device>>) -> Self {
        let mut places = Self::default();
        for device in devices.filter(|it| it.way != Way::Login) {
            for network in device.networks() {
                let first = network.first();
                let key = (Kind::of(first), network.prefix());
                let same = places.by_prefix.entry(key).or_default();
                same.insert(first, Arc::clone(device));
            }
        }
        places
    }

    /// The one that names the address most exactly.
    pub(super) fn at(&self, address: IpAddr) -> Option<&Arc<Device>> {
        let address = address.to_canonical();
        let kind = Kind::of(address);
        let mut near = self.by_prefix.range((kind, 0)..=(kind, u8::MAX)).rev();
        near.find_map(|((_, prefix), same)| same.get(&Network::first_around(address, *prefix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn device(name: &str, way: Way, networks: &[&str]) -> Arc<Device> {
        Arc::new(Device {
            name: name.to_owned(),
            way,
            senders: Vec::new(),
            networks: networks.iter().map(|it| (*it).to_owned()).collect(),
            recipients: Vec::new(),
            expires: None,
            daily_recipients: None,
            password: None,
            made: Timestamp::EPOCH,
            by: String::new(),
            reason: String::new(),
        })
    }

    #[test]
    fn the_most_exact_network_counts() {
        let all = [
            device("floor", Way::Internal, &["192.0.2.0/24", "2001:db8::/64"]),
            device("fax", Way::Listed, &["192.0.2.7", "2001:db8::7"]),
            device(
                "old",
                Way::Internal,
                &["::ffff:198.51.100.0/120", "garbage"],
            ),
            device("erp", Way::Login, &["203.0.113.9"]),
        ];
        let places = Places::of(all.iter());
        for (address, expected) in [
            ("192.0.2.7", Some("fax")),
            ("::ffff:192.0.2.7", Some("fax")),
            ("192.0.2.8", Some("floor")),
            ("192.0.3.8", None),
            ("2001:db8::7", Some("fax")),
            ("2001:db8::ffff:8", Some("floor")),
            ("2001:db8:1::8", None),
            ("198.51.100.255", Some("old")),
            ("203.0.113.9", None),
        ] {
            let found = places.at(address.parse().unwrap());
            let found = found.map(|it| it.name.as_str());
            assert_eq!(found, expected, "{address}");
        }
        assert!(Places::default().at("192.0.2.7".parse().unwrap()).is_none());
    }

    #[test]
    fn a_look_says_the_same_as_all_devices_one_by_one() {
        let all: Vec<Arc<Device>> = (0..200_u32)
            .map(|number| {
                let network = format!("10.{}.{}.0/{}", number % 7, number, 16 + number % 17);
                device(&format!("d{number}"), Way::Internal, &[&network])
            })
            .collect();
        let places = Places::of(all.iter());
        for number in 0..4000_u32 {
            let bits = 0x0a00_0000 | (number.wrapping_mul(2_654_435_761) >> 13);
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(bits));
            let near = |it: &Arc<Device>| it.nearness(address);
            let longest = all.iter().filter_map(near).max();
            let found = places.at(address).and_then(near);
            assert_eq!(found, longest, "{address}");
        }
    }
}
