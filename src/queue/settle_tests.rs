//! Tables of outcomes.

use std::time::Duration;

use super::*;
use crate::mail::Said;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn settled(line: &str, blame: Blame, target: &DeliveryTarget, known: Known) -> RecipientEvent {
    let reply = Reply::parse(&[line]).unwrap();
    let outcome = if reply.is_success() {
        Outcome::Delivered { reply }
    } else {
        Outcome::Failed(Failure::replied(blame, reply))
    };
    settle(outcome, &attempt(target, known), NOW, 0.5)
}

fn attempt(target: &DeliveryTarget, known: Known) -> Attempt<'_> {
    Attempt {
        target,
        delivery_address: "ann@example.org",
        known,
        attempts: 0,
        received: NOW,
        tls: None,
        diverted_from: None,
        finals: &[],
        trial: None,
        doubt: Doubt::Message,
        relaying: Doubt::Message,
    }
}

/// Decision 6: a backend that accepts no other mail finishes nobody's mail for its content.
#[test]
fn content_is_final_only_where_other_mail_is_accepted() {
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let reply = Reply::parse(&["554 5.7.1 Message contains spam"]).unwrap();
    let failure = Failure::refused(Said::End, reply);
    let finals = ["554 5.7.1 spam".parse().unwrap()];
    let day = schedule::DOUBT;
    for (doubt, known, age, expected) in [
        (Doubt::Message, Known::Ours, Duration::ZERO, "bounced"),
        (Doubt::Unknown, Known::Ours, Duration::ZERO, "deferred"),
        (Doubt::Unknown, Known::Ours, day, "held"),
        (Doubt::Backend, Known::Ours, Duration::ZERO, "held"),
        (Doubt::Message, Known::Stranger, Duration::ZERO, "bounced"),
        (Doubt::Unknown, Known::Stranger, day, "deferred"),
        (Doubt::Backend, Known::Stranger, day, "deferred"),
        (
            Doubt::Backend,
            Known::Stranger,
            schedule::GIVE_UP,
            "bounced",
        ),
    ] {
        let attempt = Attempt {
            received: NOW.before(age),
            doubt,
            ..attempt(&cloud, known)
        };
        let event = settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5);
        assert_eq!(event.name(), expected, "{doubt:?} {known:?} {age:?}");
        // What the config calls final is the administrator's word.
        let named = Attempt {
            finals: &finals,
            ..attempt
        };
        let event = settle(Outcome::Failed(failure.clone()), &named, NOW, 0.5);
        assert_eq!(event.name(), "bounced");
    }
}

/// A smart host that takes no mail to strangers is in trouble; one stranger that it does not
/// take mail to, twice, while others get theirs, is a matter between the two.
#[test]
fn a_smart_host_that_relays_nothing_bounces_nothing() {
    let smart = DeliveryTarget::Backend(BackendId::new("smart"));
    let event = |line: &str, said, relaying, attempts, age| {
        let failure = Failure::refused(said, Reply::parse(&[line]).unwrap());
        let attempt = Attempt {
            relaying,
            attempts,
            received: NOW.before(age),
            ..attempt(&smart, Known::Stranger)
        };
        settle(Outcome::Failed(failure), &attempt, NOW, 0.5).name()
    };
    let (rcpt, mail) = (Said::Rcpt, Said::Mail);
    for (line, said) in [
        ("554 5.7.1 <x@far.example>: Relay access denied", rcpt),
        ("550 5.7.1 Unable to relay", rcpt),
        ("550 relaying denied", rcpt),
        ("550 5.7.64 TenantAttribution; Relay Access Denied", rcpt),
        ("550 5.7.606 Access denied, banned sending IP", mail),
    ] {
        let now = Duration::ZERO;
        for (relaying, attempts, age, expected) in [
            (Doubt::Unknown, 0, now, "deferred"),
            (Doubt::Unknown, 9, now, "deferred"),
            (Doubt::Backend, 9, now, "deferred"),
            (Doubt::Message, 0, now, "deferred"),
            (Doubt::Message, 1, now, "bounced"),
            (Doubt::Backend, 9, schedule::GIVE_UP, "bounced"),
        ] {
            let told = event(line, said, relaying, attempts, age);
            assert_eq!(told, expected, "{line} {relaying:?} {attempts}");
        }
    }
    // These are about the recipient.
    for line in ["550 5.1.1 no such user", "550 5.1.2 no such domain"] {
        let told = event(line, rcpt, Doubt::Unknown, 0, Duration::ZERO);
        assert_eq!(told, "bounced", "{line}");
    }
}

