mod asking;
mod content;
mod lenient;
mod mx;
mod patience;
mod protection;
mod reports;
mod security;
mod sockets;
mod told;
mod world;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use self::world::{Cut, Net, Seen, Server};
use super::*;
use crate::base::Shutdown;
use crate::mail::{Body, Delivery, Envelope, Outcome, Peer, Recipient, SpoolId, Unmarked};
use crate::smtp::{BodyKind, MailParameters, Mailbox, RcptParameters};

const SINK: &str = "192.0.2.1:25";

fn backend(hosts: &[&str]) -> BackendOptions {
    let hosts = Hosts::List(hosts.iter().map(|&host| host.to_owned()).collect());
    BackendOptions::new(BackendId::new("sink"), hosts)
}

fn net(servers: Vec<(&str, Server)>) -> Net {
    Net {
        servers: servers
            .into_iter()
            .map(|(address, server)| (address.parse().unwrap(), server))
            .collect(),
        mx: HashMap::new(),
        hosts: HashMap::new(),
        texts: HashMap::new(),
        signed: HashMap::new(),
        tlsa: HashMap::new(),
        seen: Seen::default(),
        tasks: Shutdown::new(),
    }
}

fn client(net: Net, backend: BackendOptions) -> (Outbound, Seen) {
    let seen = net.seen.clone();
    let net = Arc::new(net);
    let mut options = Options::new("mx.example.org");
    options.backends.insert(backend.id.clone(), backend);
    let world = World {
        dial: net.clone(),
        resolve: net,
        tls: TlsClient::with_authorities(std::iter::empty::<&[u8]>()).unwrap(),
        clock: Clock::system(),
        entropy: Entropy::system(),
        board: None,
    };
    (Outbound::new(options, world), seen)
}

fn delivery(recipients: &[&str], body: &[u8]) -> Delivery {
    let parse = |text: &&str| text.parse::<Mailbox>().unwrap();
    let envelope = Envelope {
        from: "sender@example.net".parse().unwrap(),
        parameters: MailParameters {
            body: BodyKind::EightBitMime,
            ..MailParameters::default()
        },
        recipients: recipients
            .iter()
            .map(|text| Recipient {
                address: parse(text),
                parameters: RcptParameters {
                    notify: None,
                    orcpt: Some("rfc822;orig@example.org".to_owned()),
                },
                lane: "sink".to_owned(),
                mailbox: None,
            })
            .collect(),
        peer: Peer::default(),
        message_id: None,
        subject: None,
        header_from: None,
        authenticity: crate::mail::Authenticity::default(),
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    };
    Delivery {
        id: SpoolId::from_u64(1),
        envelope: Arc::new(envelope),
        recipients: (0..).zip(recipients.iter().map(parse)).collect(),
        body: Arc::new(Body(Bytes::copy_from_slice(body))),
        stop: Shutdown::new(),
    }
}

fn nothing() -> Boxed<'static, Result<(), Unmarked>> {
    Box::pin(std::future::ready(Ok(())))
}

fn target() -> DeliveryTarget {
    DeliveryTarget::Backend(BackendId::new("sink"))
}

const BODY: &[u8] = b"Subject: x\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n";
const BOTH: &[&str] = &["ann@example.org", "bob@example.org"];

/// `delivered`, or the blame, what is uncertain marked with a `?`.
fn short(outcomes: &[Outcome]) -> Vec<String> {
    let short = |outcome: &Outcome| match outcome {
        Outcome::Delivered { .. } => "delivered".to_owned(),
        Outcome::Failed(failure) => {
            let mark = if failure.uncertain { "?" } else { "" };
            format!("{:?}{mark}", failure.blame)
        }
    };
    outcomes.iter().map(short).collect()
}

async fn one(server: Server) -> (Vec<Outcome>, Seen, bool) {
    let protocol = match server.lmtp {
        Some(()) => Protocol::Lmtp,
        None => Protocol::Smtp,
    };
    let (outbound, seen) = client(
        net(vec![(SINK, server)]),
        BackendOptions {
            protocol,
            ..backend(&[SINK])
        },
    );
    let mut channel = outbound.open(&target()).await.unwrap();
    let delivery = delivery(BOTH, BODY);
    let outcomes = channel.deliver(&delivery, nothing()).await;
    assert_eq!(outcomes.len(), BOTH.len());
    (outcomes, seen, channel.is_usable())
}

#[tokio::test]
async fn a_message_arrives_byte_by_byte() {
    let (outcomes, seen, usable) = one(Server::default()).await;
    assert_eq!(short(&outcomes), ["delivered", "delivered"]);
    assert_eq!(*seen.messages.lock().unwrap(), [BODY]);
    assert!(usable);
    let mail = format!(
        "MAIL FROM:<sender@example.net> SIZE={} BODY=8BITMIME",
        BODY.len()
    );
    assert!(seen.has_line(&mail), "{seen:?}");
    assert!(seen.has_line("RCPT TO:<bob@example.org> ORCPT=rfc822;orig@example.org"));
    assert_eq!(seen.verbs(), ["EHLO", "MAIL", "RCPT", "RCPT", "DATA"]);
}

#[tokio::test]
async fn nothing_is_said_that_was_not_offered() {
    let server = Server {
        hello: "250 sink".to_owned(),
        ..Server::default()
    };
    let (outcomes, seen, _) = one(server).await;
    assert_eq!(short(&outcomes), ["delivered", "delivered"]);
    assert!(seen.has_line("MAIL FROM:<sender@example.net>"), "{seen:?}");
    assert!(seen.has_line("RCPT TO:<ann@example.org>"));
}

