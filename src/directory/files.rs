//! `directory.file`: read when it differs from what was read last, or imported by hand since then.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::PoisonError;

use sha2::{Digest as _, Sha256};

use super::feed::{BadRows, Import};
use super::generation::ROOM;
use super::generations::{DirectoryError, Generations, Mode, Note, Outcome, beside};
use super::{Cause, Extent, FILE, Guard};
use crate::base::{hex, open_regular};
use crate::spool::SpoolError;

/// The fact that has the digest of the file that was read last, as `directory.file`.
pub(super) const LAST_FILE: &str = "file";
/// The fact that has the digests of the whole files that were imported since then as that source.
pub(super) const IMPORTED_FILES: &str = "imported-files";
/// So many of them.
const IMPORTED: usize = 32;

/// `directory.file`, opened.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) digest: String,
    pub(super) import: Import,
    pub(super) note: Note,
}

impl Opened {
    fn at(path: &Path) -> Result<Self, DirectoryError> {
        let unread =
            |error: io::Error| DirectoryError::Source(format!("{}: {error}", path.display()));
        let mut file = Digested::new(open_regular(path).map_err(unread)?);
        io::copy(&mut file, &mut io::sink()).map_err(unread)?;
        let digest = file.digest();
        let mut file = file.input;
        file.rewind().map_err(unread)?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            file,
            digest,
            import: Import {
                source: FILE.to_owned(),
                extent: Extent::All,
                bad: BadRows::Refuse,
                home: None,
            },
            note: Note {
                author: "config".to_owned(),
                reason: format!("{} has changed", name.to_string_lossy()),
                cause: Cause::File,
                source: Some(FILE.to_owned()),
            },
        })
    }
}

impl Generations {
    /// Reads `directory.file`, when it differs from the one that was read last.
    ///
    /// # Errors
    /// When it is wrong, would delete or move too many, or cannot be written.
    pub async fn read_file(&self, path: &Path) -> Result<Outcome, DirectoryError> {
        let Some(opened) = self.open_news(path).await? else {
            return Ok(Outcome::Unchanged);
        };
        let taken = self.take_file(opened, Guard::File).await;
        if let Err(error) = &taken {
            self.set_untaken(Some(error.to_string()));
        }
        taken
    }

