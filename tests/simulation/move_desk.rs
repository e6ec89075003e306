//! A move and a drain as an administrator sees them: what is looked at before each step, how long
//! the oldest mail may still wait, the way back, and when a backlog will be gone.

use std::time::Duration;

use serde_json::{Value, json};
use tideover::base::Timestamp;
use tideover::mail::SpoolId;
use tokio::time::{Instant, sleep};

use crate::desk::Desk;
use crate::door::{Site, simulate};
use crate::waves::House;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// As the desk has it for `queue.attention_after`.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const ANN: &str = "ann@onprem.example";

struct Office {
    site: Site,
    house: House,
    desk: Desk,
}

impl Office {
    async fn open() -> Self {
        let site = Site::new();
        let house = House::open(&site).await;
        let desk = Desk::new(&site, &house.door, (&house.generations, &house.waves));
        Self { site, house, desk }
    }

    /// Asks for a step; what the desk says to it.
    async fn step(&self, step: &str, more: &Value) -> Value {
        let mut query = json!({"step": step, "actor": "root"});
        for (key, value) in more.as_object().unwrap() {
            query[key] = value.clone();
        }
        let path = "/api/moves/onprem.example";
        self.desk.post(path, &query.to_string()).await
    }

    /// It is refused, because this is not so.
    async fn refused(&self, step: &str, more: &Value, failed: &str) {
        let before = self.moves().await;
        let report = self.step(step, more).await;
        assert_eq!(report["permitted"], false, "{report}");
        assert_eq!(report["done"], false, "{report}");
        let checks = report["checks"].as_array().unwrap();
        let stops = |check: &&Value| check["ok"] == false && check["weight"] != "note";
        let stopped: Vec<&Value> = checks.iter().filter(stops).collect();
        assert_eq!(stopped.len(), 1, "{report}");
        assert_eq!(stopped[0]["what"], failed, "{report}");
        assert_ne!(stopped[0]["detail"], "", "what to do: {report}");
        assert_eq!(self.moves().await, before, "nothing has happened");
    }

    /// It is taken.
    async fn taken(&self, step: &str, more: &Value, state: &str) {
        let report = self.step(step, more).await;
        assert_eq!(report["done"], true, "{report}");
        assert_eq!(report["move"]["state"], state, "{report}");
        assert_eq!(self.moves().await[0], report["move"]);
    }

    async fn moves(&self) -> Value {
        self.desk.get("/api/moves").await
    }

    fn words(&self, id: SpoolId) -> &'static str {
        self.house.door.states(id)[0].name()
    }

    /// What the verb does behind a step: who is held by the move goes on.
    async fn resume(&self) {
        let which = json!({"selection": {"hold": "@onprem.example"}});
        let query = json!({"deed": "resume", "actor": "root", "reason": "", "which": which});
        let path = "/api/queue/perform";
        // What chooses what is shown must not seem to choose what is done.
        let mut narrowed = query.clone();
        narrowed["which"]["state"] = json!("held");
        let (status, told) = self.desk.try_post(path, &narrowed.to_string()).await;
        let told = told["error"].as_str().unwrap_or_default();
        assert!(
            status == 400 && told.contains("not to whom"),
            "{status} {told}"
        );
        let mut misspelt = query.clone();
        misspelt["which"]["selection"]["recpient"] = json!("ann@onprem.example");
        let (status, told) = self.desk.try_post(path, &misspelt.to_string()).await;
        let told = told["error"].as_str().unwrap_or_default();
        assert!(
            status == 400 && told.contains("recpient"),
            "{status} {told}"
        );
        let tally = self.desk.post(path, &query.to_string()).await;
        assert_eq!(tally["recipients"], 2, "{tally}");
    }
}

