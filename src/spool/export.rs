//! Rescue from a spool that is not in use: everything unfinished as files for other programs.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::event::MessageLine;
use super::index::{Index, MessageRow, decode, key};
use super::offline::{Damage, Offline, Piece, Poured, Progress, pour};
use super::open::FOLDERS;
use super::quarantine::{Quarantine, range_name};
use super::record::Header;
use super::scratch::Scratch;
use super::segment::{self, Position};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{Envelope, RecipientState, SpoolId};

/// What `export` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rescued {
    /// Messages.
    pub messages: u64,
    /// Of those the damaged ones, and why; what is left of them is in ID.damaged.
    pub damaged: Vec<(SpoolId, String)>,
    /// Parts of the log that are damaged or gone: nobody knows whether unfinished mail was in them.
    /// Their bytes are in SEGMENT-FROM-TO.damaged.
    pub pieces: Vec<String>,
}

/// One line of the manifest of an export.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Exported {
    /// The file beside the manifest.
    pub file: String,
    /// The message's id.
    pub id: SpoolId,
    /// When it was accepted.
    pub received: Timestamp,
    /// Bytes of the file.
    pub size: u64,
    /// What came with it.
    pub envelope: Arc<Envelope>,
    /// One state for each recipient.
    pub states: Vec<RecipientState>,
    /// What is wrong with it: the file has what is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// The name of the file of an exported message: what is damaged is no .eml.
#[must_use]
pub fn exported_name(id: SpoolId, damaged: Option<&str>) -> String {
    let end = if damaged.is_some() { "damaged" } else { "eml" };
    format!("{id}.{end}")
}

