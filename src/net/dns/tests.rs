use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, MX, NS, SOA, TXT};
use hickory_resolver::proto::rr::{Record, RecordType};

use super::*;
use crate::base::Shutdown;
use crate::net::{Ask as _, Record as Kept, RecordKind};

#[tokio::test]
async fn literals_and_localhost_need_no_name_server() {
    // Nobody answers on this port.
    let dns = Dns::with_servers(&["127.0.0.1:9".parse().unwrap()]).unwrap();
    for (host, first) in [
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("::1", "::1"),
        ("LocalHost", "127.0.0.1"),
        ("localhost.", "127.0.0.1"),
    ] {
        let found = dns.addresses(host).await.unwrap();
        assert_eq!(found.first(), Some(&first.parse().unwrap()), "{host}");
    }
}

#[tokio::test]
async fn a_text_that_is_no_name_does_not_exist() {
    let dns = Dns::with_servers(&["127.0.0.1:9".parse().unwrap()]).unwrap();
    let long = format!("{}.example", "a".repeat(64));
    assert_eq!(dns.addresses(&long).await, Err(DnsError::NoSuchName));
    assert_eq!(dns.mail_exchangers(&long).await, Err(DnsError::NoSuchName));
}

/// A name server that knows `example.org`, has nothing for `empty.example`, denies
/// `unknown.example` and is broken for the rest.
async fn name_server() -> (Dns, Shutdown) {
    let (dns, tasks, _) = counting_name_server().await;
    (dns, tasks)
}

/// The same, with the number of questions that it was asked.
async fn counting_name_server() -> (Dns, Shutdown, Arc<AtomicUsize>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let tasks = Shutdown::new();
    let stop = tasks.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tasks.spawn("name server", async move {
        let mut buffer = [0; 1024];
        loop {
            let (length, peer) = tokio::select! {
                () = stop.stopping() => return,
                received = socket.recv_from(&mut buffer) => received.unwrap(),
            };
            count.fetch_add(1, Ordering::Relaxed);
            let reply = answer(&Message::from_vec(&buffer[..length]).unwrap());
            socket
                .send_to(&reply.to_vec().unwrap(), peer)
                .await
                .unwrap();
        }
    });
    (Dns::with_servers(&[address]).unwrap(), tasks, asked)
}

fn answer(question: &Message) -> Message {
    let query = question.queries.first().unwrap();
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.add_query(query.clone());
    let name = query.name().to_string();
    let mut add = |data| {
        reply.add_answer(Record::from_rdata(query.name().clone(), 60, data));
    };
    let host = |name: &str| Name::from_ascii(name).unwrap();
    match (name.as_str(), query.query_type()) {
        ("example.org.", RecordType::MX) => {
            add(RData::MX(MX::new(10, host("mx1.example.org."))));
            add(RData::MX(MX::new(20, host("mx2.example.org."))));
        }
        ("null.example.", RecordType::MX) => add(RData::MX(MX::new(0, Name::root()))),
        ("example.org.", RecordType::A) => add(RData::A(Ipv4Addr::new(192, 0, 2, 1).into())),
        ("example.org.", RecordType::AAAA) => {
            let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
            add(RData::AAAA(address.into()));
        }
        ("_mta-sts.example.org.", RecordType::TXT) => {
            let strings = ["v=STSv1; ", "id=1;"].map(str::to_owned);
            add(RData::TXT(TXT::new(strings.to_vec())));
        }
        ("gone.example.", _) => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            let soa = SOA::new(host("ns.example."), host("root.example."), 1, 1, 1, 1, 300);
            let record = Record::from_rdata(host("example."), 300, RData::SOA(soa));
            reply.add_authority(record);
        }
        ("empty.example.", _) => {}
        // The server of a zone with an alias out of it, and with a part that others have.
        ("alias.example.", RecordType::TXT | RecordType::CNAME) => {
            add(RData::CNAME(CNAME(host("alias.delegated.example."))));
        }
        (name, _) if name.ends_with("delegated.example.") => {
            let servers = RData::NS(NS(host("ns.vendor.example.")));
            let record = Record::from_rdata(host("delegated.example."), 300, servers);
            reply.add_authority(record);
        }
        ("unknown.example.", _) => reply.metadata.response_code = ResponseCode::NXDomain,
        _ => reply.metadata.response_code = ResponseCode::ServFail,
    }
    reply
}

