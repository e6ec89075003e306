use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::admin::console::tests::{drilled, healthy, merge, status};

const NOW: &str = "2026-03-02T02:51:00Z";

fn verdict(more: &Value) -> Verdict {
    with_health(more, &healthy())
}

fn with_health(more: &Value, health: &HealthView) -> Verdict {
    let moments = Moments {
        now: NOW.parse().unwrap(),
        zone: TimeZone::UTC,
    };
    let status = status(more);
    let drill = drilled(&[]);
    Verdict::of(Facts {
        status: &status,
        health,
        drill: &drill,
        moments: &moments,
    })
}

fn backend(name: &str, health: &str, more: &Value) -> Value {
    let mut backend = json!({
        "name": name, "health": health, "reason": "", "since": "2026-03-02T02:14:00Z",
        "override": null, "hosts": [], "waiting": 0, "in_cases": 0,
    });
    merge(&mut backend, more);
    backend
}

#[test]
fn the_headline_says_whether_mail_flows() {
    let up = || backend("cloud", "up", &json!({}));
    let down = |waiting: u64| {
        let more = json!({ "waiting": waiting, "reason": "connection refused" });
        backend("onprem", "down", &more)
    };
    let said = |health: &str, wish: &str| {
        let more = json!({ "wish": wish, "override": format!("{wish} by ann") });
        backend("onprem", health, &more)
    };
    let held = || said("up", "hold");
    for (facts, expected) in [
        (json!({ "backends": [up()] }), "Mail flows; nothing waits."),
        (
            json!({ "backends": [up()], "queue": { "queued": 2 } }),
            "Mail flows.",
        ),
        (
            json!({ "backends": [up(), down(412)] }),
            "onprem is down since 02:14; 412 recipients wait; nothing is lost.",
        ),
        (
            json!({ "backends": [up(), down(1)] }),
            "onprem is down since 02:14; 1 recipient waits; nothing is lost.",
        ),
        (
            json!({ "backends": [up(), down(0)] }),
            "onprem is down since 02:14; nothing waits for it yet; nothing is lost.",
        ),
        (
            json!({ "backends": [up(), backend("onprem", "rejecting", &json!({ "waiting": 7 }))] }),
            "onprem refuses mail since 02:14; 7 recipients wait; nothing is lost.",
        ),
        (
            json!({ "backends": [down(5), backend("cloud", "down", &json!({ "waiting": 6 }))] }),
            "No backend takes mail; 11 recipients wait; nothing is lost.",
        ),
        (
            json!({ "backends": [up(), down(5), backend("lab", "down", &json!({}))] }),
            "onprem and lab take no mail; 5 recipients wait; nothing is lost.",
        ),
        (
            json!({ "backends": [up(), down(0), backend("lab", "down", &json!({}))] }),
            "onprem and lab take no mail; nothing waits for them yet; nothing is lost.",
        ),
        (
            json!({ "backends": [up(), held()] }),
            "Mail flows, but that for onprem is held. One thing wants a look.",
        ),
        (
            json!({ "backends": [held()] }),
            "Mail is taken, and waits on purpose: all backends are held.",
        ),
        (
            json!({ "backends": [said("up", "resume")] }),
            "Mail flows; nothing waits.",
        ),
        (
            json!({ "backends": [up()], "missing_mail": 1,
                    "cases": { "cases": 2, "recipients": 9 } }),
            "Mail flows. 2 things want a look.",
        ),
        (
            json!({ "backends": [up()],
                    "spool": { "index": { "percent": 40, "seconds_left": 60, "text": "40 %" } } }),
            "Mail is taken, and waits: the index is being made from the log, 40 % of it.",
        ),
    ] {
        assert_eq!(verdict(&facts).headline, expected, "{facts}");
    }
}

#[test]
fn one_that_fails_all_mail_lets_nothing_flow() {
    let slow = |failing: bool| {
        let more = json!({ "waiting": 18, "failing": failing });
        let slow = backend("onprem", "slow", &more);
        verdict(&json!({ "backends": [slow], "queue": { "queued": 18 } })).headline
    };
    let told = "onprem answers and takes hardly any mail since 02:14; 18 recipients wait; \
                nothing is lost.";
    assert_eq!(slow(true), told);
    assert_eq!(slow(false), "Mail flows.");
}

