//! What operators name is found, whatever it was called before and wherever it is kept.

use std::time::Duration;

use tideover::mail::Authenticity;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::{Site, simulate};
use crate::replays::drained;
use crate::waves::{House, user};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const EVE: (&str, Authenticity) = ("eve@example.net", Authenticity::Unproven);

const NEW: &str = "zero.new@onprem.example";
const OTHER: &str = "zero.other@onprem.example";

/// User 0 has a new address, keeps the old one, and would like to have that of user 1.
fn renamed() -> String {
    let aliases = format!("{};{OTHER};{}", user(0), user(1));
    let others: String = (1..5).map(|number| user(number) + ",onprem,\n").collect();
    format!("address,home,aliases\n{NEW},onprem,{aliases}\n{others}")
}

#[test]
fn mail_of_before_a_rename_is_found_by_every_address() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        house.import().await;
        let desk = Desk::new(&site, &house.door, (&house.generations, &house.waves));
        let begun = house.door.now();
        for _ in 0..3 {
            house.door.send(&[&user(0), &user(0)]).await;
            house.door.send(&[&user(1)]).await;
        }
        drained(&house.door).await;
        sleep(SECOND).await;
        house.import_csv(&renamed()).await;
        house.door.send(&[NEW]).await;
        drained(&house.door).await;
        sleep(SECOND).await;

        let traced = async |of: &str| desk.get(&format!("/api/trace?of={of}")).await;
        for address in [user(0).as_str(), NEW, OTHER] {
            let traced = traced(address).await;
            assert_eq!(traced["messages"].as_array().unwrap().len(), 4, "{address}");
            assert_eq!(traced["more"], false, "{address}");
        }
        let other = traced(&user(1)).await;
        assert_eq!(other["messages"].as_array().unwrap().len(), 3, "{other}");
        let some = desk.get(&format!("/api/trace?of={NEW}&limit=2")).await;
        assert_eq!(some["messages"].as_array().unwrap().len(), 2, "{some}");
        assert_eq!(some["more"], true, "{some}");

        let plan = "/api/replays/plan?to=onprem&actor=root";
        let copies = 3 * 2 + 1;
        for address in [user(0).as_str(), NEW, OTHER] {
            let planned = desk.post(plan, address).await;
            assert_eq!(planned["recipients"], copies, "{address}: {planned}");
        }
        let planned = desk.post(plan, &user(1)).await;
        assert_eq!(planned["recipients"], 3, "{planned}");

        // The file of the wave was written before the rename, or after it.
        for (number, address) in [user(0).as_str(), NEW].into_iter().enumerate() {
            let wave = format!("/api/waves/plan?name=f{number}.txt&actor=root&to=cloud");
            desk.post(&wave, address).await;
            let planned = desk.post(&format!("{plan}&wave=f{number}.txt"), "").await;
            assert_eq!(planned["recipients"], copies, "{planned}");
            let report = format!("/api/report?wave=f{number}.txt&since={begun}");
            let report = desk.get(&report).await;
            assert_eq!(report["recipients"]["all"], copies, "{report}");
        }
        house.door.stop().await;
    });
}

/// A wave counts what waits for its users, also what came under the address of before.
#[test]
fn what_waited_before_a_rename_moves_with_the_wave() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        house.import().await;
        let desk = Desk::new(&site, &house.door, (&house.generations, &house.waves));
        site.platforms.set_up("onprem", false);
        sleep(MINUTE).await;
        house.door.send(&[&user(0)]).await;
        sleep(MINUTE).await;
        house.import_csv(&renamed()).await;
        let wave = "/api/waves/plan?name=a.txt&actor=root&to=cloud";
        let planned = desk.post(wave, NEW).await;
        assert_eq!(planned["users"][0]["waiting"], 1, "{planned}");
        house.door.stop().await;
    });
}

