//! Who is connected, counted by address and by network. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Bounds;
use super::policy::Guest;

/// The connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    by_network: HashMap<IpAddr, usize>,
}

/// Under what a connection is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visitor {
    address: IpAddr,
    network: IpAddr,
}

impl Visitor {
    /// Of IPv6 a whole /64 counts as one address, which is what one host usually has; a network
    /// is a /24 of IPv4, and a /48 of IPv6, which is what one customer usually has.
    pub(super) fn of(peer: IpAddr) -> Self {
        match peer.to_canonical() {
            IpAddr::V4(address) => Self {
                address: IpAddr::V4(address),
                network: IpAddr::V4((address.to_bits() & !0xff).into()),
            },
            IpAddr::V6(address) => {
                let front = |bits: u32| {
                    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or_default();
                    IpAddr::V6((address.to_bits() & mask).into())
                };
                Self {
                    address: front(64),
                    network: front(48),
                }
            }
        }
    }
}

impl Visitors {
    /// One more, unless there are too many; whose it is may be said later.
    pub(super) fn come(
        &mut self,
        (visitor, guest): (Option<Visitor>, Guest),
        bounds: &Bounds,
    ) -> Option<()> {
        if self.is_full(guest, bounds) {
            return None;
        }
        if let Some(visitor) = visitor {
            self.count(visitor, bounds)?;
        }
        self.all += 1;
        Some(())
    }

    /// Is there no place for one who comes?
    pub(super) fn is_full(&self, guest: Guest, bounds: &Bounds) -> bool {
        self.all >= places(guest, bounds)
    }

    /// The same for one who is there already.
    pub(super) fn is_overfull(&self, guest: Guest, bounds: &Bounds) -> bool {
        self.all > places(guest, bounds)
    }

    /// One that is there already is counted under this, too, unless there are too many of it.
    pub(super) fn enter(
        &mut self,
        (visitor, guest): (Visitor, Guest),
        bounds: &Bounds,
    ) -> Option<()> {
        if self.is_overfull(guest, bounds) {
            return None;
        }
        self.count(visitor, bounds)
    }

    fn count(&mut self, visitor: Visitor, bounds: &Bounds) -> Option<()> {
        let count = |map: &HashMap<IpAddr, usize>, key| map.get(key).copied().unwrap_or(0);
        let here = count(&self.by_address, &visitor.address);
        let near = count(&self.by_network, &visitor.network);
        // Who lets one address have more lets its network have as much.
        let of_network = bounds.connections_per_network;
        let of_network = of_network.max(bounds.connections_per_address);
        if here >= bounds.connections_per_address || near >= of_network {
            return None;
        }
        self.by_address.insert(visitor.address, here + 1);
        self.by_network.insert(visitor.network, near + 1);
        Some(())
    }

    /// Is more than a tenth of the places free for strangers?
    pub(super) fn has_many_places(&self, bounds: &Bounds) -> bool {
        let places = places(Guest::Stranger, bounds);
        places.saturating_sub(self.all) > places / 10
    }

    /// It is no longer counted under this.
    pub(super) fn leave(&mut self, visitor: Visitor) {
        one_less(&mut self.by_address, visitor.address);
        one_less(&mut self.by_network, visitor.network);
    }

    /// One less.
    pub(super) fn go(&mut self, visitor: Option<Visitor>) {
        self.all = self.all.saturating_sub(1);
        if let Some(visitor) = visitor {
            self.leave(visitor);
        }
    }
}

/// So many may be here when such a one is among them: some places are kept, a tenth at most.
fn places(guest: Guest, bounds: &Bounds) -> usize {
    let kept = match guest {
        Guest::Stranger => bounds.reserved_connections.min(bounds.connections / 10),
        Guest::Awaited => 0,
    };
    bounds.connections - kept
}

fn one_less(map: &mut HashMap<IpAddr, usize>, key: IpAddr) {
    if let Some(count) = map.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            map.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(all: usize, address: usize, network: usize) -> Bounds {
        Bounds {
            connections: all,
            connections_per_address: address,
            connections_per_network: network,
            ..Bounds::default()
        }
    }

    fn visitor(text: &str) -> Visitor {
        Visitor::of(text.parse().unwrap())
    }

    /// How many of these are taken, one after the other.
    fn taken(bounds: &Bounds, peers: &[&str]) -> Vec<bool> {
        let mut visitors = Visitors::default();
        let peers = peers.iter();
        peers
            .map(|peer| {
                let stranger = (Some(visitor(peer)), Guest::Stranger);
                visitors.come(stranger, bounds).is_some()
            })
            .collect()
    }

    #[test]
    fn some_places_are_kept_for_who_is_awaited() {
        let bounds = Bounds {
            reserved_connections: 50,
            ..bounds(20, 99, 99)
        };
        let mut visitors = Visitors::default();
        let mut come = |guest| visitors.come((None, guest), &bounds).is_some();
        let strangers = (0..20).filter(|_| come(Guest::Stranger)).count();
        assert_eq!(strangers, 18, "a tenth at most");
        assert!(come(Guest::Awaited) && come(Guest::Awaited) && !come(Guest::Awaited));
        // A proxy's client turns out to be a stranger.
        let peer = visitor("192.0.2.1");
        assert!(visitors.enter((peer, Guest::Stranger), &bounds).is_none());
        assert!(visitors.enter((peer, Guest::Awaited), &bounds).is_some());
    }

    #[test]
    fn addresses_and_networks_have_their_bounds() {
        let crowd = [
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
            "192.0.3.1",
        ];
        let expected = [true, false, true, false, true];
        assert_eq!(taken(&bounds(9, 1, 2), &crowd), expected);
        assert_eq!(
            taken(&bounds(2, 9, 9), &crowd),
            [true, true, false, false, false]
        );
        // One address may have more than a network: then a network may have as many.
        assert_eq!(taken(&bounds(9, 9, 1), &crowd), [true; 5]);
        let six = [
            "2001:db8:0:1::1",
            "2001:db8:0:1::2",
            "2001:db8:0:2::1",
            "2001:db8:1::1",
        ];
        assert_eq!(taken(&bounds(9, 1, 9), &six), [true, false, true, true]);
        assert_eq!(taken(&bounds(9, 1, 1), &six), [true, false, false, true]);
        let mapped = ["192.0.2.1", "::ffff:192.0.2.1"];
        assert_eq!(taken(&bounds(9, 1, 9), &mapped), [true, false]);
    }

    #[test]
    fn who_goes_makes_room_and_leaves_nothing_behind() {
        let bounds = bounds(2, 1, 1);
        let mut visitors = Visitors::default();
        let (one, other) = (visitor("192.0.2.1"), visitor("192.0.3.1"));
        let stranger = Guest::Stranger;
        assert!(visitors.come((Some(one), stranger), &bounds).is_some());
        assert!(visitors.come((None, stranger), &bounds).is_some());
        assert!(visitors.come((None, stranger), &bounds).is_none());
        // Whose the second one is turns out later.
        assert!(visitors.enter((one, stranger), &bounds).is_none());
        assert!(visitors.enter((other, stranger), &bounds).is_some());
        visitors.go(Some(one));
        visitors.go(Some(other));
        assert_eq!(visitors.all, 0);
        assert!(visitors.by_address.is_empty() && visitors.by_network.is_empty());
    }
}