/// What was refused before waits, too.
#[test]
fn recipients_of_cases_wait_as_well() {
    for (waiting, in_cases, expected) in [
        (386, Some(99), "386 recipients wait, and 99 more in cases"),
        (0, Some(1), "1 recipient waits in cases"),
        (1, Some(0), "1 recipient waits"),
        (0, Some(0), "nothing waits for it yet"),
        (0, None, "how many wait in cases is not known"),
        (
            2,
            None,
            "2 recipients wait, and how many more in cases is not known",
        ),
    ] {
        // Those of others are no matter of this one.
        let up = backend("cloud", "up", &json!({ "in_cases": 7 }));
        let of_it = json!({ "waiting": waiting, "in_cases": in_cases });
        let refusing = backend("onprem", "rejecting", &of_it);
        let told = verdict(&json!({ "backends": [up, refusing] }));
        let expected = format!("refuses mail since 02:14; {expected}; nothing is lost.");
        assert!(told.headline.ends_with(&expected), "{}", told.headline);
    }
}

/// A word that somebody forgot must not read as if all were well.
#[test]
fn an_operators_word_hides_nothing() {
    for (health, wish, expected) in [
        (
            "down",
            "up",
            "onprem is down since 02:14; nothing waits for it yet; nothing is lost.",
        ),
        ("up", "up", "Mail flows; nothing waits."),
        (
            "up",
            "drain",
            "Mail flows, but that for onprem is held. One thing wants a look.",
        ),
    ] {
        let more = json!({ "wish": wish, "override": format!("{wish} by ann") });
        let onprem = backend("onprem", health, &more);
        let facts = json!({ "backends": [backend("cloud", "up", &json!({})), onprem] });
        assert_eq!(verdict(&facts).headline, expected, "{facts}");
    }
}

#[test]
fn nothing_is_said_to_be_whole_that_is_not() {
    let down = backend("onprem", "down", &json!({ "waiting": 5 }));
    for spool in [
        json!({ "quarantined": 1 }),
        json!({ "damaged": 2 }),
        json!({ "missing": { "segments": 1, "named": [5], "waiting": 50, "finished": 0 } }),
        json!({ "balance": { "messages": 1, "came": 1, "finished": 0, "waiting": 0, "backends": {},
                             "wrong": 1, "named": ["06J8Z4K2M0001"] } }),
    ] {
        let facts = json!({ "backends": [down], "spool": spool });
        let verdict = verdict(&facts);
        let all = format!("{verdict:?}");
        assert!(!all.contains("nothing is lost"), "{all}");
        assert_eq!(verdict.tone, Tone::Trouble);
        let first = &verdict.matters[0];
        assert!(
            first.command.contains("spool"),
            "damage comes first: {first:?}"
        );
    }
}

#[test]
fn refused_mail_comes_before_everything() {
    let health = HealthView {
        ok: false,
        accepting: false,
        problems: vec!["the disk is full".to_owned(), "onprem is down".to_owned()],
        only_here: Vec::new(),
    };
    let down = backend("onprem", "down", &json!({ "waiting": 5 }));
    let verdict = with_health(&json!({ "backends": [down] }), &health);
    assert_eq!(
        verdict.headline,
        "New mail is refused for now, and its senders try again: the disk is full."
    );
    assert_eq!(
        verdict.matters[0].what,
        "New mail is refused: the disk is full."
    );
    assert!(
        verdict.matters[1]
            .what
            .starts_with("onprem is down since 02:14 (37 min).")
    );
}

/// Whatever `/health` knows and this page does not: it never says that all is well then.
#[test]
fn what_is_not_understood_is_said_word_for_word() {
    let health = HealthView {
        ok: false,
        accepting: true,
        problems: vec!["the certificate ends tomorrow".to_owned()],
        only_here: Vec::new(),
    };
    let verdict = with_health(&json!({}), &health);
    assert_eq!(verdict.tone, Tone::Waiting);
    assert_eq!(verdict.matters[0].what, "The certificate ends tomorrow.");
    assert_eq!(verdict.headline, "Mail flows. One thing wants a look.");
}

/// Keys that cannot be read, notices that arrive nowhere: also when something else is wrong.
#[test]
fn what_only_health_knows_is_said_beside_all_else() {
    let key = "1 of the keys cannot be read";
    let health = HealthView {
        ok: false,
        accepting: true,
        problems: vec!["onprem is down".to_owned(), key.to_owned()],
        only_here: vec![key.to_owned()],
    };
    let down = backend("onprem", "down", &json!({ "waiting": 5 }));
    let verdict = with_health(&json!({ "backends": [down] }), &health);
    let whats = verdict.matters.iter().map(|matter| matter.what.as_str());
    let whats: Vec<&str> = whats.collect();
    assert_eq!(whats.len(), 2, "{whats:?}");
    assert!(whats[0].starts_with("onprem is down since"), "{whats:?}");
    assert_eq!(whats[1], "1 of the keys cannot be read.");
}

