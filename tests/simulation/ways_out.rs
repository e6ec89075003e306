//! Ways to strangers: in the order of the config, the next one when one is down.

use std::time::Duration;

use tideover::backend::Health;
use tideover::mail::{Authenticity, BackendId, Blame, Envelope, Failure, Said};
use tideover::route::{OutboundRelay, RouteOptions};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};

const SMART: &str = "smart.example:25";
const FAR: &str = "far.example";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_next_way_is_taken_while_one_is_down_and_mail_arrives_once() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        door.router.configure(RouteOptions {
            relay: vec![
                OutboundRelay::Host(SMART.to_owned()),
                OutboundRelay::Mx,
                OutboundRelay::Backend(BackendId::new("onprem")),
            ],
            ..RouteOptions::default()
        });
        let all = ["onprem", SMART, FAR];
        for (up, expected) in [
            (&[SMART, FAR, "onprem"][..], SMART),
            (&[FAR, "onprem"], FAR),
            (&["onprem"], "onprem"),
            (&[SMART], SMART),
        ] {
            for name in all {
                site.platforms.set_up(name, up.contains(&name));
            }
            // Until the probes have seen it.
            sleep(5 * MINUTE).await;
            let from = ("ann@onprem.example", Authenticity::Local);
            let sent = door.send_from(from.0, from.1, &["x@far.example"]).await;
            sleep(MINUTE).await;
            assert_eq!(site.places(sent, 0), [expected], "{up:?}");
        }
        // Nothing is up: it waits, and then arrives, once.
        for name in all {
            site.platforms.set_up(name, false);
        }
        sleep(5 * MINUTE).await;
        let sent = door.send_from(
            "ann@onprem.example",
            Authenticity::Local,
            &["x@far.example"],
        );
        let sent = sent.await;
        sleep(60 * MINUTE).await;
        assert_eq!(site.places(sent, 0), Vec::<String>::new());
        assert_eq!(door.words(&[sent]), [("queued", 1)].into());
        site.platforms.set_up(FAR, true);
        sleep(120 * MINUTE).await;
        assert_eq!(site.places(sent, 0), [FAR]);
        door.stop().await;
    });
}

fn relaying_denied() -> Failure {
    let reply = Reply::parse(&["550 5.7.1 Unable to relay"]).unwrap();
    Failure::refused(Said::Rcpt, reply)
}

/// A smart host that relays for nobody is its own trouble: the next way takes the mail at once.
#[test]
fn a_smart_host_that_relays_nothing_is_passed_by() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let onprem = OutboundRelay::Backend(BackendId::new("onprem"));
        door.router.configure(RouteOptions {
            relay: vec![onprem, OutboundRelay::Mx],
            ..RouteOptions::default()
        });
        site.platforms.set_up(FAR, true);
        site.platforms.refuse("onprem", Some(relaying_denied()));
        let mut sent = Vec::new();
        for number in 0..8 {
            let to = format!("x{number}@{FAR}");
            let from = "ann@onprem.example";
            let id = door.send_from(from, Authenticity::Local, &[&to]).await;
            sleep(SECOND).await;
            assert_eq!(site.places(id, 0), [FAR], "{number}");
            sent.push(id);
        }
        assert_eq!(door.words(&sent), [("delivered", 8)].into());
        let health = door.router.board().health(&BackendId::new("onprem"));
        assert_eq!(health.unwrap().health, Health::Rejecting);
        door.stop().await;
    });
}

/// Without another way it waits, and nobody is told that it failed. It goes on when the smart host
/// relays again.
#[test]
fn mail_waits_for_a_smart_host_that_relays_nothing() {
    for count in [1, 8] {
        simulate(async {
            let site = Site::new();
            let door = site.open();
            let onprem = OutboundRelay::Backend(BackendId::new("onprem"));
            door.router.configure(RouteOptions {
                relay: vec![onprem],
                ..RouteOptions::default()
            });
            site.platforms.refuse("onprem", Some(relaying_denied()));
            let mut sent = Vec::new();
            for number in 0..count {
                let to = format!("x{number}@{FAR}");
                let from = "ann@onprem.example";
                sent.push(door.send_from(from, Authenticity::Local, &[&to]).await);
            }
            sleep(180 * MINUTE).await;
            assert_eq!(door.words(&sent), [("queued", count)].into());
            site.platforms.refuse("onprem", None);
            sleep(180 * MINUTE).await;
            assert_eq!(door.words(&sent), [("delivered", count)].into());
            assert_eq!(site.copies(), count, "and no report");
            door.stop().await;
        });
    }
}

/// RFC 7505 §3: a domain that takes no mail takes it on no other way, and the sender hears at once.
#[test]
fn a_domain_without_mail_has_no_other_way() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        door.router.configure(RouteOptions {
            relay: vec![OutboundRelay::Mx, OutboundRelay::Host(SMART.to_owned())],
            ..RouteOptions::default()
        });
        site.platforms.set_up(SMART, true);
        site.platforms.without_mail(FAR);
        let sent = door.send_from(
            "ann@onprem.example",
            Authenticity::Local,
            &["x@far.example"],
        );
        let sent = sent.await;
        sleep(5 * MINUTE).await;
        assert_eq!(site.places(sent, 0), Vec::<String>::new());
        assert_eq!(door.words(&[sent]), [("bounced", 1)].into());
        assert_eq!(site.copies(), 1, "one report");
        door.stop().await;
    });
}

/// RFC 8689 §4.2.2: mail whose header says so passes by what a domain asks for, also from the
/// backlog and after a restart; the mail beside it does not, and never shares a connection with it.
#[test]
fn only_mail_that_needs_no_tls_passes_by_the_policy_of_a_domain() {
    simulate(async {
        let site = Site::new();
        let door = open_to_mx(&site);
        let failure = Failure::without_reply(Blame::Backend, "the certificate has ended");
        site.platforms.set_policy(FAR, Some(failure));
        let mut sent = Vec::new();
        for number in 0..12 {
            // The last ones find nobody there.
            site.platforms.set_up(FAR, number < 8);
            let to = format!("x{number}@{FAR}");
            let is_optional = number % 2 == 0;
            let from = ("ann@onprem.example", Authenticity::Local);
            let change = |envelope: &mut Envelope| envelope.tls_optional = is_optional;
            let id = door.send_changed(from, &[&to], change).await;
            sleep(SECOND).await;
            let expected: &[&str] = if is_optional && number < 8 {
                &[FAR]
            } else {
                &[]
            };
            assert_eq!(site.places(id, 0), expected, "{number}");
            sent.push((id, is_optional));
        }
        door.stop().await;
        let door = open_to_mx(&site);
        site.platforms.set_up(FAR, true);
        sleep(120 * MINUTE).await;
        for (id, is_optional) in &sent {
            let expected: &[&str] = if *is_optional { &[FAR] } else { &[] };
            assert_eq!(site.places(*id, 0), expected);
        }
        site.platforms.set_policy(FAR, None);
        sleep(300 * MINUTE).await;
        for (id, _) in &sent {
            assert_eq!(site.places(*id, 0), [FAR]);
        }
        door.stop().await;
    });
}

fn open_to_mx(site: &Site) -> Door {
    let door = site.open();
    door.router.configure(RouteOptions {
        relay: vec![OutboundRelay::Mx],
        ..RouteOptions::default()
    });
    door
}
