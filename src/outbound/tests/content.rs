//! What is sent: bodies byte by byte, and messages that a server cannot be given.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::limits;
use crate::mail::{BackendId, BodySource, CaseKey, Cause, HoldReason, WithLine};
use crate::smtp::{Notify, Ret};

async fn deliver(server: Server, delivery: &Delivery) -> (Vec<Outcome>, Seen) {
    let (outbound, seen) = client(net(vec![(SINK, server)]), backend(&[SINK]));
    let mut channel = outbound.open(&target()).await.unwrap();
    (channel.deliver(delivery, nothing()).await, seen)
}

pub(super) fn replied(outcomes: &[Outcome]) -> String {
    let Some(Outcome::Failed(failure)) = outcomes.first() else {
        panic!("{outcomes:?}");
    };
    assert!(failure.is_permanent());
    let reply = failure.reply.as_ref().unwrap();
    format!(
        "{:?} {} {}",
        failure.blame,
        reply.code,
        reply.enhanced.unwrap()
    )
}

#[tokio::test]
async fn what_is_declared_too_large_is_not_sent() {
    let server = Server::scripted("hello 250-sink!250 SIZE 20");
    let (outcomes, seen) = deliver(server, &delivery(BOTH, BODY)).await;
    assert_eq!(replied(&outcomes), "Message 552 5.3.4");
    assert_eq!(seen.verbs(), ["EHLO"]);
    let unlimited = Server::scripted("hello 250-sink!250 SIZE");
    let (outcomes, _) = deliver(unlimited, &delivery(BOTH, BODY)).await;
    assert_eq!(short(&outcomes), ["delivered", "delivered"]);
}

#[tokio::test]
async fn smtputf8_is_needed_only_for_what_is_not_ascii() {
    let with = "hello 250-sink!250-8BITMIME!250 SMTPUTF8";
    let without = "hello 250-sink!250 8BITMIME";
    let asking = |recipients: &[&str], body: &[u8]| {
        let mut delivery = delivery(recipients, body);
        let mut envelope = (*delivery.envelope).clone();
        envelope.parameters.smtputf8 = true;
        delivery.envelope = Arc::new(envelope);
        delivery
    };
    let local = asking(&["änn@example.org"], BODY);
    let (outcomes, seen) = deliver(Server::scripted(with), &local).await;
    assert_eq!(short(&outcomes), ["delivered"]);
    assert!(seen.has_line("MAIL FROM:<sender@example.net> BODY=8BITMIME SMTPUTF8"));
    assert!(seen.has_line("RCPT TO:<änn@example.org>"));
    let (outcomes, seen) = deliver(Server::scripted(without), &local).await;
    assert_eq!(replied(&outcomes), "Recipient 550 5.6.7");
    assert_eq!(seen.verbs(), ["EHLO"]);
    // The server has not said that, and nobody is told that it has.
    let Outcome::Failed(failure) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(failure.cause(), Cause::Lacking);
    let refused = HoldReason::Refused {
        backend: BackendId::new("cloud"),
        failure: failure.clone(),
    };
    let case = CaseKey::of(&BackendId::new("cloud"), failure);
    for told in [refused.to_string(), case.to_string()] {
        assert!(
            told.starts_with("cloud: Not sent: the message has an address or header beyond ASCII"),
            "{told}"
        );
    }

    let header = asking(&["ann@example.org"], "Subject: ä\r\n\r\nx\r\n".as_bytes());
    let (outcomes, _) = deliver(Server::scripted(without), &header).await;
    assert_eq!(replied(&outcomes), "Recipient 550 5.6.7");

    let body = asking(
        &["ann@bücher.example"],
        "Subject: x\r\n\r\nä\r\n".as_bytes(),
    );
    let (outcomes, seen) = deliver(Server::scripted(without), &body).await;
    assert_eq!(short(&outcomes), ["delivered"]);
    assert!(seen.has_line("MAIL FROM:<sender@example.net> BODY=8BITMIME"));
    assert!(seen.has_line("RCPT TO:<ann@xn--bcher-kva.example>"));
}

/// A body that gives one byte a read, however many are asked for.
#[derive(Debug)]
struct Trickle(Body);

impl BodySource for Trickle {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        self.0.read_at(offset, limit.min(1))
    }
}

