//! Which wave is taken back, when several have moved the same people.

use std::collections::BTreeSet;

use super::{DirectoryError, Wave, WaveState, Waves};
use crate::mail::BackendId;

impl Waves {
    /// The wave that is meant by who takes one back: of those with this name (or the one with this
    /// id) the one that started last, else the newest.
    ///
    /// # Errors
    /// When there is none, or the log cannot be read.
    pub fn find_to_revert(
        &self,
        name: &str,
        to: Option<&BackendId>,
    ) -> Result<Wave, DirectoryError> {
        let all = self.list()?.into_iter();
        let named = all.filter(|one| {
            let meant = one.id == name || one.name == name;
            meant && one.state == WaveState::Started && to.is_none_or(|to| one.to == *to)
        });
        let last = named.max_by_key(|one| one.generation);
        last.map_or_else(|| self.find(name, to), Ok)
    }

    /// A wave whose people a later one has moved again is not taken back before that one: what was
    /// before it is no longer what they would go back to.
    pub(super) fn expect_last(&self, wave: &Wave) -> Result<(), DirectoryError> {
        let moved = |wave: &Wave| -> Result<BTreeSet<String>, DirectoryError> {
            let people = self.report(wave)?.into_iter();
            let moved = people.filter(|user| user.moves);
            Ok(moved.filter_map(|user| user.entry).collect())
        };
        let own = moved(wave)?;
        for later in self.list()? {
            if later.state != WaveState::Started || later.generation <= wave.generation {
                continue;
            }
            if let Some(both) = moved(&later)?.intersection(&own).next() {
                return Err(DirectoryError::Asked(format!(
                    "{} ({}) has moved {both} after {}: take that one back first, with \
                     `wave revert {}`",
                    later.id, later.name, wave.id, later.id
                )));
            }
        }
        Ok(())
    }
}
