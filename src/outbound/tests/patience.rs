//! How long a silent server is waited for, RFC 5321 §4.5.3.2.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

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

/// A server that drips its reply gains nothing by it.
#[tokio::test(start_paused = true)]
async fn a_reply_in_drops_has_one_time_limit() {
    let relay = DeliveryTarget::Relay(SINK.to_owned());
    let (told, took) = meet("mail drops", &relay).await;
    assert_eq!((told.as_str(), took), ("Backend", 300));
    assert!(Duration::from_secs(took) == Timeouts::strangers().command);
}
