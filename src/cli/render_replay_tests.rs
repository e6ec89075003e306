use super::*;
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::queue::replay::{
    Biggest, Counts, Refused, Replay, ReplayDeed, Selection, Skip, Skipped, Unasked,
};
use crate::terminal::Palette;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn page() -> Page {
    Page {
        palette: Palette::Plain,
        now: NOW,
    }
}

fn plan() -> Plan {
    Plan {
        messages: 1204,
        recipients: 1300,
        bytes: 5 << 20,
        withheld: 4,
        skipped: vec![Skipped {
            reason: Skip::Already,
            text: Skip::Already.text().to_owned(),
            recipients: 7,
        }],
        biggest: vec![Biggest {
            mailbox: "ann@example.org".to_owned(),
            messages: 900,
            bytes: 3 << 20,
            eta_seconds: 2100,
        }],
        eta_seconds: 2100,
        unasked: vec![Unasked {
            mailbox: "bob@example.org".to_owned(),
            why: "no".to_owned(),
            recipients: 3,
        }],
    }
}

pub(in crate::cli) fn progress(state: ReplayState) -> Progress {
    Progress {
        told: state.word().to_owned(),
        waiting: 10,
        under_way: 2,
        total: 20,
        eta_seconds: Some(90),
        waits_for: None,
        replay: Replay {
            id: "r3".to_owned(),
            to: BackendId::new("onprem"),
            selection: Selection::default(),
            state,
            plan: plan(),
            counts: Counts {
                found: 20,
                delivered: 9,
                uncertain: 1,
                refused: 1,
                left_out: 0,
                present: 0,
                not_asked: 0,
                unasked: Vec::new(),
                refusals: vec![Refused {
                    reply: "550 5.1.1 no such user".to_owned(),
                    recipients: 1,
                    example: "06J8Z4K2M0001 0".to_owned(),
                }],
            },
            deeds: vec![ReplayDeed {
                at: NOW,
                state,
                actor: "root".to_owned(),
                reason: "too fast".to_owned(),
            }],
        },
    }
}

#[test]
fn a_plan_says_what_how_long_and_what_not() {
    let text = page().replay_plan(&ReplayPlanView {
        id: "r3".to_owned(),
        to: BackendId::new("onprem"),
        told: "accepted from a to b".to_owned(),
        selection: Selection::default(),
        plan: plan(),
    });
    for part in [
        "1204 messages for 1304 recipients",
        "4 of them wait",
        "about 35 min",
        "7: a replay has brought them",
        "bob@example.org (3): no",
        "ann@example.org",
        "tideover replay start r3",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn a_replay_shows_how_far_it_is_and_what_was_refused() {
    let text = page().replay(&progress(ReplayState::Paused));
    for part in [
        "paused since",
        "by root: too fast",
        "[############------------] 10 of 20: 9 delivered, 1 refused",
        "9, 1 of them perhaps twice",
        "1: 550 5.1.1 no such user (for example 06J8Z4K2M0001 0)",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let running = progress(ReplayState::Running);
    assert!(page().replay(&running).contains("done in about"));
    assert!(line(&running).contains("r3 to onprem: running, 10 of 20, done in about"));
    assert!(page().replays(&[&running]).contains("running"));
    assert_eq!(page().replays(&[]), "no replays\n");
}

/// "18 of 18" alone looks as if all had been brought.
#[test]
fn a_replay_that_brought_nothing_does_not_look_well() {
    let mut over = progress(ReplayState::Done);
    over.replay.counts = Counts {
        refused: 3,
        left_out: 15,
        ..Counts::default()
    };
    over.total = 18;
    let text = page().replay(&over);
    assert!(
        text.contains("] 18 of 18: 0 delivered, 3 refused"),
        "{text}"
    );
    let coloured = |counts: Counts| {
        let mut one = over.clone();
        one.replay.counts = counts;
        let palette = Palette::Colour;
        Page { palette, now: NOW }.replays(&[&one])
    };
    let amber = Palette::Colour.paint(Tone::Waiting, "done");
    assert!(coloured(over.replay.counts.clone()).contains(&amber));
    let all = Counts {
        delivered: 10,
        present: 8,
        ..Counts::default()
    };
    assert!(!coloured(all).contains(&amber));
}

#[test]
fn a_replay_of_nothing_waits_for_nothing() {
    let mut nothing = progress(ReplayState::Running);
    nothing.total = 0;
    nothing.waits_for = Some("cloud is down".to_owned());
    nothing.replay.counts = Counts::default();
    for text in [line(&nothing), page().replay(&nothing)] {
        assert!(!text.contains("waits"), "{text}");
        assert!(!text.contains("about"), "{text}");
    }
}

#[test]
fn a_bar_is_never_longer_than_it_is() {
    assert!(bar(0, 0).contains(&"#".repeat(24)));
    assert!(bar(30, 20).starts_with(&format!("[{}]", "#".repeat(24))));
    assert!(bar(0, 20).starts_with(&format!("[{}]", "-".repeat(24))));
}
