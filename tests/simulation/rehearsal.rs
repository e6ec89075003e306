//! A recorded day through the directory of tomorrow.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::{Site, simulate};
use crate::waves::{House, user};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What becomes of each address, with its count.
fn findings(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter();
    let told = all.map(|one| {
        let text = |field: &str| one[field].as_str().unwrap().to_owned();
        let (address, becomes) = (text("address"), text("becomes"));
        format!("{address} {becomes} {} {}", text("to"), one["recipients"])
    });
    told.collect()
}

/// A day of mail: delivered, waiting and gone, then tomorrow's homes, before anybody moves.
#[test]
fn a_recorded_day_is_rehearsed() {
    simulate(async {
        let mut site = Site::new();
        site.retain = HOUR;
        let house = House::open(&site).await;
        house.import().await;
        let desk = Desk::new(&site, &house.door, (&house.generations, &house.waves));
        let begun = house.door.now();
        // Enough to fill segments, which go when their mail is an hour old.
        let body = format!("Subject: long\r\n\r\n{}\r\n", "x".repeat(3900));
        for number in 0..300 {
            let to = user(number % 3);
            let from = ("eve@example.net", tideover::mail::Authenticity::Unproven);
            let to = [to.as_str()];
            let sent = house.door.send_body(from, &to, |_| {}, body.as_bytes());
            sent.await;
            sleep(Duration::from_secs(60)).await;
        }
        let gone = house.door.spool.retire().await.unwrap();
        assert!(gone.removed > 50, "{gone:?}");
        // Some wait still, at the end of the day.
        site.platforms.set_up("onprem", false);
        house.door.send(&[&user(3), "stranger@far.example"]).await;
        house.door.send(&[&user(4), &user(0)]).await;
        sleep(HOUR).await;

        let day = format!("/api/rehearse?since={begun}");
        let text = format!("{}\n{}\nnobody@onprem.example\n", user(0), user(3));
        let report = desk.post(&format!("{day}&to=cloud"), &text).await;
        assert_eq!(report["messages"], 302, "{report}");
        assert_eq!(report["recipients"], 304, "{report}");
        assert_eq!(report["blocked"][0], "nobody@onprem.example", "{report}");
        assert_eq!(report["directory"]["moved"], 2, "{report}");
        let expected = [
            format!("{} rerouted cloud 101", user(0)),
            format!("{} rerouted cloud 1", user(3)),
        ];
        assert_eq!(findings(&report), expected);
        assert_eq!(report["backends"][0]["backend"], "cloud", "{report}");
        assert_eq!(report["backends"][0]["then"], 102, "{report}");
        // 101 of one sender for one mailbox, a third of 30 a minute.
        assert_eq!(report["backends"][0]["drain_seconds"], 600, "{report}");

        // A directory without somebody, in which somebody's mail would go in a circle.
        let rows: String = (0..30)
            .filter(|number| *number != 1)
            .map(|number| match number {
                2 => format!("{},cloud,two@onprem.example\n", user(2)),
                _ => format!("{},onprem,\n", user(number)),
            })
            .collect();
        let csv = format!("address,home,delivery_address\n{rows}");
        let report = desk.post(&day, &csv).await;
        assert_eq!(report["directory"]["deleted"], 1, "{report}");
        let told = findings(&report);
        let loops = format!("{} loops a circle 100", user(2));
        let departs = format!("{} departs onprem 100", user(1));
        assert_eq!(told, [loops, departs]);
        // Only the last hour: what waits.
        let since = house.door.now().before(2 * HOUR);
        let report = desk
            .post(&format!("/api/rehearse?to=cloud&since={since}"), &text)
            .await;
        assert!(report["messages"].as_u64().unwrap() < 100, "{report}");
        let why = desk
            .refusal(
                &format!(
                    "/api/rehearse?to=cloud&since={}",
                    house.door.now().after(DAY)
                ),
                &text,
            )
            .await;
        assert!(why.contains("no time"), "{why}");
        assert_eq!(house.home(0), "onprem", "nobody has moved");
        assert_eq!(house.generations.current().number(), 1);
        house.door.stop().await;
    });
}
