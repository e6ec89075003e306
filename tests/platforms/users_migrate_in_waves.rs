//! A whole migration: three waves between two platforms while mail flows, with an outage, a kill,
//! and one wave taken back. Nothing is lost, and each message is at the home that its recipient had
//! when it was delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Client, LONG, Lab, Tideover, eventually};

const USERS: usize = 6;
const SENDER: &str = "eve@sender.example";
/// An attempt that was under way when a wave started may end behind it.
const UNDER_WAY: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

fn user(number: usize) -> String {
    format!("u{number}@example.org")
}

/// A message to all users now and then, until it is ended.
struct Flow {
    end: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    sender: JoinHandle<Vec<String>>,
}

impl Flow {
    fn start(tideover: &Tideover) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (ended, counted, at) = (Arc::clone(&end), Arc::clone(&count), tideover.smtp());
        let sender = thread::spawn(move || {
            let mut sent = Vec::new();
            let mut number = 0;
            while !ended.load(Ordering::SeqCst) {
                breath();
                // The server may be between two lives.
                let Ok(client) = Client::try_connect(at) else {
                    continue;
                };
                send(client, &ended, &mut number, &mut |id| {
                    sent.push(id);
                    counted.fetch_add(1, Ordering::SeqCst);
                });
            }
            sent
        });
        Self { end, count, sender }
    }

    fn wait_for_more(&self, messages: usize) {
        let goal = self.count.load(Ordering::SeqCst) + messages;
        eventually(LONG, "mail flows", || {
            (self.count.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    /// The Message-IDs that were acknowledged.
    fn finish(self) -> Vec<String> {
        self.end.store(true, Ordering::SeqCst);
        self.sender.join().expect("the sender")
    }
}

/// Sends on one connection, until it breaks or the flow ends.
fn send(mut client: Client, ended: &AtomicBool, number: &mut u32, took: &mut impl FnMut(String)) {
    let users: Vec<String> = (0..USERS).map(user).collect();
    let to: Vec<&str> = users.iter().map(String::as_str).collect();
    while !ended.load(Ordering::SeqCst) {
        *number += 1;
        let id = format!("<{number}@flow.example>");
        let text = format!("From: <{SENDER}>\r\nMessage-ID: {id}\r\n\r\n{id}\r\n");
        match client.try_offer(SENDER, &to, text.as_bytes()) {
            Ok(reply) if reply.code == 250 => took(id),
            Ok(_) | Err(_) => return,
        }
        breath();
    }
}

/// Mail comes at some pace, not as fast as it can.
#[expect(clippy::disallowed_methods, reason = "the pace of the load, no wait")]
fn breath() {
    thread::sleep(Duration::from_millis(60));
}

fn number(value: &Value, field: &str) -> u64 {
    let found = value[field].as_u64();
    found.unwrap_or_else(|| panic!("no {field} in {value}"))
}

struct Migration<'a> {
    lab: &'a Lab,
    tideover: &'a Tideover,
}

impl Migration<'_> {
    fn file(&self, third: usize) -> String {
        let users = third * USERS / 3..(third + 1) * USERS / 3;
        let text: String = users.map(|number| user(number) + "\n").collect();
        let path = self.lab.file(&format!("wave{third}.txt"), text.as_bytes());
        path.to_str().unwrap().to_owned()
    }

    fn start(&self, third: usize, more: &[&str]) {
        let file = self.file(third);
        let planned = self
            .tideover
            .json(&["wave", "plan", &file, "--to", "cloud"]);
        assert_eq!(number(&planned, "moves"), 2, "{planned}");
        let verb = ["wave", "start", &file, "--to", "cloud"];
        let verb: Vec<&str> = verb.iter().chain(more).copied().collect();
        let started = self.tideover.json(&verb);
        assert_eq!(started["wave"]["state"], "started", "{started}");
    }

    /// Waits until nothing waits for another home than the present one.
    fn wait_followed(&self, third: usize) {
        let file = self.file(third);
        eventually(LONG, "waiting mail follows", || {
            let status = self.tideover.json(&["wave", "status", &file]);
            (number(&status, "following") == 0 && number(&status, "waiting") == 0).then_some(())
        });
    }
}

const fn at<'a>(lab: &'a Lab, tideover: &'a Tideover) -> Migration<'a> {
    Migration { lab, tideover }
}

#[test]
fn three_waves_with_an_outage_a_kill_and_a_way_back() {
    let users: Vec<String> = (0..USERS).map(user).collect();
    // Mailboxes are on both platforms already, as they are before a cutover.
    let mut lab = Lab::of(&users, &users);
    let rows: String = users
        .iter()
        .map(|user| user.clone() + ",onprem\n")
        .collect();
    let mut tideover = Tideover::start(
        lab.settings(),
        &format!("address,home\nc0@intl.example,onprem\n{rows}"),
    );
    let flow = Flow::start(&tideover);
    flow.wait_for_more(10);
    at(&lab, &tideover).start(0, &[]);
    flow.wait_for_more(10);

    // The old home fails; the second wave leads its users out of the outage.
    lab.onprem.stop();
    tideover.wait_health("onprem", "down");
    flow.wait_for_more(10);
    at(&lab, &tideover).start(1, &["--reason", "out of the outage"]);
    at(&lab, &tideover).wait_followed(1);
    tideover.kill();
    tideover.start_again();
    flow.wait_for_more(10);
    lab.onprem.start_again();
    tideover.wait_health("onprem", "up");

    at(&lab, &tideover).start(2, &[]);
    flow.wait_for_more(10);
    let first = at(&lab, &tideover).file(0);
    let reverted = tideover.json(&["wave", "revert", &first, "--reason", "calendars"]);
    assert_eq!(reverted["state"], "reverted", "{reverted}");
    flow.wait_for_more(10);
    let sent = flow.finish();
    tideover.wait_idle();
    let waves = tideover.json(&["wave", "status"]);
    let there: Vec<u64> = (0..3).map(|wave| number(&waves[wave], "there")).collect();
    assert_eq!(there, [0, 2, 2], "{waves}");
    reported(&lab, &tideover, number(&waves[2], "users"));
    check(&lab, &tideover, &sent);
}

/// The closing report of the third wave: its users' mail since it started, and nobody else's.
fn reported(lab: &Lab, tideover: &Tideover, users: u64) {
    let file = at(lab, tideover).file(2);
    let rows = lab.file("rows.csv", b"");
    let rows = rows.to_str().unwrap();
    let report = tideover.json(&["report", "--wave", &file, "--csv", rows]);
    let ends = &report["recipients"];
    assert!(number(ends, "all") > 0, "{report}");
    assert_eq!(
        number(ends, "all"),
        number(&report, "messages") * users,
        "{report}"
    );
    assert_eq!(number(ends, "delivered"), number(ends, "all"), "{report}");
    let scope = report["scope"].as_str().unwrap();
    assert!(
        scope.contains("wave2.txt") && scope.ends_with("to cloud"),
        "{scope}"
    );
    let text = std::fs::read_to_string(rows).unwrap();
    let theirs: Vec<String> = (2 * USERS / 3..USERS).map(user).collect();
    let lines = text.lines().skip(1);
    assert_eq!(lines.clone().count() as u64, number(ends, "all"), "{text}");
    for line in lines {
        assert!(theirs.iter().any(|user| line.contains(user)), "{line}");
    }
    let everybody = tideover.json(&["report", "--since", "2020-01-01", "--domain", "example.org"]);
    assert!(number(&everybody["recipients"], "all") > number(ends, "all"));
    let refused = tideover.refused(&["report", "--since", "2020-01-01", "--domain", "example.net"]);
    assert!(refused.contains("no domain of ours"), "{refused}");
}

/// Looks at the mailboxes, and at what is written down of each delivery.
fn check(lab: &Lab, tideover: &Tideover, sent: &[String]) {
    assert!(
        sent.len() >= 60 && sent.len() < 1000,
        "{} messages",
        sent.len()
    );
    let log = tideover.json(&["directory", "log", "--limit", "100"]);
    for number in 0..USERS {
        let user = user(number);
        let homes = homes(&log, number);
        let traced = tideover.json(&["trace", &user, "--limit", "1000"]);
        let mut places: BTreeMap<String, Vec<(jiff::Timestamp, String)>> = BTreeMap::new();
        for message in traced["messages"].as_array().unwrap() {
            let id = format!("<{}>", message["message_id"].as_str().unwrap());
            let recipient = &message["recipients"][number];
            assert_eq!(recipient["address"], user.as_str(), "{recipient}");
            for event in recipient["events"].as_array().unwrap() {
                if event["event"] == "delivered" {
                    let when = event["at"].as_str().unwrap().parse().unwrap();
                    let backend = recipient["backend"].as_str().unwrap().to_owned();
                    places.entry(id.clone()).or_default().push((when, backend));
                }
            }
        }
        let boxes = [("onprem", &lab.onprem), ("cloud", &lab.cloud)]
            .map(|(name, platform)| (name, platform.settled().message_ids(&user)));
        for id in sent {
            let [(when, backend)] = places[id].as_slice() else {
                panic!("{user} {id}: {:?}", places[id]);
            };
            let lived = homes.iter().any(|(since, until, home)| {
                home == backend && *since <= *when + UNDER_WAY && *when - UNDER_WAY <= *until
            });
            assert!(lived, "{user} {id} went to {backend} at {when}: {homes:?}");
            for (name, found) in &boxes {
                let copies = found.get(id).copied().unwrap_or_default();
                // The kill may have made a second copy of what was under way.
                let fine = if name == backend { 1..=2 } else { 0..=1 };
                assert!(fine.contains(&copies), "{user} {id}: {copies} at {name}");
            }
        }
        let all: usize = boxes.iter().flat_map(|(_, found)| found.values()).sum();
        assert!(all <= sent.len() + 20, "{user} has {all} of {}", sent.len());
    }
}

/// From when until when a user lived where: by the generations of the waves.
fn homes(log: &Value, number: usize) -> Vec<(jiff::Timestamp, jiff::Timestamp, String)> {
    let mut homes = vec![(jiff::Timestamp::MIN, "onprem".to_owned())];
    let name = format!("(wave{}.txt)", number * 3 / USERS);
    for one in log.as_array().unwrap() {
        let reason = one["reason"].as_str().unwrap_or_default();
        if reason.contains(&name) {
            let home = if reason.contains("taken back") {
                "onprem"
            } else {
                "cloud"
            };
            homes.push((
                one["at"].as_str().unwrap().parse().unwrap(),
                home.to_owned(),
            ));
        }
    }
    let ends = homes.iter().skip(1).map(|(since, _)| *since);
    let ends: Vec<_> = ends.chain([jiff::Timestamp::MAX]).collect();
    let spans = homes.into_iter().zip(ends);
    spans
        .map(|((since, home), until)| (since, until, home))
        .collect()
}
