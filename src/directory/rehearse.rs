//! What the directory would be like, without writing anything down: for rehearsals.

use std::io::Read;

use super::feed::read;
use super::generations::{DirectoryError, Generations, beside};
use super::plan::{Owners, plan};
use super::wave_change::there;
use super::{Directory, Effect, Import, WavePlan};
use crate::mail::BackendId;

/// A directory that does not count.
#[derive(Debug)]
pub struct WouldBe {
    /// The directory.
    pub directory: Directory,
    /// How it differs from the present one.
    pub effect: Effect,
}

impl Generations {
    /// As if a file had been imported.
    ///
    /// # Errors
    /// When it is wrong, or the present directory is not known yet.
    pub async fn if_imported(
        &self,
        input: impl Read + Send + 'static,
        import: Import,
    ) -> Result<WouldBe, DirectoryError> {
        let backends = self.options().backends.clone();
        self.would_be(move |current| Ok(read(current, input, (&import, &backends))?.0))
            .await
    }

    /// As if a wave had started: those who can move have their new home.
    ///
    /// # Errors
    /// When the config has no such backend, or the present directory is not known yet.
    pub async fn if_started(&self, wave: &WavePlan) -> Result<WouldBe, DirectoryError> {
        let people = wave.movers().filter_map(|user| user.entry.clone());
        let (people, to): (Vec<String>, BackendId) = (people.collect(), wave.to.clone());
        self.would_be(move |current| there(current, &people, &to))
            .await
    }

    async fn would_be<F>(&self, work: F) -> Result<WouldBe, DirectoryError>
    where
        F: FnOnce(&Directory) -> Result<super::people::Delta, DirectoryError> + Send + 'static,
    {
        let (current, at) = (self.current(), self.now());
        if current.is_provisional() {
            return Err(DirectoryError::Early);
        }
        beside(move || {
            let delta = work(&current)?;
            let planned = plan(&current, delta, (at, Owners::Keep));
            Ok(WouldBe {
                directory: planned.next,
                effect: planned.effect,
            })
        })
        .await
    }
}