#[test]
fn each_matter_says_what_to_do() {
    let down = backend(
        "onprem",
        "down",
        &json!({ "waiting": 412, "reason": "no route" }),
    );
    let away = backend("cloud", "up", &json!({ "diverted": 30 }));
    let facts = json!({
        "backends": [down, away],
        "cases": { "cases": 1, "recipients": 1 },
        "attention": { "after_seconds": 604_800, "messages": 12, "more": false, "next": null },
        "queue": { "queued": 1, "held": 1, "uncertain": 0, "oldest": "2026-02-20T00:00:00Z" },
        "missing_mail": 1,
        "spool": { "outlook": { "stored": 1, "room": 1, "measured_seconds": 86_400,
                                "bytes_per_day": 1, "days_in_an_outage": 1, "days": null } },
        "sources": [{ "source": "ad", "at": null, "took_ms": 1, "error": "no answer",
                      "failures": 3, "good_at": "2026-03-01T12:00:00Z", "people": 4,
                      "left_out": [], "more_left_out": 0, "generation": null }],
        "enrolled": { "mailboxes": 40, "enrolled": 10, "invited": 0, "percent": 25 },
    });
    let verdict = verdict(&facts);
    let told: Vec<(&str, &str)> = verdict
        .matters
        .iter()
        .map(|matter| (matter.what.as_str(), matter.command.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "onprem is down since 02:14 (37 min): no route. 412 recipients wait for it; \
                 nothing is lost.",
                "tideover backend probe onprem"
            ),
            (
                "1 case with 1 recipient of known people waits for a decision: a backend refused \
                 their mail.",
                "tideover cases"
            ),
            (
                "1 message was delivered, and in no folder of the mailbox.",
                "tideover landing status"
            ),
            (
                "12 messages wait for more than 7 days, the oldest since Feb 20, 00:00 (10 days).",
                "tideover queue list"
            ),
            (
                "If nothing can be delivered, the disk is full in 1 day.",
                "tideover size"
            ),
            (
                "The directory source ad fails: no answer.",
                "tideover directory sync"
            ),
            (
                "30 recipients of cloud went to another backend while it was down.",
                "tideover replay plan --diverted --to cloud"
            ),
            (
                "30 of 40 users cannot log in to the webmail, and do not see their mail now.",
                "tideover user invite --all-missing --mail"
            ),
        ]
    );
    for matter in &verdict.matters {
        assert!(!matter.next.is_empty(), "{matter:?}");
    }
}

#[test]
fn without_an_outage_nobody_is_urged_to_invite() {
    let enrolled = json!({ "mailboxes": 40, "enrolled": 10, "invited": 0, "percent": 25 });
    let verdict = verdict(&json!({ "enrolled": enrolled }));
    assert_eq!(verdict.matters, []);
    assert_eq!(verdict.tone, Tone::Good);
}

#[test]
fn a_red_drill_is_trouble() {
    let moments = Moments {
        now: NOW.parse().unwrap(),
        zone: TimeZone::UTC,
    };
    let drill = drilled(&[("internet-cloud", "red", "it did not come back")]);
    let (status, health) = (status(&json!({})), healthy());
    let verdict = Verdict::of(Facts {
        status: &status,
        health: &health,
        drill: &drill,
        moments: &moments,
    });
    assert_eq!(verdict.tone, Tone::Trouble);
    assert!(verdict.matters[0].what.contains("internet-cloud"));
}

#[test]
fn certificates_that_end_are_matters_by_how_soon() {
    let certificates = json!([
        { "severity": "warning", "what": "the certificate a.crt ends in 9 days",
          "todo": "Renew it" },
        { "severity": "critical", "what": "the certificate b.crt has ended", "todo": "Renew it" },
    ]);
    let verdict = verdict(&json!({ "certificates": certificates }));
    let told = |it: &Matter| (it.tone, it.what.clone());
    let told: Vec<_> = verdict.matters.iter().map(told).collect();
    let expected = [
        (Tone::Trouble, "The certificate b.crt has ended."),
        (Tone::Waiting, "The certificate a.crt ends in 9 days."),
    ];
    assert_eq!(told, expected.map(|(tone, what)| (tone, what.to_owned())));
    assert_eq!(verdict.tone, Tone::Trouble);
}

#[test]
fn on_what_nothing_waits_comes_last() {
    let mut idle = hold("h1", &json!({ "sender": "@x.example" }));
    merge(&mut idle, &json!({ "held": 0 }));
    let busy = hold("h2", &json!({ "sender": "@y.example" }));
    let moving = json!([{ "domain": "example.org", "state": "moving",
                          "since": "2026-03-02T02:14:00Z", "ended": null, "held": 9,
                          "oldest": null, "actor": "ann", "reason": "", "home": null }]);
    let verdict = verdict(&json!({ "holds": [idle, busy], "moves": moving }));
    let whats: Vec<_> = verdict.matters.iter().map(|it| it.what.as_str()).collect();
    for (what, begins) in whats
        .iter()
        .zip(["example.org is on", "Hold h2", "Hold h1"])
    {
        assert!(what.starts_with(begins), "{whats:?}");
    }
    assert_eq!(whats.len(), 3, "{whats:?}");
}