impl Offline {
    /// Writes every message with an unfinished recipient to `dir` as ID.eml, and `manifest.jsonl`.
    /// What is left of damaged ones goes to ID.damaged, and damaged parts of the log, in which
    /// there may have been others, to SEGMENT-FROM-TO.damaged.
    ///
    /// # Errors
    /// When `dir` is not empty or a folder of the spool, when it cannot be written to, or the log
    /// cannot be read at all.
    pub fn export(&self, dir: &Path, progress: Progress<'_>) -> Result<Rescued, SpoolError> {
        let failed = |error| SpoolError::disk("writing to", dir, error);
        self.refuse_own(dir).map_err(failed)?;
        std::fs::create_dir_all(dir).map_err(failed)?;
        if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(failed(io::Error::other("the folder is not empty")));
        }
        let scratch = self.scratch(dir)?;
        let fresh = self.store(&scratch.join("fresh"))?;
        let mut rescued = Rescued::default();
        let end = self.scan(0, progress, &mut |piece| match piece {
            Piece::Damage(damage) => self.rescue_piece(&damage, dir, &mut rescued.pieces),
            Piece::Entry(entry, at, after) => self.follow(&fresh, entry, at, after),
        })?;
        rescued.pieces.extend(self.lost_end(&scratch, end));
        self.export_unfinished(&fresh, dir, &mut rescued)?;
        Ok(rescued)
    }

    fn export_unfinished(
        &self,
        fresh: &Index,
        dir: &Path,
        rescued: &mut Rescued,
    ) -> Result<(), SpoolError> {
        let failed = |error| SpoolError::disk("writing to", dir, error);
        let mut manifest = new_file(&dir.join("manifest.jsonl")).map_err(failed)?;
        let mut start = b"u".to_vec();
        loop {
            let rows = fresh.scan(b"u", &start, limits::PAGE)?;
            for id in rows.iter().filter_map(|(row, _)| key::parse_id(row)) {
                let at = Self::place(fresh, id)?;
                let (header, line) = match self.message(at) {
                    Ok(message) => message,
                    // One that cannot be read keeps no other from its rescue.
                    Err(error) => {
                        rescued.damaged.push((id, error.to_string()));
                        continue;
                    }
                };
                let states = states(fresh, id)?;
                let one = self.export_one(at, (&header, line, states), dir)?;
                if let Some(what) = &one.damaged {
                    rescued.damaged.push((id, what.clone()));
                }
                serde_json::to_writer(&mut manifest, &one)
                    .map_err(io::Error::from)
                    .and_then(|()| manifest.write_all(b"\n"))
                    .map_err(failed)?;
                rescued.messages += 1;
            }
            let Some((last, _)) = rows.last() else { break };
            start.clone_from(last);
            start.push(0);
        }
        manifest.sync_all().map_err(failed)
    }

    /// The folders of the spool have nothing in them that the spool does not know.
    fn refuse_own(&self, dir: &Path) -> io::Result<()> {
        let there = dir.ancestors().find_map(|above| above.canonicalize().ok());
        let there = there.map_or_else(|| Path::new(".").canonicalize(), Ok)?;
        for own in FOLDERS {
            let own = self.options.dir.join(own).canonicalize();
            if own.is_ok_and(|own| there.starts_with(own)) {
                let what = "it is a folder of the spool itself: give another one";
                return Err(io::Error::other(what));
            }
        }
        Ok(())
    }

    /// Keeps the bytes of a damaged part of the log, and tells of it. Messages with damaged bodies
    /// come with the others.
    fn rescue_piece(
        &self,
        damage: &Damage,
        dir: &Path,
        told: &mut Vec<String>,
    ) -> Result<(), SpoolError> {
        match damage {
            Damage::Message(..) => return Ok(()),
            Damage::Range(segment, range) => {
                let path = segment::path(&self.log.dir, *segment);
                let file = self.world.disk.open(&path);
                let file = file.map_err(|error| SpoolError::disk("opening", &path, error))?;
                let name = range_name(*segment, range);
                let pieces = Quarantine {
                    disk: self.world.disk.clone(),
                    dir: dir.to_owned(),
                };
                pieces.copy(&*file, range, &dir.join(name))?;
            }
            Damage::Lack(_) | Damage::LostEnd { .. } => {}
        }
        told.push(damage.to_string());
        Ok(())
    }

    /// What the index knows and the log does not have any more.
    fn lost_end(&self, scratch: &Scratch, end: Position) -> Option<String> {
        // An index that is of no use knows nothing.
        let stored = self.copy_of_index(scratch).ok()??;
        let known = stored.resume(&self.log.uuid).ok()??;
        (known > end).then(|| Damage::LostEnd { known, end }.to_string())
    }

    fn place(fresh: &Index, id: SpoolId) -> Result<Position, SpoolError> {
        let row = fresh.row::<MessageRow>(&key::message(id))?;
        let row = row.ok_or_else(|| SpoolError::Index(format!("{id} has no row")))?;
        Ok(Position::from_u64(row.position))
    }

    fn export_one(
        &self,
        at: Position,
        (header, line, states): (&Header, MessageLine, Vec<RecipientState>),
        dir: &Path,
    ) -> Result<Exported, SpoolError> {
        let damaged = self.write_whole(at, (header, &line), dir)?;
        let name = exported_name(line.id, damaged.as_deref());
        if damaged.is_some() {
            let path = dir.join(&name);
            self.write_remains(at, (header, &line), &path)
                .map_err(|error| SpoolError::disk("writing to", &path, error))?;
        }
        let in_log = u64::from(header.body_len);
        Ok(Exported {
            file: name,
            id: line.id,
            received: line.at,
            size: line.file.map_or(in_log, |file| file.size),
            envelope: line.envelope,
            states,
            damaged,
        })
    }

    /// Writes a message as ID.eml, which is there as a whole or not at all; why not.
    fn write_whole(
        &self,
        at: Position,
        (header, line): (&Header, &MessageLine),
        dir: &Path,
    ) -> Result<Option<String>, SpoolError> {
        let body = match self.body(at, (header, line)) {
            Ok(body) => body,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let path = dir.join(exported_name(line.id, None));
        let failed = |error| SpoolError::disk("writing to", &path, error);
        let mut file = new_file(&path).map_err(failed)?;
        match pour(&*body, &mut file) {
            Ok(()) => {
                file.sync_all().map_err(failed)?;
                Ok(None)
            }
            Err(Poured::Reading(error)) => {
                std::fs::remove_file(&path).map_err(failed)?;
                Ok(Some(error.to_string()))
            }
            Err(Poured::Writing(error)) => Err(failed(error)),
        }
    }

    /// Writes what is left of a message: nothing, when its file is gone.
    fn write_remains(
        &self,
        at: Position,
        message: (&Header, &MessageLine),
        path: &Path,
    ) -> io::Result<()> {
        let mut file = new_file(path)?;
        if let Some(remains) = self.remains(at, message)? {
            match pour(&remains, &mut file) {
                // The rest is gone.
                Ok(()) | Err(Poured::Reading(_)) => {}
                Err(Poured::Writing(error)) => return Err(error),
            }
        }
        file.sync_all()
    }
}

fn states(fresh: &Index, id: SpoolId) -> Result<Vec<RecipientState>, SpoolError> {
    let prefix = key::recipients_prefix(id);
    let rows = fresh.scan(&prefix, &prefix, usize::MAX)?;
    rows.iter().map(|(_, value)| decode(value)).collect()
}

fn new_file(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // It is other people's mail.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}
