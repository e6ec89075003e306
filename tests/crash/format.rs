//! A spool that version 1 wrote, kept as it was written, must be read for ever.

use std::path::Path;

use tideover::mail::SpoolId;
use tideover::spool::{Options, Spool, World};

use crate::workload::read;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/spool-v1");

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_spool_of_version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    let options = Options {
        min_free: 0,
        body_in_log: 2 * 1024,
        ..Options::new(dir.path())
    };
    let opened = Spool::open(options, World::system()).unwrap();
    let (spool, recovery) = (opened.spool, opened.recovery);
    assert!(recovery.rebuilt);
    assert_eq!((recovery.damaged, recovery.orphans), (0, 0));
    let ids: Vec<SpoolId> = spool
        .mailbox("r0@example.org", None, 10)
        .unwrap()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let [large, small] = ids.as_slice() else {
        panic!("{ids:?}");
    };
    assert_eq!(
        read(&spool, *small),
        Ok(b"Subject: small\r\n\r\nHi\r\n".to_vec())
    );
    assert_eq!(read(&spool, *large), Ok(vec![b'L'; 3000]));
    let message = spool.message(*small).unwrap().unwrap();
    assert_eq!(message.states[0].name(), "delivered");
    assert_eq!(message.states[1].name(), "queued");
    assert_eq!(message.envelope.from.to_string(), "ann@example.net");
    assert_eq!(spool.history(*small).unwrap().len(), 2);
    assert_eq!(spool.fact("account", "ann").unwrap(), Some(7.into()));
    assert_eq!(spool.fact("account", "bob").unwrap(), None);
    assert_eq!(spool.stats().uuid.len(), 36);
}

/// Every byte of the log is what docs/spool-format.md says, read without the program.
#[test]
fn the_format_is_as_it_is_described() {
    let bytes = std::fs::read(Path::new(FIXTURE).join("log/0000000001.seg")).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let identity = std::fs::read(Path::new(FIXTURE).join("spool.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    let uuid = identity["uuid"].as_str().unwrap();
    let (mut at, mut kinds) = (0, Vec::new());
    while at < bytes.len() {
        assert_eq!(&bytes[at..at + 4], b"TDR1");
        let (kind, version) = (bytes[at + 4], bytes[at + 5]);
        assert_eq!((version, bytes[at + 6], bytes[at + 7]), (1, 0, 0));
        assert_eq!(format!("{:08x}", word(at + 8)), uuid.get(..8).unwrap());
        assert_eq!(word(at + 12), 1, "segment");
        assert!(word(at + 16) >= 1, "batch");
        let meta = word(at + 20) as usize;
        let body = word(at + 24) as usize;
        let line = &bytes[at + 40..at + 40 + meta];
        let content = &bytes[at + 40 + meta..at + 40 + meta + body];
        assert_eq!(word(at + 28), crc32c::crc32c(line));
        assert_eq!(word(at + 32), crc32c::crc32c(content));
        assert_eq!(word(at + 36), crc32c::crc32c(&bytes[at..at + 36]));
        assert_eq!(line.last(), Some(&b'\n'));
        serde_json::from_slice::<serde_json::Value>(line).unwrap();
        let end = at + 40 + meta + body;
        at = end.next_multiple_of(8);
        assert!(bytes[end..at].iter().all(|&byte| byte == 0));
        kinds.push(kind);
    }
    assert_eq!(kinds, [1, 2, 2, 3, 3, 4, 4, 4]);
}

/// Writes the fixture. Run by hand, once for each version of the format, into a new folder.
#[test]
#[ignore = "writes the fixture"]
fn write_the_fixture() {
    use crate::workload::{delivered, envelope};
    let opened = Spool::open(
        Options {
            min_free: 0,
            body_in_log: 2 * 1024,
            ..Options::new(FIXTURE)
        },
        World::system(),
    )
    .unwrap();
    crate::workload::run_opened(opened, async |spool| {
        let mut ids = Vec::new();
        for body in [b"Subject: small\r\n\r\nHi\r\n".to_vec(), vec![b'L'; 3000]] {
            let mut draft = spool.draft();
            draft.append(&body).await.unwrap();
            ids.push(spool.accept(draft, envelope(2)).await.unwrap());
        }
        spool.record(ids[0], vec![0], delivered()).await.unwrap();
        let rerouted = tideover::mail::RecipientEvent::Rerouted {
            lane: "cloud".to_owned(),
        };
        spool.record(ids[0], vec![1], rerouted).await.unwrap();
        let note = async |key: &str, value: Option<u8>| {
            let value = value.map(Into::into);
            spool.put_fact("account", key, value).await.unwrap();
        };
        note("ann", Some(7)).await;
        note("bob", Some(8)).await;
        note("bob", None).await;
    });
}
