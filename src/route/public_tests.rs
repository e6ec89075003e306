//! Under which address a platform gets mail for addresses that only receive.

use super::{Decision, HoldBook, Origin, RouteOptions, Telling, View, decide};
use crate::backend::{BackendHealth, Health, Healths};
use crate::base::Timestamp;
use crate::directory::{
    DomainKind, DomainRule, ImportOptions, Normalise, Rules, Unknown, read_csv,
};
use crate::mail::BackendId;

#[test]
fn a_platform_gets_mail_for_the_public_address() {
    let onprem = BackendId::new("onprem");
    let rule = DomainRule {
        name: "example.org".to_owned(),
        kind: DomainKind::Authoritative,
        home: onprem.clone(),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    let rules = Rules {
        normalise: Normalise::Apply,
        ..Rules::of(vec![rule])
    };
    let csv = "address,aliases,receive_only,x500,delivery_address\n\
               ann@example.org,a@example.org,old@example.org,/o=Org/cn=ann,\n\
               müller@example.org,,,,\n\
               jürgen@example.org,,,,jürgen@tenant.example\n";
    let backends = vec![onprem.clone()];
    let directory = read_csv(csv.as_bytes(), ImportOptions { rules, backends }).unwrap();
    let health = BackendHealth {
        id: onprem.clone(),
        health: Health::Up,
        reason: String::new(),
        since: Timestamp::EPOCH,
        operator: None,
        remembered: false,
        failing: false,
    };
    let healths = Healths::from([(onprem, health)]);
    for (asked, towards) in [
        ("ann@example.org", "ann@example.org"),
        ("a@example.org", "a@example.org"),
        ("old@example.org", "ann@example.org"),
        ("old+shop@example.org", "ann+shop@example.org"),
        ("IMCEAEX-_o=Org_cn=ann@example.org", "ann@example.org"),
        ("müller@example.org", "mueller@example.org"),
        ("mueller@example.org", "mueller@example.org"),
        // What a source says of the platform counts as it stands.
        ("juergen@example.org", "jürgen@tenant.example"),
        // However a sender spells it: the case of a local part, and a tag, are its own matter.
        ("\"A\"@example.org", "A@example.org"),
        ("\"a+news\"@example.org", "a+news@example.org"),
        ("ann@ex\u{24d0}mple.org", "ann@example.org"),
        ("ann@exam\u{ad}ple.org", "ann@example.org"),
        ("ann@\u{ff45}xample\u{3002}org", "ann@example.org"),
    ] {
        let view = View {
            directory: &directory,
            healths: &healths,
            holds: &HoldBook::default(),
            mail: None,
            options: &RouteOptions::default(),
            origin: Origin::Internet,
            telling: Telling::Decision,
            accepted: None,
            groups: None,
            words: None,
        };
        match decide(&asked.parse().unwrap(), &view).decision {
            Decision::Relay { address, .. } => assert_eq!(address.to_string(), towards, "{asked}"),
            other @ (Decision::Hold { .. } | Decision::Expand { .. } | Decision::Reject(_)) => {
                panic!("{asked}: {other:?}")
            }
        }
    }
}
