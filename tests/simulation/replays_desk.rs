//! Replays as operators ask for them.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::{Site, simulate};
use crate::replays::drained;
use crate::waves::{House, user};

const SECOND: Duration = Duration::from_secs(1);

fn plan(more: &str) -> String {
    format!("/api/replays/plan?to=onprem&actor=ann{more}")
}

fn skipped(planned: &Value, reason: &str) -> u64 {
    let all = planned["skipped"].as_array().unwrap();
    let found = all.iter().find(|one| one["reason"] == reason);
    found.map_or(0, |one| one["recipients"].as_u64().unwrap())
}

async fn wait_for(desk: &Desk, id: &str, state: &str) -> Value {
    for _ in 0..10_000 {
        let answer = desk.get(&format!("/api/replays/{id}")).await;
        if answer["state"] == state {
            return answer;
        }
        sleep(SECOND).await;
    }
    panic!("{id} never was {state}");
}

/// What is meant is planned, and what is not is refused; the plan of a wave.
async fn ask_for_plans(site: &Site, desk: &Desk) -> Value {
    // By people: a list of addresses, or a wave that was planned.
    let two = format!("{}\n# nobody else\n{}\n", user(0), user(1));
    let some = desk.post(&plan(""), &two).await;
    assert_eq!(
        (&some["recipients"], &some["id"]),
        (&4.into(), &"r1".into())
    );
    assert!(some["eta_seconds"].is_u64() && some["bytes"].as_u64() > Some(0));
    let wave = "/api/waves/plan?name=a.txt&actor=ann&to=cloud";
    desk.post(wave, &format!("{}\n", user(2))).await;
    let of_wave = desk.post(&plan("&wave=a.txt"), "").await;
    assert_eq!(of_wave["recipients"], 2, "{of_wave}");
    let nobody = desk.post(&plan("&sender=joe@example.net"), "").await;
    assert_eq!(nobody["recipients"], 0, "{nobody}");
    let why = desk.refusal(&plan(""), "").await;
    assert!(why.contains("all mail"), "{why}");
    let why = desk.refusal(&plan("&wave=b.txt"), "").await;
    assert!(why.contains("b.txt"), "{why}");
    let why = desk.refusal(&plan("&sender=joe"), "").await;
    assert!(why.contains("no address"), "{why}");
    let gap = plan("&missing_only=true&since=2020-01-01T00:00:00Z");
    let why = desk.refusal(&gap, "").await;
    assert!(why.contains("[backend.onprem.imap]"), "{why}");
    let why = desk.refusal("/api/replays/plan?to=moon", "").await;
    assert!(why.contains("moon"), "{why}");
    let late = plan("&since=2100-01-01T00:00:00Z");
    assert!(
        desk.refusal(&late, "")
            .await
            .contains("nothing lies between")
    );
    assert_eq!(site.copies(), 12, "nothing was sent");
    of_wave
}

/// Once, and not again; the plan of the rest.
async fn replay_some(desk: &Desk) -> Value {
    desk.post("/api/replays/r1/start?actor=ann", "").await;
    let done = wait_for(desk, "r1", "done").await;
    assert_eq!(done["counts"]["delivered"], 4, "{done}");
    let why = desk.refusal("/api/replays/r1/start?actor=ann", "").await;
    assert_eq!(why, "r1 is done");
    let why = desk.refusal("/api/replays/r9/stop?actor=ann", "").await;
    assert_eq!(why, "there is no replay r9");
    let again = desk.post(&plan("&since=2020-01-01T00:00:00Z"), "").await;
    assert_eq!(
        (&again["recipients"], skipped(&again, "already")),
        (&8.into(), 4)
    );
    again
}

async fn pause_and_go_on(site: &Site, desk: &Desk, again: &Value) {
    // While its platform is away it waits, and can be paused and ended.
    site.platforms.set_up("onprem", false);
    sleep(60 * SECOND).await;
    let id = again["id"].as_str().unwrap().to_owned();
    let verb = |what: &str| format!("/api/replays/{id}/{what}?actor=ann&reason=late");
    desk.post(&verb("start"), "").await;
    sleep(10 * SECOND).await;
    let status = desk.get("/api/status").await;
    let shown = &status["replays"][0];
    assert_eq!(
        (&shown["id"], &shown["state"]),
        (&id.as_str().into(), &"running".into())
    );
    assert!(
        shown["waits_for"].as_str().unwrap().contains("onprem"),
        "{shown}"
    );
    assert_eq!(desk.post(&verb("pause"), "").await["state"], "paused");
    site.platforms.set_up("onprem", true);
    sleep(60 * SECOND).await;
    assert_eq!(site.copies(), 16, "it is paused");
    assert_eq!(desk.post(&verb("resume"), "").await["state"], "running");
    wait_for(desk, &id, "done").await;
    assert_eq!(site.copies(), 24);
}

async fn check_trace(desk: &Desk) {
    let traced = desk.get(&format!("/api/trace?of={}", user(0))).await;
    let recipient = &traced["messages"][0]["recipients"][0];
    let last = recipient["events"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["event"], &recipient["state"]),
        (&"replay".into(), &"delivered".into())
    );
    assert!(
        last["detail"]
            .as_str()
            .unwrap()
            .starts_with("r1 to onprem: delivered as")
    );
}

#[test]
fn operators_plan_start_pause_and_stop_replays() {
    simulate(async {
        let site = Site::new();
        let house = House::open(&site).await;
        house.import().await;
        let desk = Desk::new(&site, &house.door, (&house.generations, &house.waves));
        for number in 0..6 {
            house.door.send(&[&user(number)]).await;
            house.door.send(&[&user(number)]).await;
        }
        drained(&house.door).await;
        sleep(SECOND).await;

        let of_wave = ask_for_plans(&site, &desk).await;
        let again = replay_some(&desk).await;
        pause_and_go_on(&site, &desk, &again).await;
        let last = of_wave["id"].as_str().unwrap();
        let stop = format!("/api/replays/{last}/stop?actor=ann&reason=late");
        let stopped = desk.post(&stop, "").await;
        assert_eq!(stopped["deeds"][1]["reason"], "late", "{stopped}");
        assert_eq!(desk.get("/api/replays").await.as_array().unwrap().len(), 4);

        check_trace(&desk).await;
        house.door.stop().await;
    });
}
