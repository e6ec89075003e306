//! How long a silent server is waited for, RFC 5321 §4.5.3.2.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::mail::Blame;
use crate::net::MailExchanger;

const HOUR: Duration = Duration::from_secs(3600);

/// What became of it, and after how many seconds.
async fn meet(script: &str, target: &DeliveryTarget) -> (String, u64) {
    let script = format!("hello 250-sink!250 PIPELINING, {script}");
    let net = net(vec![(SINK, Server::scripted(&script))]);
    let (outbound, _) = client(net, backend(&[SINK]));
    let begun = Instant::now();
    let told = match outbound.open(target).await {
        Err(failure) => format!("{:?} {}", failure.blame, failure.what),
        Ok(mut channel) => {
            // More than what is on its way between the two at one time.
            let body = [BODY, &b"0123456789\r\n".repeat(20_000)].concat();
            let delivery = delivery(&BOTH[..1], &body);
            let outcomes = channel.deliver(&delivery, nothing()).await;
            let outcomes = short(&outcomes);
            assert!(!channel.is_usable(), "{script}");
            outcomes.join(" ")
        }
    };
    (told, begun.elapsed().as_secs())
}

/// Only after the final dot it may have arrived, and there everybody is given ten minutes.
#[tokio::test(start_paused = true)]
async fn each_stage_has_its_patience() {
    let relay = DeliveryTarget::Relay(SINK.to_owned());
    let late = "Backend 192.0.2.1:25 did not answer to";
    for (script, told, of_strangers, of_backends) in [
        ("banner silence", late, 300, 30),
        ("hello silence", late, 300, 60),
        ("mail silence", "Backend", 300, 60),
        ("rcpt silence", "Backend", 300, 60),
        ("data silence", "Backend", 120, 60),
        ("cut deaf in data", "Backend", 180, 60),
        ("end silence", "Backend?", 600, 600),
    ] {
        for (target, seconds) in [(&relay, of_strangers), (&target(), of_backends)] {
            let (found, took) = meet(script, target).await;
            let as_told = found == told || (told == late && found.starts_with(late));
            assert!(as_told, "{script}: {found}");
            assert_eq!(took, seconds, "{script} at {target}");
        }
    }
}

/// A host whose packets are lost costs the time of one connection, and the next one is tried; when
/// none is left, the first one is named.
#[tokio::test(start_paused = true)]
async fn a_connection_that_never_comes_is_given_up_for_the_next_host() {
    let lost = |address| (address, Server::scripted("cut of packets"));
    let exchanger = |preference, host: &str| MailExchanger {
        preference,
        host: host.to_owned(),
    };
    for (target, patience) in [
        (target(), Timeouts::backends().connect),
        (
            DeliveryTarget::Domain("far.example".to_owned()),
            Timeouts::strangers().connect,
        ),
    ] {
        for (second, told) in [
            (("192.0.2.2:25", Server::default()), Ok("192.0.2.2:25")),
            (
                lost("192.0.2.2:25"),
                Err("no connection to 192.0.2.1:25 in time"),
            ),
        ] {
            let waits = if told.is_ok() { 1 } else { 2 };
            let mut net = net(vec![lost(SINK), second]);
            let records = vec![exchanger(10, "192.0.2.1"), exchanger(20, "192.0.2.2")];
            net.mx.insert("far.example".to_owned(), Ok(records));
            let (outbound, seen) = client(net, backend(&[SINK, "192.0.2.2:25"]));
            let begun = Instant::now();
            let opened = tokio::time::timeout(HOUR, outbound.open(&target)).await;
            let opened = opened.unwrap();
            assert_eq!(
                begun.elapsed().as_secs(),
                (patience * waits).as_secs(),
                "{target}"
            );
            let opened = opened.map(|channel| channel.peer().to_owned());
            let opened = opened.map_err(|failure| {
                assert_eq!(failure.blame, Blame::Backend);
                failure.what
            });
            let told = told.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(opened, told, "{target}");
            assert_eq!(seen.dialled.lock().unwrap().len(), 2);
        }
    }
}

/// A server that drips its reply gains nothing by it.
#[tokio::test(start_paused = true)]
async fn a_reply_in_drops_has_one_time_limit() {
    let relay = DeliveryTarget::Relay(SINK.to_owned());
    let (told, took) = meet("mail drops", &relay).await;
    assert_eq!((told.as_str(), took), ("Backend", 300));
    assert!(Duration::from_secs(took) == Timeouts::strangers().command);
}

/// Who has an outcome when an attempt is given up keeps it; only behind the final dot it may have
/// arrived.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_stopped_ends_as_if_it_were_cut() {
    let patience = Duration::from_secs(20);
    for (script, protocol, told) in [
        ("mail silence", Protocol::Smtp, ["Backend"; 2]),
        (
            "rcpt 550 5.1.1 no; silence",
            Protocol::Smtp,
            ["Recipient", "Backend"],
        ),
        ("data silence", Protocol::Smtp, ["Backend"; 2]),
        ("cut deaf in data", Protocol::Smtp, ["Backend"; 2]),
        ("end silence", Protocol::Smtp, ["Backend?"; 2]),
        (
            "end 250 ok; silence",
            Protocol::Lmtp,
            ["delivered", "Backend?"],
        ),
    ] {
        let script = &format!("hello 250-sink!250 PIPELINING, {script}");
        let server = Server {
            lmtp: (protocol == Protocol::Lmtp).then_some(()),
            ..Server::scripted(script)
        };
        let backend = BackendOptions {
            protocol,
            ..backend(&[SINK])
        };
        let (outbound, seen) = client(net(vec![(SINK, server)]), backend);
        let mut channel = outbound.open(&target()).await.unwrap();
        // More than what is on its way between the two at one time.
        let body = [BODY, &b"0123456789\r\n".repeat(20_000)].concat();
        let delivery = delivery(BOTH, &body);
        let begun = Instant::now();
        let stopping = async {
            tokio::time::sleep(patience).await;
            delivery.stop.signal();
        };
        let (outcomes, ()) = tokio::join!(channel.deliver(&delivery, nothing()), stopping);
        assert_eq!(short(&outcomes), told, "{script}");
        assert_eq!(begun.elapsed().as_secs(), patience.as_secs(), "{script}");
        assert!(!channel.is_usable(), "{script}");
        // No other connection is opened for it.
        assert_eq!(seen.dialled.lock().unwrap().len(), 1, "{script}");
    }
}

/// A mark that comes too late ends no message: nobody may have got it.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_stopped_before_its_mark_has_not_arrived() {
    let (outbound, seen) = client(net(vec![(SINK, Server::default())]), backend(&[SINK]));
    let mut channel = outbound.open(&target()).await.unwrap();
    let delivery = delivery(BOTH, BODY);
    let stop = delivery.stop.clone();
    let mark = Box::pin(async move {
        stop.signal();
        Ok(())
    });
    let outcomes = channel.deliver(&delivery, mark).await;
    assert_eq!(short(&outcomes), ["Backend", "Backend"]);
    assert!(seen.messages.lock().unwrap().is_empty());
}
