//! What senders are told, and what they are not told.

use std::time::Duration;

use tideover::backend::{Override, Wish, override_backend};
use tideover::mail::{Authenticity, BackendId, Blame, Failure, Handover};
use tideover::route::{OutboundRelay, RouteOptions};
use tideover::smtp::{Notify, Reply, Ret};
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};

const ANN: &str = "ann@onprem.example";
const BOB: &str = "bob@cloud.example";
const STRANGER: &str = "eve@elsewhere.example";
const HOUR: Duration = Duration::from_secs(3600);
const OURS: (&str, Authenticity) = (ANN, Authenticity::Local);

/// The reports that Ann got, oldest first, as texts.
fn reports(door: &Door) -> Vec<String> {
    let mut found = door.spool.mailbox(ANN, None, 100).unwrap();
    found.sort_by_key(|entry| entry.0);
    let found = found.into_iter().filter(|entry| {
        let message = door.spool.message(entry.0).unwrap().unwrap();
        // I5, as far as it can be seen here: a report has nobody to report to.
        message.envelope.peer.protocol == "dsn" && message.envelope.from.mailbox().is_none()
    });
    let texts = found.map(|entry| {
        let body = door.spool.body(entry.0).unwrap().unwrap();
        let bytes = body.read_at(0, 1024 * 1024).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    });
    texts.collect()
}

fn count(reports: &[String], action: &str) -> usize {
    let line = format!("Action: {action}\r\n");
    reports.iter().map(|text| text.matches(&line).count()).sum()
}

/// Decision 5: a sender hears once after four hours of a stranger who has not got his message, and
/// after five days that he will not. Of our own people's mail he hears nothing, however long the
/// outage is.
#[test]
fn delays_are_told_of_strangers_only_and_once() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("cloud", false);
        let sent = door.send_from(OURS.0, OURS.1, &[STRANGER, BOB]).await;
        sleep(HOUR * 7 / 2).await;
        assert_eq!(reports(&door), Vec::<String>::new());
        sleep(HOUR * 2).await;
        let told = reports(&door);
        assert_eq!((told.len(), count(&told, "delayed")), (1, 1), "{told:#?}");
        assert!(told[0].contains(&format!("Final-Recipient: rfc822;{STRANGER}\r\n")));
        assert!(told[0].contains("Will-Retry-Until: "));
        assert!(!told[0].contains(BOB));
        // Also after a restart.
        door.stop().await;
        let door = site.open();
        sleep(HOUR * 24).await;
        assert_eq!(reports(&door).len(), 1);
        sleep(HOUR * 24 * 5).await;
        let told = reports(&door);
        assert_eq!((told.len(), count(&told, "failed")), (2, 1), "{told:#?}");
        assert!(told[1].contains("Status: 5.4.7\r\n"), "{told:#?}");
        site.platforms.set_up("cloud", true);
        sleep(HOUR).await;
        assert_eq!(site.places(sent, 1), ["cloud"]);
        assert_eq!(reports(&door).len(), 2);
        door.stop().await;
    });
}

/// Who asked for no report gets none; who did not prove to be the sender gets none; the null path
/// gets none (I5).
#[test]
fn nobody_is_told_who_does_not_want_to_or_may_not() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let never = Notify {
            never: true,
            ..Notify::default()
        };
        let failures = Notify {
            failure: true,
            ..Notify::default()
        };
        for notify in [never, failures] {
            let wish = |envelope: &mut tideover::mail::Envelope| {
                envelope.recipients[0].parameters.notify = Some(notify);
            };
            door.send_changed(OURS, &[STRANGER], wish).await;
        }
        door.send_from(ANN, Authenticity::Unproven, &[STRANGER])
            .await;
        door.send_from("", Authenticity::Local, &[STRANGER]).await;
        sleep(HOUR * 12).await;
        assert_eq!(reports(&door), Vec::<String>::new());
        sleep(HOUR * 24 * 6).await;
        let told = reports(&door);
        assert_eq!((told.len(), count(&told, "failed")), (1, 1), "{told:#?}");
        door.stop().await;
    });
}

/// RFC 3461 §5.2.2: success is told by whoever has the message last and knows of the wish.
#[test]
fn success_is_told_where_it_was_asked_for_and_nobody_else_tells() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let success = |envelope: &mut tideover::mail::Envelope| {
            envelope.recipients[0].parameters.notify = Some(Notify {
                success: true,
                ..Notify::default()
            });
            envelope.parameters.envid = Some("QQ314159".to_owned());
        };
        for (handover, relayed, delivered) in [
            (Handover::Taken, 0, 0),
            (Handover::Relayed, 1, 0),
            (Handover::Delivered, 1, 1),
        ] {
            site.platforms.hand_over(handover);
            door.send_changed(OURS, &[BOB, "dee@cloud.example"], success)
                .await;
            sleep(HOUR).await;
            let told = reports(&door);
            assert_eq!(count(&told, "relayed"), relayed, "{handover:?} {told:#?}");
            assert_eq!(
                count(&told, "delivered"),
                delivered,
                "{handover:?} {told:#?}"
            );
            for text in &told {
                assert!(
                    text.contains("Original-Envelope-Id: QQ314159\r\n"),
                    "{text}"
                );
                assert!(!text.contains("dee@cloud.example"), "{text}");
            }
        }
        // Who proved that the address is his may know.
        let proven = |envelope: &mut tideover::mail::Envelope| {
            success(envelope);
            let proves_sender = true;
            let verdict = tideover::mail::Verdict {
                proves_sender,
                ..tideover::mail::Verdict::default()
            };
            envelope.verdict = Some(Box::new(verdict));
        };
        door.send_changed((ANN, Authenticity::Unproven), &[BOB], proven)
            .await;
        sleep(HOUR).await;
        assert_eq!(reports(&door).len(), 3);
        // From somebody who could be anybody it is no wish that we grant.
        door.send_changed((ANN, Authenticity::Unproven), &[BOB], success)
            .await;
        sleep(HOUR).await;
        assert_eq!(reports(&door).len(), 3);
        door.stop().await;
    });
}

