//! The closing report: everything that was accepted is in it, kept or gone.

use std::time::Duration;

use tideover::mail::Authenticity;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::{Site, simulate};
use crate::waves::{House, user};

const HOUR: Duration = Duration::from_secs(3600);
const EVE: (&str, Authenticity) = ("eve@example.net", Authenticity::Unproven);

#[test]
fn a_report_tells_what_became_of_all_mail() {
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
            let to = [user(number % 3)];
            let to = [to[0].as_str()];
            let sent = house.door.send_body(EVE, &to, |_| {}, body.as_bytes());
            sent.await;
            sleep(Duration::from_secs(60)).await;
        }
        let gone = house.door.spool.retire().await.unwrap();
        assert!(gone.removed > 50, "{gone:?}");
        // An outage in which two wait, and one who waits at the end.
        site.platforms.set_up("onprem", false);
        sleep(Duration::from_secs(60)).await;
        house.door.send(&[&user(0), &user(1)]).await;
        sleep(HOUR).await;
        site.platforms.set_up("onprem", true);
        sleep(Duration::from_secs(300)).await;
        site.platforms.set_up("onprem", false);
        sleep(Duration::from_secs(60)).await;
        let open = house.door.send(&[&user(2)]).await;
        sleep(Duration::from_secs(60)).await;

        let report = desk.get(&format!("/api/report?since={begun}")).await;
        assert_eq!(report["messages"], 302, "{report}");
        let ends = &report["recipients"];
        let told = [
            "all",
            "delivered",
            "waiting",
            "bounced",
            "dropped",
            "expanded",
        ];
        let told = told.map(|what| ends[what].as_u64().unwrap());
        assert_eq!(told, [303, 302, 1, 0, 0, 0]);
        assert_eq!(report["unaccounted"], 0);
        assert_eq!(report["open"][0]["id"], open.to_string());
        let longest = report["waits"]["longest"][0]["seconds"].as_u64().unwrap();
        assert!((3600..3960).contains(&longest), "{longest}");
        let backends = report["backends"].as_array().unwrap();
        let onprem = backends.iter().find(|one| one["name"] == "onprem").unwrap();
        assert_eq!(onprem["waiting"], 1, "{onprem}");
        assert_eq!(onprem["outages"].as_array().unwrap().len(), 2, "{onprem}");
        assert_eq!(onprem["outages"][1]["until"], serde_json::Value::Null);
        let away = onprem["seconds_away"].as_u64().unwrap();
        assert!((3600..3960).contains(&away), "{away}");
        let sum = |series: &str| {
            let numbers = report["timeline"][series].as_array().unwrap().iter();
            numbers.map(|number| number.as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!((sum("arrived"), sum("ended")), (303, 302));

        let rows = desk.text(&format!("/api/report/rows?since={begun}")).await;
        assert_eq!(rows.lines().count(), 304, "a line for each, and the head");
        assert_eq!(rows.matches(",delivered,").count(), 302);
        house.door.stop().await;
    });
}