#[tokio::test]
async fn answers_are_told_apart() {
    let (dns, tasks) = name_server().await;
    let mx = |preference, host: &str| MailExchanger {
        preference,
        host: host.to_owned(),
    };
    let mut found = dns.mail_exchangers("example.org").await.unwrap();
    found.sort_by_key(|mx| mx.preference);
    assert_eq!(
        found,
        [mx(10, "mx1.example.org"), mx(20, "mx2.example.org")]
    );
    let null = dns.mail_exchangers("null.example").await.unwrap();
    assert_eq!(null, [mx(0, "")]);
    let mut addresses = dns.addresses("example.org").await.unwrap();
    addresses.sort();
    let expected: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    assert_eq!(addresses, expected);
    for (name, error) in [
        ("empty.example", DnsError::NoRecords),
        ("unknown.example", DnsError::NoSuchName),
    ] {
        assert_eq!(dns.addresses(name).await, Err(error.clone()), "{name}");
        assert_eq!(dns.mail_exchangers(name).await, Err(error), "{name}");
    }
    let broken = dns.mail_exchangers("broken.example").await;
    assert!(matches!(broken, Err(DnsError::Temporary(_))), "{broken:?}");
    tasks.stop().await;
}

#[tokio::test]
async fn the_strings_of_a_text_belong_together() {
    let (dns, tasks) = name_server().await;
    let found = dns.texts("_mta-sts.example.org").await;
    assert_eq!(found, Ok(vec!["v=STSv1; id=1;".to_owned()]));
    let none = dns.texts("empty.example").await;
    assert_eq!(none, Err(DnsError::NoRecords));
    tasks.stop().await;
}

/// RFC 2308 §5: that there is nothing is remembered too.
#[tokio::test]
async fn a_denial_is_asked_for_once() {
    let (dns, tasks, asked) = counting_name_server().await;
    for _ in 0..3 {
        let denied = dns.mail_exchangers("gone.example").await;
        assert_eq!(denied, Err(DnsError::NoSuchName));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    tasks.stop().await;
}

/// Name servers that prove nothing stop no mail: there is just no DANE.
#[tokio::test]
async fn without_dnssec_nothing_is_proven_and_nothing_is_forged() {
    let (dns, tasks) = name_server().await;
    assert_eq!(dns.is_mx_proven("example.org").await, Ok(false));
    assert_eq!(dns.tlsa("mx1.example.org", 25).await, Ok(Vec::new()));
    tasks.stop().await;
}

#[tokio::test]
async fn records_come_with_the_time_that_they_may_be_kept() {
    let (dns, tasks) = name_server().await;
    let found = dns.ask("example.org", RecordKind::Mx).await.unwrap();
    let shown: Vec<_> = found.records.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10 mx1.example.org", "20 mx2.example.org"]);
    assert_eq!((found.ttl, found.alias), (Duration::from_secs(60), false));
    let texts = dns.ask("_mta-sts.example.org", RecordKind::Text).await;
    let text = Kept::Text("v=STSv1; id=1;".to_owned());
    assert_eq!(texts.unwrap().records, [text]);
    let addresses = dns.ask("example.org", RecordKind::V6).await.unwrap();
    assert_eq!(addresses.records[0].to_string(), "2001:db8::1");
    // What is not there is told apart from who does not know.
    let none = dns.ask("empty.example", RecordKind::Mx).await;
    assert_eq!(none, Err(DnsError::NoRecords));
    let gone = dns.ask("gone.example", RecordKind::NameServer).await;
    assert_eq!(gone, Err(DnsError::NoSuchName));
    let broken = dns.ask("broken.example", RecordKind::Pointer).await;
    assert!(matches!(broken, Err(DnsError::Temporary(_))), "{broken:?}");
    tasks.stop().await;
}

/// RFC 2308 §2.2: who names other servers does not say that there is nothing.
#[tokio::test]
async fn a_referral_is_no_denial() {
    let (dns, tasks) = name_server().await;
    for name in ["delegated.example", "alias.example"] {
        let found = dns.ask(name, RecordKind::Text).await;
        assert!(
            matches!(found, Err(DnsError::Temporary(_))),
            "{name}: {found:?}"
        );
    }
    let alias = dns.ask("alias.example", RecordKind::Alias).await.unwrap();
    let target = Kept::Name("alias.delegated.example".to_owned());
    assert_eq!(alias.records, [target]);
    tasks.stop().await;
}