/// What the server does, the outcomes of two recipients, and the connection afterwards.
const TABLE: &str = "
    mail 550 5.7.1 no                  -> Message Message usable
    mail 452 4.3.1 full                -> Backend Backend broken
    mail 421 4.3.2 bye                 -> Backend Backend broken
    mail 354 what                      -> Backend Backend broken
    rcpt 550 5.1.1 no; 250 ok          -> Recipient delivered usable
    rcpt 250 ok; 452 4.5.3 many        -> delivered delivered usable
    rcpt 550 5.1.1 no                  -> Recipient Recipient usable
    rcpt 550 5.1.1 no, data 503 5.5.1  -> Recipient Recipient usable
    rcpt 550 5.1.1 no; 421 bye         -> Recipient Backend broken
    data 451 4.6.0 no                  -> Message Message usable
    data 250 what                      -> Backend Backend broken
    end 554 5.6.0 spam                 -> Message Message usable
    end 451 4.3.2 later                -> Backend Backend broken
    end 354 what                       -> Backend? Backend? broken
    end 421 4.4.2 bye                  -> Backend Backend broken
    end garbage                        -> Backend? Backend? broken
    end 250 a!250 b                    -> delivered delivered broken
    cut at mail                        -> Backend Backend broken
    cut in data                        -> Backend? Backend? broken
    cut after dot                      -> Backend? Backend? broken
";

#[tokio::test]
async fn refusals_and_cuts_find_the_one_to_blame() {
    for hello in ["250 sink", "250-sink!250 PIPELINING"] {
        for row in TABLE.lines().filter(|row| !row.is_empty()) {
            let (script, expected) = row.split_once("->").unwrap();
            let script = format!("hello {hello}, {}", script.trim());
            let (outcomes, seen, usable) = one(Server::scripted(&script)).await;
            let state = if usable { "usable" } else { "broken" };
            let told = format!("{} {state}", short(&outcomes).join(" "));
            assert_eq!(told, expected.trim(), "{script} {seen:?}");
        }
    }
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let server = Server {
        lmtp: Some(()),
        ..Server::scripted("end 250 2.0.0 ok; 552 5.2.2 full")
    };
    let (outcomes, seen, usable) = one(server).await;
    assert_eq!(short(&outcomes), ["delivered", "Recipient"]);
    assert!(usable);
    assert_eq!(seen.verbs().first().map(String::as_str), Some("LHLO"));
}

/// Decision 8: without its mark no message ends, however it is carried.
#[tokio::test]
async fn a_message_without_its_mark_does_not_end() {
    for offers in ["8BITMIME", "CHUNKING", "LIMITS RCPTMAX=1"] {
        let server = Server {
            hello: format!("250-sink\r\n250 {offers}"),
            ..Server::default()
        };
        let (outbound, seen) = client(net(vec![(SINK, server)]), backend(&[SINK]));
        let mut channel = outbound.open(&target()).await.unwrap();
        let refused = Box::pin(std::future::ready(Err(Unmarked)));
        let outcomes = channel.deliver(&delivery(BOTH, BODY), refused).await;
        assert_eq!(short(&outcomes), ["Message", "Message"], "{offers:?}");
        assert!(!channel.is_usable(), "{offers:?}");
        assert!(seen.messages.lock().unwrap().is_empty(), "{offers:?}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_renewed_when_the_server_left() {
    let server = Server {
        cut: Cut::AtMail(2),
        ..Server::default()
    };
    let (outbound, seen) = client(net(vec![(SINK, server)]), backend(&[SINK]));
    let mut channel = outbound.open(&target()).await.unwrap();
    let delivery = delivery(BOTH, BODY);
    let ends = AtomicUsize::new(0);
    for _ in 0..3 {
        let end = Box::pin(async {
            ends.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let outcomes = channel.deliver(&delivery, end).await;
        assert_eq!(short(&outcomes), ["delivered", "delivered"]);
    }
    assert_eq!(ends.load(Ordering::Relaxed), 3);
    assert_eq!(seen.dialled.lock().unwrap().len(), 2);
    assert_eq!(seen.messages.lock().unwrap().len(), 3);
    channel.quit().await;
    assert_eq!(seen.verbs().last().map(String::as_str), Some("QUIT"));
}

/// An smtpd that has a client keeps what it had at its beginning until that client leaves: who is
/// asked for less leaves, and comes again.
#[tokio::test]
async fn who_asks_for_less_gets_its_next_message_in_another_session() {
    for (script, is_used_again) in [
        ("mail 450 4.3.2 Try again later", false),
        ("rcpt 450 4.3.2 Try again later", false),
        ("rcpt 250 ok; 451 4.7.500 Server busy", false),
        ("data 451 4.3.1 full", false),
        ("end 452 4.3.1 full", false),
        ("rcpt 450 4.2.1 not now", true),
        ("end 451 4.6.0 no", true),
    ] {
        let (outbound, seen) = client(
            net(vec![(SINK, Server::scripted(script))]),
            backend(&[SINK]),
        );
        let mut channel = outbound.open(&target()).await.unwrap();
        channel.deliver(&delivery(BOTH, BODY), nothing()).await;
        assert_eq!(channel.is_usable(), is_used_again, "{script}");
        channel.quit().await;
        let last = seen.verbs().pop();
        assert_eq!(last.as_deref(), Some("QUIT"), "{script}");
    }
}
