//! Devices that are known by their addresses, and the count of their day.

use std::io::ErrorKind;
use std::time::Duration;

use tideover::base::Clock;
use tideover::device::{DeviceWish, Doing, Renewal, Way};

use super::tarpit::{self, Guest, House};

const DAY: Duration = Duration::from_secs(86_400);
const SCANNER: [u8; 4] = [10, 0, 0, 5];

/// Hands in a message to two; the reply that ends it.
async fn hand_in(guest: &mut Guest) -> String {
    let letter = "From: scan@example.org\r\nSubject: a page\r\n\r\nHello\r\n.";
    let mut reply = String::new();
    for line in [
        "RSET",
        "MAIL FROM:<scan@example.org>",
        "RCPT TO:<ann@example.org>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        letter,
    ] {
        reply = guest.ask(line).await.0;
        if !reply.starts_with(['2', '3']) {
            break;
        }
    }
    reply
}

/// A scanner that sends to two a day.
fn wish(way: Way) -> DeviceWish {
    DeviceWish {
        name: "scanner".to_owned(),
        way,
        senders: vec!["@example.org".parse().unwrap()],
        networks: vec!["10.0.0.5".to_owned()],
        recipients: Vec::new(),
        renewal: Renewal {
            expires: Some(Clock::system().now().after(30 * DAY)),
            daily_recipients: Some(2),
        },
        reason: "a test".to_owned(),
    }
}

async fn add(house: &House, wish: DeviceWish) {
    let is_ours = |domain: &str| domain == "example.org";
    let devices = &house.door.devices;
    let added = devices.add((wish, "ann"), &is_ours, Doing::Really).await;
    added.unwrap();
}

/// What could not be stored was not sent.
#[tokio::test(start_paused = true)]
async fn what_the_disk_does_not_take_is_not_counted() {
    let mut settings = tarpit::settings();
    settings.devices = true;
    let house = House::open(settings);
    let wish = DeviceWish {
        recipients: vec!["@office.example".parse().unwrap()],
        ..wish(Way::Listed)
    };
    add(&house, wish).await;
    let mut guest = house.come(SCANNER).await;
    for (fault, expected) in [
        (Some(ErrorKind::Other), "451"),
        (Some(ErrorKind::StorageFull), "452"),
        (None, "250"),
        (None, "450"),
    ] {
        *house.door.fault.lock().unwrap() = fault;
        let reply = hand_in(&mut guest).await;
        assert!(reply.starts_with(expected), "{fault:?}: {reply}");
    }
    house.door.shutdown.stop().await;
}

/// I11: one that sends inside the house has no way out of it, by no tag of ours either.
#[tokio::test(start_paused = true)]
async fn a_tag_lets_no_device_out_of_the_house() {
    let mut settings = tarpit::settings();
    settings.devices = true;
    settings.directory = vec!["ann@example.org".to_owned()];
    let house = House::open(settings);
    add(&house, wish(Way::Internal)).await;
    let mut guest = house.come(SCANNER).await;
    let (begun, _) = guest.ask("MAIL FROM:<scan@example.org>").await;
    assert!(begun.starts_with("250"), "{begun}");
    for way in [
        "ann+x%elsewhere.example@example.org",
        "\"ann+x@elsewhere.example\"@example.org",
        "ann+elsewhere.example!x@example.org",
    ] {
        let (reply, _) = guest.ask(&format!("RCPT TO:<{way}>")).await;
        let refusal =
            format!("550 5.7.1 Device scanner may send to our own people only, not to {way}\r\n");
        assert_eq!(reply, refusal);
    }
    let (reply, _) = guest.ask("RCPT TO:<ann+shop@example.org>").await;
    assert!(reply.starts_with("250"), "{reply}");
    house.door.shutdown.stop().await;
}
