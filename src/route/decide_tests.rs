use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::Timestamp;
use crate::directory::{ImportOptions, Rules, read_csv};

fn rule(name: &str, home: &str, failover: &[&str]) -> DomainRule {
    DomainRule {
        name: name.into(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new(home),
        failover: failover.iter().map(|name| BackendId::new(name)).collect(),
        unknown: Unknown::Reject,
    }
}

fn directory(csv: &str) -> Directory {
    let mut authoritative = rule("strict.example", "onprem", &[]);
    authoritative.kind = DomainKind::Authoritative;
    authoritative.unknown = Unknown::Relay;
    let mut external = rule("moved.example", "cloud", &[]);
    external.kind = DomainKind::ExternalRelay;
    let mut relaying = rule("open.example", "onprem", &["cloud"]);
    relaying.unknown = Unknown::Relay;
    let options = ImportOptions {
        rules: Rules::of(vec![
            rule("example.org", "onprem", &["cloud"]),
            authoritative,
            external,
            relaying,
            rule("lost.example", "moon", &["onprem"]),
        ]),
        backends: vec![BackendId::new("onprem"), BackendId::new("cloud")],
    };
    read_csv(csv.as_bytes(), options).unwrap()
}

const PEOPLE: &str = "\
address,home,delivery_address,delivery_address.cloud,type,aliases
ann@example.org,,,,,a.nn@example.org;ann@tenant.example
bob@example.org,cloud,bob@tenant.example,,,
cy@example.org,,cy@in.example,cy@tenant.example,,
team@example.org,,,,group,
partner@example.org,,pat@partner.example,,contact,
user@example.org,,bob@example.org,,user,
one@example.org,,two@example.org,,contact,
two@example.org,,one@example.org,,contact,
far@foreign.example,,,,contact,
eve@strict.example,,,,,
";

fn healths(states: &[(&str, Health)]) -> Healths {
    let of = |(name, health): &(&str, Health)| {
        let id = BackendId::new(name);
        let health = BackendHealth {
            id: id.clone(),
            health: *health,
            reason: "refused".into(),
            since: Timestamp::EPOCH,
            operator: None,
            remembered: false,
            failing: false,
        };
        (id, health)
    };
    states.iter().map(of).collect()
}

fn options() -> RouteOptions {
    RouteOptions {
        hostname: "mx.example.net".parse().ok(),
        postmaster: None,
        relay: vec![OutboundRelay::Mx],
        ..RouteOptions::default()
    }
}

struct World {
    directory: Directory,
    healths: Healths,
    holds: HoldBook,
    options: RouteOptions,
    origin: Origin,
}

impl World {
    fn new() -> Self {
        Self {
            directory: directory(PEOPLE),
            healths: healths(&[("onprem", Health::Up), ("cloud", Health::Up)]),
            holds: HoldBook::default(),
            options: options(),
            origin: Origin::Internet,
        }
    }

    fn with(onprem: Health, cloud: Health) -> Self {
        let healths = healths(&[("onprem", onprem), ("cloud", cloud)]);
        Self {
            healths,
            ..Self::new()
        }
    }

    fn explain(&self, address: &str) -> Explanation {
        let view = View {
            directory: &self.directory,
            healths: &self.healths,
            holds: &self.holds,
            mail: None,
            options: &self.options,
            origin: self.origin,
            telling: Telling::Steps,
            accepted: None,
            groups: None,
            words: None,
        };
        decide(&address.parse().unwrap(), &view)
    }

    /// `lane: decision`, with the mailbox key when it is not the address itself.
    fn told(&self, address: &str) -> String {
        let explanation = self.explain(address);
        assert!(!explanation.steps.is_empty());
        let mailbox = explanation.mailbox.unwrap_or_else(|| "-".into());
        let decision = match explanation.decision {
            Decision::Relay {
                targets,
                address,
                diverted_from,
            } => {
                let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
                let diverted = diverted_from.map(|home| format!(" instead of {home}"));
                format!(
                    "{} for {address}{}",
                    targets.join(" or "),
                    diverted.unwrap_or_default()
                )
            }
            Decision::Hold { backend, reason } => {
                format!(
                    "hold for {}: {reason}",
                    backend.map_or("-".into(), |id| id.to_string())
                )
            }
            Decision::Expand { reason, .. } => format!("expand: {reason}"),
            Decision::Reject(reply) => format!("reject {}", reply.enhanced.unwrap()),
        };
        format!("{} [{mailbox}] {decision}", explanation.lane)
    }
}

#[test]
fn everybody_is_up() {
    let world = World::new();
    for (address, expected) in [
        (
            "ann@example.org",
            "onprem [ann@example.org] onprem for ann@example.org",
        ),
        (
            "A.Nn@example.org",
            "onprem [ann@example.org] onprem for A.Nn@example.org",
        ),
        (
            "ann+x@example.org",
            "onprem [ann@example.org] onprem for ann+x@example.org",
        ),
        (
            "bob+x@example.org",
            "cloud [bob@example.org] cloud for bob@tenant.example",
        ),
        (
            "cy@example.org",
            "onprem [cy@example.org] onprem for cy@in.example",
        ),
        (
            "team@example.org",
            "onprem [team@example.org] onprem for team@example.org",
        ),
        (
            "partner@example.org",
            "@partner.example [partner@example.org] @partner.example for pat@partner.example",
        ),
        (
            "user@example.org",
            "cloud [user@example.org] cloud for bob@tenant.example",
        ),
        ("nobody@example.org", "@example.org [-] reject 5.1.1"),
        ("nobody@strict.example", "@strict.example [-] reject 5.1.1"),
        (
            "eve@strict.example",
            "onprem [eve@strict.example] onprem for eve@strict.example",
        ),
        (
            "nobody@moved.example",
            "cloud [nobody@moved.example] cloud for nobody@moved.example",
        ),
        (
            "No@open.example",
            "onprem [no@open.example] onprem for No@open.example",
        ),
        ("x@stranger.example", "@stranger.example [-] reject 5.7.1"),
        // I11: an entry in a foreign domain opens no way for strangers.
        ("far@foreign.example", "@foreign.example [-] reject 5.7.1"),
        ("ann@tenant.example", "@tenant.example [-] reject 5.7.1"),
    ] {
        assert_eq!(world.told(address), expected, "{address}");
    }
}

#[test]
fn postmaster_is_always_taken() {
    let world = World::new();
    for (address, expected) in [
        (
            "Postmaster@example.org",
            "onprem [postmaster@example.org] onprem for postmaster@example.org",
        ),
        (
            "postmaster@strict.example",
            "onprem [postmaster@strict.example] onprem for postmaster@strict.example",
        ),
        (
            "postmaster@mx.example.net",
            "onprem [postmaster@example.org] onprem for postmaster@example.org",
        ),
        (
            "postmaster@stranger.example",
            "@stranger.example [-] reject 5.7.1",
        ),
        ("x@lost.example", "@lost.example [-] reject 4.4.3"),
        (
            "postmaster@lost.example",
            "moon [postmaster@lost.example] hold for -: the config has no backend moon",
        ),
    ] {
        assert_eq!(world.told(address), expected, "{address}");
    }
}

#[test]
fn who_is_trusted_may_write_to_strangers() {
    let mut world = World::with(Health::Up, Health::Down);
    world.origin = Origin::Trusted;
    for (address, expected) in [
        (
            "x@Stranger.example",
            "@stranger.example [-] @stranger.example for x@Stranger.example",
        ),
        (
            "x@[192.0.2.1]",
            "@[192.0.2.1] [-] @[192.0.2.1] for x@[192.0.2.1]",
        ),
        (
            "far@foreign.example",
            "@foreign.example [-] @foreign.example for far@foreign.example",
        ),
        ("nobody@example.org", "@example.org [-] reject 5.1.1"),
    ] {
        assert_eq!(world.told(address), expected, "{address}");
    }
    let first = world.explain("x@stranger.example").steps.remove(0);
    assert!(first.contains("mail from the Internet is refused"));
    let backend = |name: &str| OutboundRelay::Backend(BackendId::new(name));
    let host = OutboundRelay::Host("relay.example:587".into());
    for (relay, expected) in [
        (
            vec![backend("onprem"), OutboundRelay::Mx],
            "onprem or @x.example for y@x.example",
        ),
        (
            vec![backend("cloud"), host.clone()],
            "relay.example:587 for y@x.example",
        ),
        (
            vec![host.clone(), host],
            "relay.example:587 for y@x.example",
        ),
        (
            vec![backend("cloud")],
            "hold for cloud: cloud is down since 1970-01-01T00:00:00.000Z: refused",
        ),
        (
            vec![],
            "hold for -: outbound.relay names no way to strangers",
        ),
    ] {
        world.options.relay = relay;
        assert_eq!(
            world.told("y@x.example"),
            format!("@x.example [-] {expected}")
        );
    }
}

#[test]
fn a_backend_in_trouble_is_waited_for_or_replaced() {
    let down = "is down since 1970-01-01T00:00:00.000Z: refused";
    let world = World::with(Health::Down, Health::Up);
    assert_eq!(
        world.told("cy@example.org"),
        "onprem [cy@example.org] cloud for cy@tenant.example instead of onprem"
    );
    assert_eq!(
        world.told("eve@strict.example"),
        format!("onprem [eve@strict.example] hold for onprem: onprem {down}")
    );
    let world = World::with(Health::Down, Health::Down);
    assert_eq!(
        world.told("ann@example.org"),
        format!("onprem [ann@example.org] hold for onprem: onprem {down}")
    );
    // Another home is no failover of the domain's home.
    let world = World::with(Health::Up, Health::Down);
    assert_eq!(
        world.told("bob@example.org"),
        format!("cloud [bob@example.org] hold for cloud: cloud {down}")
    );
    let world = World::with(Health::Slow, Health::Up);
    assert_eq!(
        world.told("ann@example.org"),
        "onprem [ann@example.org] onprem for ann@example.org"
    );
    let world = World::with(Health::Rejecting, Health::Up);
    assert!(
        world
            .told("ann@example.org")
            .contains("hold for onprem: onprem is rejecting")
    );
    let mut world = World::with(Health::Rejecting, Health::Up);
    let onprem = BackendId::new("onprem");
    world.options.failover_when_rejecting.insert(onprem);
    assert_eq!(
        world.told("ann@example.org"),
        "onprem [ann@example.org] cloud for ann@example.org instead of onprem"
    );
}

#[test]
fn a_circle_is_held_and_explained() {
    let world = World::new();
    assert_eq!(
        world.told("one@example.org"),
        "@example.org [one@example.org] hold for -: the delivery addresses go in a circle: \
         one@example.org -> two@example.org -> one@example.org"
    );
}

#[test]
fn nobody_is_refused_by_a_directory_that_knows_nobody() {
    let mut world = World::new();
    assert_eq!(
        world.told("nobody@lost.example"),
        "@lost.example [-] reject 4.4.3"
    );
    world.directory = directory(PEOPLE).provisional();
    let early = "@strict.example [-] reject 4.4.3";
    assert_eq!(world.told("nobody@strict.example"), early);
    assert_eq!(world.told("odd%name@strict.example"), early);
    assert!(world.told("eve@strict.example").contains("onprem"));
}

#[test]
fn postmaster_goes_where_the_config_says() {
    let mut world = World::new();
    world.options.postmaster = "bob@example.org".parse().ok();
    let bob = "cloud [bob@example.org] cloud for bob@tenant.example";
    assert_eq!(world.told("postmaster@example.org"), bob);
    assert_eq!(world.told("postmaster@mx.example.net"), bob);
    world.options.postmaster = "ops@hoster.example".parse().ok();
    assert_eq!(
        world.told("postmaster@example.org"),
        "@hoster.example [-] @hoster.example for ops@hoster.example"
    );
    world.options.postmaster = "postmaster@example.org".parse().ok();
    assert_eq!(
        world.told("postmaster@strict.example"),
        "onprem [postmaster@example.org] onprem for postmaster@example.org"
    );
}

#[test]
fn the_steps_tell_the_story() {
    let world = World::with(Health::Down, Health::Up);
    assert_eq!(
        world.explain("cy+x@example.org").steps,
        [
            "cy+x@example.org is the mailbox cy@example.org of the directory",
            "its home is onprem, the home of example.org",
            "onprem is down since 1970-01-01T00:00:00.000Z: refused",
            "cloud may take its mail meanwhile; cloud is up",
            "deliver to cloud as cy@tenant.example, diverted from onprem",
        ]
    );
}

fn any_health() -> impl Strategy<Value = Health> {
    prop_oneof![
        Just(Health::Up),
        Just(Health::Slow),
        Just(Health::Down),
        Just(Health::Rejecting)
    ]
}

fn any_relay() -> impl Strategy<Value = OutboundRelay> {
    prop_oneof![
        Just(OutboundRelay::Mx),
        Just(OutboundRelay::Host("relay.example:25".into())),
        "(onprem|cloud|moon)".prop_map(|name| OutboundRelay::Backend(BackendId::new(&name))),
    ]
}

/// Rows of a directory whose delivery addresses lead anywhere, to each other too.
fn any_rows() -> impl Strategy<Value = Vec<(String, String, String, String)>> {
    let row = (
        "[a-d]@(example\\.org|open\\.example|far\\.example)",
        "(|onprem|cloud)",
        "(|[a-d]@(example\\.org|open\\.example|far\\.example))",
        "(mailbox|user|group|contact|resource)",
    );
    proptest::collection::vec(row, 0..8)
}

proptest! {
    /// Decision 7 and I11, whatever the directory, the health and the address.
    #[test]
    fn never_guesses(
        rows in any_rows(),
        states in (any_health(), any_health()),
        relay in proptest::collection::vec(any_relay(), 0..4),
        asked in "([a-d](\\+x)?|postmaster)@(example\\.org|(open|far|strict)\\.example)",
        trusted in any::<bool>(),
    ) {
        let csv = rows.iter().fold(
            "address,home,delivery_address,type\n".to_owned(),
            |csv, (address, home, to, kind)| csv + &format!("{address},{home},{to},{kind}\n"),
        );
        let world = World {
            holds: HoldBook::default(),
            directory: directory(&csv),
            healths: healths(&[("onprem", states.0), ("cloud", states.1)]),
            options: RouteOptions { relay: relay.clone(), ..options() },
            origin: if trusted { Origin::Trusted } else { Origin::Internet },
        };
        let explanation = world.explain(&asked);
        prop_assert!(!explanation.steps.is_empty());
        let failover: BTreeMap<_, _> = world
            .directory
            .domains()
            .map(|rule| (rule.name.clone(), rule.failover.clone()))
            .collect();
        match explanation.decision {
            Decision::Expand { .. } => prop_assert!(false, "no group is to be expanded"),
            Decision::Relay { targets, diverted_from, .. } => {
                prop_assert!(trusted || !asked.ends_with("far.example"));
                prop_assert!(!targets.is_empty());
                for target in &targets {
                    match target {
                        DeliveryTarget::Backend(to) => {
                            let health = &world.healths[to];
                            prop_assert!(health.takes_mail());
                            match (&explanation.home, &diverted_from) {
                                (Some(home), None) => prop_assert_eq!(home, to),
                                (home, Some(from)) => {
                                    prop_assert_eq!(home.as_ref(), Some(from));
                                    prop_assert_eq!(world.healths[from].health, Health::Down);
                                    prop_assert!(failover.values().any(|list| list.contains(to)));
                                }
                                (None, None) => {
                                    let way = OutboundRelay::Backend(to.clone());
                                    prop_assert!(relay.contains(&way));
                                }
                            }
                        }
                        DeliveryTarget::Domain(_) | DeliveryTarget::Lenient(_) => {
                            prop_assert!(relay.contains(&OutboundRelay::Mx));
                        }
                        DeliveryTarget::Relay(host) => {
                            prop_assert!(relay.contains(&OutboundRelay::Host(host.clone())));
                        }
                    }
                }
            }
            Decision::Hold { reason, .. } => prop_assert!(!reason.is_empty()),
            Decision::Reject(reply) => {
                let asked: Mailbox = asked.parse().unwrap();
                let rule = world.directory.domain(asked.domain());
                let known = rule.is_none_or(|rule| world.directory.knows_all_of(&rule));
                prop_assert_eq!(reply.is_permanent(), known);
                let asked = asked.to_string();
                prop_assert!(!asked.starts_with("postmaster") || asked.ends_with("far.example"));
            }
        }
    }
}
