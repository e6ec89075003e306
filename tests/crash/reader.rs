//! Another program reads a spool from docs/spool-format.md alone: tests/reader/read_spool.py. It
//! must find the same as `tideover spool export`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tideover::base::Clock;
use tideover::mail::SpoolId;
use tideover::spool::{Exported, Offline, Options, Spool, World};

use crate::workload::{Hands, Promises, month, run_opened};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/read_spool.py");

fn options(dir: &Path) -> Options {
    Options {
        min_free: 0,
        segment_size: 8 * 1024,
        body_in_log: 2 * 1024,
        retain: Duration::from_secs(30 * 24 * 3600),
        ..Options::new(dir)
    }
}

/// Ids and the recipients that wait, as the other program says.
fn read_by_other(spool: &Path, out: &Path) -> BTreeMap<String, Vec<String>> {
    std::fs::create_dir(out).unwrap();
    let told = Command::new("python3")
        .arg(READER)
        .arg(spool)
        .arg(out)
        .output();
    let told = told.unwrap();
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8(told.stderr).unwrap()
    );
    let lines = String::from_utf8(told.stdout).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let waiting = |line: &serde_json::Value| serde_json::from_value(line["waiting"].clone());
    lines
        .map(|line| {
            (
                line["id"].as_str().unwrap().to_owned(),
                waiting(&line).unwrap(),
            )
        })
        .collect()
}

/// How many wait, and how many of those are damaged.
fn compare(dir: &Path, name: &str) -> (usize, usize) {
    let ours = dir.with_file_name(format!("ours-{name}"));
    let theirs = dir.with_file_name(format!("theirs-{name}"));
    let waiting = read_by_other(dir, &theirs);
    let offline = Offline::open(options(dir), World::system()).unwrap();
    offline.export(&ours, &mut |_, _| {}).unwrap();
    let manifest = std::fs::read_to_string(ours.join("manifest.jsonl")).unwrap();
    let (mut found, mut damaged) = (BTreeMap::new(), 0);
    for line in manifest.lines() {
        let one: Exported = serde_json::from_str(line).unwrap();
        let recipients = one.envelope.recipients.iter().zip(&one.states);
        let open = recipients.filter(|(_, state)| !state.is_finished());
        let open: Vec<String> = open.map(|(one, _)| one.address.to_string()).collect();
        let read = |folder: &Path| std::fs::read(folder.join(&one.file)).ok();
        if one.damaged.is_none() {
            assert_eq!(read(&ours), read(&theirs), "{}", one.id);
            assert!(read(&ours).is_some());
        } else {
            let eml = theirs.join(format!("{}.eml", one.id));
            assert!(!eml.exists(), "{}", one.id);
            damaged += 1;
        }
        found.insert(one.id.to_string(), open);
    }
    assert_eq!(found, waiting);
    (found.len(), damaged)
}

#[test]
fn another_program_reads_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("spool");
    let hands = Hands::new();
    let world = World {
        clock: Clock::new(hands.clone()),
        ..World::system()
    };
    let mut promises = Promises::default();
    let opened = Spool::open(options(&dir), world.clone()).unwrap();
    run_opened(opened, async |spool| {
        month(&spool, &hands, &mut promises).await;
    });
    let (waiting, damaged) = compare(&dir, "closed");
    assert!(waiting > 3 && damaged == 0, "{waiting} {damaged}");
    // Killed: the newest segment is not closed, and its end is torn.
    let opened = Spool::open(options(&dir), world).unwrap();
    let (spool, writer) = (opened.spool, opened.writer);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let some: Vec<SpoolId> = runtime.block_on(async {
        let run = writer.run();
        let work = async {
            promises
                .accept(&spool, vec![vec![b'k'; 200], vec![b'K'; 3_000]])
                .await;
            let ids: Vec<SpoolId> = promises.bodies.keys().copied().collect();
            promises.finish(&spool, *ids.last().unwrap(), 0).await;
            ids
        };
        tokio::select! { ids = work => ids, () = run => Vec::new() }
    });
    assert!(!some.is_empty());
    drop(spool);
    let files = std::fs::read_dir(dir.join("log")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let newest = files
        .filter(|file| file.extension().is_some())
        .max()
        .unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let end = end.next_multiple_of(8);
    bytes[end..end + 40].copy_from_slice(&[b'T'; 40]);
    std::fs::write(&newest, &bytes).unwrap();
    let (waiting, damaged) = compare(&dir, "killed");
    assert!(waiting > 4 && damaged == 0, "{waiting} {damaged}");
    // The body of the first message that is in the newest segment.
    let at = memchr::memmem::find(&bytes, &[b'k'; 200]).unwrap();
    bytes[at + 100] ^= 1;
    std::fs::write(&newest, &bytes).unwrap();
    let large = promises.bodies.iter().find(|(_, body)| body[0] == b'K');
    let large = dir.join(format!("big/{}.eml", large.unwrap().0));
    let mut bytes = std::fs::read(&large).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&large, &bytes).unwrap();
    assert_eq!(compare(&dir, "damaged"), (waiting, 2));
}
