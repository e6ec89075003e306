//! What operators are told of the whole: what is gone, what waits on purpose, who nears his limit,
//! and to how many something was done.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tideover::notice::{Condition, Severity};
use tideover::spool::FileSystem as _;
use tokio::time::sleep;

use crate::desk::{BUSY, Desk};
use crate::door::{Site, simulate};
use crate::replays::drained;
use crate::waves::{House, user};

const SECOND: Duration = Duration::from_secs(1);

fn desk(site: &Site, house: &House) -> Desk {
    Desk::new(site, &house.door, (&house.generations, &house.waves))
}

/// Whoever asks how it stands sees it: a program by `/health`, a person by `status`.
#[test]
fn a_segment_that_is_gone_is_told_wherever_somebody_looks() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        house.door.send(&[&user(0)]).await;
        drained(&house.door).await;
        house.door.stop().await;
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        house.door.send(&[&user(1)]).await;
        let gone = Path::new("/spool/log/0000000001.seg");
        site.disk.remove(gone).unwrap();
        house.door.spool.look_for_missing().await.unwrap();
        let told = "segment 1 of the log is missing";
        let status = desk.get("/api/status").await;
        assert_eq!(status["spool"]["missing"]["named"], json!([1]), "{status}");
        let health = desk.get("/health").await;
        let problems = health["problems"].to_string();
        assert!(problems.contains(told), "{problems}");
        let verify = desk.get("/api/spool/verify").await;
        assert_eq!(verify["missing"]["segments"], 1, "{verify}");
        house.door.stop().await;
    });
}

/// However many segments are gone, it is one notice, which a further one makes news; it ends when
/// they are back.
#[test]
fn segments_that_are_gone_are_one_notice_until_they_are_back() {
    simulate(async {
        let site = Site::new();
        for number in 0..3 {
            let house = House::open(&site).await;
            house.door.send(&[&user(number)]).await;
            drained(&house.door).await;
            house.door.stop().await;
        }
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        house.door.send(&[&user(3)]).await;
        let path = |number: u32| format!("/spool/log/{number:010}.seg");
        let mut states = Vec::new();
        for (gone, told) in [
            (&[][..], None),
            (&[1], Some("segment 1 of the log is missing")),
            (&[1, 2], Some("segments 1, 2 of the log are missing")),
            (&[], None),
        ] {
            for number in 1..=2 {
                let (here, away) = (path(number), format!("/away/{number}"));
                let (mut from, mut to) = (Path::new(&away), Path::new(&here));
                if gone.contains(&number) {
                    std::mem::swap(&mut from, &mut to);
                }
                // It may be there already.
                site.disk.rename(from, to).ok();
            }
            house.door.spool.look_for_missing().await.unwrap();
            let all = desk.conditions();
            let is_it = |one: &&Condition| one.what.contains("of the log");
            let found: Vec<&Condition> = all.iter().filter(is_it).collect();
            assert_eq!(found.len(), usize::from(told.is_some()), "{all:?}");
            if let Some(told) = told {
                let one = found[0];
                assert!(one.what.starts_with(told), "{one:?}");
                assert_eq!(one.severity, Severity::Critical);
                states.push((one.kind, one.subject.clone(), one.state.clone()));
            }
        }
        let [one, two] = &states[..] else {
            panic!("{states:?}")
        };
        assert_eq!((one.0, &one.1), (two.0, &two.1), "it is the same");
        assert_ne!(one.2, two.2, "and it is news");
        house.door.stop().await;
    });
}

#[test]
fn that_all_domains_are_on_the_move_is_told() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        for (domain, expected) in [("onprem.example", false), ("cloud.example", true)] {
            let step = json!({ "step": "start", "actor": "root", "force": "yes" });
            let path = format!("/api/moves/{domain}");
            let report = desk.post(&path, &step.to_string()).await;
            assert_eq!(report["done"], true, "{report}");
            let status = desk.get("/api/status").await;
            assert_eq!(status["all_moving"], expected, "{domain}");
        }
        house.door.stop().await;
    });
}

#[test]
fn who_has_had_nearly_all_of_his_hour_is_told_of() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        let status = desk.get("/api/status").await;
        let told = format!("{BUSY} has had 95 of 100 messages an hour");
        let mut sending = status["sending"].as_array().unwrap().iter();
        assert!(sending.any(|it| it["what"] == told), "{status}");
        house.door.stop().await;
    });
}

/// A dry run tells the conflicts that would be open, and not those that are.
#[test]
fn conflicts_that_would_be_open_are_told_before() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        let (one, other) = (user(0), user(1));
        let both = format!(
            "address,home,aliases\n{one},onprem,info@onprem.example\n\
             {other},onprem,info@onprem.example\n"
        );
        let path = "/api/directory/import?source=hr&actor=root&reason=&add=true&skip_bad=false\
                    &yes=true&dry_run=";
        let would = desk.post(&format!("{path}true"), &both).await;
        assert_eq!(
            (&would["done"], &would["open_conflicts"]),
            (&json!(false), &json!(1))
        );
        let open = async || desk.get("/api/directory/status").await["open_conflicts"].clone();
        assert_eq!(open().await, 0);
        let done = desk.post(&format!("{path}false"), &both).await;
        assert_eq!(
            (&done["done"], &done["open_conflicts"]),
            (&json!(true), &json!(1))
        );
        assert_eq!(open().await, 1);
        house.door.stop().await;
    });
}

#[test]
fn the_audit_log_tells_to_how_many_it_was_done() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        site.platforms.set_up("onprem", false);
        house.door.send(&[&user(0), &user(1)]).await;
        sleep(SECOND).await;
        let which = json!({ "selection": { "domain": "onprem.example" } });
        let order = json!({ "deed": "drop", "actor": "root", "reason": "a test", "which": which });
        desk.tell("/api/queue/perform", &order).await;
        let audit = desk.get("/api/audit").await;
        let entries = audit["entries"].as_array().unwrap();
        let is_it = |entry: &&Value| entry["path"] == "/api/queue/perform";
        let entry = entries.iter().find(is_it).unwrap();
        assert_eq!(
            entry["told"], "recipients: 2, messages: 1 so far",
            "{entry}"
        );
        house.door.stop().await;
    });
}