#[test]
fn a_new_message_hides_nothing_that_is_in_the_ledger() {
    simulate(async {
        let mut site = Site::new();
        site.retain = HOUR;
        let house = House::open(&site).await;
        house.import().await;
        let desk = Desk::new(&site, &house.door, (&house.generations, &house.waves));
        // Enough to fill segments, which go when their mail is an hour old.
        let body = format!("Subject: long\r\n\r\n{}\r\n", "x".repeat(3900));
        let (ann, named) = (user(0), "again@example.net");
        for number in 0..300 {
            let id = (number == 0).then(|| named.to_owned());
            let change = |envelope: &mut tideover::mail::Envelope| envelope.message_id = id;
            let to = [ann.as_str()];
            house
                .door
                .send_body(EVE, &to, change, body.as_bytes())
                .await;
            sleep(MINUTE).await;
        }
        let gone = house.door.spool.retire().await.unwrap();
        assert!(gone.removed > 50, "{gone:?}");
        // Whoever takes an address for a Message-ID hides nothing by it.
        let newer = [named, ann.as_str()].map(str::to_owned);
        for id in newer {
            let change = |envelope: &mut tideover::mail::Envelope| envelope.message_id = Some(id);
            house.door.send_changed(EVE, &[&ann], change).await;
        }
        drained(&house.door).await;

        let traced = async |of: &str, limit: usize| {
            let traced = desk.get(&format!("/api/trace?of={of}&limit={limit}")).await;
            let messages = traced["messages"].as_array().unwrap().clone();
            let ids: Vec<String> = messages.iter().map(|one| one["id"].to_string()).collect();
            assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
            (ids.len(), traced["more"].as_bool().unwrap())
        };
        for of in [ann.as_str(), "U0@Onprem.Example"] {
            assert_eq!(traced(of, 1000).await, (302, false));
            assert_eq!(traced(of, 302).await, (302, false));
            assert_eq!(traced(of, 301).await, (301, true));
            assert_eq!(traced(of, 1).await, (1, true));
        }
        assert_eq!(traced(named, 20).await, (2, false));
        assert_eq!(traced(named, 1).await, (1, true));
        // All of it is in the ledger.
        sleep(2 * HOUR).await;
        house
            .door
            .send_body(EVE, &[&user(1)], |_| {}, body.as_bytes())
            .await;
        sleep(2 * HOUR).await;
        house.door.spool.retire().await.unwrap();
        sleep(2 * HOUR).await;
        house.door.spool.retire().await.unwrap();
        assert_eq!(traced(&ann, 302).await, (302, false));
        assert_eq!(traced(&ann, 50).await, (50, true));
        house.door.stop().await;
    });
}

/// A door whose users 0 and 1 got two messages each.
async fn served(site: &Site) -> (House, Desk) {
    let house = House::open(site).await;
    house.import().await;
    let desk = Desk::new(site, &house.door, (&house.generations, &house.waves));
    for number in [0, 1, 0, 1] {
        house.door.send(&[&user(number)]).await;
    }
    drained(&house.door).await;
    sleep(SECOND).await;
    (house, desk)
}

const ALL: &str = "?to=onprem&actor=root&since=2020-01-01T00:00:00Z";

#[test]
fn nobody_is_not_everybody() {
    simulate(async {
        let site = Site::new();
        let (house, desk) = served(&site).await;
        let one = user(0);
        for path in ["/api/replays/plan", "/api/landing/check"] {
            for (more, people) in [
                ("&recipients=1", ""),
                ("&recipients=1", "\n"),
                ("&recipients=2", one.as_str()),
                ("&listed=true", ""),
                ("&listed=true", "# nobody\n"),
                ("&listed=true&recipients=1", one.as_str()),
                ("", "\n"),
            ] {
                let asked = format!("{path}{ALL}{more}");
                let why = desk.refusal(&asked, people).await;
                assert!(why.contains("names nobody"), "{asked}: {why}");
            }
        }
        let all = desk.post(&format!("/api/replays/plan{ALL}"), "").await;
        assert_eq!(all["recipients"], 4, "{all}");
        house.door.stop().await;
    });
}

