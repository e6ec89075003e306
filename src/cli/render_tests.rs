//! Pages as text.

use super::*;
use crate::admin::{
    AttentionView, CaseNumbers, DrainView, EventView, ExpandedView, IndexView, PeerView,
    QueueNumbers, SpoolNumbers, TlsWish,
};
use crate::directory::Entry;
use crate::mail::{AuthMethod, AuthResult, BackendId, MethodResult, SpoolId, Verdict};
use crate::queue::Progress;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn page() -> Page {
    Page {
        palette: Palette::Plain,
        now: NOW,
    }
}

fn backend(name: &str, health: Health, reason: &str) -> BackendView {
    BackendView {
        name: BackendId::new(name),
        health,
        failing: false,
        reason: reason.to_owned(),
        since: NOW,
        operator: None,
        wish: None,
        hosts: Vec::new(),
        waiting: 412,
        in_cases: Some(99),
        diverted: 7,
        drain: DrainView {
            progress: Progress {
                window: Some(3),
                connections: 3,
                per_minute: Some(60),
                mailbox_seconds: 0,
                turn_seconds: 0,
            },
            eta_seconds: Some(412),
        },
    }
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
    }
}

#[test]
fn one_that_fails_all_mail_is_as_bad_as_one_that_is_down() {
    let page = Page {
        palette: Palette::Colour,
        now: NOW,
    };
    for (health, failing, colour) in [
        (Health::Up, false, 32),
        (Health::Slow, false, 33),
        (Health::Slow, true, 31),
        (Health::Down, false, 31),
        (Health::Rejecting, false, 31),
    ] {
        let mut one = backend("onprem", health, "");
        one.failing = failing;
        let expected = format!("\x1b[{colour}m{}", health.as_str());
        let text = page.backends(&[one]);
        assert!(text.contains(&expected), "{expected}: {text}");
    }
}

fn five_of_six() -> crate::admin::Covered {
    crate::admin::Covered {
        mailboxes: 6,
        enrolled: 5,
        second_factor: 0,
        invited: 1,
        percent: 83,
    }
}

#[test]
fn what_went_elsewhere_is_offered_when_its_home_is_back() {
    let offer = "it is up: `tideover replay plan --diverted --to onprem`";
    let away = page().drain(&backend("onprem", Health::Down, "refused"));
    assert!(away.contains("7 of onprem went to another backend") && !away.contains(offer));
    let back = page().drain(&backend("onprem", Health::Up, ""));
    let words: Vec<_> = back.split_whitespace().collect();
    assert!(words.join(" ").contains(offer), "{back}");
}