    /// Why `directory.file` was not taken at the start; none when what it says is in force.
    #[must_use]
    pub fn untaken(&self) -> Option<String> {
        let untaken = self.0.untaken.lock();
        untaken.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_untaken(&self, why: Option<String>) {
        *self
            .0
            .untaken
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Reads `directory.file` again, whatever it deletes.
    ///
    /// # Errors
    /// When it is wrong, or cannot be written.
    pub(super) async fn read_again(&self, path: &Path) -> Result<Outcome, DirectoryError> {
        let at = path.to_owned();
        let opened = beside(move || Opened::at(&at)).await?;
        self.take_file(opened, Guard::Off).await
    }

    async fn take_file(&self, opened: Opened, guard: Guard) -> Result<Outcome, DirectoryError> {
        let Opened {
            file,
            digest,
            import,
            note,
        } = opened;
        let imported = self.import(file, import, (note, Mode::Commit(guard)));
        let imported = imported.await?;
        self.set_last_file(&digest).await?;
        Ok(imported.outcome)
    }

    /// Is this [`digest_of`] another file than those that were read or imported before?
    ///
    /// # Errors
    /// When the spool fails.
    pub fn is_news(&self, digest: &str) -> Result<bool, SpoolError> {
        let is_known = self.last_file()?.as_deref() == Some(digest)
            || self.imported_files()?.iter().any(|known| known == digest);
        Ok(!is_known)
    }

    /// The file, if nobody has read or imported exactly this one before.
    pub(super) async fn open_news(&self, path: &Path) -> Result<Option<Opened>, DirectoryError> {
        let at = path.to_owned();
        let opened = beside(move || Opened::at(&at)).await?;
        if self.is_news(&opened.digest)? {
            return Ok(Some(opened));
        }
        if self.last_file()?.as_ref() != Some(&opened.digest) {
            self.set_last_file(&opened.digest).await?;
        }
        Ok(None)
    }

    /// The digest of the file that was read last, as `directory.file`.
    pub(super) fn last_file(&self) -> Result<Option<String>, SpoolError> {
        let fact = self.spool().fact(ROOM, LAST_FILE)?;
        Ok(fact.and_then(|digest| digest.as_str().map(str::to_owned)))
    }

    pub(super) async fn set_last_file(&self, digest: &str) -> Result<(), SpoolError> {
        let value = Some(digest.into());
        self.spool().put_fact(ROOM, LAST_FILE, value).await?;
        self.set_untaken(None);
        // What was imported before this file says nothing about the next one.
        if self.imported_files()?.is_empty() {
            return Ok(());
        }
        self.spool().put_fact(ROOM, IMPORTED_FILES, None).await
    }

    fn imported_files(&self) -> Result<Vec<String>, SpoolError> {
        let fact = self.spool().fact(ROOM, IMPORTED_FILES)?;
        let known = fact.and_then(|value| serde_json::from_value(value).ok());
        Ok(known.unwrap_or_default())
    }

    /// A whole file was imported as the source of `directory.file`. If it is the same one, it is
    /// not read again.
    pub(super) async fn note_imported(&self, digest: String) -> Result<(), SpoolError> {
        self.set_untaken(None);
        if self.last_file()?.as_ref() == Some(&digest) {
            return Ok(());
        }
        let mut all = self.imported_files()?;
        if all.contains(&digest) {
            return Ok(());
        }
        all.push(digest);
        let excess = all.len().saturating_sub(IMPORTED);
        all.drain(..excess);
        let value = Some(all.into());
        self.spool().put_fact(ROOM, IMPORTED_FILES, value).await
    }
}

/// Names what stands in `directory.file`. Blocks.
///
/// # Errors
/// When it cannot be read.
pub fn digest_of(path: &Path) -> Result<String, DirectoryError> {
    Ok(Opened::at(path)?.digest)
}

/// Digests what is read.
pub(super) struct Digested<R> {
    input: R,
    digest: Sha256,
}

impl<R> Digested<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            digest: Sha256::new(),
        }
    }

    /// The digest of what was read until now.
    pub(super) fn digest(&self) -> String {
        hex(&self.digest.clone().finalize())
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.digest.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::directory::generation_tests::{CAREFUL, House};
    use crate::directory::{DomainKind, DomainRule, GenerationOptions, Unknown};
    use crate::mail::BackendId;

    const ONE: &str = "address,home\na@example.org,onprem\n";
    const TWO: &str = "address,home\na@example.org,onprem\nb@example.org,cloud\n";
    const THREE: &str = "address,home\na@example.org,onprem\nb@example.org,onprem\n\
                         c@example.org,onprem\n";

    fn on_disk(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[tokio::test]
    async fn what_was_imported_by_hand_is_not_read_again() {
        let house = House::new();
        let path = on_disk(ONE);
        house.generations.read_file(path.path()).await.unwrap();
        // Somebody edits the file and imports it, and later something else.
        std::fs::write(path.path(), TWO).unwrap();
        house.import(FILE, TWO, CAREFUL).await.unwrap();
        house.import(FILE, THREE, CAREFUL).await.unwrap();
        let read = house.generations.read_file(path.path()).await.unwrap();
        assert_eq!(read, Outcome::Unchanged);
        assert_eq!(house.restarted().await.len(), 3);
        // What is new since then is read, also when it is what there was at first.
        std::fs::write(path.path(), ONE).unwrap();
        let read = house.generations.read_file(path.path()).await.unwrap();
        assert!(matches!(read, Outcome::Done(_)));
        std::fs::write(path.path(), TWO).unwrap();
        let read = house.generations.read_file(path.path()).await.unwrap();
        assert!(matches!(read, Outcome::Done(_)));
    }

    fn other_home() -> GenerationOptions {
        let mut options = crate::directory::generation_tests::options();
        options.backends.push(BackendId::new("new"));
        options.rules.domains = vec![DomainRule {
            name: "example.org".to_owned(),
            kind: DomainKind::Authoritative,
            home: BackendId::new("new"),
            failover: Vec::new(),
            unknown: Unknown::Reject,
        }];
        options
    }

    #[tokio::test]
    async fn new_rules_and_a_new_file_count_together() {
        let house = House::new();
        let path = on_disk(ONE);
        house.generations.read_file(path.path()).await.unwrap();
        let mut shown = house.handle.changes();
        shown.mark_unchanged();
        std::fs::write(path.path(), "address,home\na@example.org,new\n").unwrap();
        let done = house.generations.configure(other_home(), Some(path.path()));
        assert!(matches!(done.await.unwrap(), Outcome::Done(_)));
        let seen = shown.borrow_and_update().clone();
        assert_eq!((seen.number(), seen.domains().count()), (2, 1));
        let homes: Vec<_> = seen.entries().filter_map(|entry| entry.home).collect();
        assert_eq!(homes, [BackendId::new("new")]);
        assert_eq!(house.restarted().await.number(), 2);
    }

    #[tokio::test]
    async fn a_config_with_a_bad_file_changes_nothing() {
        let house = House::new();
        let path = on_disk(ONE);
        house.generations.read_file(path.path()).await.unwrap();
        let mut shown = house.handle.changes();
        shown.mark_unchanged();
        std::fs::write(path.path(), "address,home\na@example.org,moon\n").unwrap();
        let done = house.generations.configure(other_home(), Some(path.path()));
        let error = done.await.unwrap_err().to_string();
        assert!(
            error.contains("expected one of onprem, cloud, new"),
            "{error}"
        );
        assert!(!shown.has_changed().unwrap(), "somebody saw other rules");
        assert!(house.generations.options().rules.domains.is_empty());
        assert_eq!(house.generations.list().await.unwrap().len(), 1);
    }
}
