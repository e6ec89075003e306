//! Notes in quarantine of segments that were missing or shorter than they had been: they go when
//! the segment is back. A note has nothing of the mail in it.

use std::collections::BTreeSet;

use super::handle::Spool;
use super::losses::Kept;
use super::segment;

/// The notes that quarantine has.
#[derive(Debug)]
pub(super) struct Notes(Vec<Note>);

#[derive(Debug)]
struct Note {
    name: String,
    segment: u32,
    /// Bytes that the segment must have again; 0: it was gone.
    was: u64,
}

impl Notes {
    /// What cannot be listed now is looked at the next time.
    pub(super) fn of(spool: &Spool) -> Self {
        let names = spool.0.disk.list(&spool.quarantine().dir);
        let names = names.unwrap_or_default().into_iter();
        let notes = names.filter_map(|name| {
            let (segment, was) = match Kept::of(&name)? {
                Kept::Segment(segment) => (segment, 0),
                Kept::End { segment, was } => (segment, was),
                Kept::Range(_) | Kept::Lost(_) => return None,
            };
            Some(Note { name, segment, was })
        });
        Self(notes.collect())
    }

    pub(super) fn segments(&self) -> BTreeSet<u32> {
        self.0.iter().map(|note| note.segment).collect()
    }

    /// Takes the notes of those segments away that are `whole`, and as long as they were.
    pub(super) fn end(&self, spool: &Spool, whole: &BTreeSet<u32>) {
        let (disk, dir) = (&spool.0.disk, spool.quarantine().dir);
        let log = spool.0.options.dir.join("log");
        let is_back = |note: &&Note| {
            let file = disk.open(&segment::path(&log, note.segment));
            let length = file.and_then(|file| file.len());
            whole.contains(&note.segment) && length.is_ok_and(|length| length >= note.was)
        };
        for Note { name, segment, .. } in self.0.iter().filter(is_back) {
            let gone = disk
                .remove(&dir.join(name))
                .and_then(|()| disk.sync_dir(&dir));
            match gone {
                Ok(()) => tracing::info!(
                    segment,
                    note = name,
                    "a segment of the log is back; its note was taken out of quarantine"
                ),
                Err(error) => tracing::warn!(
                    segment,
                    note = name,
                    %error,
                    "a segment of the log is back; its note could not be taken out of quarantine"
                ),
            }
        }
    }
}
