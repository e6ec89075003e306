//! Rescue from a spool that is not in use: everything unfinished as files for other programs.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::event::MessageLine;
use super::index::{Index, MessageRow, decode, key};
use super::offline::{Offline, Progress};
use super::record::Header;
use super::segment::Position;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{Envelope, RecipientState, SpoolId};

/// What `export` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rescued {
    /// Messages.
    pub messages: u64,
    /// Of those the damaged ones, and why; what is left of them is in ID.damaged.
    pub damaged: Vec<(SpoolId, String)>,
}

/// One line of the manifest of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Writes every message with an unfinished recipient to `dir` as ID.eml, and `manifest.jsonl`;
    /// how many. What is left of damaged ones goes to ID.damaged.
    ///
    /// # Errors
    /// When `dir` is not empty or the disk fails.
    pub fn export(&self, dir: &Path, progress: Progress<'_>) -> Result<Rescued, SpoolError> {
        let failed = |error| SpoolError::disk("writing to", dir, error);
        std::fs::create_dir_all(dir).map_err(failed)?;
        if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(failed(io::Error::other("the folder is not empty")));
        }
        let fresh = self.store("export.tmp")?;
        fresh.clear()?;
        self.fill(&fresh, progress)?;
        let mut manifest = new_file(&dir.join("manifest.jsonl")).map_err(failed)?;
        let (mut rescued, mut start) = (Rescued::default(), b"u".to_vec());
        loop {
            let rows = fresh.scan(b"u", &start, limits::PAGE)?;
            for id in rows.iter().filter_map(|(row, _)| key::parse_id(row)) {
                let one = match self.export_one(&fresh, id, dir) {
                    Ok(one) => one,
                    // One that cannot be read keeps no other from its rescue.
                    Err(error) => {
                        rescued.damaged.push((id, error.to_string()));
                        continue;
                    }
                };
                let damaged = one.damaged.iter();
                rescued
                    .damaged
                    .extend(damaged.map(|what| (id, what.clone())));
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
        manifest.sync_all().map_err(failed)?;
        drop(fresh);
        self.remove_folder("export.tmp")?;
        Ok(rescued)
    }

    fn export_one(&self, fresh: &Index, id: SpoolId, dir: &Path) -> Result<Exported, SpoolError> {
        let row = fresh.row::<MessageRow>(&key::message(id))?;
        let row = row.ok_or_else(|| SpoolError::Index(format!("{id} has no row")))?;
        let at = Position::from_u64(row.position);
        let (header, line) = self.message(at)?;
        let (name, damaged) = match self.write_whole((at, &header, &line), dir) {
            Ok(name) => (name, None),
            Err(error) if error.is_damage() => {
                let what = Some(error.to_string());
                let name = exported_name(id, what.as_deref());
                let path = dir.join(&name);
                new_file(&path)
                    .and_then(|mut file| {
                        self.copy_remains(at, (&header, &line), &mut file)?;
                        file.sync_all()
                    })
                    .map_err(|error| SpoolError::disk("writing to", &path, error))?;
                (name, what)
            }
            Err(error) => return Err(error),
        };
        let prefix = key::recipients_prefix(id);
        let states = fresh.scan(&prefix, &prefix, usize::MAX)?;
        let states: Result<_, _> = states.iter().map(|(_, value)| decode(value)).collect();
        Ok(Exported {
            file: name,
            id,
            received: line.at,
            size: row.size,
            envelope: line.envelope,
            states: states?,
            damaged,
        })
    }

    /// Writes a message as ID.eml, which is there as a whole or not at all.
    fn write_whole(
        &self,
        (at, header, line): (Position, &Header, &MessageLine),
        dir: &Path,
    ) -> Result<String, SpoolError> {
        let name = exported_name(line.id, None);
        let path = dir.join(&name);
        let failed = |error| SpoolError::disk("writing to", &path, error);
        let mut file = new_file(&path).map_err(failed)?;
        if let Err(error) = self.copy(at, header, line, &mut file) {
            std::fs::remove_file(&path).map_err(failed)?;
            return Err(error);
        }
        file.sync_all().map_err(failed)?;
        Ok(name)
    }
}

fn new_file(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // It is other people's mail.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}
