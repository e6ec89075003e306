use proptest::prelude::*;

use super::*;
use crate::mail::{BackendId, Failure, Said};
use crate::smtp::Reply;

const INTERVAL: Duration = Duration::from_secs(10);

fn case(line: &str) -> CaseKey {
    let failure = Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
    CaseKey::of(&BackendId::new("cloud"), &failure)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A small letter is a recipient refused with 5.4.1, a large one with 5.1.1, `+` an acceptance;
/// a digit lets that many minutes pass. The steps, counted from 1, after which it is rejecting.
fn play(script: &str) -> Option<usize> {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    let (denied, unknown) = (case("550 5.4.1 Access denied"), case("550 5.1.1 unknown"));
    let mut now = at(1000);
    for (place, step) in script.chars().enumerate() {
        let opened = match step {
            '+' => {
                assert!(!breaker.accepted(now));
                false
            }
            minutes if minutes.is_ascii_digit() => {
                let minutes = u64::from(minutes.to_digit(10).unwrap());
                now = now.after(Duration::from_secs(60 * minutes));
                false
            }
            big if big.is_uppercase() => {
                breaker.refused((&unknown, Ground::Recipient), &big.to_string(), now)
            }
            small => breaker.refused((&denied, Ground::Recipient), &small.to_string(), now),
        };
        if opened {
            return Some(place + 1);
        }
    }
    None
}

#[test]
fn five_different_recipients_alike_and_none_accepted() {
    for (script, expected) in [
        ("abcde", Some(5)),
        ("abcd", None),
        ("aaaaaaaaaa", None),
        ("abcdabcdabcd", None),
        ("abcd+e", None),
        ("abcd+efghi", Some(10)),
        ("abABcdCDeE", Some(9)),
        ("abcdABCD", None),
        // The fifth comes when the first is too old.
        ("a3bcd3e", None),
        ("a3bcd2e", Some(7)),
        ("a3bcd3ef", Some(8)),
        // Who is refused again is as young as his last refusal.
        ("ab3a3cde", None),
        ("ab3a3cdef", Some(9)),
    ] {
        assert_eq!(play(script), expected, "{script}");
    }
}

#[test]
fn one_trial_for_each_interval_and_the_first_acceptance_ends_it() {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    let denied = case("550 5.4.1 Access denied");
    assert!(!breaker.take_trial(at(1)));
    for name in ["a", "b", "c", "d", "e"] {
        breaker.refused((&denied, Ground::Recipient), name, at(100));
    }
    let rejecting = breaker.rejecting().unwrap();
    assert_eq!(rejecting.case, denied.id());
    assert_eq!(rejecting.since, at(100));
    assert_eq!(
        rejecting.reason,
        "5 recipients were refused alike: 550 5.4.1 Access denied"
    );
    let trials: Vec<u64> = (100..145)
        .filter(|&second| breaker.take_trial(at(second)))
        .collect();
    assert_eq!(trials, [110, 120, 130, 140]);
    assert_eq!(breaker.next_trial(), Some(at(150)));
    // What is refused meanwhile opens nothing anew.
    assert!(!breaker.refused((&denied, Ground::Recipient), "f", at(145)));
    assert!(breaker.accepted(at(146)));
    assert!(!breaker.accepted(at(147)));
    assert_eq!(breaker.ended(), Some((at(146), End::Accepted)));
    assert_eq!(breaker.rejecting(), None);
    assert_eq!(breaker.next_trial(), None);
}

fn at_rcpt(name: &str) -> RefusedAtRcpt {
    RefusedAtRcpt {
        person: name.to_lowercase(),
        sender: String::new(),
        recipient: format!("{name}@cloud.example"),
    }
}

fn open(breaker: &mut Breaker, case: &CaseKey, now: Timestamp) {
    for name in ["a", "b", "c", "d", "e"] {
        breaker.refused((case, Ground::Recipient), name, now);
    }
    assert!(breaker.rejecting().is_some());
}

fn asked(breaker: &mut Breaker, second: u64) -> Option<String> {
    let whom = breaker.whom_to_ask_for(at(second));
    whom.map(|one| one.recipient)
}

#[test]
fn while_no_mail_can_be_tried_somebody_refused_at_rcpt_is_asked_for() {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    let (denied, other) = (case("550 5.4.1 Access denied"), case("550 5.1.1 unknown"));
    open(&mut breaker, &denied, at(100));
    assert_eq!(asked(&mut breaker, 900), None, "refused elsewhere");
    breaker.accepted(at(1000));
    breaker.note_refused_at_rcpt(&other, at_rcpt("x"));
    open(&mut breaker, &denied, at(1000));
    assert_eq!(asked(&mut breaker, 1900), None, "of another case");
    breaker.accepted(at(2000));
    breaker.note_refused_at_rcpt(&denied, at_rcpt("E"));
    assert_eq!(asked(&mut breaker, 2000), None, "it rejects nobody");
    open(&mut breaker, &denied, at(2000));
    let expected = || Some("E@cloud.example".to_owned());
    for (second, expected) in [(2029, None), (2030, expected())] {
        assert_eq!(asked(&mut breaker, second), expected, "{second}");
    }
    breaker.note_mail_tried(at(2031));
    assert_eq!(asked(&mut breaker, 2060), None, "mail finds it out");
    assert_eq!(asked(&mut breaker, 2061), expected());
    assert_eq!(asked(&mut breaker, 50), expected());
    // After a restart mail has its turn first.
    let mut again = Breaker::new(&RejectingOptions::default(), INTERVAL);
    again.reopen(breaker.rejecting().unwrap().clone(), at(3000));
    let known = Addressee {
        person: "e".to_owned(),
        form: Form::Plain,
    };
    assert_eq!(again.prospect(&known), Prospect::Refused);
    assert_eq!(asked(&mut again, 3029), None);
    assert_eq!(asked(&mut again, 3030), expected());
}

/// One of them may be missing at the backend for good.
#[test]
fn the_last_ones_refused_are_asked_for_in_turn() {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    let (denied, other) = (case("550 5.4.1 Access denied"), case("550 5.1.1 unknown"));
    for name in ["z", "a", "b", "x", "c", "a", "d", "e"] {
        let case = if name == "x" { &other } else { &denied };
        breaker.note_refused_at_rcpt(case, at_rcpt(name));
    }
    open(&mut breaker, &denied, at(100));
    let turn = |breaker: &mut Breaker, times: usize| -> String {
        let all = std::iter::repeat_with(|| asked(breaker, 900)).take(times);
        let names = all.filter_map(|whom| whom?.chars().next());
        names.collect()
    };
    assert_eq!(turn(&mut breaker, 7), "bcadebc");
    // Who is refused by a trial takes the place of who was asked for longest ago.
    breaker.note_refused_at_rcpt(&denied, at_rcpt("f"));
    breaker.note_refused_at_rcpt(&denied, at_rcpt("b"));
    breaker.note_refused_at_rcpt(&other, at_rcpt("y"));
    assert_eq!(turn(&mut breaker, 5), "debcf");
    // Who is in the directory no more is asked for no more.
    breaker.forget_refused("b");
    assert_eq!(turn(&mut breaker, 5), "decfd");
    for name in ["c", "d", "e", "f"] {
        breaker.forget_refused(name);
    }
    assert_eq!(turn(&mut breaker, 1), "");
}

#[test]
fn whom_it_refused_already_is_the_last_to_be_the_trial() {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    let whom = |person: &str, form| Addressee {
        person: person.to_owned(),
        form,
    };
    let plain = |person: &str| whom(person, Form::Plain);
    let tagged = |person: &str| whom(person, Form::Tagged);
    for person in ["a", "x", "y"] {
        breaker.note_taken(person.to_owned());
    }
    breaker.note_refused(&plain("y"));
    open(&mut breaker, &case("550 5.1.1 unknown"), at(100));
    breaker.note_refused(&plain("f"));
    breaker.note_refused(&tagged("g"));
    breaker.note_refused(&tagged("x"));
    for (whom, expected) in [
        (plain("x"), Prospect::Accepted),
        (plain("y"), Prospect::Open),
        (plain("g"), Prospect::Open),
        (tagged("y"), Prospect::Tagged),
        (plain("a"), Prospect::Refused),
        (tagged("a"), Prospect::Refused),
        (plain("f"), Prospect::Refused),
        (tagged("g"), Prospect::Refused),
    ] {
        assert_eq!(breaker.prospect(&whom), expected, "{whom:?}");
    }
    assert!(breaker.take_trial(at(110)));
    assert!(breaker.may_try(&plain("x"), at(120)));
    assert!(!breaker.may_try(&plain("a"), at(139)));
    assert!(breaker.may_try(&plain("a"), at(140)), "nobody else came");
    breaker.accepted(at(150));
    assert_eq!(
        breaker.prospect(&plain("f")),
        Prospect::Open,
        "another time"
    );
}

#[test]
fn it_is_over_when_nothing_is_left_of_what_it_refused() {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    assert!(!breaker.nothing_is_left(at(1)));
    open(&mut breaker, &case("550 5.1.1 unknown"), at(100));
    assert!(!breaker.nothing_is_left(at(1000)));
    assert!(!breaker.nothing_is_left(at(1299)));
    breaker.something_is_left();
    assert!(!breaker.nothing_is_left(at(1300)), "it begins anew");
    assert!(!breaker.nothing_is_left(at(50)), "the clock was set back");
    assert!(!breaker.nothing_is_left(at(349)));
    assert!(breaker.nothing_is_left(at(350)));
    assert_eq!(breaker.ended(), Some((at(350), End::NothingLeft)));
    assert_eq!(breaker.rejecting(), None);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_trials() {
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    for name in ["a", "b", "c", "d", "e"] {
        breaker.refused((&case("550 no"), Ground::Recipient), name, at(100_000));
    }
    assert!(breaker.take_trial(at(50)));
    assert!(!breaker.take_trial(at(55)));
    assert!(breaker.take_trial(at(60)));
}

proptest! {
    /// It opens exactly when the rule says so, computed the slow way.
    #[test]
    fn opens_by_the_rule(
        steps in proptest::collection::vec((0..3_u8, 0..8_u8, 0..90_u64), 0..60),
    ) {
        let options = RejectingOptions::default();
        let mut breaker = Breaker::new(&options, INTERVAL);
        let cases = [case("550 5.4.1 Access denied"), case("550 5.1.1 unknown")];
        let mut now = at(1000);
        let mut history: Vec<(Timestamp, u8, u8)> = Vec::new();
        for (what, who, seconds) in steps {
            now = now.after(Duration::from_secs(seconds));
            let Some(key) = cases.get(usize::from(what)) else {
                breaker.accepted(now);
                history.clear();
                continue;
            };
            let opened = breaker.refused((key, Ground::Recipient), &who.to_string(), now);
            history.push((now, what, who));
            let young = history.iter().filter(|(at, case, _)| {
                *case == what && now.since(*at) <= options.within
            });
            let different: std::collections::BTreeSet<u8> =
                young.map(|(_, _, who)| *who).collect();
            prop_assert_eq!(opened, different.len() >= 5);
            if opened {
                breaker.accepted(now);
                history.clear();
            }
        }
    }
}

/// What may be the sender's own matter says nothing of a backend that accepts mail beside it.
#[test]
fn a_sender_whom_nobody_wants_makes_no_backend_rejecting_that_takes_other_mail() {
    let denied = case("550 5.7.1 your domain is on a list");
    for (seconds, ground, expected) in [
        (5, Ground::Sender, false),
        (59, Ground::Sender, false),
        (60, Ground::Sender, true),
        (5, Ground::Recipient, true),
    ] {
        let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
        breaker.accepted(at(100));
        let names = ["a", "b", "c", "d", "e"].iter();
        let opened: Vec<bool> = names
            .map(|name| breaker.refused((&denied, ground), name, at(100 + seconds)))
            .collect();
        assert_eq!(
            opened.last(),
            Some(&expected),
            "{ground:?} after {seconds} s"
        );
    }
    // Fifty in a row are no chance; people whom nobody knows can be made up.
    for (ground, expected) in [(Ground::Sender, true), (Ground::Unnamed, false)] {
        let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
        breaker.accepted(at(100));
        let opened = (0..50)
            .map(|number: u32| breaker.refused((&denied, ground), &number.to_string(), at(101)));
        assert_eq!(opened.last(), Some(expected), "{ground:?}");
    }
    // Nor do they count when one is refused whom everybody knows.
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    breaker.accepted(at(100));
    let mut refuse = |ground, name: String| breaker.refused((&denied, ground), &name, at(101));
    for number in 0..60 {
        assert!(!refuse(Ground::Unnamed, format!("nobody{number}")));
    }
    for number in 0..45 {
        assert!(!refuse(Ground::Sender, format!("one{number}")));
    }
    for number in 0..4 {
        assert!(
            !refuse(Ground::Recipient, format!("we{number}")),
            "{number}"
        );
    }
    assert!(refuse(Ground::Sender, "another".to_owned()), "fifty");
    // Nor later.
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    breaker.accepted(at(100));
    let mut refuse =
        |ground, name: String, second| breaker.refused((&denied, ground), &name, at(second));
    for number in 0..60 {
        assert!(!refuse(Ground::Unnamed, format!("nobody{number}"), 101));
    }
    assert!(!refuse(Ground::Recipient, "ann".to_owned(), 165));
    for number in 0..4 {
        let opened = refuse(Ground::Unnamed, format!("nobody{number}"), 166);
        assert_eq!(opened, number == 3, "{number}");
    }
    // Nothing was accepted yet.
    let mut breaker = Breaker::new(&RejectingOptions::default(), INTERVAL);
    let ground = Ground::Sender;
    let mut names = ["a", "b", "c", "d", "e"].iter();
    assert!(names.any(|name| breaker.refused((&denied, ground), name, at(100))));
}
