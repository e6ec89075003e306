//! Where a recipient of the past would get his mail at a given backend: for replays.

use super::{Decision, Mail, Router};
use crate::directory::{EntryKind, Lookup};
use crate::mail::{BackendId, DeliveryTarget, HoldReason};
use crate::smtp::Mailbox;

/// A recipient as one backend would see him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where his mailbox is now.
    pub home: BackendId,
    /// The address to which the backend would get his mail.
    pub address: Mailbox,
    /// The rule or move that holds his mail now.
    pub withheld: Option<HoldReason>,
}

impl Router {
    /// What `backend` would get as the address of a recipient, whether it takes mail now or not.
    /// `None` when nobody of that name is known any more.
    #[must_use]
    pub fn placed(&self, mail: &Mail<'_>, backend: &BackendId) -> Option<Placed> {
        let accepted = mail.id.timestamp();
        let now = self.route_mail(mail);
        let home = now.home?;
        if home != *backend {
            return Some(Placed {
                address: self.address_elsewhere(mail.address, backend)?,
                withheld: now.withheld,
                home,
            });
        }
        let trial = self.route_trial(mail.address, backend, accepted);
        let to = DeliveryTarget::Backend(backend.clone());
        let address = match trial.decision {
            Decision::Relay {
                targets, address, ..
            } if targets.first() == Some(&to) => address,
            Decision::Relay { .. } | Decision::Hold { .. } | Decision::Expand { .. } => {
                self.address_elsewhere(mail.address, backend)?
            }
            Decision::Reject(_) => return None,
        };
        Some(Placed {
            address,
            withheld: now.withheld,
            home,
        })
    }

    /// The address under which `backend` knows the mailbox that an address leads to. `None`: it
    /// leads to no mailbox, but to a group, somebody outside, or nobody.
    #[must_use]
    pub fn mailbox_at(&self, address: &Mailbox, backend: &BackendId) -> Option<Mailbox> {
        match self.directory().current().lookup(address) {
            Lookup::Known { entry, .. } => match entry.kind {
                EntryKind::Mailbox | EntryKind::Resource => {
                    let special = entry.delivery_addresses.get(backend);
                    let delivery = special.or(entry.delivery_address.as_ref());
                    Some(delivery.unwrap_or(&entry.address).clone())
                }
                EntryKind::User | EntryKind::Group | EntryKind::Contact => None,
            },
            Lookup::Unknown(_) => Some(address.clone()),
            Lookup::Stranger => None,
        }
    }

    /// As a stand-in would get it.
    fn address_elsewhere(&self, address: &Mailbox, backend: &BackendId) -> Option<Mailbox> {
        let directory = self.directory().current();
        match directory.lookup(address) {
            Lookup::Known { entry, .. } => {
                let special = entry.delivery_addresses.get(backend);
                let delivery = special.or(entry.delivery_address.as_ref()).cloned();
                let known = delivery.or_else(|| directory.known_as(&entry, address));
                Some(known.unwrap_or_else(|| address.simplest()))
            }
            Lookup::Unknown(_) => Some(address.simplest()),
            Lookup::Stranger => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Board;
    use crate::base::Clock;
    use crate::directory::{Directory, DirectoryHandle, DomainKind, DomainRule, Record, Unknown};
    use crate::route::RouteOptions;

    #[test]
    fn a_mailbox_has_one_address_at_each_backend_and_a_group_has_none() {
        let address = |text: &str| text.parse::<Mailbox>().unwrap();
        let mut builder = Directory::builder(vec![DomainRule {
            name: "example.org".into(),
            kind: DomainKind::InternalRelay,
            home: BackendId::new("onprem"),
            failover: Vec::new(),
            unknown: Unknown::Relay,
        }]);
        let mut ann = Record::new(address("ann@example.org"));
        ann.aliases = vec![address("a.lee@example.org")];
        ann.delivery_addresses = [(BackendId::new("cloud"), address("ann@tenant.example"))].into();
        builder.add(ann);
        let mut all = Record::new(address("all@example.org"));
        all.kind = Some(EntryKind::Group);
        builder.add(all);
        let directory = DirectoryHandle::new(builder.finish());
        let board = Board::new(&[], Clock::system());
        let router = Router::new(directory, board, RouteOptions::default());
        for (of, backend, expected) in [
            ("a.lee@example.org", "onprem", Some("ann@example.org")),
            ("a.lee@example.org", "cloud", Some("ann@tenant.example")),
            ("joe@example.org", "onprem", Some("joe@example.org")),
            ("all@example.org", "onprem", None),
            ("joe@elsewhere.example", "onprem", None),
        ] {
            let found = router.mailbox_at(&address(of), &BackendId::new(backend));
            assert_eq!(found, expected.map(address), "{of} at {backend}");
        }
    }
}