/// Decision 8: who is told that it failed is told that it may have arrived all the same, and so is
/// everybody who asks later.
#[test]
fn what_may_have_arrived_is_told_when_it_is_refused_for_good() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("elsewhere.example", true);
        site.platforms.cut_after_the_dot(1);
        let sent = door.send_from(OURS.0, OURS.1, &[STRANGER]).await;
        while site.platforms.arrivals(sent, 0).is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        let reply = Reply::parse(&["550 5.1.1 No such user"]).unwrap();
        let refusal = Failure::replied(Blame::Recipient, reply);
        site.platforms.refuse("elsewhere.example", Some(refusal));
        sleep(HOUR * 24).await;
        let sure = door.send_from(OURS.0, OURS.1, &[STRANGER]).await;
        sleep(HOUR).await;
        assert_eq!(door.words(&[sent, sure]), [("bounced", 2)].into());
        let told = reports(&door);
        let perhaps = told.iter().map(|text| text.contains("may have arrived"));
        assert_eq!(perhaps.collect::<Vec<_>>(), [true, false], "{told:#?}");
        door.stop().await;
        let door = site.open();
        assert!(door.states(sent)[0].is_uncertain());
        assert!(!door.states(sure)[0].is_uncertain());
        assert_eq!(door.spool.stats().uncertain, 1);
        door.stop().await;
    });
}

/// RFC 3461 §4.3: RET says how much of the message comes back.
#[test]
fn as_much_comes_back_as_was_asked_for() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("elsewhere.example", true);
        let reply = Reply::parse(&["550 5.1.1 No such user"]).unwrap();
        let refusal = Failure::replied(Blame::Recipient, reply);
        site.platforms.refuse("elsewhere.example", Some(refusal));
        for ret in [None, Some(Ret::Hdrs), Some(Ret::Full)] {
            let wish = |envelope: &mut tideover::mail::Envelope| envelope.parameters.ret = ret;
            door.send_changed(OURS, &[STRANGER], wish).await;
            sleep(HOUR).await;
        }
        let told = reports(&door);
        let whole: Vec<_> = told
            .iter()
            .map(|text| text.contains("Subject: Hello\r\n\r\nHello\r\n"))
            .collect();
        assert_eq!(whole, [false, false, true], "{told:#?}");
        assert!(told.iter().all(|text| text.contains("Subject: Hello\r\n")));
        door.stop().await;
    });
}

/// Decision 5: what an operator holds loses no patience: neither is it given up, nor are senders
/// told of a delay, however long he holds it.
#[test]
fn the_time_of_a_held_smart_host_is_no_time() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let cloud = BackendId::new("cloud");
        door.router.configure(RouteOptions {
            relay: vec![OutboundRelay::Backend(cloud.clone())],
            ..RouteOptions::default()
        });
        let say = |wish| Override {
            wish,
            actor: "root".to_owned(),
            reason: String::new(),
            since: door.now(),
        };
        let board = door.router.board();
        let held = override_backend(&door.spool, board, &cloud, say(Wish::Hold));
        held.await.unwrap();
        let sent = door.send_from(OURS.0, OURS.1, &[STRANGER]).await;
        sleep(HOUR * 24 * 6).await;
        let later = Reply::parse(&["450 4.2.0 greylisted"]).unwrap();
        let later = Failure::replied(Blame::Recipient, later);
        site.platforms.refuse("cloud", Some(later));
        let resumed = override_backend(&door.spool, board, &cloud, say(Wish::Resume));
        resumed.await.unwrap();
        sleep(HOUR * 3).await;
        assert_eq!(door.words(&[sent]), [("queued", 1)].into());
        assert_eq!(reports(&door), Vec::<String>::new());
        sleep(HOUR * 2).await;
        let told = reports(&door);
        assert_eq!((told.len(), count(&told, "delayed")), (1, 1), "{told:#?}");
        sleep(HOUR * 24 * 4).await;
        assert_eq!(door.words(&[sent]), [("queued", 1)].into());
        sleep(HOUR * 24 * 2).await;
        assert_eq!(door.words(&[sent]), [("bounced", 1)].into());
        let told = reports(&door);
        assert_eq!((told.len(), count(&told, "failed")), (2, 1), "{told:#?}");
        door.stop().await;
    });
}
