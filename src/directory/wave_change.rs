//! The generation of a wave: what is said by hand of its users, and the way back.

use super::draft::{Draft, Extent};
use super::generations::{DirectoryError, Generations, Mode, Note, Outcome};
use super::people::{Delta, PackedChange};
use super::record::unpack;
use super::{Directory, Guard, HAND, Record, generation};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// Who gets which home.
pub(super) enum Rehoming {
    /// These people get this one.
    To(Vec<String>, BackendId),
    /// Those of this generation get what they had before.
    Back(u64),
}

impl Generations {
    /// Gives people other homes, by hand; whatever else was said of them by hand stays.
    pub(super) async fn rehome(
        &self,
        rehoming: Rehoming,
        note: Note,
    ) -> Result<Outcome, DirectoryError> {
        let backends = self.options().backends.clone();
        let spool = self.spool().clone();
        let work = move |current: &Directory| match rehoming {
            Rehoming::To(people, home) => {
                if !backends.contains(&home) {
                    let what = format!("the config has no backend {home}");
                    return Err(DirectoryError::Asked(what));
                }
                there(current, &people, &home)
            }
            Rehoming::Back(number) => {
                let all = generation::list(&spool)?;
                let made = all.into_iter().find(|one| one.number == number);
                let made = made.ok_or_else(|| {
                    DirectoryError::NoSuch(format!("generation {number} is gone"))
                })?;
                Ok(back(current, generation::delta(&spool, &made)?))
            }
        };
        // Somebody looked at the plan: it is meant.
        self.change(note, Mode::Commit(Guard::Off), work).await
    }
}

pub(super) fn there(
    current: &Directory,
    people: &[String],
    home: &BackendId,
) -> Result<Delta, DirectoryError> {
    let mut draft = Draft::new(&current.people, HAND);
    for name in people {
        let known = name.parse::<Mailbox>().ok();
        let known = known.and_then(|address| current.find(&address));
        let Some((entry, _)) = known else {
            let what = format!("{name} is not in the directory any more");
            return Err(DirectoryError::NoSuch(what));
        };
        let (id, mut record) = match current.by_hand(&entry.address) {
            Some((id, record, _)) => (id, record),
            None => (entry.address.key(), Record::new(entry.address)),
        };
        record.home = Some(home.clone());
        draft.add(Some(id), record);
    }
    Ok(draft.finish(Extent::More))
}

/// The way back, as far as nobody has said anything else since.
fn back(current: &Directory, made: Delta) -> Delta {
    let people = &current.people;
    let finder = people.finder();
    let mut delta = Delta::default();
    for change in made.changes.into_iter().filter(|one| *one.source == *HAND) {
        let Some(id) = change.id() else { continue };
        let place = finder.find(people, HAND, &id);
        let slot = place.and_then(|place| people.slots.get(place));
        let now = slot.filter(|slot| slot.is_living());
        let home = |packed: &[u8]| unpack(packed).and_then(|(_, record)| record.home);
        let given = change.after.as_deref().and_then(home);
        let Some(now) = now.filter(|slot| home(&slot.packed) == given) else {
            continue;
        };
        // What was said of him beside the home since then stays.
        let before = change.before.as_deref().and_then(unpack);
        let after = if Some(&now.packed) == change.after.as_ref() {
            change.before
        } else {
            let had = before.and_then(|(_, record)| record.home);
            let said = unpack(&now.packed).map(|(_, record)| Record {
                home: had,
                ..record
            });
            said.and_then(|record| super::record::pack(&id, record))
        };
        delta.changes.push(PackedChange {
            source: change.source,
            before: Some(now.packed.clone()),
            after,
        });
    }
    delta
}
