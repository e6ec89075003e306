//! Files and other sources that become generations.

use std::io::Read;

use super::draft::{Draft, Extent};
use super::files::Digested;
use super::generations::{DirectoryError, Generations, Mode, Note, Outcome};
use super::people::Delta;
use super::settle::known_backend;
use super::{
    Against, Cause, Directory, EntryKind, FILE, ImportErrors, Reading, Record, Row, read_rows,
};
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
    /// The home of those of whom the file says none and who have a mailbox or are a group.
    pub home: Option<BackendId>,
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
        // Was it all of what the file of the config could be?
        let by_hand = note.cause == Cause::Import && mode != Mode::DryRun;
        let whole = import.extent == Extent::All && import.bad == BadRows::Refuse;
        let could_be_the_file = by_hand && whole && import.source == FILE;
        let (tell, told) = tokio::sync::oneshot::channel();
        let work = move |current: &Directory| {
            let mut input = Digested::new(input);
            let (delta, reading) = read(current, &mut input, (&import, &backends))?;
            tell.send((reading, input.digest())).ok();
            Ok(delta)
        };
        let outcome = self.change(note, mode, work).await?;
        let (reading, digest) = told.await.unwrap_or_default();
        if could_be_the_file {
            self.note_imported(digest).await?;
        }
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
}

pub(super) fn read(
    current: &Directory,
    input: impl Read,
    (import, backends): (&Import, &[BackendId]),
) -> Result<(Delta, Reading), DirectoryError> {
    if let Some(home) = &import.home {
        known_backend(home, backends)?;
    }
    let mut draft = Draft::new(&current.people, &import.source);
    let against = Against {
        rules: &current.rules,
        backends,
    };
    let reading = read_rows(input, against, &mut |row| match row {
        Row::Good(mut record) => {
            let elsewhere = matches!(record.kind, Some(EntryKind::User | EntryKind::Contact));
            if record.home.is_none() && !elsewhere {
                record.home.clone_from(&import.home);
            }
            draft.add(None, *record);
        }
        // He is still there, as he was.
        Row::Bad(Some(address)) => draft.keep(&address),
        Row::Bad(None) => {}
    });
    let bad = !reading.errors.errors.is_empty();
    if reading.hopeless || (bad && import.bad == BadRows::Refuse) {
        let errors: ImportErrors = reading.errors;
        return Err(DirectoryError::File(Box::new(errors)));
    }
    // Whom a row names that nobody can read is not gone because of it.
    let extent = if reading.nameless > 0 {
        Extent::More
    } else {
        import.extent
    };
    Ok((draft.finish(extent), reading))
}
