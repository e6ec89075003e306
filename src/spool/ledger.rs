//! The ledger of messages that are gone: who, what, when, with which outcome; no bodies.
//!
//! One gzip file of JSON lines for each segment that went (`zgrep` reads it), see
//! docs/spool-format.md.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::disk::{Disk, DiskFile};
use super::views::{LedgerEntry, StoredMessage};
use crate::base::Timestamp;
use crate::mail::{Envelope, RecipientState, SpoolId};
use crate::smtp::Mailbox;

/// A message that is gone, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerMessage {
    /// Its id.
    pub id: SpoolId,
    /// When it was accepted.
    pub received: Timestamp,
    /// Bytes that its body had.
    pub size: u64,
    /// What came with it.
    pub envelope: Arc<Envelope>,
    /// The end of each recipient.
    pub states: Vec<RecipientState>,
    /// What happened to it, in order.
    pub history: Vec<LedgerEntry>,
}

impl LedgerMessage {
    /// Is it the one, or one of those, that a spool id, a Message-ID (without angle brackets) or
    /// an address among these names?
    fn is_named(&self, of: &[&str]) -> bool {
        let named = |text: &str| of.iter().any(|of| text.eq_ignore_ascii_case(of));
        let address = |one: &Mailbox| named(&one.to_string()) || named(&one.key());
        let message_id = self.envelope.message_id.as_deref();
        named(&self.id.to_string())
            || message_id.is_some_and(|it| of.contains(&it))
            || self.envelope.from.mailbox().is_some_and(address)
            || self.envelope.recipients.iter().any(|recipient| {
                address(&recipient.address) || recipient.mailbox.as_deref().is_some_and(named)
            })
    }
}

impl From<&LedgerMessage> for StoredMessage {
    fn from(gone: &LedgerMessage) -> Self {
        Self {
            id: gone.id,
            received: gone.received,
            envelope: Arc::clone(&gone.envelope),
            size: gone.size,
            states: gone.states.clone(),
        }
    }
}

/// Of the name of a file.
const ENDING: &str = ".jsonl.gz";

/// First line of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    format: String,
    version: u8,
    uuid: String,
    segment: u32,
    /// The latest end of a message in it.
    newest: Timestamp,
}

/// The folder of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) disk: Disk,
    pub(crate) dir: PathBuf,
    pub(crate) uuid: String,
}

