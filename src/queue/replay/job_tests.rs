use bytes::Bytes;

use super::*;
use crate::mail::{
    Authenticity, Automatic, AutomaticDeed, AutomaticRuling, AutomaticWay, Body, Peer,
};
use crate::queue::samples;
use crate::smtp::{Reply, Ret, ReversePath};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ID: SpoolId = SpoolId::from_u64(7);

const QUIET: Options = Options {
    suppress_automatic_answers: true,
};
const LOUD: Options = Options {
    suppress_automatic_answers: false,
};

fn ticket(options: Options) -> Arc<Ticket> {
    Arc::new(Ticket::new("r1", &BackendId::new("onprem"), options))
}

fn job(replay: Option<Arc<Ticket>>) -> Job {
    Job {
        replay,
        ..samples::job(ID, Source::Replay, "ann@example.org", &[0])
    }
}

fn body() -> Arc<dyn BodySource> {
    Arc::new(Body(Bytes::from_static(
        b"Message-ID: <1@x>\r\n\r\nhello\r\n",
    )))
}

fn whole(body: &dyn BodySource) -> Vec<u8> {
    let mut all = Vec::new();
    while (all.len() as u64) < body.len() {
        let piece = body.read_at(all.len() as u64, 4096).unwrap();
        all.extend_from_slice(&piece);
    }
    all
}

#[test]
fn the_wish_for_no_answers_stands_in_front_and_all_else_stays() {
    let sent = |job: &Job| whole(&*job.sent(body()));
    let plain = whole(&*body());
    assert_eq!(sent(&job(None)), plain);
    assert_eq!(sent(&job(Some(ticket(LOUD)))), plain);
    let marked = sent(&job(Some(ticket(QUIET))));
    assert_eq!(marked, [SUPPRESS.as_bytes(), &plain].concat());
}

/// What a policy took off for a recipient is off, also when a replay brings it.
#[test]
fn what_was_taken_off_stays_off() {
    let ruling = AutomaticRuling {
        recipients: vec![0],
        way: AutomaticWay::Platforms,
        deed: AutomaticDeed::Strip,
        rules: Vec::new(),
        stripped: vec!["MESSAGE-id".to_owned()],
        notify: false,
        left: Vec::new(),
    };
    let automatic = Automatic {
        kind: None,
        sign: String::new(),
        rulings: vec![ruling],
    };
    for replay in [None, Some(ticket(LOUD))] {
        let mut job = job(replay);
        assert_eq!(whole(&*job.stripped(body()).unwrap()), whole(&*body()));
        Arc::make_mut(&mut job.envelope).automatic = Some(Box::new(automatic.clone()));
        assert_eq!(whole(&*job.stripped(body()).unwrap()), b"\r\nhello\r\n");
        job.recipients[0].number = 1;
        assert_eq!(whole(&*job.stripped(body()).unwrap()), whole(&*body()));
    }
}

#[test]
fn nobody_asks_for_reports_of_a_replay() {
    let envelope = Envelope {
        from: ReversePath::Null,
        parameters: MailParameters {
            size: Some(5),
            ret: Some(Ret::Full),
            envid: Some("x".to_owned()),
            ..MailParameters::default()
        },
        recipients: vec![crate::mail::Recipient {
            address: "ann@example.org".parse().unwrap(),
            parameters: RcptParameters {
                notify: Some(Wishes {
                    success: true,
                    ..Wishes::default()
                }),
                orcpt: Some("rfc822;ann@example.org".to_owned()),
            },
            lane: "onprem".to_owned(),
            mailbox: None,
        }],
        peer: Peer::default(),
        message_id: None,
        subject: None,
        header_from: None,
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    };
    let quiet = without_reports(&envelope);
    let wishes = quiet.recipients[0].parameters.notify.unwrap();
    assert!(wishes.never && !wishes.success && !wishes.failure && !wishes.delay);
    assert_eq!((quiet.parameters.ret, quiet.parameters.envid), (None, None));
    assert_eq!(quiet.parameters.size, Some(5));
    let orcpt = &quiet.recipients[0].parameters.orcpt;
    assert_eq!(*orcpt, envelope.recipients[0].parameters.orcpt);
}

#[test]
fn a_refusal_is_the_end_and_everything_else_is_tried_again() {
    let one = &job(None).recipients[0];
    let refusal = |blame, code| Failure::replied(blame, Reply::with_text(code, (5, 0, 0), "no"));
    let onprem = DeliveryTarget::Backend(BackendId::new("onprem"));
    let end = |failure| step(Outcome::Failed(failure), (one, None), &onprem, (NOW, 0.0));
    for blame in [Blame::Recipient, Blame::Message] {
        assert_eq!(end(refusal(blame, 550)).name(), "refused");
        let ReplayStep::Deferred { counts: true, .. } = end(refusal(blame, 451)) else {
            panic!("{blame:?}");
        };
    }
    // The backend's trouble uses up no patience.
    for code in [421, 550] {
        let ReplayStep::Deferred {
            counts: false, due, ..
        } = end(refusal(Blame::Backend, code))
        else {
            panic!("{code}");
        };
        assert!(due > NOW && due.since(NOW) < Duration::from_secs(60));
    }
    let reply = Reply::with_text(250, (2, 0, 0), "ok");
    let delivered = step(
        Outcome::Delivered { reply },
        (one, Some("TLS 1.3")),
        &onprem,
        (NOW, 0.0),
    );
    assert!(matches!(
        delivered,
        ReplayStep::Delivered { tls: Some(_), .. }
    ));
}

/// As for other mail: a platform that stores a message and then cuts the connection gets a copy
/// with each attempt.
#[test]
fn what_may_have_arrived_is_replayed_more_and_more_seldom() {
    let onprem = DeliveryTarget::Backend(BackendId::new("onprem"));
    let mut one = job(None).recipients[0].clone();
    for (attempts, expected) in [(0, 30), (1, 300), (2, 900), (3, 1_800), (9, 3_600)] {
        one.was.attempts = attempts;
        let mut failure = Failure::without_reply(Blame::Backend, "cut after the dot");
        failure.uncertain = true;
        let step = step(Outcome::Failed(failure), (&one, None), &onprem, (NOW, 0.0));
        let ReplayStep::Deferred { counts, due, .. } = step else {
            panic!("{step:?}");
        };
        let told = (counts, due.since(NOW).as_secs());
        assert_eq!(told, (true, expected), "{attempts}");
    }
}

#[test]
fn a_turn_is_told_once_and_events_name_replay_and_backend() {
    let ticket = ticket(QUIET);
    ticket.give_turn(ID, 0, NOW);
    assert_eq!(ticket.turn_of(ID, 0), Some(NOW));
    assert_eq!(ticket.turn_of(ID, 0), None);
    let job = job(Some(Arc::clone(&ticket)));
    let json = serde_json::to_value(job.attempted(BackendId::new("other"))).unwrap();
    let expected = serde_json::json!({
        "replay": {"replay": "r1", "backend": "onprem", "step": "attempted"}
    });
    assert_eq!(json, expected);
    assert!(!ticket.is_over());
    ticket.end();
    assert!(ticket.is_over());
}
