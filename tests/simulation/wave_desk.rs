//! Waves as operators and the clock start them.

use std::time::Duration;

use serde_json::Value;
use tideover::base::Timestamp;
use tideover::drill::{LegOptions, LegState, Light, Options};
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::{Site, simulate};
use crate::waves::{House, user};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What stands in a list, by the field of each.
fn all<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[field].as_str().unwrap_or("-")).collect()
}

fn desk(site: &Site, house: &House) -> Desk {
    Desk::new(site, &house.door, (&house.generations, &house.waves))
}

fn verb(what: &str, more: &str) -> String {
    format!("/api/waves/{what}?name=a.txt&actor=root{more}")
}

/// Each user is told what stands in the way; a wave starts as it was looked at or not at all.
#[test]
fn a_wave_starts_as_it_was_looked_at() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        house.import().await;
        let desk = desk(&site, &house);
        let text = format!("{}\nnobody@onprem.example\n", user(0));
        let planned = desk.post(&verb("plan", "&to=cloud"), &text).await;
        assert_eq!(planned["permitted"], false, "{planned}");
        assert_eq!(planned["moves"], 1, "{planned}");
        assert_eq!(all(&planned["users"][1]["obstacles"], "kind"), ["unknown"]);
        assert_eq!(all(&planned["users"], "from"), ["onprem", "-"]);

        let start = verb("start", "&to=cloud");
        let why = desk.refusal(&start, &text).await;
        assert!(why.contains("nobody@onprem.example"), "{why}");
        let skipping = verb("start", "&to=cloud&skip_blocked=true");
        let other = format!("{text}{}\n", user(1));
        let why = desk.refusal(&skipping, &other).await;
        assert!(why.contains("has changed since it was planned"), "{why}");
        let why = desk.refusal(&verb("plan", "&to=moon"), &text).await;
        assert!(why.contains("moon"), "{why}");
        let why = desk.refusal(&verb("plan", "&to=cloud"), "ann\n").await;
        assert!(why.contains("line 1"), "{why}");
        assert_eq!(house.home(0), "onprem", "nothing has happened yet");
        let explained = desk.get(&format!("/api/explain?address={}", user(0))).await;
        let told = "wave w1 (a.txt) moves it to cloud when somebody starts it";
        assert!(
            all(&explained["nearly"], "what").contains(&told),
            "{explained}"
        );
        let explained = desk.get(&format!("/api/explain?address={}", user(1))).await;
        assert!(
            !all(&explained["nearly"], "rule").contains(&"wave"),
            "{explained}"
        );

        let started = desk.post(&skipping, &text).await;
        assert_eq!(started["wave"]["state"], "started", "{started}");
        assert_eq!((house.home(0), house.home(1)), ("cloud", "onprem"));
        let why = desk.refusal(&skipping, &text).await;
        assert!(why.contains("has started"), "{why}");
        house.door.send(&[&user(0)]).await;
        sleep(MINUTE).await;
        let status = desk.post(&verb("status", ""), &text).await;
        assert_eq!(all(&status["people"], "state"), ["moved", "left-out"]);
        let got = &status["people"][0]["mail"]["delivered"];
        assert_eq!(got["cloud"], 1, "{status}");
        assert_eq!(status["file_changed"], false, "{status}");
        let status = desk.post(&verb("status", ""), &other).await;
        assert_eq!(status["file_changed"], true, "{status}");
        let told = desk.get("/api/status").await;
        assert_eq!(all(&told["waves"], "id"), ["w1"]);
        assert_eq!(told["waves"][0]["there"], 1, "{told}");

        let back = desk.post(&verb("revert", "&reason=calendars"), "").await;
        assert_eq!(all(&back["people"], "state"), ["back", "left-out"]);
        assert_eq!(house.home(0), "onprem");
        assert!(
            all(&back["steps"], "reason").contains(&"calendars"),
            "{back}"
        );
        house.door.stop().await;
    });
}

struct Morning {
    site: Site,
    house: House,
    desk: Desk,
}

impl Morning {
    async fn begin(site: Site) -> Self {
        let house = House::open(&site).await;
        let desk = desk(&site, &house);
        desk.keep_waves(&house.door);
        Self { site, house, desk }
    }

    async fn restart(self, off: Duration) -> Self {
        self.house.door.stop().await;
        sleep(off).await;
        Self::begin(self.site).await
    }

