//! What the fuzz target of the log does with its input. tests/crash does the same with chance.

use std::path::Path;
use std::sync::Arc;

use tideover::base::{Clock, Entropy};
use tideover::spool::{FileSystem, MemoryStore, Opened, Options, Spool, SpoolError, World};

use crate::chance::Chance;
use crate::disk::SimDisk;

const IDENTITY: &[u8] = include_bytes!("../tests/fixtures/spool-v1/spool.json");
const SEGMENT: &[u8] = include_bytes!("../tests/fixtures/spool-v1/log/0000000001.seg");

/// A log of one segment. The first byte says which: the rest as it is, a good segment with some of
/// its bytes replaced, or a record with good checksums and the rest in it. Whatever it is: the
/// spool opens or says why not, and opens the same when it is opened again.
pub(crate) fn recovery(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else {
        return;
    };
    let segment = match kind % 3 {
        0 => rest.to_vec(),
        1 => edited(rest),
        _ => [SEGMENT, &record(kind, rest)].concat(),
    };
    let disk = SimDisk::default();
    put(&disk, "/spool/spool.json", IDENTITY);
    put(&disk, "/spool/log/0000000001.seg", &segment);
    let Some(first) = look(&disk) else {
        return;
    };
    assert_eq!(look(&disk), Some(first), "it is not the same a second time");
}

/// Four bytes an edit: where, and what is put there.
fn edited(edits: &[u8]) -> Vec<u8> {
    let mut segment = SEGMENT.to_vec();
    for edit in edits.chunks_exact(4) {
        if let [high, low, value, more] = *edit {
            let at = usize::from(u16::from_be_bytes([high, low])) % segment.len();
            match more % 8 {
                0 => segment.truncate(at),
                1 => segment.insert(at, value),
                _ => segment[at] = value,
            }
        }
        if segment.is_empty() {
            break;
        }
    }
    segment
}

/// docs/spool-format.md, with lengths and checksums that fit.
fn record(kind: u8, rest: &[u8]) -> Vec<u8> {
    let cut = rest.len() / 4 * usize::from(kind % 5);
    let (meta, body) = rest.split_at(cut.min(rest.len()));
    let mut bytes = b"TDR1".to_vec();
    bytes.extend([kind / 3 % 6, 1, 0, 0]);
    bytes.extend_from_slice(&SEGMENT[8..12]);
    let numbers = [1, 9, meta.len(), body.len()];
    for number in numbers {
        bytes.extend_from_slice(&u32::try_from(number).unwrap_or(0).to_le_bytes());
    }
    bytes.extend_from_slice(&crc32c::crc32c(meta).to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let head = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&head.to_le_bytes());
    bytes.extend_from_slice(meta);
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn put(disk: &SimDisk, path: &str, bytes: &[u8]) {
    let path = Path::new(path);
    let file = disk.create(path).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync().unwrap();
    if let Some(folder) = path.parent() {
        disk.sync_dir(folder).unwrap();
    }
}

fn open(disk: &SimDisk) -> Result<Opened, SpoolError> {
    let options = Options {
        min_free: 0,
        segment_size: 8 * 1024,
        ..Options::new("/spool")
    };
    let world = World {
        disk: Arc::new(disk.clone()),
        clock: Clock::system(),
        entropy: Entropy::new(Chance::new(7)),
        open_store: Arc::new(|_: &Path| Ok(Box::new(MemoryStore::default()))),
    };
    Spool::open(options, world)
}

/// What is in the spool; `None` when it does not open.
fn look(disk: &SimDisk) -> Option<Vec<String>> {
    let spool = open(disk).ok()?.spool;
    let mut seen = Vec::new();
    for waiting in spool.waiting(0, 1_000).ok()? {
        let message = spool
            .message(waiting.id)
            .map(|message| message.map(|it| it.states));
        let body = spool
            .body(waiting.id)
            .map(|body| body.map(|body| body.len()));
        seen.push(format!(
            "{:?} {message:?} {:?}",
            waiting.id,
            body.map_err(drop)
        ));
    }
    seen.push(format!(
        "{:?} {:?}",
        spool.lanes(),
        spool.facts("account", "").map_err(drop)
    ));
    Some(seen)
}
