//! Devices through lives of the program.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::{Clock, Entropy, TimeSource, Timestamp};
use crate::device::{
    Device, DeviceError, DeviceWish, Devices, Doing, LoginDenied, Logins, NotYet, Renewal, Way,
};
use crate::smtp::Reply;
use crate::spool::{Options, Spool, World};

use std::sync::Arc;

/// A time that passes only when told.
#[derive(Debug, Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn pass_days(&self, days: u64) {
        self.0.fetch_add(days * 86_400_000, Ordering::Relaxed);
    }
}

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.0.load(Ordering::Relaxed))
    }
}

struct Life {
    devices: Devices,
    spool: Spool,
    writer: std::thread::JoinHandle<()>,
    _committed: tokio::sync::mpsc::Receiver<crate::spool::Committed>,
}

impl Life {
    fn begin(folder: &std::path::Path, hand: &Hand) -> Self {
        let options = Options {
            min_free: 0,
            ..Options::new(folder)
        };
        let opened = Spool::open(options, World::system()).unwrap();
        let writer = opened.writer.spawn_thread().unwrap();
        let devices = Devices::new(
            opened.spool.clone(),
            (Clock::new(hand.clone()), Entropy::system()),
            Logins::Taken,
        );
        assert_eq!(at(&devices, "192.0.2.7"), Err(NotYet));
        assert!(devices.list().is_err());
        devices.restore().unwrap();
        Self {
            devices,
            spool: opened.spool,
            writer,
            _committed: opened.committed,
        }
    }

    async fn end(self) {
        self.spool.close().await.unwrap();
        drop((self.devices, self.spool));
        tokio::task::spawn_blocking(|| self.writer.join().unwrap())
            .await
            .unwrap();
    }
}

fn at(devices: &Devices, address: &str) -> Result<Option<String>, NotYet> {
    let found = devices.at(address.parse().unwrap())?;
    Ok(found.map(|device| device.name.clone()))
}

fn device(devices: &Devices, address: &str) -> Arc<Device> {
    devices.at(address.parse().unwrap()).unwrap().unwrap()
}

fn wish(name: &str, network: &str) -> DeviceWish {
    DeviceWish {
        name: name.to_owned(),
        way: Way::Internal,
        senders: vec!["@example.org".parse().unwrap()],
        networks: vec![network.to_owned()],
        recipients: Vec::new(),
        renewal: Renewal {
            expires: None,
            daily_recipients: Some(20),
        },
        reason: "a test".to_owned(),
    }
}

async fn add(devices: &Devices, wish: DeviceWish, doing: Doing) -> Result<(), DeviceError> {
    let is_ours = |domain: &str| domain == "example.org";
    let added = devices.add((wish, "ann"), &is_ours, doing).await;
    added.map(drop)
}

async fn send(devices: &Devices, address: &str, recipients: usize) -> Result<(), Reply> {
    let device = device(devices, address);
    devices.spend(&device, recipients)?;
    let from = "scan@example.org".parse().unwrap();
    devices.sent(&device, &from).await;
    Ok(())
}

#[tokio::test]
async fn devices_outlive_the_process_and_the_nearest_network_counts() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::default());
    let life = Life::begin(folder.path(), &hand);
    let devices = &life.devices;
    add(devices, wish("floor", "192.0.2.0/24"), Doing::Look)
        .await
        .unwrap();
    assert_eq!(at(devices, "192.0.2.7"), Ok(None), "it was only looked at");
    for (name, network) in [("floor", "192.0.2.0/24"), ("scanner", "192.0.2.7")] {
        add(devices, wish(name, network), Doing::Really)
            .await
            .unwrap();
    }
    life.end().await;
    let life = Life::begin(folder.path(), &hand);
    let devices = &life.devices;
    for (address, expected) in [
        ("192.0.2.7", Some("scanner")),
        ("::ffff:192.0.2.7", Some("scanner")),
        ("192.0.2.8", Some("floor")),
        ("192.0.3.8", None),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(at(devices, address), Ok(expected), "{address}");
    }
    let scanner = device(devices, "192.0.2.7");
    assert!(devices.is_current(&scanner));
    devices.renew("Scanner", Renewal::default()).await.unwrap();
    assert!(!devices.is_current(&scanner), "it may be another one now");
    devices.end("scanner").await.unwrap();
    assert_eq!(at(devices, "192.0.2.7"), Ok(Some("floor".to_owned())));
    life.end().await;
    let life = Life::begin(folder.path(), &hand);
    assert!(matches!(
        life.devices.show("scanner"),
        Err(DeviceError::Unknown(_))
    ));
    life.end().await;
}

