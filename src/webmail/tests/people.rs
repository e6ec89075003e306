//! The directory of the tests, and whom mail may go to.

use super::*;
use crate::directory::{Directory, DomainKind, DomainRule, Unknown};

pub(super) fn people() -> Directory {
    let csv = "address,name,aliases,type,receive_only,second_address\n\
               ann@example.org,,sales@example.org,mailbox,,ann@home.example\n\
               bob@example.org,Bob Baker,,mailbox,b..b@example.org,\n\
               team@example.org,The Team,,group,,\n";
    read(csv)
}

/// A directory of example.org.
pub(super) fn read(csv: &str) -> Directory {
    let ours = DomainRule {
        name: "example.org".to_owned(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Relay,
    };
    let options = crate::directory::ImportOptions {
        rules: crate::directory::Rules {
            domains: vec![ours],
            ..crate::directory::Rules::default()
        },
        ..crate::directory::ImportOptions::default()
    };
    crate::directory::read_csv(csv.as_bytes(), options).unwrap()
}

/// example.org is ours and at home on `onprem`; nobody@example.org does not exist.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// leaver@example.org is not in the directory any more.
    pub(super) gone: std::sync::atomic::AtomicBool,
}

impl Admit for Rules {
    fn admit(&self, address: &Mailbox, origin: Origin) -> Admission {
        assert_eq!(origin, Origin::Trusted);
        let is_gone = self.gone.load(std::sync::atomic::Ordering::Relaxed);
        if address.local() == "nobody" || is_gone && address.local() == "leaver" {
            return Admission::Reject(Reply::new(550, (5, 1, 1), "No such user"));
        }
        let is_ours = address.domain().key() == "example.org";
        Admission::Accept {
            address: address.clone(),
            lane: if is_ours {
                "onprem".to_owned()
            } else {
                format!("@{}", address.domain().key())
            },
            mailbox: is_ours.then(|| address.key()),
        }
    }
}
