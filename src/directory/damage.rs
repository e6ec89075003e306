//! A directory whose generations in the log are damaged: mail goes on by what else is known, nobody
//! is refused, and a file that names everybody begins anew.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::files::{IMPORTED_FILES, LAST_FILE};
use super::generation::{self, Cause, ROOM};
use super::generations::{DirectoryError, Generations, Mode, Outcome, beside};
use super::{Builder, Directory, Guard};
use crate::spool::SpoolError;

/// What a change is made against.
pub(super) struct Base {
    pub(super) current: Arc<Directory>,
    /// The generation begins with nobody.
    pub(super) afresh: bool,
}

impl Generations {
    /// What is wrong with the generations of the log, if they cannot be read.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        let damage = self.0.damage.lock();
        damage.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_damage(&self, damage: Option<String>) {
        let mut now = self.0.damage.lock().unwrap_or_else(PoisonError::into_inner);
        *now = damage;
    }

    /// Has the log lost all generations that it had?
    pub(super) fn check_for_loss(&self) -> Result<(), SpoolError> {
        let was_read = self.last_file()?.is_some();
        if was_read && generation::list(&self.0.spool)?.is_empty() {
            let what = "the file was read, and no generation is there";
            return Err(SpoolError::Damaged(what.to_owned()));
        }
        Ok(())
    }

    /// Lets the present directory stand in for the one that cannot be read: whom it does not name
    /// may exist all the same.
    pub(super) async fn stand_in(&self, what: String) -> Result<DirectoryError, DirectoryError> {
        let current = self.current();
        let next = beside(move || {
            let rules = Arc::clone(&current.rules);
            Ok(Directory::build(current.people.clone(), rules, None).provisional())
        });
        self.0.handle.replace(next.await?);
        self.set_damage(Some(what.clone()));
        Ok(DirectoryError::Damaged(what))
    }

    /// What a change is made against: the present directory, or, when that is damaged and somebody
    /// said yes to a file, nobody.
    pub(super) async fn base(&self, cause: Cause, mode: Mode) -> Result<Base, DirectoryError> {
        let current = self.current();
        if !current.is_provisional() {
            let afresh = false;
            return Ok(Base { current, afresh });
        }
        let Some(what) = self.damage() else {
            return Err(DirectoryError::Early);
        };
        let may_begin = matches!(cause, Cause::File | Cause::Import)
            && matches!(mode, Mode::DryRun | Mode::Commit(Guard::Off));
        if !may_begin {
            return Err(DirectoryError::Damaged(what));
        }
        let (spool, rules) = (self.0.spool.clone(), self.options().rules.clone());
        let empty = beside(move || {
            let all = generation::list(&spool)?;
            let last = all.last().map_or(0, |last| last.number);
            Ok(Builder::new(rules).finish().numbered(last))
        });
        Ok(Base {
            current: Arc::new(empty.await?),
            afresh: true,
        })
    }

    /// The new generation counts. The file is read again if it was not the one that began it.
    pub(super) async fn has_begun_afresh(&self) -> Result<(), DirectoryError> {
        self.set_damage(None);
        self.0.spool.put_fact(ROOM, IMPORTED_FILES, None).await?;
        Ok(self.0.spool.put_fact(ROOM, LAST_FILE, None).await?)
    }

    /// Begins anew with `directory.file`, if nothing but that file ever made the directory: then it
    /// says all that is lost. `false`: somebody has to say so.
    ///
    /// # Errors
    /// When the file is wrong, or the log fails.
    pub async fn begin_with(&self, file: &Path) -> Result<bool, DirectoryError> {
        let spool = self.0.spool.clone();
        let only_files = beside(move || {
            let all = generation::list(&spool)?;
            let whole = !all.is_empty() && generation::way_to(all.clone(), u64::MAX).is_ok();
            Ok(whole && all.iter().all(|one| one.cause == Cause::File))
        });
        if !only_files.await? {
            return Ok(false);
        }
        let begun = self.read_again(file).await?;
        Ok(matches!(begun, Outcome::Done(_)))
    }
}
