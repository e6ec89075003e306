//! The directory of the tests.

use super::*;
use crate::directory::{Directory, DomainKind, DomainRule, Unknown};

pub(super) fn people() -> Directory {
    let csv = "address,name,aliases,type,receive_only,second_address\n\
               ann@example.org,,sales@example.org,mailbox,,ann@home.example\n\
               bob@example.org,Bob Baker,,mailbox,b..b@example.org,\n\
               team@example.org,The Team,,group,,\n";
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