#[test]
fn recipients_and_a_wave_narrow_each_other() {
    simulate(async {
        let site = Site::new();
        let (house, desk) = served(&site).await;
        let both = format!("{}\n# and\n{}", user(0), user(1));
        desk.post("/api/waves/plan?name=a.txt&actor=root&to=cloud", &both)
            .await;
        let (plan, one) = (format!("/api/replays/plan{ALL}"), user(1));
        let planned = desk.post(&format!("{plan}&wave=a.txt"), "").await;
        assert_eq!(planned["recipients"], 4, "{planned}");
        for (more, people) in [
            ("&wave=a.txt", one.clone()),
            ("&wave=a.txt&recipients=1", one.clone()),
            ("&listed=true&recipients=1", format!("{both}\n{one}")),
        ] {
            let planned = desk.post(&format!("{plan}{more}"), &people).await;
            assert_eq!(planned["recipients"], 2, "{more}: {planned}");
            assert_eq!(planned["selection"]["people"], 1, "{more}: {planned}");
        }
        let why = desk.refusal(&format!("{plan}&wave=a.txt"), &user(2)).await;
        assert!(why.contains(&user(2)), "{why}");
        house.door.stop().await;
    });
}

#[test]
fn a_typing_error_is_no_empty_plan() {
    simulate(async {
        let site = Site::new();
        let (house, desk) = served(&site).await;
        for path in ["/api/replays/plan", "/api/landing/check"] {
            for (more, people, told) in [
                ("&from_backend=nix", "", "cloud, onprem"),
                ("&domain=nope.example", "", "onprem.example, cloud.example"),
                ("&domain=", "", "domain"),
                ("&message_id=%3C%3E", "", "no Message-ID"),
                ("&message_id=no@example.net", "", "no@example.net"),
                ("&sender=", "", "no address"),
                ("", "nobody@example.org", "nobody@example.org"),
                ("", "u99@onprem.example", "u99@onprem.example"),
                (
                    "&listed=true",
                    "u0@onprem.example\nu99@onprem.example",
                    "u99@",
                ),
            ] {
                let asked = format!("{path}{ALL}{more}");
                let why = desk.refusal(&asked, people).await;
                assert!(why.contains(told), "{asked}: {why}");
            }
        }
        for path in ["/api/report", "/api/report/rows"] {
            let asked = format!("{path}?since=2020-01-01T00:00:00Z&domain=");
            let why = desk.refused(&format!("{asked}nope.example")).await;
            assert!(why.contains("onprem.example"), "{why}");
            desk.refused(&asked).await;
        }
        for (more, recipients) in [
            ("&domain=ONPREM.example", 4),
            ("&from_backend=onprem", 4),
            ("&from_backend=cloud", 0),
        ] {
            let asked = format!("/api/replays/plan{ALL}{more}");
            let planned = desk.post(&asked, "").await;
            assert_eq!(planned["recipients"], recipients, "{more}");
        }
        // Who is here and has no mail is no typing error, nor who has mail and is gone.
        let plan = format!("/api/replays/plan{ALL}");
        assert_eq!(desk.post(&plan, &user(2)).await["recipients"], 0);
        house
            .import_csv(&format!("address,home\n{},onprem\n", user(0)))
            .await;
        desk.post(&plan, &user(1)).await;
        house.door.stop().await;
    });
}

#[test]
fn a_check_of_landings_gives_no_hint_about_replays() {
    simulate(async {
        let site = Site::new();
        let (house, desk) = served(&site).await;
        let answer = desk.hint(&format!("/api/landing/check{ALL}"), "").await;
        assert!(!answer.contains("missing-only"), "{answer}");
        house.door.stop().await;
    });
}
