//! The sources that have said something: how many people each names, and when it last changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::generation::{self, Generation};
use super::generations::{DirectoryError, Generations, beside};
use super::record::HAND;
use super::{Cause, Directory};
use crate::limits;

/// A source, by what the directory has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Its name; `hand`: what was said by hand.
    pub source: String,
    /// How many it names.
    pub names: u64,
    /// How many it does not name any more, whose route lives on.
    pub departed: u64,
    /// The last generation that it made; none when that is further back than is looked.
    pub last: Option<Generation>,
}

impl Directory {
    /// The sources that have records, in the order in which they came.
    fn origins(&self) -> Vec<Origin> {
        let names = self.people.sources.iter();
        let mut all: Vec<Origin> = names
            .map(|name| Origin {
                source: name.to_string(),
                names: 0,
                departed: 0,
                last: None,
            })
            .collect();
        for slot in &self.people.slots {
            if let Some(origin) = all.get_mut(usize::from(slot.source)) {
                origin.names += u64::from(slot.is_living());
                origin.departed += u64::from(!slot.is_living() && !slot.forgotten);
            }
        }
        all
    }
}

/// Is this a change of that source?
fn is_of(generation: &Generation, source: &str) -> bool {
    match &generation.source {
        Some(of) => of == source,
        None => source == HAND && generation.cause == Cause::Hand,
    }
}

/// It is the last one of its source, if no later one was.
fn note(origins: &mut [Origin], generation: &Generation) {
    let mut of = origins.iter_mut();
    let origin = of.find(|one| one.last.is_none() && is_of(generation, &one.source));
    if let Some(origin) = origin {
        origin.last = Some(generation.clone());
    }
}

impl Generations {
    /// The last `limit` generations before number `before`, or the last of all; the first one of
    /// them first.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn list_before(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Generation>, DirectoryError> {
        let this = self.clone();
        beside(move || {
            let current = this.current();
            if before.is_none() && current.is_provisional() {
                // It stands in for one of which nobody knows the number.
                let mut all = generation::list(this.spool())?;
                return Ok(all.split_off(all.len().saturating_sub(limit)));
            }
            let before = before.unwrap_or_else(|| current.number.saturating_add(1));
            Ok(generation::list_before(this.spool(), before, limit)?)
        })
        .await
    }

    /// The sources that have said something, each with its last generation.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn origins(&self) -> Result<Vec<Origin>, DirectoryError> {
        let this = self.clone();
        beside(move || {
            let current = this.current();
            let mut origins = current.origins();
            let mut before = current.number.saturating_add(1);
            let last = before.saturating_sub(limits::GENERATIONS_LOOKED_AT);
            while before > last.max(1) && origins.iter().any(|one| one.last.is_none()) {
                let found = generation::list_before(this.spool(), before, limits::PAGE / 10)?;
                for generation in found.iter().rev() {
                    note(&mut origins, generation);
                }
                let Some(first) = found.first() else { break };
                before = first.number;
            }
            Ok(origins)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use crate::directory::FILE;
    use crate::directory::generation_tests::{FORCE, House};

    fn numbers(all: &[crate::directory::Generation]) -> Vec<u64> {
        all.iter().map(|one| one.number).collect()
    }

    #[tokio::test]
    async fn generations_are_read_from_the_newest_backwards() {
        let house = House::new();
        assert!(
            house
                .generations
                .list_before(None, 5)
                .await
                .unwrap()
                .is_empty()
        );
        for name in ["ann", "bob", "cid", "dan", "eve"] {
            let text = format!("address,home\n{name}@example.org,onprem\n");
            house.import(FILE, &text, FORCE).await.unwrap();
        }
        let list = async |before, limit| {
            let found = house.generations.list_before(before, limit).await;
            numbers(&found.unwrap())
        };
        assert_eq!(list(None, 2).await, [4, 5]);
        assert_eq!(list(Some(4), 2).await, [2, 3]);
        assert_eq!(
            list(Some(2), 2).await,
            [1],
            "the pages of a generation are none"
        );
        assert_eq!(list(Some(1), 2).await, [0_u64; 0]);
        assert_eq!(list(Some(u64::MAX), 9).await, [0_u64; 0]);
        assert_eq!(list(Some(99), 98).await, [1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_source_says_whom_it_names_and_when_it_changed() {
        let house = House::new();
        let text = "address,home\nann@example.org,onprem\nbob@example.org,onprem\n";
        house.import(FILE, text, FORCE).await.unwrap();
        let other = "address,home\ncid@example.org,cloud\n";
        house.import("other", other, FORCE).await.unwrap();
        let text = "address,home\nann@example.org,onprem\n";
        house.import(FILE, text, FORCE).await.unwrap();
        let origins = house.generations.origins().await.unwrap();
        let told: Vec<_> = origins
            .iter()
            .map(|one| {
                let last = one.last.as_ref().map(|last| last.number);
                (one.source.as_str(), one.names, one.departed, last)
            })
            .collect();
        assert_eq!(told, [(FILE, 1, 1, Some(3)), ("other", 1, 0, Some(2))]);
    }
}
