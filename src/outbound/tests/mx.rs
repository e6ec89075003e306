//! Where the mail of strangers goes.

use std::net::SocketAddr;

use super::*;
use crate::mail::Blame;
use crate::net::{DnsError, MailExchanger};

fn mx(preference: u16, host: &str) -> MailExchanger {
    MailExchanger {
        preference,
        host: host.to_owned(),
    }
}

/// `a` has 192.0.2.1 to 3, `b` 192.0.2.2, `own` 192.0.2.9; only the server of `b` lives.
fn world() -> Net {
    let mut net = net(vec![("192.0.2.2:25", Server::default())]);
    for (host, address) in [
        ("a.example", "192.0.2.1"),
        ("b.example", "192.0.2.2"),
        ("own.example", "192.0.2.9"),
        ("bare.example", "192.0.2.2"),
    ] {
        net.hosts
            .insert(host.to_owned(), vec![address.parse().unwrap()]);
    }
    let mut add = |domain: &str, records| net.mx.insert(domain.to_owned(), records);
    add(
        "two.example",
        Ok(vec![mx(20, "b.example"), mx(10, "a.example")]),
    );
    add("null.example", Ok(vec![mx(0, "")]));
    add("bare.example", Err(DnsError::NoRecords));
    add("empty.example", Err(DnsError::NoRecords));
    add(
        "slow.example",
        Err(DnsError::Temporary("timeout".to_owned())),
    );
    add(
        "us.example",
        Ok(vec![mx(10, "MX.example.org"), mx(20, "b.example")]),
    );
    add(
        "ours.example",
        Ok(vec![mx(10, "own.example"), mx(10, "b.example")]),
    );
    add(
        "behind.example",
        Ok(vec![mx(5, "b.example"), mx(10, "mx.example.org")]),
    );
    add("gone.example", Ok(vec![mx(5, "gone.example")]));
    net
}

async fn open(domain: &str) -> (Result<String, String>, Seen) {
    let (outbound, seen) = client(world(), backend(&[]));
    let mut options = (*outbound.options()).clone();
    options.own = vec!["192.0.2.9:25".parse().unwrap()];
    outbound.set_options(options);
    let target = DeliveryTarget::Domain(domain.to_owned());
    let told = match outbound.open(&target).await {
        Ok(channel) => Ok(channel.peer().to_owned()),
        Err(failure) => {
            let reply = failure.reply.as_ref();
            let status = reply.and_then(|reply| Some((reply.code, reply.enhanced?)));
            let status =
                status.map_or_else(String::new, |(code, status)| format!("{code} {status}"));
            Err(format!("{:?} {status}", failure.blame))
        }
    };
    (told, seen)
}

#[tokio::test]
async fn mail_goes_where_dns_says() {
    let there = Ok("192.0.2.2:25".to_owned());
    let (told, seen) = open("two.example").await;
    assert_eq!(told, there);
    let order: Vec<_> = seen
        .dialled
        .lock()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(order, ["192.0.2.1:25", "192.0.2.2:25"]);
    for domain in ["bare.example", "behind.example", "b.example"] {
        let expected = match domain {
            "b.example" => Err("Recipient 550 5.1.2".to_owned()),
            _ => there.clone(),
        };
        assert_eq!(open(domain).await.0, expected, "{domain}");
    }
    for (domain, failure) in [
        ("null.example", "Recipient 556 5.1.10"),
        ("unknown.example", "Recipient 550 5.1.2"),
        ("empty.example", "Recipient 550 5.1.2"),
        ("slow.example", "Backend "),
        ("gone.example", "Backend "),
        ("us.example", "Recipient 554 5.4.6"),
        ("ours.example", "Recipient 554 5.4.6"),
    ] {
        let (told, seen) = open(domain).await;
        assert_eq!(told, Err(failure.to_owned()), "{domain}");
        assert!(seen.dialled.lock().unwrap().is_empty(), "{domain}");
    }
}

#[tokio::test]
async fn a_host_that_greets_with_our_name_is_a_loop() {
    let mut net = world();
    let ours = Server::scripted("hello 250-mx.example.org hello!250 SIZE");
    net.servers.insert("192.0.2.1:25".parse().unwrap(), ours);
    let (outbound, _) = client(net, backend(&[]));
    let target = DeliveryTarget::Domain("two.example".to_owned());
    let failure = outbound.open(&target).await.err().unwrap();
    assert_eq!(failure.reply.unwrap().code, 554);
}

