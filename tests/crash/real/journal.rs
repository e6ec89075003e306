//! The journal of shim.c: what was done to files, in the order of the kernel.

use std::ops::Range;
use std::path::{Path, PathBuf};

const MAGIC: u32 = 0x4c4e_524a;
const HEAD: usize = 32;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Opened to be made or to be emptied.
    Open {
        empties: bool,
    },
    /// Written: where in the file, and where in the journal the bytes are.
    Write {
        at: u64,
        bytes: Range<usize>,
    },
    /// It is so long now.
    Size(u64),
    /// So many zeros from there on, as far as the file reaches.
    Zero {
        at: u64,
        length: u64,
    },
    /// A sync of a file or a folder begins.
    SyncBegins(u64),
    /// It has ended well.
    SyncEnds(u64),
    /// It has another name now.
    Rename(PathBuf),
    /// A file has lost its name.
    Unlink,
    MakeFolder,
    RemoveFolder,
}

/// One thing that was done to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) deed: Deed,
    /// The length of the journal with it.
    pub(crate) end: usize,
}

/// Reads all entries; panics when something has escaped the shim.
pub(crate) fn entries(bytes: &[u8]) -> Vec<Entry> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let text = |range: Range<usize>| PathBuf::from(str::from_utf8(&bytes[range]).unwrap());
    let (mut at, mut entries) = (0, Vec::new());
    while at < bytes.len() {
        assert_eq!(word(at), MAGIC, "at {at}");
        let (op, number, place) = (word(at + 4), long(at + 8), long(at + 16));
        let path = at + HEAD..at + HEAD + word(at + 24) as usize;
        let data = path.end..path.end + word(at + 28) as usize;
        let end = data.end;
        let path = text(path);
        let deed = match op {
            1 => Deed::Open {
                // O_TRUNC
                empties: number & 0o1000 != 0,
            },
            2 => Deed::Write {
                at: place,
                bytes: data,
            },
            3 => Deed::Size(place),
            4 => Deed::Zero {
                at: place,
                length: number,
            },
            5 => Deed::SyncBegins(number),
            6 => Deed::SyncEnds(number),
            7 => Deed::Rename(text(data)),
            8 => Deed::Unlink,
            9 => Deed::MakeFolder,
            10 => Deed::RemoveFolder,
            _ => panic!(
                "{} was changed by system call {number}, which the shim cannot follow",
                path.display()
            ),
        };
        entries.push(Entry { path, deed, end });
        at = end;
    }
    entries
}

/// The file without the folder above it.
pub(crate) fn split(path: &Path) -> (&Path, &str) {
    let name = path.file_name().unwrap().to_str().unwrap();
    (path.parent().unwrap(), name)
}