    /// One user goes to the cloud an hour from now.
    async fn schedule(&self, number: usize) {
        let at: Timestamp = self.house.door.now().after(HOUR);
        let path = format!("/api/waves/start?name={number}.txt&to=cloud&actor=root&at={at}");
        let scheduled = self.desk.post(&path, &user(number)).await;
        assert_eq!(scheduled["wave"]["state"], "scheduled", "{scheduled}");
    }

    async fn state(&self, number: usize) -> (String, String) {
        let path = format!("/api/waves/status?name={number}.txt");
        let wave = self.desk.post(&path, "").await;
        let steps = wave["steps"].as_array().unwrap();
        let why = steps.last().unwrap()["reason"].as_str().unwrap();
        (wave["state"].as_str().unwrap().to_owned(), why.to_owned())
    }
}

/// A wave starts at its time, after a restart too. It does not when its new home is down then, or
/// when the program did not run for hours: it says so, and nobody has moved.
#[test]
fn a_wave_starts_at_its_time_or_says_why_not() {
    simulate(async {
        let morning = Morning::begin(Site::new()).await;
        morning.house.import().await;
        morning.schedule(0).await;
        sleep(59 * MINUTE).await;
        assert_eq!(morning.state(0).await.0, "scheduled");
        assert_eq!(morning.house.home(0), "onprem");
        let morning = morning.restart(Duration::ZERO).await;
        sleep(2 * MINUTE).await;
        assert_eq!(morning.state(0).await.0, "started");
        assert_eq!(morning.house.home(0), "cloud");

        morning.schedule(1).await;
        morning.site.platforms.set_up("cloud", false);
        sleep(61 * MINUTE).await;
        let (state, why) = morning.state(1).await;
        assert_eq!(state, "refused", "{why}");
        assert!(why.contains("cloud"), "{why}");
        assert_eq!(morning.house.home(1), "onprem");
        morning.site.platforms.set_up("cloud", true);
        sleep(10 * MINUTE).await;

        morning.schedule(2).await;
        let morning = morning.restart(8 * HOUR).await;
        sleep(MINUTE).await;
        let (state, why) = morning.state(2).await;
        assert_eq!(state, "refused", "{why}");
        assert!(why.contains("too late"), "{why}");
        assert_eq!(morning.house.home(2), "onprem");
        // Somebody looks, and starts it now.
        let path = "/api/waves/start?name=2.txt&to=cloud&actor=root";
        morning.desk.post(path, &user(2)).await;
        assert_eq!(morning.house.home(2), "cloud");
        morning.house.door.stop().await;
    });
}

/// The drill was green when the waves were scheduled. Its next probe is lost: at its time the wave
/// is refused and nobody has moved, but for the one whose operator overlooks drills.
#[test]
fn a_drill_that_turns_red_stops_a_scheduled_wave() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        house.import().await;
        let green = LegState {
            light: Light::Green,
            ..LegState::default()
        };
        let green = serde_json::to_value(green).unwrap();
        let spool = &house.door.spool;
        let known = spool.put_fact("drill", "leg/internet-onprem", Some(green));
        known.await.unwrap();
        // Nobody passes on what this mailbox gets.
        let leg = LegOptions {
            from: None,
            to: tideover::mail::BackendId::new("onprem"),
            mailbox: user(2).parse().unwrap(),
        };
        let options = Options {
            hostname: "mx.example.org".to_owned(),
            address: "drill@onprem.example".parse().unwrap(),
            every: 24 * HOUR,
            deadline: 30 * MINUTE,
            legs: vec![leg],
        };
        let directory = (&house.generations, &house.waves);
        let desk = Desk::drilled(&site, &house.door, directory, Some(options));
        desk.keep_drills(&house.door);
        desk.keep_waves(&house.door);
        sleep(MINUTE).await;
        let morning = Morning { site, house, desk };
        morning.schedule(0).await;
        let at: Timestamp = morning.house.door.now().after(HOUR);
        let path =
            format!("/api/waves/start?name=1.txt&to=cloud&actor=root&despite_drill=true&at={at}");
        morning.desk.post(&path, &user(1)).await;

        sleep(61 * MINUTE).await;
        let (state, why) = morning.state(0).await;
        assert_eq!(state, "refused", "{why}");
        assert!(why.contains("drill internet-onprem is red"), "{why}");
        assert_eq!(morning.house.home(0), "onprem");
        assert_eq!(morning.state(1).await.0, "started");
        assert_eq!(morning.house.home(1), "cloud");
        morning.house.door.stop().await;
    });
}