/// RFC 5321 §5.1: the preferred exchanger speaks for all. Another one may say why not now, but not
/// that it is for good: the preferred one may take it later.
#[tokio::test]
async fn a_lesser_exchanger_refuses_nothing_for_good() {
    for (preferred, lesser, expected) in [
        (None, "banner 554 5.7.1 Go away", None),
        (None, "banner 421 4.3.2 Busy", Some(421)),
        (
            Some("banner 421 4.3.2 Busy"),
            "banner 554 5.7.1 No",
            Some(421),
        ),
        (
            Some("banner 554 5.7.1 No"),
            "banner 421 4.3.2 Busy",
            Some(554),
        ),
    ] {
        let mut net = world();
        let mut serve = |address: &str, script| {
            let server = Server::scripted(script);
            net.servers.insert(address.parse().unwrap(), server);
        };
        serve("192.0.2.2:25", lesser);
        if let Some(preferred) = preferred {
            serve("192.0.2.1:25", preferred);
        }
        let (outbound, seen) = client(net, backend(&[]));
        let target = DeliveryTarget::Domain("two.example".to_owned());
        let failure = outbound.open(&target).await.err().unwrap();
        let code = failure.reply.as_ref().map(|reply| reply.code);
        assert_eq!(code, expected, "{preferred:?} {lesser}");
        assert_eq!(failure.is_permanent(), expected == Some(554));
        assert_eq!(seen.dialled.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn equal_hosts_take_turns() {
    let mut firsts = std::collections::HashSet::new();
    for _ in 0..64 {
        let mut net = world();
        let equal = Ok(vec![mx(10, "a.example"), mx(10, "b.example")]);
        net.mx.insert("equal.example".to_owned(), equal);
        let (outbound, seen) = client(net, backend(&[]));
        let target = DeliveryTarget::Domain("equal.example".to_owned());
        outbound.open(&target).await.unwrap();
        firsts.extend(seen.dialled.lock().unwrap().first().copied());
    }
    assert_eq!(firsts.len(), 2);
}

#[tokio::test]
async fn a_backend_has_hosts_in_order_and_a_relay_one() {
    let (outbound, seen) = client(world(), backend(&["a.example:25", "b.example:25"]));
    let channel = outbound.open(&target()).await.unwrap();
    assert_eq!(channel.peer(), "192.0.2.2:25");
    assert_eq!(seen.dialled.lock().unwrap().len(), 2);
    let relay = DeliveryTarget::Relay("b.example:25".to_owned());
    assert_eq!(outbound.open(&relay).await.unwrap().peer(), "192.0.2.2:25");
    let (outbound, _) = client(world(), backend(&["a.example:25"]));
    let failure = outbound.open(&target()).await.err().unwrap();
    assert_eq!(failure.what, "connection refused by 192.0.2.1:25");
}

/// The first connection of each family is tried before the second one of any: a broken path costs
/// one wait, not one for each address.
#[tokio::test]
async fn the_addresses_of_a_host_come_by_turns() {
    let (v4, v6) = (["192.0.2.4", "192.0.2.5"], ["2001:db8::4", "2001:db8::5"]);
    let mut firsts = std::collections::HashSet::new();
    for _ in 0..64 {
        let mut net = world();
        let all = v6.iter().chain(&v4).map(|text| text.parse().unwrap());
        net.hosts.insert("both.example".to_owned(), all.collect());
        let (outbound, seen) = client(net, backend(&["both.example:25"]));
        outbound.open(&target()).await.err().unwrap();
        let dialled = seen.dialled.lock().unwrap();
        let families: Vec<bool> = dialled.iter().map(SocketAddr::is_ipv4).collect();
        assert_eq!(families, [true, false, true, false]);
        firsts.insert(dialled[0]);
    }
    assert_eq!(firsts.len(), 2, "chance among those of a family");
}

/// `mx = "…"` of a backend: by preference, and it may name us, too. What
/// DNS does not know is the backend's trouble: nobody is refused for it (I10).
#[tokio::test]
async fn a_backend_may_be_named_by_its_mx_records() {
    for (domain, expected) in [
        ("two.example", Ok("192.0.2.2:25")),
        ("us.example", Ok("192.0.2.2:25")),
        ("bare.example", Ok("192.0.2.2:25")),
        ("slow.example", Err(Blame::Backend)),
        ("unknown.example", Err(Blame::Backend)),
        ("empty.example", Err(Blame::Backend)),
        ("null.example", Err(Blame::Backend)),
    ] {
        let sink = BackendOptions {
            hosts: Hosts::Mx(domain.to_owned()),
            ..backend(&[])
        };
        let (outbound, _) = client(world(), sink);
        let told = outbound.open(&target()).await;
        let told = told.map(|channel| channel.peer().to_owned());
        let told = told.map_err(|failure| {
            assert!(failure.reply.is_none(), "{failure}");
            failure.blame
        });
        assert_eq!(told, expected.map(str::to_owned), "{domain}");
    }
}

/// A host whose name cannot be looked up now is passed over while another one can be.
#[tokio::test]
async fn a_name_without_an_answer_keeps_nobody_from_the_next_host() {
    for hosts in [
        ["gone.example:25", "b.example:25"],
        ["nonsense:x", "b.example"],
    ] {
        let (outbound, _) = client(world(), backend(&hosts));
        let channel = outbound.open(&target()).await.unwrap();
        assert_eq!(channel.peer(), "192.0.2.2:25", "{hosts:?}");
    }
    let (outbound, _) = client(world(), backend(&["gone.example:25"]));
    let failure = outbound.open(&target()).await.err().unwrap();
    assert_eq!(failure.blame, Blame::Backend);
    assert!(!failure.is_permanent(), "{failure}");
}