fn hold(name: &str, selection: &Value) -> Value {
    json!({ "name": name, "what": "these", "selection": selection, "actor": "ann",
            "reason": "a flood", "since": "2026-03-02T02:14:00Z", "until": null, "held": 12,
            "oldest": null })
}

/// The door says yes while each letter is refused at its end.
#[test]
fn while_the_log_cannot_be_written_no_mail_flows() {
    let failing = |lasting: bool| {
        json!({ "spool": { "write_failures": { "count": 3, "last": NOW, "what": "no space left",
                                               "lasting": lasting } } })
    };
    let refusing = verdict(&failing(true));
    assert_eq!(
        refusing.headline,
        "New mail is refused for now, and its senders try again: the log cannot be written; \
         nothing is lost."
    );
    assert_eq!(refusing.tone, Tone::Trouble);
    assert!(refusing.matters[0].what.contains("no space left"));
    let over = verdict(&failing(false));
    assert_eq!(over.headline, "Mail flows; nothing waits.");
}

fn moving(domain: &str) -> Value {
    json!({ "domain": domain, "state": "moving", "since": "2026-03-02T02:14:00Z", "ended": null,
            "held": 9, "oldest": null, "actor": "ann", "reason": "", "home": null })
}

#[test]
fn while_all_domains_are_on_the_move_no_mail_flows() {
    for (domains, expected) in [
        (&["example.org"][..], "example.org is on the move."),
        (
            &["a.example", "b.example"][..],
            "all domains are on the move.",
        ),
    ] {
        let moves: Vec<Value> = domains.iter().map(|domain| moving(domain)).collect();
        let up = backend("cloud", "up", &json!({}));
        let told = verdict(&json!({ "backends": [up], "moves": moves, "all_moving": true }));
        let expected = format!("Mail is taken, and waits on purpose: {expected}");
        assert_eq!(told.headline, expected);
        assert_eq!(told.tone, Tone::Waiting, "not green");
        assert_eq!(told.matters.len(), domains.len(), "{told:?}");
    }
}

#[test]
fn mail_that_is_held_on_purpose_does_not_flow() {
    let all = || hold("h1", &json!({}));
    let some = |name: &str| hold(name, &json!({ "sender": "@x.example" }));
    let one = || hold("h9", &json!({ "message": "06J8Z4K2M0001" }));
    let moving = |state: &str| {
        json!({ "domain": "example.org", "state": state, "since": "2026-03-02T02:14:00Z",
                "ended": null, "held": 9, "oldest": null, "actor": "ann", "reason": "",
                "home": null })
    };
    let up = backend("cloud", "up", &json!({}));
    for (holds, moves, expected, count) in [
        (
            json!([all()]),
            json!([]),
            "Mail is taken, and waits on purpose: hold h1 holds all of it.",
            1,
        ),
        (
            json!([some("h2")]),
            json!([]),
            "Mail flows, but what hold h2 names is held. One thing wants a look.",
            1,
        ),
        (
            json!([one()]),
            json!([]),
            "Mail flows. One thing wants a look.",
            1,
        ),
        (
            json!([]),
            json!([moving("moving"), moving("finished")]),
            "Mail flows, but that of example.org is held. One thing wants a look.",
            1,
        ),
        (
            json!([some("h2"), some("h3"), some("h4")]),
            json!([moving("moving")]),
            "Mail flows, but that of example.org, what hold h2 names and 2 more are held. \
             4 things want a look.",
            4,
        ),
    ] {
        let facts = json!({ "backends": [up], "holds": holds, "moves": moves });
        let verdict = verdict(&facts);
        assert_eq!(verdict.headline, expected);
        assert_eq!(verdict.tone, Tone::Waiting, "not green");
        assert_eq!(verdict.matters.len(), count, "{verdict:?}");
    }
    let holds: Vec<Value> = (0..300).map(|n| some(&format!("h{n}"))).collect();
    let verdict = verdict(&json!({ "holds": holds }));
    assert_eq!(verdict.matters.len(), 11, "bounded");
    assert_eq!(
        verdict.matters[0].what,
        "Hold h0 holds these since 02:14 (37 min), by ann: a flood. 12 recipients wait because \
         of it."
    );
    assert_eq!(verdict.matters[10].what, "290 more holds are in force.");
}