impl Ledger {
    /// Writes the file of a segment, durably; one that is there already is replaced, because a
    /// crash can have come after it.
    pub(crate) fn write(
        &self,
        segment: u32,
        newest: Timestamp,
        messages: impl Iterator<Item = Result<LedgerMessage, SpoolError>>,
    ) -> Result<(), SpoolError> {
        let path = self.path(segment);
        let new = self.dir.join(format!("{segment:010}.tmp"));
        let failed = |error| SpoolError::disk("writing to", &path, error);
        match self.disk.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = self.disk.create(&new).map_err(failed)?;
        let sink = Sink {
            file: Arc::clone(&file),
            offset: 0,
        };
        let buffered = io::BufWriter::with_capacity(64 * 1024, sink);
        let mut lines = GzEncoder::new(buffered, Compression::default());
        let head = Head {
            format: "tideover ledger".to_owned(),
            version: 1,
            uuid: self.uuid.clone(),
            segment,
            newest,
        };
        line(&mut lines, &head).map_err(failed)?;
        for message in messages {
            line(&mut lines, &message?).map_err(failed)?;
        }
        lines
            .finish()
            .and_then(|mut buffered| buffered.flush())
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.rename(&new, &path))
            .and_then(|()| self.disk.sync_dir(&self.dir))
            .map_err(failed)
    }

    /// Segments whose files have messages that all ended longer than `retain` ago.
    pub(crate) fn over(&self, now: Timestamp, retain: Duration) -> Result<Vec<u32>, SpoolError> {
        let mut over = self.segments()?;
        // What cannot be read is not removed.
        over.retain(|segment| {
            let head = self.head(&self.path(*segment));
            head.is_ok_and(|head| head.newest.after(retain) < now)
        });
        Ok(over)
    }

    /// Removes these files.
    pub(crate) fn remove(&self, segments: &[u32]) -> Result<(), SpoolError> {
        for segment in segments {
            let path = self.path(*segment);
            let removed = self.disk.remove(&path);
            removed.map_err(|error| SpoolError::disk("removing", &path, error))?;
        }
        Ok(())
    }

    /// Messages that are named by one of these, newest first, and which segments of those that were
    /// looked at have a file that cannot be read to its end.
    pub(crate) fn find(
        &self,
        of: &[&str],
        limit: usize,
    ) -> Result<(Vec<LedgerMessage>, BTreeSet<u32>), SpoolError> {
        let mut found: Vec<LedgerMessage> = Vec::new();
        let mut unreadable = BTreeSet::new();
        for segment in self.segments()?.into_iter().rev() {
            let mut here = Vec::new();
            let is_whole = self.read_or_tell(&self.path(segment), Timestamp::EPOCH, |message| {
                if message.is_named(of) {
                    here.push(message);
                }
            });
            unreadable.extend(Some(segment).filter(|_| !is_whole));
            found.extend(here.into_iter().rev());
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        Ok((found, unreadable))
    }

    /// Shows the messages of every file in which one ended at `since` or later, oldest file first,
    /// with the segment of the file, but for the files of these segments; which segments have a
    /// file that cannot be read to its end.
    pub(crate) fn each(
        &self,
        (since, but): (Timestamp, &BTreeSet<u32>),
        show: &mut dyn FnMut(u32, LedgerMessage),
    ) -> Result<BTreeSet<u32>, SpoolError> {
        let mut segments = self.segments()?;
        segments.retain(|segment| !but.contains(segment));
        segments.retain(|segment| {
            let path = self.path(*segment);
            !self.read_or_tell(&path, since, |message| show(*segment, message))
        });
        Ok(segments.into_iter().collect())
    }

    /// What cannot be read hides no other file. `true`: it was read to its end.
    fn read_or_tell(&self, path: &Path, since: Timestamp, show: impl FnMut(LedgerMessage)) -> bool {
        match self.read(path, since, show) {
            Ok(()) => true,
            // Its time is over, and it went between two looks.
            Err(SpoolError::Disk { error, .. }) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                tracing::error!(%error, "a part of the ledger cannot be read");
                false
            }
        }
    }

    /// Reads a file to its end, if a message in it ended at `since` or later, checking what can be
    /// checked: its head, its lines, and the checksum that gzip has of it.
    fn read(
        &self,
        path: &Path,
        since: Timestamp,
        mut show: impl FnMut(LedgerMessage),
    ) -> Result<(), SpoolError> {
        let odd = |what: &dyn std::fmt::Display| {
            SpoolError::Damaged(format!("{}: {what}", path.display()))
        };
        let mut lines = self.lines(path)?.lines();
        let first = lines.next().ok_or_else(|| odd(&"it is empty"))?;
        let head: Head = serde_json::from_str(&first.map_err(|error| odd(&error))?)
            .map_err(|error| odd(&error))?;
        if head.uuid != self.uuid {
            return Err(odd(&"it is that of another spool"));
        }
        if head.newest < since {
            return Ok(());
        }
        for line in lines {
            let line = line.map_err(|error| odd(&error))?;
            show(serde_json::from_str(&line).map_err(|error| odd(&error))?);
        }
        Ok(())
    }

    /// What is wrong with the files, a line for each.
    pub(crate) fn verify(&self) -> Result<Vec<String>, SpoolError> {
        let files = self.files()?;
        let wrong = files
            .iter()
            .map(|path| self.read(path, Timestamp::EPOCH, |_| {}).err());
        Ok(wrong.flatten().map(|error| error.to_string()).collect())
    }

    /// The file of a segment.
    pub(crate) fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:010}{ENDING}"))
    }

    /// Numbers of the segments that have a file, ascending.
    pub(crate) fn segments(&self) -> Result<Vec<u32>, SpoolError> {
        let mut segments: Vec<u32> = self
            .files()?
            .iter()
            .filter_map(|path| number(path.file_name()?.to_str()?))
            .collect();
        segments.sort_unstable();
        Ok(segments)
    }

    /// The latest end of a message in a file; `None`: there is no such file.
    pub(crate) fn newest(&self, path: &Path) -> Result<Option<Timestamp>, SpoolError> {
        match self.head(path) {
            Ok(head) => Ok(Some(head.newest)),
            Err(SpoolError::Disk { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn head(&self, path: &Path) -> Result<Head, SpoolError> {
        let mut first = String::new();
        let read = self.lines(path)?.read_line(&mut first);
        read.map_err(|error| SpoolError::disk("reading", path, error))?;
        serde_json::from_str(&first)
            .map_err(|error| SpoolError::Damaged(format!("{}: {error}", path.display())))
    }

    /// Files that look like ours and have no name of ours: nobody reads them.
    pub(crate) fn strangers(&self) -> Result<Vec<String>, SpoolError> {
        let mut names = self.names()?;
        names.retain(|name| name.ends_with(ENDING) && number(name).is_none());
        Ok(names)
    }

    fn files(&self) -> Result<Vec<PathBuf>, SpoolError> {
        let names = self.names()?;
        let ours = names.iter().filter(|name| number(name).is_some());
        Ok(ours.map(|name| self.dir.join(name)).collect())
    }

    fn names(&self) -> Result<Vec<String>, SpoolError> {
        match self.disk.list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names.map_err(|error| SpoolError::disk("listing", &self.dir, error)),
        }
    }

    fn lines(&self, path: &Path) -> Result<BufReader<MultiGzDecoder<Source>>, SpoolError> {
        let file = self.disk.open(path);
        let file = file.map_err(|error| SpoolError::disk("opening", path, error))?;
        let source = Source { file, offset: 0 };
        Ok(BufReader::with_capacity(
            64 * 1024,
            MultiGzDecoder::new(source),
        ))
    }
}

/// The segment of a file, by its name: ten digits.
fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(ENDING)?;
    let are_ours = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_ours.then(|| digits.parse().ok()).flatten()
}

fn line(lines: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, value)?;
    lines.write_all(b"\n")
}

struct Sink {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Source {
    file: Arc<dyn DiskFile>,
    offset: u64,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