#[tokio::test]
async fn what_it_sent_today_outlives_a_crash_but_for_a_tenth() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::default());
    let life = Life::begin(folder.path(), &hand);
    let devices = &life.devices;
    add(devices, wish("scanner", "192.0.2.7"), Doing::Really)
        .await
        .unwrap();
    for recipients in [1, 2, 2] {
        send(devices, "192.0.2.7", recipients).await.unwrap();
    }
    let scanner = device(devices, "192.0.2.7");
    devices.spend(&scanner, 9).unwrap();
    devices.refund(&scanner, 9);
    devices.refused(&scanner, &Reply::new(550, (5, 7, 1), "No"));
    let view = devices.show("scanner").unwrap();
    assert_eq!(view.today, 5);
    assert_eq!(view.last_sender.as_deref(), Some("scan@example.org"));
    assert_eq!(view.last_refusal.unwrap().reply, "550 5.7.1 No");
    // Nobody writes at the end: as after a kill.
    life.end().await;
    let life = Life::begin(folder.path(), &hand);
    let devices = &life.devices;
    let view = devices.show("scanner").unwrap();
    assert_eq!(view.today, 3, "at most 2 of 20 are forgotten");
    assert!(view.last_seen.is_some());
    assert_eq!(send(devices, "192.0.2.7", 18).await.unwrap_err().code, 450);
    send(devices, "192.0.2.7", 17).await.unwrap();
    assert!(devices.afford(&device(devices, "192.0.2.7"), 0).is_err());
    hand.pass_days(1);
    assert!(devices.afford(&device(devices, "192.0.2.7"), 19).is_ok());
    assert!(devices.afford(&device(devices, "192.0.2.7"), 20).is_err());
    // An orderly stop writes all of it.
    let shutdown = crate::base::Shutdown::new();
    shutdown.spawn("usage", devices.clone().keep_usage(shutdown.clone()));
    send(devices, "192.0.2.7", 1).await.unwrap();
    shutdown.stop().await;
    life.end().await;
    let life = Life::begin(folder.path(), &hand);
    assert_eq!(life.devices.show("scanner").unwrap().today, 1);
    life.end().await;
}

#[tokio::test]
async fn a_device_logs_in_with_the_password_of_today() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::default());
    let life = Life::begin(folder.path(), &hand);
    let devices = &life.devices;
    let mut wish = wish("app", "192.0.2.0/24");
    wish.way = Way::Login;
    let is_ours = |domain: &str| domain == "example.org";
    let added = devices.add((wish, "ann"), &is_ours, Doing::Really).await;
    let first = added.unwrap().1.unwrap();
    assert_eq!(first.len(), 29, "{first}");
    assert_eq!(
        at(devices, "192.0.2.7"),
        Ok(None),
        "its address is no login"
    );
    let from = |text: &str| text.parse().unwrap();
    let login = |name, password: &str, address| {
        let (devices, password) = (devices.clone(), password.to_owned());
        async move { devices.verify(name, &password, address).await }
    };
    let near = from("192.0.2.7");
    let typed = first.to_ascii_lowercase().replace('-', " ");
    let device = login(" App", &typed, near).await.unwrap();
    assert_eq!(devices.renewed(&device).as_ref(), Ok(&device));
    for (name, password, address) in [
        ("app", "ABCD-EFGH", near),
        ("app", "", near),
        ("other", first.as_str(), near),
        ("", first.as_str(), near),
        ("app", first.as_str(), from("192.0.3.7")),
    ] {
        let denied = login(name, password, address).await;
        assert_eq!(denied.unwrap_err(), LoginDenied::Wrong, "{name} {address}");
    }
    let (_, second) = devices.change_password("app").await.unwrap();
    assert_eq!(devices.renewed(&device), Err(LoginDenied::Wrong));
    assert!(login("app", &first, near).await.is_err());
    life.end().await;
    let life = Life::begin(folder.path(), &hand);
    let device = life.devices.verify("app", &second, near).await.unwrap();
    assert!(!format!("{device:?}").contains("argon2"));
    for _ in 0..5 {
        life.devices.verify("app", "x", near).await.unwrap_err();
    }
    let denied = life.devices.verify("app", &second, near).await;
    assert!(matches!(denied, Err(LoginDenied::Wait(_))), "{denied:?}");
    life.devices.end("app").await.unwrap();
    assert_eq!(life.devices.renewed(&device), Err(LoginDenied::Wrong));
    life.end().await;
}
