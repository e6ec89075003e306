use serde_json::{Value, json};

use super::*;
use crate::terminal::{Palette, WIDTH, columns};

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

fn page() -> Page {
    Page {
        palette: Palette::Plain,
        now: NOW,
    }
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
    }
    assert!(text.ends_with('\n'), "{text}");
}

/// One blank for each row of blanks, so that a test tells the words and not the widths.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn step(state: &str, reason: &str) -> Value {
    json!({"at": NOW, "state": state, "actor": "root", "reason": reason})
}

fn wave(state: &str, steps: &[Value]) -> Value {
    json!({"id": "w1", "name": "first-floor.txt", "hash": "0123456789abcdef", "to": "cloud",
        "users": 3, "state": state, "steps": steps, "generation": 7})
}

fn user((address, does): (&str, &str), obstacles: &[(&str, &str, &str)]) -> Value {
    let obstacles = obstacles
        .iter()
        .map(|(kind, grade, text)| json!({"kind": kind, "grade": grade, "text": text}));
    let obstacles: Vec<Value> = obstacles.collect();
    json!({"line": 1, "address": address, "entry": address, "from": "onprem",
        "delivery_before": address, "delivery_after": "a@tenant.example", "moves": does == "moves",
        "waiting": 0, "obstacles": obstacles})
}

fn plan(refusals: &[&str]) -> WavePlanView {
    let conflict = "ann@example.org and bob@example.org want a@example.org, and nobody has said \
                    who gets it: `tideover directory settle` ends it";
    let users = [
        user(
            ("ann@example.org", "stays"),
            &[("conflict", "blocks", conflict)],
        ),
        user(
            ("bob@example.org", "moves"),
            &[("hold", "warns", "disks"), ("mail-waiting", "note", "3")],
        ),
        user(("eve@example.org", "moves"), &[]),
    ];
    let view = json!({"wave": wave("planned", &[]), "permitted": refusals.is_empty(),
        "refusals": refusals, "moves": 2, "generation": 6, "to": "cloud", "users": users,
        "groups": [{"group": "all@example.org", "inside": 2, "outside": 5}],
        "obstacles": [{"kind": "target", "grade": "warns", "text": "cloud is down"}]});
    serde_json::from_value(view).unwrap()
}

#[test]
fn a_plan_tells_each_user_and_whether_it_may_start() {
    let text = page().wave_plan(&plan(&["1 user cannot move"]));
    fits(&text);
    let lines: Vec<String> = text.lines().map(words).collect();
    let head = "w1 is first-floor.txt to cloud: 2 of 3 users would move; the file is locked";
    assert!(words(&text).starts_with(head), "{text}");
    assert!(words(&text).contains("(0123456789ab)"), "{text}");
    let row = |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap();
    assert!(row("ann@").ends_with("blocked conflict"), "{text}");
    assert!(row("bob@").ends_with("moves? hold, mail-waiting"), "{text}");
    assert_eq!(row("eve@"), "eve@example.org onprem a@tenant.example moves");
    let place = |mark: &str| text.lines().find_map(|line| line.find(mark)).unwrap();
    assert_eq!(place("WHAT"), place("moves?"), "{text}");
    assert_eq!(place("WHY"), place("hold, mail-waiting"), "{text}");
    for told in [
        "ann@example.org: ann@example.org and bob@example.org want",
        "bob@example.org: disks",
        "group all@example.org: 2 members at cloud, 5 elsewhere",
        "cloud is down",
        "it would not start: 1 user cannot move",
    ] {
        assert!(words(&text).contains(told), "{told}: {text}");
    }
    let fine = page().wave_plan(&plan(&[]));
    let told = "it may start: tideover wave start first-floor.txt --to cloud";
    assert!(words(&fine).ends_with(told), "{fine}");
}

#[test]
fn a_start_says_when_and_what_follows() {
    let mut view = plan(&[]);
    view.wave.state = WaveState::Started;
    let text = page().wave_started(&view);
    fits(&text);
    assert!(words(&text).contains("2 users have their home at cloud (generation 7)"));
    view.moves = 1;
    let text = page().wave_started(&view);
    assert!(words(&text).contains("1 user has his home at cloud (generation 7)"));
    view.moves = 2;
    view.wave.state = WaveState::Scheduled;
    view.wave.start_at = Some(NOW.after(std::time::Duration::from_secs(3600)));
    let text = page().wave_started(&view);
    fits(&text);
    assert!(text.starts_with("w1 starts "), "{text}");
    assert!(words(&text).ends_with("2 users to go to cloud"), "{text}");
}

fn status(state: &str, steps: &[Value]) -> Value {
    let mut view = wave(state, steps);
    let counts = json!({"there": 2, "waiting": 9, "following": 4});
    let counts = counts.as_object().unwrap().clone();
    view.as_object_mut().unwrap().extend(counts);
    view
}

#[test]
fn the_list_has_a_line_for_each_wave_and_says_why_one_could_not_start() {
    let empty = page().waves(&[]);
    assert!(empty.starts_with("no waves"), "{empty}");
    let views = [
        status("started", &[step("planned", ""), step("started", "")]),
        status(
            "refused",
            &[step("refused", "cloud is down; its mail would wait here")],
        ),
    ];
    let views = views.map(|view| serde_json::from_value(view).unwrap());
    let text = page().waves(&views);
    fits(&text);
    let lines: Vec<String> = text.lines().map(words).collect();
    assert_eq!(lines[0], "WAVE FILE TO STATE WHEN THERE WAITING FOLLOW");
    assert!(
        lines[1].starts_with("w1 first-floor.txt cloud started"),
        "{text}"
    );
    assert!(lines[1].ends_with("2/3 9 4"), "{text}");
    assert!(
        words(&text).contains("it could not start: cloud is down"),
        "{text}"
    );
    let told = line(&views[0], NOW);
    assert!(
        told.ends_with("2 of 3 users are there, 4 waiting messages follow"),
        "{told}"
    );
}

#[test]
fn one_wave_tells_its_users_and_its_life() {
    let person = |planned: Value, state: &str, home: &str, delivered: Value| {
        let mut person = planned;
        let more = json!({"state": state, "home": home, "mail": {"waiting": 4, "held": 0,
            "lanes": {}, "delivered": delivered, "cut": false}});
        let more = more.as_object().unwrap().clone();
        person.as_object_mut().unwrap().extend(more);
        person
    };
    let left = user(
        ("ann@example.org", "stays"),
        &[("no-mailbox", "blocks", "a contact")],
    );
    let moved = user(("eve@example.org", "moves"), &[]);
    let mut view = status("started", &[step("planned", ""), step("started", "Friday")]);
    view["file_changed"] = json!(true);
    view["people"] = json!([
        person(left, "left-out", "onprem", json!({})),
        person(moved, "moved", "cloud", json!({"cloud": 12, "onprem": 1})),
    ]);
    let text = page().wave(&serde_json::from_value(view).unwrap());
    fits(&text);
    for told in [
        "the file is another one now than the one that was locked",
        "eve@example.org moved cloud 4 12 cloud, 1 onprem",
        "ann@example.org left-out onprem 4",
        "started by root: Friday",
        "left out ann@example.org: a contact",
        "`tideover directory diff 6 7` shows what changed",
    ] {
        assert!(words(&text).contains(told), "{told}: {text}");
    }
}
