//! The index is lost and the log is long: the program takes mail before it has read it all.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use tideover::spool::{MemoryStore, Options, Spool, World};

use super::server::House;
use super::wait::{LONG, eventually};
use crate::workload::{envelope, run_opened};

/// More than a start reads before it takes mail, and enough to be looked at meanwhile.
const OLD: usize = if cfg!(debug_assertions) {
    20_000
} else {
    200_000
};
/// Of those, the ones that somebody waits for.
const WAITING: u64 = 40;

/// A log of old mail, without an index.
fn long_log(dir: &Path) {
    let world = World {
        open_store: Arc::new(|_| Ok(Box::new(MemoryStore::default()))),
        ..World::system()
    };
    let options = Options {
        min_free: 0,
        ..Options::new(dir)
    };
    let opened = Spool::open(options, world).unwrap();
    run_opened(opened, async |spool| {
        let body = vec![b'o'; 4 * 1024];
        for round in 0..OLD / 400 {
            let all = (0..400_u64).map(|number| {
                let waits = round == 7 && number < WAITING;
                let (spool, body) = (&spool, &body);
                async move {
                    let mut draft = spool.draft();
                    draft.append(body).await.unwrap();
                    let envelope = envelope(usize::from(waits));
                    spool.accept(draft, envelope).await.unwrap();
                }
            });
            join_all(all).await;
        }
    });
    fs::remove_dir_all(dir.join("index")).unwrap();
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// `status`, as far as it is about the index.
fn index(house: &House) -> Value {
    let status = house.verb(&["status", "--json"]);
    let error = status.stderr.escape_ascii();
    assert!(status.status.success(), "{error}");
    let mut status: Value = serde_json::from_slice(&status.stdout).unwrap();
    status["spool"]["index"].take()
}

#[test]
fn mail_is_taken_while_the_program_reads_a_long_log() {
    let house = House::new();
    long_log(&house.data());
    let (right, wrong) = (house.platform().to_string(), nobody().to_string());
    house.edit(&right, &wrong);

    let mut server = house.serve();
    let sent = house.send(0, 2);
    assert_eq!(sent.len(), 8);
    // It was taken while the index was not complete, and that is told. A very fast machine may be
    // done already: tests/crash/rebuild.rs holds it at a gate instead.
    let taken = house.taken();
    // A reload meanwhile counts when the delivery starts.
    house.edit(&wrong, &right);
    let told = house.verb(&["reload"]);
    assert!(told.status.success(), "{}", told.stderr.escape_ascii());
    let mut told = index(&house);
    if let Some(text) = told["text"].as_str() {
        assert!(text.contains("% of the log is read"), "{told}");
        assert_eq!(taken, 0, "nothing is delivered before all is known");
    }
    let mut before = 0;
    eventually(LONG, "the index is complete", || {
        let Some(percent) = told["percent"].as_u64() else {
            return Some(());
        };
        assert!((before..100).contains(&percent), "{percent} after {before}");
        before = percent;
        told = index(&house);
        None
    });
    let all = WAITING + sent.len() as u64;
    eventually(LONG, "old mail and new is delivered", || {
        (house.taken() == all).then_some(())
    });
    assert!(server.stop().success());

    // The verb that makes it by hand says how far it is.
    fs::remove_dir_all(house.data().join("index")).unwrap();
    let told = house.verb(&["spool", "rebuild"]);
    let lines = str::from_utf8(&told.stderr).unwrap();
    assert!(told.status.success(), "{lines}");
    let bar = |line: &str| line.contains(" of ") && line.ends_with(" MiB of the log");
    // It says nothing in its first second.
    assert!(lines.lines().all(bar), "{lines}");
    let found = house.verb(&["spool", "verify", "--json"]);
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(
        (&found["ok"], &found["index_missing"]),
        (&true.into(), &false.into())
    );
}