#[test]
fn who_waits_for_the_rates_of_his_mailbox_is_told_so() {
    let words = |backend: &BackendView| -> String {
        let text = page().drain(backend);
        fits(&text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let told = "onprem: the rates of mailboxes hold mail back; the fullest has all in 32 min";
    let mut up = backend("onprem", Health::Up, "");
    assert!(!words(&up).contains("rates of mailboxes"));
    up.drain.progress.mailbox_seconds = 1_964;
    up.drain.progress.connections = 0;
    let failed = words(&up);
    assert!(
        !failed.contains("rates of mailboxes"),
        "it has failed: {failed}"
    );
    up.drain.progress.turn_seconds = 1_964;
    assert!(words(&up).contains(told), "{}", words(&up));
    let down = BackendView {
        health: Health::Down,
        ..up
    };
    assert!(!words(&down).contains("rates of mailboxes"));
}

fn nearly_read() -> SpoolNumbers {
    SpoolNumbers {
        index: Some(IndexView {
            percent: 43,
            seconds_left: Some(60),
            text: "43 % of the log is read, about 60 s left".to_owned(),
        }),
        missing: Some(Missing {
            segments: 1,
            named: vec![3],
            waiting: 12,
            recipients: 20,
            finished: 0,
        }),
        ..SpoolNumbers::default()
    }
}

fn tells_who_waits(text: &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let vain = "; of these 20 cannot be read (segment 3 is missing or cut short)";
    assert!(words.join(" ").contains(vain), "{text}");
    assert!(text.contains("1 may have arrived twice"), "{text}");
    assert!(
        text.contains("3 queued, 412 held, the oldest for 10 min"),
        "{text}"
    );
    let disputed = "directory     2 conflicts are open: `tideover directory conflicts`";
    assert!(text.contains(disputed), "{text}");
}

#[test]
fn status_fits_and_tells_what_waits() {
    let reason = "connection refused by 127.0.0.1:2601 while greeting, and again and again";
    let text = page().status(&StatusView {
        webmail: None,
        enrolled: Some(five_of_six()),
        sources: Vec::new(),
        open_conflicts: 2,
        filters: Vec::new(),
        cases: CaseNumbers {
            cases: Some(1),
            recipients: Some(412),
            unknown: None,
        },
        attention: AttentionView {
            after_seconds: 7 * 86_400,
            messages: 12,
            more: false,
            next: None,
        },
        holds: Vec::new(),
        waves: Vec::new(),
        replays: Vec::new(),
        missing_mail: 0,
        health: None,
        open_relay: None,
        refusing: None,
        busy: None,
        red_drills: Vec::new(),
        certificates: Vec::new(),
        sending: Vec::new(),
        moves: Vec::new(),
        all_moving: false,
        version: "0.1.0".to_owned(),
        now: NOW,
        backends: vec![
            backend("onprem", Health::Down, reason),
            backend("cloud", Health::Up, ""),
        ],
        queue: QueueNumbers {
            queued: 3,
            held: 412,
            uncertain: 1,
            oldest: Some(NOW.before(std::time::Duration::from_secs(600))),
        },
        spool: nearly_read(),
    });
    assert!(text.contains("83 % enrolled, 5 of 6"), "{text}");
    fits(&text);
    assert!(text.contains("onprem   down"), "{text}");
    tells_who_waits(&text);
    assert!(
        !text.contains("replay plan --diverted --to onprem"),
        "{text}"
    );
    assert!(
        text.contains("decide        12 messages wait for more than 7 days"),
        "{text}"
    );
    assert!(text.contains("43 % of the log is read"), "{text}");
    assert!(
        text.contains("onprem: 60 a minute over 3 connections, done in about 6 min"),
        "{text}"
    );
    assert!(
        text.contains("7 of onprem went to another backend"),
        "{text}"
    );
    assert!(!text.contains('\x1b'));
}

fn event(event: &str, detail: &str) -> EventView {
    EventView {
        at: NOW,
        event: event.to_owned(),
        detail: detail.to_owned(),
    }
}

#[test]
fn a_trace_fits_and_keeps_words_whole() {
    let message = MessageView {
        id: SpoolId::from_u64(77),
        message_id: Some("a@b".to_owned()),
        received: NOW,
        from: String::new(),
        header_from: None,
        subject: Some("Grüße \x1b[31m".repeat(12)),
        size: 2048,
        peer: PeerView {
            address: String::new(),
            helo: String::new(),
            protocol: "dsn".to_owned(),
            tls: None,
            certificate: None,
            user: None,
            device: None,
        },
        tls_wish: Some(TlsWish::Required),
        expanded: Some(ExpandedView {
            message: SpoolId::from_u64(76),
            group: "team@example.org".to_owned(),
        }),
        verdict: Some(Verdict {
            results: vec![
                MethodResult::new(AuthMethod::Dkim, AuthResult::Fail)
                    .because("the body was changed")
                    .of("header.d", "sender.example"),
                MethodResult::new(AuthMethod::Arc, AuthResult::None),
            ],
            ..Verdict::default()
        }),
        filtered: Vec::new(),
        automatic: None,
        recipients: vec![RecipientView {
            address: "ann@example.org".to_owned(),
            state: ShownState::Held,
            reason: "onprem is down since 10:02: no answer in 30 s from 192.0.2.17:25, then \
                     from 192.0.2.18:25"
                .to_owned(),
            backend: Some(BackendId::new("onprem")),
            delivery_address: None,
            reply: None,
            due: None,
            attempts: 0,
            uncertain: true,
            diverted_from: None,
            events: vec![
                event("accepted", "from mx.example.net [192.0.2.1:4711] (ESMTPS)"),
                event(
                    "deferred",
                    "by onprem: 451 4.3.0 the mail store is not there at the \
                     moment, please come again",
                ),
                event("interrupted", "before it was sent"),
            ],
        }],
    };
    let text = page().message(&message);
    fits(&text);
    let told = "required on the whole way (REQUIRETLS)";
    assert!(text.contains(told), "{text}");
    assert!(
        text.contains("ann@example.org  held (a copy may have come twice)"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text}");
    assert!(text.contains("deferred   by onprem: 451 4.3.0"), "{text}");
    assert!(text.contains("interrupted before it was sent"), "{text}");
}

/// What was given up is not said to have come twice.
#[test]
fn an_end_says_that_it_may_have_arrived() {
    let told = |state, uncertain| {
        let recipient = RecipientView {
            address: "ann@example.org".to_owned(),
            state,
            reason: String::new(),
            backend: None,
            delivery_address: None,
            reply: None,
            due: None,
            attempts: 0,
            uncertain,
            diverted_from: None,
            events: Vec::new(),
        };
        page().recipient(&recipient)
    };
    for state in [ShownState::Bounced, ShownState::Dropped] {
        let text = told(state, true);
        assert!(
            text.contains(" (it may have arrived all the same)"),
            "{text}"
        );
        assert!(!told(state, false).contains('('));
    }
    let text = told(ShownState::Delivered, true);
    assert!(text.contains(" (a copy may have come twice)"), "{text}");
}

#[test]
fn a_longer_queue_says_how_to_go_on() {
    let item = |number| QueueItem {
        id: SpoolId::from_u64(number),
        recipient: "somebody.with.a.long.name@department.example.org".to_owned(),
        state: ShownState::Queued,
        reason: String::new(),
        backend: None,
        due: Some(NOW),
        attempts: 0,
        received: NOW,
        from: String::new(),
        subject: None,
    };
    let items: Vec<_> = (0..3).map(item).collect();
    let text = page().queue(&items, 10, 2);
    fits(&text);
    assert!(text.ends_with("there is more: --skip 12\n"), "{text}");
    assert_eq!(text.lines().count(), 4);
    assert_eq!(page().queue(&[], 0, 2), "nothing waits\n");
}

#[test]
fn a_longer_directory_says_how_to_go_on() {
    let entries: Vec<Entry> = (0..3)
        .map(|number| {
            let address = format!("u{number}@example.org");
            serde_json::from_value(serde_json::json!({ "address": address })).unwrap()
        })
        .collect();
    let text = page().entries(&entries, (100, 2));
    fits(&text);
    assert!(text.ends_with("there is more: --skip 102\n"), "{text}");
    assert_eq!(text.lines().count(), 4);
    let text = page().entries(&entries, (0, 3));
    assert!(
        !text.contains("more") && text.lines().count() == 4,
        "{text}"
    );
    // The server gives no more than a page.
    assert_eq!(page().more(999, (0, 1000)), "");
    let told = page().more(1000, (1000, 1000));
    assert_eq!(told, "there may be more: --skip 2000\n");
}

#[test]
fn words_longer_than_the_line_stay_whole() {
    assert_eq!(wrap("a bb cccccc d", 4), ["a bb", "cccccc", "d"]);
    assert_eq!(wrap("", 4), [""]);
}

#[test]
fn what_is_not_known_of_cases_is_told() {
    let failed = CaseNumbers {
        unknown: Some("the index of the spool: it is gone".to_owned()),
        ..CaseNumbers::default()
    };
    let told = page().cases_waiting(&failed);
    assert!(told.contains("not known: the index"), "{told}");
    let none = CaseNumbers {
        cases: Some(0),
        recipients: Some(0),
        unknown: None,
    };
    assert_eq!(page().cases_waiting(&none), "");
    let unknown = BackendView {
        in_cases: None,
        ..backend("onprem", Health::Up, "")
    };
    let table = page().backends(&[unknown]);
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][4], "CASES", "{table}");
    assert_eq!(lines[1][3..], ["412", "?"], "{table}");
}
