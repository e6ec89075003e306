//! `unknown = "verify"`: what the home said outlives its outages and our restarts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tideover::backend::Health;
use tideover::base::{Boxed, Clock};
use tideover::directory::{
    AskHome, Directory, DomainKind, GenerationOptions, Generations, Heard, Unknown, Verified, Waves,
};
use tideover::mail::BackendId;
use tideover::route::{Admission, Admit, Origin, Verifier};
use tideover::smtp::Mailbox;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::{Door, Site, simulate};
use crate::platforms::Platforms;
use crate::world::domain;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Who has a mailbox on a platform, and how often it was asked.
#[derive(Debug, Clone)]
struct Home {
    platforms: Platforms,
    people: Arc<Mutex<BTreeSet<&'static str>>>,
    asked: Arc<Mutex<u32>>,
}

impl Home {
    fn asked(&self) -> u32 {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl AskHome for Home {
    fn ask<'a>(&'a self, home: &'a BackendId, address: &'a Mailbox) -> Boxed<'a, Heard> {
        *self.asked.lock().unwrap() += 1;
        let heard = if !self.platforms.is_up(home) {
            Heard::Nothing
        } else if self.people.lock().unwrap().contains(address.local()) {
            Heard::Exists
        } else {
            Heard::Absent("550 5.1.1 who?".to_owned())
        };
        Box::pin(std::future::ready(heard))
    }
}

fn open(site: &Site, home: &Home) -> Door {
    let door = site.open();
    let mut rule = domain("onprem");
    rule.kind = DomainKind::InternalRelay;
    rule.unknown = Unknown::Verify;
    door.directory
        .replace(Directory::builder(vec![rule]).finish());
    let verified = Verified::default();
    verified.restore(&door.spool).unwrap();
    let clock = Clock::new(site.clock.clone());
    let asker = Arc::new(home.clone());
    door.router
        .verify_with(Verifier::new(verified, asker, clock));
    door
}

/// The reply to RCPT; `250` when it is taken.
async fn rcpt(door: &Door, local: &str) -> u16 {
    let address = format!("{local}@onprem.example").parse().unwrap();
    door.router.prepare(&address).await;
    match door.router.admit(&address, Origin::Internet) {
        Admission::Accept { .. } => 250,
        Admission::Reject(reply) => reply.code,
    }
}

async fn wait_for(door: &Door, health: Health) {
    let onprem = BackendId::new("onprem");
    while door.router.board().health(&onprem).unwrap().health != health {
        sleep(HOUR).await;
    }
}

#[test]
fn who_was_verified_is_taken_through_an_outage_and_a_restart() {
    simulate(async {
        let mut site = Site::new();
        site.probing = HOUR;
        let home = Home {
            platforms: site.platforms.clone(),
            people: Arc::new(Mutex::new(["ann", "bob"].into())),
            asked: Arc::default(),
        };
        let door = open(&site, &home);
        assert_eq!(rcpt(&door, "ann").await, 250);
        assert_eq!(rcpt(&door, "nobody").await, 550);
        assert_eq!(home.asked(), 2);
        assert_eq!(rcpt(&door, "Ann").await, 250);
        assert_eq!(rcpt(&door, "nobody").await, 550);
        assert_eq!(home.asked(), 0, "what was said a moment ago is remembered");

        site.platforms.set_up("onprem", false);
        wait_for(&door, Health::Down).await;
        sleep(30 * DAY).await;
        assert_eq!(rcpt(&door, "ann").await, 250, "however long it takes");
        assert_eq!(rcpt(&door, "bob").await, 451, "the sender comes again");
        let held = door.send(&["ann@onprem.example"]).await;
        door.stop().await;
        let door = open(&site, &home);
        wait_for(&door, Health::Down).await;
        assert_eq!(rcpt(&door, "ann").await, 250);
        assert_eq!(rcpt(&door, "nobody").await, 451);
        assert_eq!(home.asked(), 0, "who is down is not asked");

        site.platforms.set_up("onprem", true);
        wait_for(&door, Health::Up).await;
        assert_eq!(rcpt(&door, "bob").await, 250);
        assert_eq!(door.words(&[held]).get("delivered"), Some(&1));
        door.stop().await;
    });
}

#[test]
fn a_home_that_takes_its_word_back_is_believed_the_second_time() {
    simulate(async {
        let mut site = Site::new();
        site.probing = HOUR;
        let home = Home {
            platforms: site.platforms.clone(),
            people: Arc::new(Mutex::new(["ann", "bob"].into())),
            asked: Arc::default(),
        };
        let door = open(&site, &home);
        for name in ["ann", "bob"] {
            assert_eq!(rcpt(&door, name).await, 250);
        }
        home.people.lock().unwrap().clear();
        // An administrator knows better at once.
        let verified = &door.router.verifier().unwrap().verified;
        assert!(verified.forget("bob@onprem.example").await.unwrap());
        assert_eq!(rcpt(&door, "bob").await, 550);
        assert_eq!(rcpt(&door, "ann").await, 250);
        sleep(8 * DAY).await;
        assert_eq!(rcpt(&door, "ann").await, 250, "its first no");
        sleep(DAY).await;
        assert_eq!(rcpt(&door, "ann").await, 550, "its second no");
        door.stop().await;
    });
}

#[test]
fn operators_see_who_was_verified_and_make_it_forgotten() {
    simulate(async {
        let mut site = Site::new();
        site.probing = HOUR;
        let home = Home {
            platforms: site.platforms.clone(),
            people: Arc::new(Mutex::new(["ann"].into())),
            asked: Arc::default(),
        };
        let door = open(&site, &home);
        let clock = Clock::new(site.clock.clone());
        let options = GenerationOptions::default();
        let handle = door.directory.clone();
        let all = Generations::new(handle, door.spool.clone(), clock, options);
        let waves = Waves::new(all.clone(), door.spool.clone());
        let desk = Desk::new(&site, &door, (&all, &waves));
        for name in ["ann", "nobody"] {
            rcpt(&door, name).await;
        }
        let listed = desk.get("/api/directory/verified").await;
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(listed[0]["address"], "ann@onprem.example");
        assert_eq!(listed[0]["by"], "onprem");
        let path = "/api/directory?address=Ann@onprem.example";
        let known = desk.get(path).await;
        assert_eq!(known["entry"], json!(null), "{known}");
        assert_eq!(known["verified"]["by"], "onprem", "{known}");
        assert_eq!(known["verified"]["at"], listed[0]["at"]);
        let nobody = desk
            .get("/api/directory?address=nobody@onprem.example")
            .await;
        assert_eq!(nobody["verified"], json!(null), "{nobody}");

        let ann = json!({"address": "Ann@onprem.example"});
        let told = desk.tell("/api/directory/forget", &ann).await;
        assert_eq!(told["forgotten"], true, "{told}");
        let told = desk.tell("/api/directory/forget", &ann).await;
        assert_eq!(told["forgotten"], false, "{told}");
        assert_eq!(desk.get("/api/directory/verified").await, json!([]));
        assert_eq!(desk.get(path).await["verified"], json!(null));
        door.stop().await;
    });
}