/// I10: a stand-in does not speak for the home, which may take what it refuses.
#[test]
fn a_stand_in_refuses_nothing_for_good() {
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let home = BackendId::new("onprem");
    let finals = ["550 5.1.1 no such user".parse().unwrap()];
    for line in ["552 5.3.4 too large", "550 5.1.1 no such user"] {
        let failure = Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
        for (diverted_from, expected) in [(Some(&home), "held"), (None, "bounced")] {
            let attempt = Attempt {
                diverted_from,
                finals: &finals,
                ..attempt(&cloud, Known::Ours)
            };
            let event = settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5);
            assert_eq!(event.name(), expected, "{line}");
        }
    }
}

/// Decision 6: what the config calls final is no case, and a trial that is refused alike only
/// goes on waiting. Who refused for good is kept when it is one of our backends.
#[test]
fn final_causes_and_trials() {
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let failure = |line: &str| Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
    let unknown = failure("550 5.1.1 <ann@example.org> no such user");
    let finals = ["550 5.1.1 no such user".parse().unwrap()];
    let alike = failure("550 5.1.1 <bob@example.org> no such user");
    let case = CaseKey::of(&BackendId::new("cloud"), &alike).id();
    let event = |failure: &Failure, finals, trial| {
        let attempt = Attempt {
            finals,
            trial,
            ..attempt(&cloud, Known::Ours)
        };
        settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5)
    };
    let RecipientEvent::Bounced { backend, .. } = event(&unknown, &finals, Some(case)) else {
        panic!("not final");
    };
    assert_eq!(backend, Some(BackendId::new("cloud")));
    let waits = event(&unknown, &[], Some(case));
    assert!(matches!(
        waits,
        RecipientEvent::Deferred { counts: false, .. }
    ));
    let other = event(&failure("550 5.4.1 denied"), &[], Some(case));
    assert_eq!(other.name(), "held");
    let stranger = settled("550 5.1.1 no", Blame::Recipient, &cloud, Known::Stranger);
    assert!(matches!(
        stranger,
        RecipientEvent::Bounced { backend: None, .. }
    ));
}

#[test]
fn a_backend_and_a_stranger_are_treated_differently() {
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let stranger = DeliveryTarget::Domain("example.net".to_owned());
    let table = [
        ("250 2.0.0 ok", Blame::Message, "delivered", "delivered"),
        (
            "450 4.2.0 greylisted",
            Blame::Recipient,
            "deferred",
            "deferred",
        ),
        ("421 4.3.2 closing", Blame::Backend, "deferred", "deferred"),
        (
            "550 5.1.1 no such user",
            Blame::Recipient,
            "held",
            "bounced",
        ),
        (
            "550 5.4.1 Access denied",
            Blame::Recipient,
            "held",
            "bounced",
        ),
        (
            "550 5.7.1 relaying denied",
            Blame::Recipient,
            "held",
            "bounced",
        ),
        (
            "550 5.7.1 Message contains spam",
            Blame::Message,
            "bounced",
            "bounced",
        ),
        ("552 5.3.4 too big", Blame::Message, "bounced", "bounced"),
        ("554 5.6.0 bad MIME", Blame::Message, "bounced", "bounced"),
        ("550 no enhanced code", Blame::Recipient, "held", "bounced"),
        (
            "554 5.7.1 You are not welcome",
            Blame::Backend,
            "deferred",
            "bounced",
        ),
    ];
    for (line, blame, ours, theirs) in table {
        let event = settled(line, blame, &cloud, Known::Ours);
        assert_eq!(event.name(), ours, "{line} from a backend");
        let event = settled(line, blame, &stranger, Known::Stranger);
        assert_eq!(event.name(), theirs, "{line} from a stranger");
        // I10: one of ours whose mail goes to a host outside.
        let event = settled(line, blame, &stranger, Known::Ours);
        assert_eq!(
            event.name(),
            ours,
            "{line} from a stranger, for one of ours"
        );
    }
}

/// RFC 6531 §3.6: what needs SMTPUTF8 and cannot have it.
#[test]
fn a_backend_without_smtputf8_makes_people_wait_and_strangers_a_report() {
    let reply = Reply::parse(&["550 5.6.7 Not sent: the message needs SMTPUTF8"]).unwrap();
    let failure = Failure {
        cause: Some(Cause::Lacking),
        ..Failure::replied(Blame::Recipient, reply)
    };
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let event = |known| {
        let outcome = Outcome::Failed(failure.clone());
        settle(outcome, &attempt(&cloud, known), NOW, 0.5).name()
    };
    assert_eq!(event(Known::Ours), "held");
    assert_eq!(event(Known::Stranger), "bounced");
}