/// RFC 6531 §3.2: the header is looked at to its end, however it is read and whatever we put in
/// front of it.
#[tokio::test]
async fn a_header_beyond_ascii_is_seen_to_its_end() {
    let without = "hello 250-sink!250 8BITMIME";
    let saying = |smtputf8: bool, body: Arc<dyn BodySource>| {
        let mut delivery = delivery(&["ann@example.org"], BODY);
        let mut envelope = (*delivery.envelope).clone();
        envelope.parameters.smtputf8 = smtputf8;
        delivery.envelope = Arc::new(envelope);
        delivery.body = body;
        delivery
    };
    let plain = |text: &str| Body(Bytes::copy_from_slice(text.as_bytes()));
    let trickle = |text: &str| -> Arc<dyn BodySource> { Arc::new(Trickle(plain(text))) };
    let behind = |text: &str| -> Arc<dyn BodySource> {
        let line = "X-Tideover-Trace: 1 2\r\n".to_owned();
        Arc::new(WithLine::new(line, Arc::new(plain(text))))
    };
    let long = "X-Long: 0123456789\r\n".repeat(10_000);
    let subject = "Subject: ä\r\n\r\nx\r\n";
    let far = format!("{long}{subject}");
    for body in [trickle(subject), behind(subject), behind(&far)] {
        let delivery = saying(true, body);
        let (outcomes, seen) = deliver(Server::scripted(without), &delivery).await;
        assert_eq!(replied(&outcomes), "Recipient 550 5.6.7");
        assert_eq!(seen.verbs(), ["EHLO"]);
    }
    // SMTPUTF8 was said without need; or only the body is beyond ASCII.
    for text in ["Subject: x\r\n\r\nx\r\n", "Subject: x\r\n\r\nä\r\n"] {
        for body in [trickle(text), behind(text)] {
            let delivery = saying(true, body);
            let (outcomes, _) = deliver(Server::scripted(without), &delivery).await;
            assert_eq!(short(&outcomes), ["delivered"], "{text}");
        }
    }
    // Who did not say it gets what he always got: the message goes as it is (RFC 6152).
    let delivery = saying(false, behind(subject));
    let (outcomes, _) = deliver(Server::scripted(without), &delivery).await;
    assert_eq!(short(&outcomes), ["delivered"]);
}

/// RFC 3461 §5.2.1: what the sender wants to be told goes on to whoever understands it, with the
/// address that he knows; to others nothing of it is said.
#[tokio::test]
async fn the_wishes_for_reports_are_passed_on() {
    let with = "hello 250-sink!250-8BITMIME!250 DSN";
    let wishing = |known: &str, orcpt: Option<&str>| {
        let mut delivery = delivery(&["cy@tenant.example"], BODY);
        let mut envelope = (*delivery.envelope).clone();
        envelope.parameters.ret = Some(Ret::Hdrs);
        envelope.parameters.envid = Some("a=b".to_owned());
        let recipient = &mut envelope.recipients[0];
        recipient.address = known.parse().unwrap();
        recipient.parameters.orcpt = orcpt.map(str::to_owned);
        recipient.parameters.notify = Some(Notify {
            success: true,
            delay: true,
            ..Notify::default()
        });
        delivery.envelope = Arc::new(envelope);
        delivery
    };
    for (known, orcpt, expected) in [
        ("cy@tenant.example", None, ""),
        ("a+b@example.org", None, " ORCPT=rfc822;a+2Bb@example.org"),
        // Also when it was only spelled otherwise.
        (
            "\"cy\"@tenant.example",
            None,
            " ORCPT=rfc822;\"cy\"@tenant.example",
        ),
        (
            "ann@example.org",
            Some("rfc822;list@example.org"),
            " ORCPT=rfc822;list@example.org",
        ),
        // RFC 6533 §3: without SMTPUTF8 in its form in ASCII.
        (
            "ann@example.org",
            Some("utf-8;änn@example.org"),
            " ORCPT=utf-8;\\x{E4}nn@example.org",
        ),
    ] {
        let (outcomes, seen) = deliver(Server::scripted(with), &wishing(known, orcpt)).await;
        assert_eq!(short(&outcomes), ["delivered"]);
        let mail = "MAIL FROM:<sender@example.net> BODY=8BITMIME RET=HDRS ENVID=a+3Db";
        assert!(seen.has_line(mail), "{seen:?}");
        let rcpt = format!("RCPT TO:<cy@tenant.example> NOTIFY=SUCCESS,DELAY{expected}");
        assert!(seen.has_line(&rcpt), "{rcpt}: {seen:?}");
    }
    let utf8 = Server::scripted("hello 250-sink!250-DSN!250 SMTPUTF8");
    let unchanged = "utf-8;änn@example.org";
    let (_, seen) = deliver(utf8, &wishing("ann@example.org", Some(unchanged))).await;
    let rcpt = format!("RCPT TO:<cy@tenant.example> NOTIFY=SUCCESS,DELAY ORCPT={unchanged}");
    assert!(seen.has_line(&rcpt), "{seen:?}");
    let none = Server::scripted("hello 250 sink");
    let (_, seen) = deliver(none, &wishing("ann@example.org", Some(unchanged))).await;
    assert!(seen.has_line("MAIL FROM:<sender@example.net>"), "{seen:?}");
    assert!(seen.has_line("RCPT TO:<cy@tenant.example>"), "{seen:?}");
}

