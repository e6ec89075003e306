//! Synchronisation with a source that is played.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::directory::generation_tests::House;
use crate::ldap::Object;

/// A directory server that is played.
#[derive(Debug, Default)]
struct Played {
    people: Mutex<Vec<(&'static str, &'static str)>>,
    breaks: AtomicBool,
}

impl Feed for Played {
    fn read<'a>(&'a self, sink: &'a mut dyn Sink) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            for (dn, mail) in self.people.lock().unwrap().iter() {
                let mut object = Object {
                    dn: (*dn).to_owned(),
                    ..Object::default()
                };
                let mail = mail.as_bytes().to_vec();
                object.attributes.insert("mail".to_owned(), vec![mail]);
                sink.found(object);
            }
            if self.breaks.load(Ordering::Relaxed) {
                return Err("the connection broke off".to_owned());
            }
            Ok(())
        })
    }
}

impl Played {
    fn say(&self, people: &[(&'static str, &'static str)]) {
        people.clone_into(&mut self.people.lock().unwrap());
    }
}

const TEN: [(&str, &str); 10] = [
    ("cn=0", "p0@example.org"),
    ("cn=1", "p1@example.org"),
    ("cn=2", "p2@example.org"),
    ("cn=3", "p3@example.org"),
    ("cn=4", "p4@example.org"),
    ("cn=5", "p5@example.org"),
    ("cn=6", "p6@example.org"),
    ("cn=7", "p7@example.org"),
    ("cn=8", "p8@example.org"),
    ("cn=9", "p9@example.org"),
];

fn place() -> (House, Arc<Played>, Syncer) {
    let house = House::new();
    let played = Arc::new(Played::default());
    let syncer = Syncer::new(house.generations.clone());
    let source = Source {
        name: "ad".to_owned(),
        feed: Arc::<Played>::clone(&played),
        homes: vec![Some(BackendId::new("onprem"))],
    };
    syncer.configure(vec![source], Duration::from_secs(900));
    (house, played, syncer)
}

async fn sync(syncer: &Syncer, mode: Mode) -> Synced {
    let done = syncer.sync(Some("ad"), ("ann", "a test"), mode).await;
    done.unwrap().remove(0)
}

const CAREFUL: Mode = Mode::Commit(Guard::On);

#[tokio::test]
async fn a_source_becomes_a_generation_and_again_becomes_none() {
    let (house, played, syncer) = place();
    assert_eq!(syncer.status()[0].at, None);
    played.say(&TEN);
    let dry = sync(&syncer, Mode::DryRun).await;
    assert!(matches!(dry.outcome, Ok(Outcome::Would { .. })));
    assert_eq!(syncer.status()[0].at, None, "a look is no synchronisation");
    let first = sync(&syncer, CAREFUL).await;
    assert!(matches!(first.outcome, Ok(Outcome::Done(_))));
    assert_eq!(
        (first.status.people, first.status.generation),
        (10, Some(1))
    );
    assert_eq!(house.generations.current().len(), 10);
    // A server gives its objects in any order.
    let mut turned = TEN;
    turned.reverse();
    played.say(&turned);
    let second = sync(&syncer, CAREFUL).await;
    assert!(matches!(second.outcome, Ok(Outcome::Unchanged)));
    assert_eq!(house.generations.list().await.unwrap().len(), 1);
    assert_eq!(syncer.status()[0].generation, Some(1));
    let entry = house.generations.current().entries().next().unwrap();
    assert_eq!(entry.home, Some(BackendId::new("onprem")));
}

#[tokio::test]
async fn a_source_that_breaks_off_changes_nothing_and_is_told() {
    let (house, played, syncer) = place();
    played.say(&TEN);
    sync(&syncer, CAREFUL).await;
    played.say(&TEN[..9]);
    played.breaks.store(true, Ordering::Relaxed);
    for failures in 1..=2 {
        let broken = sync(&syncer, CAREFUL).await;
        assert!(matches!(broken.outcome, Err(DirectoryError::Source(_))));
        assert_eq!(broken.status.failures, failures);
    }
    let status = &syncer.status()[0];
    assert_eq!(status.error.as_deref(), Some("the connection broke off"));
    assert_eq!((status.people, status.generation), (10, Some(1)));
    assert_eq!(house.generations.current().living(), 10);
    played.breaks.store(false, Ordering::Relaxed);
    let mended = sync(&syncer, CAREFUL).await.status;
    assert_eq!((mended.failures, mended.error), (0, None));
    assert_eq!(house.generations.current().living(), 9);
}

#[tokio::test]
async fn too_many_deletions_stop_until_somebody_says_yes() {
    let (house, played, syncer) = place();
    played.say(&TEN);
    sync(&syncer, CAREFUL).await;
    played.say(&TEN[..5]);
    let stopped = sync(&syncer, CAREFUL).await;
    assert!(matches!(stopped.outcome, Err(DirectoryError::TooMany(_))));
    assert!(stopped.status.error.unwrap().contains("delete 5"));
    assert_eq!(house.generations.current().living(), 10);
    sync(&syncer, Mode::Commit(Guard::Off)).await;
    assert_eq!(house.generations.current().living(), 5);
}

#[tokio::test]
async fn only_sources_of_the_config_are_read() {
    let (_house, _, syncer) = place();
    let absent = syncer.sync(Some("hr"), ("ann", ""), CAREFUL).await;
    let told = absent.unwrap_err().to_string();
    assert_eq!(told, "there is no source hr, only ad");
    syncer.configure(Vec::new(), Duration::from_secs(1));
    assert!(syncer.sync(None, ("ann", ""), CAREFUL).await.is_err());
    assert!(syncer.status().is_empty());
}

#[tokio::test(start_paused = true)]
async fn sources_are_read_now_and_then_and_soon_after_a_failure() {
    let (house, played, syncer) = place();
    assert_eq!(syncer.pause(), Duration::from_secs(900));
    played.breaks.store(true, Ordering::Relaxed);
    for pause in [60, 120, 240, 480, 900, 900] {
        sync(&syncer, CAREFUL).await;
        assert_eq!(syncer.pause(), Duration::from_secs(pause));
    }
    played.breaks.store(false, Ordering::Relaxed);
    played.say(&TEN);
    let shutdown = Shutdown::new();
    let heard = Arc::new(Notify::new());
    let tell = Arc::clone(&heard);
    let keep = syncer
        .clone()
        .keep(shutdown.clone(), move || tell.notify_one());
    shutdown.spawn("sync", keep);
    heard.notified().await;
    assert_eq!(house.generations.current().len(), 10);
    shutdown.stop().await;
}
