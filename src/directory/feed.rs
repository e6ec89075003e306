//! Files that become generations: `directory.file` and `directory import`.

use std::fmt::Write as _;
use std::io::{Read, Seek as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::draft::{Draft, Extent};
use super::generations::{DirectoryError, Generations, Mode, Note, Outcome, beside};
use super::people::Delta;
use super::{Cause, Directory, FILE, Guard, ImportErrors, Reading, Record, read_rows};
use crate::mail::BackendId;

/// What becomes of rows that are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadRows {
    /// Nothing of the file is used.
    #[default]
    Refuse,
    /// They are left out.
    Skip,
}

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Import {
    /// The source that it is.
    pub source: String,
    /// Whether it names everybody.
    pub extent: Extent,
    /// What becomes of bad rows.
    pub bad: BadRows,
}

/// What came of a file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The generation.
    pub outcome: Outcome,
    /// The rows.
    pub reading: Reading,
}

impl Generations {
    /// Makes a generation of a file.
    ///
    /// # Errors
    /// When it is wrong, would delete or move too many, or cannot be written.
    pub async fn import(
        &self,
        input: impl Read + Send + 'static,
        import: Import,
        (note, mode): (Note, Mode),
    ) -> Result<Imported, DirectoryError> {
        if import.extent != Extent::All
            && let Some(what) = self.damage()
        {
            return Err(DirectoryError::Damaged(what));
        }
        let backends = self.options().backends.clone();
        let (tell, told) = tokio::sync::oneshot::channel();
        let work = move |current: &Directory| {
            let (delta, reading) = read(current, input, (&import, &backends))?;
            tell.send(reading).ok();
            Ok(delta)
        };
        let outcome = self.change(note, mode, work).await?;
        let reading = told.await.unwrap_or_default();
        Ok(Imported { outcome, reading })
    }

    /// Makes a generation of what a source says, each record with what it is known by there.
    ///
    /// # Errors
    /// When it would delete or move too many, or cannot be written.
    pub(super) async fn feed(
        &self,
        (source, extent): (String, Extent),
        records: Vec<(String, Record)>,
        (note, mode): (Note, Mode),
    ) -> Result<Outcome, DirectoryError> {
        let work = move |current: &Directory| {
            let mut draft = Draft::new(&current.people, &source);
            for (id, record) in records {
                draft.add(Some(id), record);
            }
            Ok(draft.finish(extent))
        };
        self.change(note, mode, work).await
    }

    /// Reads `directory.file`, when it differs from the one that was read last.
    ///
    /// # Errors
    /// When it is wrong, would delete or move too many, or cannot be written.
    pub async fn read_file(&self, path: &Path) -> Result<Outcome, DirectoryError> {
        let at = path.to_owned();
        let (file, digest) = beside(move || open(&at)).await?;
        if self.last_file()?.as_ref() == Some(&digest) {
            return Ok(Outcome::Unchanged);
        }
        self.take_file(path, (file, digest), Guard::File).await
    }

    /// Reads `directory.file` again, whatever it deletes.
    ///
    /// # Errors
    /// When it is wrong, or cannot be written.
    pub(super) async fn read_again(&self, path: &Path) -> Result<Outcome, DirectoryError> {
        let at = path.to_owned();
        let opened = beside(move || open(&at)).await?;
        self.take_file(path, opened, Guard::Off).await
    }

    async fn take_file(
        &self,
        path: &Path,
        (file, digest): (std::fs::File, String),
        guard: Guard,
    ) -> Result<Outcome, DirectoryError> {
        let import = Import {
            source: FILE.to_owned(),
            extent: Extent::All,
            bad: BadRows::Refuse,
        };
        let name = path.file_name().unwrap_or(path.as_os_str());
        let note = Note {
            author: "config".to_owned(),
            reason: format!("{} has changed", name.to_string_lossy()),
            cause: Cause::File,
            source: Some(FILE.to_owned()),
        };
        let imported = self.import(file, import, (note, Mode::Commit(guard)));
        let imported = imported.await?;
        self.set_last_file(&digest).await?;
        Ok(imported.outcome)
    }
}

fn open(path: &Path) -> Result<(std::fs::File, String), DirectoryError> {
    let unread =
        |error: std::io::Error| DirectoryError::Source(format!("{}: {error}", path.display()));
    let mut file = std::fs::File::open(path).map_err(unread)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(unread)?;
        if read == 0 {
            break;
        }
        digest.update(buffer.get(..read).unwrap_or_default());
    }
    file.rewind().map_err(unread)?;
    let digest = digest.finalize();
    let digest = digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    });
    Ok((file, digest))
}

pub(super) fn read(
    current: &Directory,
    input: impl Read,
    (import, backends): (&Import, &[BackendId]),
) -> Result<(Delta, Reading), DirectoryError> {
    let mut draft = Draft::new(&current.people, &import.source);
    let reading = read_rows(input, backends, &mut |id, record| draft.add(id, record));
    let bad = !reading.errors.errors.is_empty();
    if reading.hopeless || (bad && import.bad == BadRows::Refuse) {
        let errors: ImportErrors = reading.errors;
        return Err(DirectoryError::File(Box::new(errors)));
    }
    Ok((draft.finish(import.extent), reading))
}