#[tokio::test]
async fn many_recipients_go_in_groups() {
    let addresses: Vec<_> = (0..1_000)
        .map(|number| format!("somebody.{number}@a-rather-long-name.example.org"))
        .collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let (outcomes, seen) = deliver(Server::default(), &delivery(&addresses, BODY)).await;
    assert_eq!(short(&outcomes), vec!["delivered"; 1_000]);
    assert_eq!(seen.lines.lock().unwrap().len(), 1_003);
}

#[tokio::test]
async fn a_cut_in_a_large_body_is_certain_and_a_last_word_counts() {
    let line = b"0123456789\r\n";
    let large = delivery(BOTH, &line.repeat(limits::BODY_PIECE));
    let hello = "hello 250-sink!250 PIPELINING, ";
    let server = Server::scripted(&format!("{hello}cut in data"));
    let (outcomes, _) = deliver(server, &large).await;
    assert_eq!(short(&outcomes), ["Backend", "Backend"]);
}

/// A body whose second half is damaged.
#[derive(Debug)]
struct Damaged(Bytes);

impl BodySource for Damaged {
    fn len(&self) -> u64 {
        self.0.len() as u64 * 2
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let half = Body(self.0.clone()).read_at(offset, limit)?;
        if half.is_empty() {
            return Err(io::Error::other("checksum"));
        }
        Ok(half)
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_never_ended() {
    let mut delivery = delivery(BOTH, b"");
    delivery.body = Arc::new(Damaged(Bytes::from_static(BODY)));
    let server = Server::scripted("hello 250 sink");
    let (outbound, seen) = client(net(vec![(SINK, server)]), backend(&[SINK]));
    let mut channel = outbound.open(&target()).await.unwrap();
    let end: Boxed<'_, Result<(), Unmarked>> = Box::pin(async { panic!("the end was announced") });
    let outcomes = channel.deliver(&delivery, end).await;
    assert_eq!(short(&outcomes), ["Message", "Message"]);
    assert!(!channel.is_usable());
    drop(channel);
    assert!(seen.messages.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_delivery_that_is_dropped_leaves_no_usable_connection() {
    let (outbound, _) = client(net(vec![(SINK, Server::default())]), backend(&[SINK]));
    let mut channel = outbound.open(&target()).await.unwrap();
    let delivery = delivery(BOTH, BODY);
    let never = Box::pin(std::future::pending());
    let dropped = tokio::time::timeout(
        std::time::Duration::from_millis(20),
        channel.deliver(&delivery, never),
    );
    assert!(dropped.await.is_err());
    assert!(!channel.is_usable());
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b".".to_vec()),
        Just(b"..".to_vec()),
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..80),
        (1_usize..30_000).prop_map(|length| vec![b'x'; length]),
    ];
    let line = line.prop_map(|mut line| {
        line.retain(|byte| !b"\r\n".contains(byte));
        line.extend_from_slice(b"\r\n");
        line
    });
    proptest::collection::vec(line, 0..30).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_body_survives_the_trip(body in lines()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(async {
            let server = Server::scripted("hello 250-sink!250 PIPELINING");
            let (outcomes, seen) = deliver(server, &delivery(BOTH, &body)).await;
            assert_eq!(short(&outcomes), ["delivered", "delivered"]);
            seen
        });
        prop_assert_eq!(&*seen.messages.lock().unwrap(), &[body]);
    }
}

#[tokio::test]
async fn large_messages_go_in_one_chunk_where_that_is_offered() {
    let chunking = "hello 250-sink!250-PIPELINING!250 CHUNKING";
    let line = b".0123456789\r\n..\r\n";
    let large = delivery(BOTH, &line.repeat(limits::BODY_PIECE / 8));
    let length = large.body.len();
    let (outcomes, seen) = deliver(Server::scripted(chunking), &large).await;
    assert_eq!(short(&outcomes), ["delivered", "delivered"]);
    assert_eq!(seen.verbs(), ["EHLO", "MAIL", "RCPT", "RCPT", "BDAT"]);
    assert!(seen.has_line(&format!("BDAT {length} LAST")));
    assert_eq!(
        seen.messages.lock().unwrap()[0],
        large.body.read_at(0, usize::MAX).unwrap()
    );
    // Small ones gain nothing by it.
    let (_, seen) = deliver(Server::scripted(chunking), &delivery(BOTH, BODY)).await;
    assert!(!seen.verbs().contains(&"BDAT".to_owned()));
    // A refusal of the chunk leaves a connection that can be used.
    let server = Server::scripted(&format!("{chunking}, end 554 5.6.0 spam"));
    let (outbound, seen) = client(net(vec![(SINK, server)]), backend(&[SINK]));
    let mut channel = outbound.open(&target()).await.unwrap();
    let outcomes = channel.deliver(&large, nothing()).await;
    assert_eq!(short(&outcomes), ["Message", "Message"]);
    assert!(channel.is_usable());
    assert_eq!(seen.verbs().last().map(String::as_str), Some("RSET"));
    // Nobody accepted: nothing is sent.
    let server = Server::scripted(&format!("{chunking}, rcpt 550 5.1.1 no"));
    let (outcomes, seen) = deliver(server, &large).await;
    assert_eq!(short(&outcomes), ["Recipient", "Recipient"]);
    assert_eq!(seen.verbs().last().map(String::as_str), Some("RSET"));
}

#[tokio::test]
async fn a_chunk_that_cannot_be_read_breaks_the_connection() {
    let half = Bytes::from(vec![b'x'; limits::BODY_PIECE]);
    let mut delivery = delivery(BOTH, b"");
    delivery.body = Arc::new(Damaged(half));
    let server = Server::scripted("hello 250-sink!250 CHUNKING");
    let (outcomes, seen) = deliver(server, &delivery).await;
    assert_eq!(short(&outcomes), ["Message", "Message"]);
    assert!(seen.messages.lock().unwrap().is_empty());
}

#[tokio::test]
async fn recipients_are_split_as_the_config_or_the_server_asks() {
    let addresses: Vec<_> = (0..5).map(|at| format!("r{at}@example.org")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let many = delivery(&addresses, BODY);
    for (script, most, transactions) in [
        ("", 5, 1),
        ("", 2, 3),
        ("hello 250-sink!250 LIMITS RCPTMAX=4", 5, 2),
        // RFC 5321 §4.5.3.1.10: who was one too many goes at once into another transaction.
        ("rcpt 250 ok; 250 ok; 250 ok; 452 4.5.3 too many", 5, 2),
    ] {
        let sink = BackendOptions {
            session: SessionBounds {
                recipients: most,
                ..SessionBounds::default()
            },
            ..backend(&[SINK])
        };
        let (outbound, seen) = client(net(vec![(SINK, Server::scripted(script))]), sink);
        let mut channel = outbound.open(&target()).await.unwrap();
        let outcomes = channel.deliver(&many, nothing()).await;
        assert_eq!(short(&outcomes), vec!["delivered"; 5], "{script}");
        assert_eq!(
            seen.messages.lock().unwrap().len(),
            transactions,
            "{script}"
        );
        for address in &addresses {
            let line = format!("RCPT TO:<{address}> ORCPT=rfc822;orig@example.org");
            assert!(
                script.contains("LIMITS") || seen.has_line(&line),
                "{seen:?}"
            );
        }
    }
    // Nobody was taken: that is no matter of too many.
    let (outcomes, seen) = deliver(Server::scripted("rcpt 452 4.5.3 no"), &many).await;
    assert_eq!(short(&outcomes), vec!["Recipient"; 5]);
    assert_eq!(
        seen.lines
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.starts_with("MAIL"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_connection_serves_so_many_messages_and_so_long() {
    let used = async |session: SessionBounds| {
        let sink = BackendOptions {
            session,
            ..backend(&[SINK])
        };
        let (outbound, _) = client(net(vec![(SINK, Server::default())]), sink);
        let mut channel = outbound.open(&target()).await.unwrap();
        let mut count = 0;
        while channel.is_usable() && count < 5 {
            channel.deliver(&delivery(BOTH, BODY), nothing()).await;
            count += 1;
        }
        count
    };
    let bounds = SessionBounds::default();
    assert_eq!(used(bounds).await, 5);
    assert_eq!(
        used(SessionBounds {
            messages: 2,
            ..bounds
        })
        .await,
        2
    );
    let age = std::time::Duration::ZERO;
    assert_eq!(used(SessionBounds { age, ..bounds }).await, 0);
}