/// Nothing is done that was not looked at, and each step has its way back.
#[test]
fn each_step_of_a_move_is_looked_at_first_and_can_be_undone() {
    simulate(async {
        let office = Office::open().await;
        let nothing = json!({});
        let to_cloud = json!({"home": "cloud"});
        let on_the_move = "onprem.example is on the move";
        office.refused("finish", &to_cloud, on_the_move).await;
        let none = "onprem.example has a move to back out of";
        office.refused("back-out", &nothing, none).await;
        let looked = office.step("start", &json!({"dry_run": true})).await;
        assert_eq!(looked["permitted"], true, "{looked}");
        assert_eq!(looked["done"], false, "{looked}");
        assert_eq!(looked["checks"].as_array().unwrap().len(), 4, "{looked}");
        assert_eq!(office.moves().await, json!([]));

        // Whoever comes second in the same moment hears that he does.
        let by = |actor: &str| json!({"actor": actor});
        let (root, ann) = (by("root"), by("ann"));
        let (one, other, third) = tokio::join!(
            office.step("start", &root),
            office.step("start", &ann),
            office.step("start", &ann)
        );
        assert_eq!(one["done"], true, "{one}");
        assert_eq!(office.moves().await[0]["actor"], "root");
        for late in [other, third] {
            assert_eq!(late["done"], false, "{late}");
            let told = late["checks"].to_string();
            assert!(told.contains("root has started it already"), "{told}");
            assert!(told.contains("root was faster"), "{told}");
        }
        let id = office.house.door.send(&[ANN]).await;
        sleep(MINUTE).await;
        assert_eq!(office.words(id), "held");
        let off = "onprem.example is not on the move";
        office.refused("start", &nothing, off).await;
        // The countdown is that of the oldest, whatever comes behind it.
        sleep(DAY).await;
        let later = office.house.door.send(&[ANN]).await;
        sleep(MINUTE).await;
        let moves = office.moves().await;
        let at = |field: &str| -> Timestamp { moves[0][field].as_str().unwrap().parse().unwrap() };
        assert_eq!(moves[0]["held"], 2, "{moves}");
        assert_eq!(at("oldest"), id.timestamp());
        assert_eq!(at("decide_at"), id.timestamp().after(WEEK));

        office.site.platforms.set_up("cloud", false);
        sleep(5 * MINUTE).await;
        office
            .refused("finish", &to_cloud, "cloud takes mail")
            .await;
        let moon = json!({"home": "moon", "force": "yes"});
        office.refused("finish", &moon, "moon is a backend").await;
        for id in [id, later] {
            assert_eq!(office.words(id), "held");
        }
        // It is forced over what was seen to fail, and over nothing else.
        let blind = json!({"home": "cloud", "force": "yes", "seen": ["the spool has room"]});
        office.refused("finish", &blind, "cloud takes mail").await;
        let seen = ["cloud takes mail", "the spool has room"];
        let forced = json!({"home": "cloud", "force": "yes", "seen": seen});
        office.taken("finish", &forced, "finished").await;
        assert_eq!(office.moves().await[0]["home"], "cloud");
        // Nothing has gone to the new home yet; it is where it was.
        office.taken("back-out", &nothing, "backed-out").await;
        assert_eq!(office.moves().await[0]["home"], "onprem");
        office.resume().await;
        sleep(MINUTE).await;
        for id in [id, later] {
            assert_eq!(office.site.places(id, 0), ["onprem"]);
        }
        office.refused("back-out", &nothing, none).await;
        office.house.door.stop().await;
    });
}

/// A move back leaves the directory alone: it is not said to lead back where people live elsewhere
/// by now, and says which way does.
#[test]
fn a_move_back_sees_whom_the_directory_has_moved() {
    simulate(async {
        let office = Office::open().await;
        let nothing = json!({});
        let homes = |ann: &str| format!("address,home\n{ANN},{ann}\nbob@onprem.example,onprem\n");
        office.house.import_csv(&homes("onprem")).await;
        sleep(MINUTE).await;
        office.taken("start", &nothing, "moving").await;
        sleep(MINUTE).await;
        office.house.import_csv(&homes("cloud")).await;
        let as_then = "everybody has the home that he had when the move began";
        office.refused("back-out", &nothing, as_then).await;
        let report = office.step("back-out", &json!({"dry_run": true})).await;
        let told = report.to_string();
        assert!(
            told.contains("the directory has 1 with another home"),
            "{told}"
        );
        assert!(told.contains("directory revert 1 "), "{told}");
        let to_cloud = json!({"home": "cloud"});
        office.taken("finish", &to_cloud, "finished").await;
        office.refused("back-out", &nothing, as_then).await;
        // As it says.
        let query = json!({"number": 1, "actor": "root"});
        let path = "/api/directory/revert";
        office.desk.post(path, &query.to_string()).await;
        office.taken("back-out", &nothing, "backed-out").await;
        let id = office.house.door.send(&[ANN]).await;
        sleep(MINUTE).await;
        assert_eq!(office.site.places(id, 0), ["onprem"]);
        office.house.door.stop().await;
    });
}

/// A backlog that drains is shown with its speed and with its end, which comes about then; one that
/// stands still is shown without.
#[test]
fn a_drain_is_shown_with_its_end() {
    simulate(async {
        let office = Office::open().await;
        office.site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        for number in 0..3_000 {
            let to = format!("m{}@onprem.example", number % 300);
            office.house.door.send(&[&to]).await;
        }
        let drain = async || {
            let shown = office.desk.get("/api/backends/onprem").await;
            let waiting = shown["waiting"].as_u64().unwrap();
            (waiting, shown["drain"].clone())
        };
        assert_eq!(drain().await.1["eta_seconds"], Value::Null);
        office.site.platforms.set_up("onprem", true);
        while drain().await.0 > 1_500 {
            sleep(SECOND).await;
        }
        let (_, shown) = drain().await;
        let told = shown["eta_seconds"].as_u64().unwrap();
        assert!(shown["per_minute"].as_u64() > Some(100), "{shown}");
        let asked = Instant::now();
        while drain().await.0 > 0 {
            sleep(SECOND).await;
        }
        let took = asked.elapsed().as_secs();
        assert!(
            told <= took * 13 / 10 && took <= told * 13 / 10,
            "{told} {took}"
        );
        assert_eq!(drain().await.1["eta_seconds"], Value::Null);
        office.house.door.stop().await;
    });
}