/// Whether a backend takes mail again is found out by probes: its trouble uses up no retries and
/// makes no wait longer.
#[test]
fn trouble_of_a_backend_uses_up_no_retries() {
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let stranger = DeliveryTarget::Domain("example.net".to_owned());
    let closing = "421 4.3.2 closing";
    for (line, blame, target, expected) in [
        (closing, Blame::Backend, &cloud, (false, 9)),
        (closing, Blame::Backend, &stranger, (true, 1_012)),
        (
            "450 4.2.0 greylisted",
            Blame::Recipient,
            &cloud,
            (true, 1_012),
        ),
    ] {
        let failure = Failure::replied(blame, Reply::parse(&[line]).unwrap());
        let attempt = Attempt {
            attempts: 2,
            ..attempt(target, Known::Ours)
        };
        let event = settle(Outcome::Failed(failure), &attempt, NOW, 0.5);
        let RecipientEvent::Deferred { counts, due, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!((counts, due.since(NOW).as_secs()), expected, "{line}");
    }
}

/// A platform that stores a message and then cuts the connection gets a copy with each attempt.
#[test]
fn what_may_have_arrived_is_tried_more_and_more_seldom() {
    let cloud = DeliveryTarget::Backend(BackendId::new("cloud"));
    let stranger = DeliveryTarget::Domain("example.net".to_owned());
    for target in [&cloud, &stranger] {
        for (attempts, expected) in [(0, 30), (1, 300), (2, 900), (3, 1_800), (9, 3_600)] {
            let mut failure = Failure::without_reply(Blame::Backend, "cut after the dot");
            failure.uncertain = true;
            let attempt = Attempt {
                attempts,
                ..attempt(target, Known::Ours)
            };
            let event = settle(Outcome::Failed(failure), &attempt, NOW, 0.0);
            let RecipientEvent::Deferred { counts, due, .. } = event else {
                panic!("{event:?}");
            };
            let told = (counts, due.since(NOW).as_secs());
            assert_eq!(told, (true, expected), "{target} {attempts}");
        }
    }
}

#[test]
fn old_mail_is_given_up_for_strangers_only() {
    let target = DeliveryTarget::Domain("example.net".to_owned());
    let almost = schedule::GIVE_UP.saturating_sub(Duration::from_secs(1));
    for (known, age, expected) in [
        (Known::Ours, schedule::GIVE_UP, "deferred"),
        (Known::Stranger, schedule::GIVE_UP, "bounced"),
        (Known::Stranger, almost, "deferred"),
    ] {
        let attempt = Attempt {
            target: &target,
            delivery_address: "ann@example.net",
            known,
            attempts: 60,
            received: NOW.before(age),
            tls: None,
            diverted_from: None,
            finals: &[],
            trial: None,
            doubt: Doubt::Message,
            relaying: Doubt::Message,
        };
        let failure = Failure::without_reply(Blame::Backend, "connection refused");
        let event = settle(Outcome::Failed(failure), &attempt, NOW, 0.0);
        assert_eq!(event.name(), expected, "{known:?} {age:?}");
    }
}

/// Anybody can write a message that wants more than a backend offers: other mail goes on.
#[test]
fn what_wants_too_much_says_nothing_about_a_backend() {
    let backend = DeliveryTarget::Backend(BackendId::new("onprem"));
    for (line, is_about_us) in [
        ("550 5.6.7 The message needs SMTPUTF8", false),
        (
            "550 5.7.30 The message requires TLS on its whole way",
            false,
        ),
        ("550 5.7.1 Relaying denied", true),
        // Said by a server it is about a login; what we say ourselves follows.
        ("550 5.7.10 Encryption needed", true),
    ] {
        let reply = Reply::parse(&[line]).unwrap();
        let failure = Failure {
            cause: Some(Cause::Policy),
            ..Failure::replied(Blame::Recipient, reply)
        };
        assert_eq!(counts_as_rejected(&failure), is_about_us, "{line}");
        for (known, expected) in [
            (Known::Ours, "held"),
            (
                Known::Stranger,
                if is_about_us { "deferred" } else { "bounced" },
            ),
        ] {
            let attempt = attempt(&backend, known);
            let event = settle(Outcome::Failed(failure.clone()), &attempt, NOW, 0.5);
            assert_eq!(event.name(), expected, "{line} {known:?}");
        }
    }
    let reply = Reply::parse(&["550 5.7.10 Not sent: the message requires TLS"]).unwrap();
    let failure = Failure {
        cause: Some(Cause::Lacking),
        ..Failure::replied(Blame::Recipient, reply)
    };
    assert!(!counts_as_rejected(&failure));
    let attempt = attempt(&backend, Known::Stranger);
    let event = settle(Outcome::Failed(failure), &attempt, NOW, 0.5);
    assert_eq!(event.name(), "bounced");
}
