//! The pages of the verbs that change something, line by line.

use super::cases::{bounced, text_of};
use super::render::Page;
use crate::admin::{
    BackendDetails, BackendView, CaseReleased, CaseView, DrainView, HoldView, MoveReport, MoveView,
    ProbeView,
};
use crate::backend::{Became, Health, HealthChange, Protocol, TlsPolicy};
use crate::base::Timestamp;
use crate::mail::{BackendId, CaseKind, Cause, SpoolId};
use crate::queue::{CaseTrial, Tally, TrialOutcome};
use crate::route::{Check, MoveState, MoveStep, Selection, Weight};
use crate::terminal::{Palette, WIDTH, columns};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const HOUR: u64 = 3600;

fn page() -> Page {
    Page {
        palette: Palette::Plain,
        now: NOW,
    }
}

fn ago(seconds: u64) -> Timestamp {
    NOW.before(std::time::Duration::from_secs(seconds))
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
    }
    assert!(text.ends_with('\n'), "{text}");
}

/// One blank for each row of blanks, so that a test tells the words and not the widths.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hold(name: &str, reason: &str) -> HoldView {
    HoldView {
        name: name.to_owned(),
        what: "mail to @example.org".to_owned(),
        selection: Selection::default(),
        actor: "root".to_owned(),
        reason: reason.to_owned(),
        since: NOW,
        until: None,
        held: 412,
        messages: 400,
        oldest: Some(ago(HOUR)),
        already: false,
    }
}

#[test]
fn holds_are_a_table() {
    assert_eq!(page().holds(&[]), "no holds\n");
    let long =
        "the mailboxes of the whole department are moved, and nobody knows how long it takes";
    let text = page().holds(&[hold("h1", "patches"), hold("h2", long)]);
    fits(&text);
    let lines: Vec<String> = text.lines().map(words).collect();
    assert_eq!(lines[0], "HOLD WHAT SINCE UNTIL HELD BY REASON");
    assert!(lines[1].starts_with("h1 mail to"), "{text}");
    assert!(lines[1].ends_with("released 412 root patches"), "{text}");
}

fn the_move(domain: &str, decide_at: Option<Timestamp>) -> MoveView {
    MoveView {
        domain: domain.to_owned(),
        state: MoveState::Moving,
        since: NOW,
        ended: None,
        held: 7,
        messages: 5,
        oldest: Some(ago(50 * HOUR)),
        decide_at,
        actor: "ann".to_owned(),
        reason: "to the cloud".to_owned(),
        home: Some(BackendId::new("onprem")),
    }
}

#[test]
fn a_move_has_a_countdown_and_its_reason() {
    let left = NOW.after(std::time::Duration::from_secs(118 * HOUR));
    let text = page().moves(&[the_move("example.org", Some(left))]);
    fits(&text);
    let lines: Vec<String> = text.lines().map(words).collect();
    assert_eq!(lines[0], "DOMAIN STATE SINCE HELD OLDEST DECIDE IN HOME BY");
    assert!(lines[1].contains("7 2 days 4 days onprem ann"), "{text}");
    assert_eq!(lines[2], "example.org: to the cloud");
    assert_eq!(lines.len(), 3, "{text}");

    let text = page().moves(&[the_move(
        "a.very.long.domain.of.a.department.example.org",
        Some(NOW),
    )]);
    fits(&text);
    assert!(words(&text).contains("now onprem ann"), "{text}");
    assert!(
        words(&text).contains("is on the move for too long: `tideover move finish"),
        "{text}"
    );
    let none = page().moves(&[MoveView {
        oldest: None,
        held: 0,
        ..the_move("example.org", None)
    }]);
    assert!(words(&none).contains("0 - - onprem ann"), "{none}");
}

fn report(checks: Vec<Check>) -> MoveReport {
    MoveReport {
        domain: "example.org".to_owned(),
        step: MoveStep::Finish,
        done: false,
        permitted: false,
        checks,
        the_move: None,
    }
}

#[test]
fn the_checks_of_a_step_are_a_list() {
    let check = |what: &str, ok, weight, detail: &str| Check {
        what: what.to_owned(),
        ok,
        weight,
        detail: detail.to_owned(),
    };
    let long =
        "cloud is down since 10:02: no answer in 30 s from 192.0.2.17:25 and none from the next";
    let text = page().checks(&report(vec![
        check("example.org is on the move", true, Weight::Must, ""),
        check("cloud takes mail", false, Weight::Should, long),
        check(
            "all its mail goes to one new home",
            false,
            Weight::Note,
            "as before",
        ),
    ]));
    fits(&text);
    let lines: Vec<String> = text.lines().map(words).collect();
    assert_eq!(lines[0], "move finish example.org");
    assert_eq!(lines[1], "yes example.org is on the move");
    assert_eq!(lines[2], "NO cloud takes mail");
    assert_eq!(lines[5], "note all its mail goes to one new home");
}

fn case(outcome: TrialOutcome) -> CaseView {
    CaseView {
        id: "f993269bb666".parse().unwrap(),
        backend: BackendId::new("cloud"),
        code: 550,
        enhanced: "5.4.1".parse().ok(),
        text: "Recipient address rejected: Access denied. *".to_owned(),
        cause: Cause::Recipient,
        recipients: 412,
        waiting: 3,
        since: NOW,
        trial: Some(trial(outcome)),
    }
}

fn trial(outcome: TrialOutcome) -> CaseTrial {
    CaseTrial {
        actor: "ann".to_owned(),
        reason: String::new(),
        at: NOW,
        id: SpoolId::from_u64(77),
        recipient: 0,
        outcome,
    }
}

fn outcomes() -> [TrialOutcome; 3] {
    let what = "cloud says 550 5.4.1 Recipient address rejected: Access denied. AS(201806281) \
                [BN8NAM12FT065.eop-nam12.prod.protection.outlook.com 2026-01-02T10:02:00.000Z]";
    [
        TrialOutcome::Trying,
        TrialOutcome::Refused {
            what: what.to_owned(),
            at: NOW,
        },
        TrialOutcome::Released {
            still_held: [("h1".to_owned(), 2)].into(),
            at: NOW,
        },
    ]
}

#[test]
fn cases_and_their_trials_fit() {
    assert_eq!(page().cases(CaseKind::Open, &[]), "no cases\n");
    for outcome in outcomes() {
        let of_final = page().cases(CaseKind::Final, &[case(outcome.clone())]);
        assert!(
            words(&of_final).starts_with("CASE BACKEND REFUSED "),
            "{of_final}"
        );
        let text = page().cases(CaseKind::Open, &[case(outcome.clone())]);
        fits(&text);
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[0], "CASE BACKEND HELD WAITING SINCE REPLY");
        assert!(lines[1].starts_with("f993269bb666 cloud 412 3"), "{text}");
        assert!(
            lines[2].starts_with("f993269bb666 released by ann at"),
            "{text}"
        );
        let released = CaseReleased {
            id: "f993269bb666".parse().unwrap(),
            trial: trial(outcome),
            recipients: 412,
        };
        let text = text_of(&released);
        fits(&text);
        assert!(words(&text).contains(" went first and "), "{text}");
    }
    let held_on = CaseReleased {
        id: "f993269bb666".parse().unwrap(),
        trial: trial(TrialOutcome::HeldOn {
            still_held: [("@example.org".to_owned(), 7), ("h1".to_owned(), 1)].into(),
            at: NOW,
        }),
        recipients: 0,
    };
    let text = text_of(&held_on);
    fits(&text);
    assert_eq!(
        words(&text),
        "case f993269bb666 is released, and none of it could be tried: 7 recipients wait on \
         because of the move of example.org; 1 recipient waits on because of hold h1"
    );
    // What could not be released is told, also behind one that was accepted.
    for outcome in [outcomes()[2].clone(), held_on.trial.outcome.clone()] {
        let left = CaseReleased {
            trial: trial(outcome),
            recipients: 2,
            ..held_on.clone()
        };
        let text = text_of(&left);
        fits(&text);
        assert!(words(&text).contains("because of hold h1"), "{text}");
        assert!(
            words(&text).contains("still in the case: 2 recipients"),
            "{text}"
        );
    }
    let text = page().cases(CaseKind::Open, &[case(held_on.trial.outcome)]);
    fits(&text);
    assert!(
        words(&text).contains("7 recipients wait on because"),
        "{text}"
    );
}

#[test]
fn what_was_bounced_fits() {
    let tally = Tally {
        recipients: 412,
        messages: 400,
        ..Tally::default()
    };
    let text = bounced(&tally);
    fits(&text);
    assert!(
        text.starts_with("bounced 412 recipients of 400 messages;"),
        "{text}"
    );
}

#[test]
fn a_backend_is_shown_with_its_history() {
    let change = |number: u64, became, reason: &str, actor: &str| HealthChange {
        number,
        at: ago(100 - number),
        became,
        reason: reason.to_owned(),
        actor: actor.to_owned(),
        case: None,
        refused_at_rcpt: Vec::new(),
        failing: false,
    };
    let mut history: Vec<HealthChange> = (0..11)
        .map(|number| change(number, Became::Slow, "451 4.7.500 Server busy", ""))
        .collect();
    history.push(change(
        12,
        Became::Drained,
        "disks are changed this weekend",
        "root",
    ));
    let text = page().backend(&BackendDetails {
        backend: BackendView {
            name: BackendId::new("onprem"),
            health: Health::Rejecting,
            failing: false,
            reason: "5 recipients were refused alike".to_owned(),
            since: NOW,
            operator: Some("drained by root since 2026-11-18 10:02 UTC: disks".to_owned()),
            wish: None,
            hosts: Vec::new(),
            waiting: 0,
            in_cases: Some(7),
            diverted: 0,
            drain: DrainView::default(),
        },
        protocol: Protocol::Smtp,
        tls: TlsPolicy::Required,
        tls_proof: Vec::new(),
        username: None,
        max_connections: 8,
        messages_per_minute: 0,
        mailbox_messages_per_minute: 30,
        mailbox_messages_per_hour: 1000,
        sender_messages_per_minute: 30,
        sender_recipients_per_day: 10_000,
        max_recipients: 500,
        slow_open: true,
        probe: ProbeView {
            interval_seconds: 10,
            down_after: 3,
            up_after: 3,
            recipient: None,
        },
        asked: "ann@example.org at 2026-11-18T10:02:00.000Z: 550 5.1.1 unknown".to_owned(),
        history,
    });
    fits(&text);
    let lines: Vec<String> = text.lines().map(words).collect();
    let first = lines.iter().position(|line| line.starts_with("history "));
    let first = &lines[first.unwrap()];
    assert!(
        first.contains("drained by root: disks are changed"),
        "newest first: {text}"
    );
    assert!(text.contains("slow: 451 4.7.500 Server busy"), "{text}");
    assert!(text.ends_with("and 2 earlier ones: --json\n"), "{text}");
    // The drain hides nothing of how it is.
    assert!(lines[1].contains("rejecting"), "{text}");
    assert!(text.contains("refused alike"), "{text}");
    assert!(text.contains("ann@example.org at "), "{text}");
}
