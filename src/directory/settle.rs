//! What administrators say themselves: who owns an address, which home counts, where somebody is.

use super::conflict::ConflictKind;
use super::draft::{Draft, Extent};
use super::generations::{DirectoryError, Generations, Mode, Note, Outcome};
use super::people::{Delta, PackedChange, Ruling, RulingChange};
use super::store::lookup_key;
use super::{Directory, HAND, Record};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// How a conflict ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This entry has the address: an address of it, or its record as `SOURCE/ID`.
    Owner(String),
    /// This home counts.
    Home(BackendId),
}

impl Generations {
    /// Settles a conflict once and for all.
    ///
    /// # Errors
    /// When there is no such conflict, or it cannot be written down.
    pub async fn settle(
        &self,
        address: Mailbox,
        verdict: Verdict,
        (note, mode): (Note, Mode),
    ) -> Result<Outcome, DirectoryError> {
        let (by, at) = (note.author.clone(), self.now());
        let backends = self.options().backends.clone();
        let work = move |current: &Directory| {
            let key = match &verdict {
                Verdict::Owner(_) => lookup_key(&address),
                Verdict::Home(home) => {
                    known_backend(home, &backends)?;
                    current.ruling_key(&address).ok_or_else(|| {
                        DirectoryError::NoSuch(format!("{address} is not in the directory"))
                    })?
                }
            };
            let before = current.people.rulings.get(&key).cloned();
            let (mut owner, mut home) = before
                .clone()
                .map_or((None, None), |ruling| (ruling.owner, ruling.home));
            match verdict {
                Verdict::Owner(wanted) => owner = Some(side(current, &address, &wanted)?),
                Verdict::Home(wanted) => home = Some(wanted),
            }
            let after = Ruling {
                owner,
                home,
                by,
                at,
                kept: false,
            };
            Ok(Delta {
                changes: Vec::new(),
                rulings: vec![RulingChange {
                    ruling: key,
                    before,
                    after: Some(after),
                }],
            })
        };
        self.change(note, mode, work).await
    }

    /// Says something by hand of some people, which beats what the sources say; what was said
    /// before and is not said anew still counts. `None` takes back all that was said of one.
    ///
    /// # Errors
    /// When a backend is not known, somebody is not in the directory, too many would be moved, or
    /// it cannot be written down.
    pub async fn say(
        &self,
        said: Vec<(Mailbox, Option<Record>)>,
        (note, mode): (Note, Mode),
    ) -> Result<Outcome, DirectoryError> {
        let backends = self.options().backends.clone();
        let work = move |current: &Directory| by_hand(current, said, &backends);
        self.change(note, mode, work).await
    }
}

pub(super) fn known_backend(
    name: &BackendId,
    backends: &[BackendId],
) -> Result<(), DirectoryError> {
    if backends.contains(name) {
        return Ok(());
    }
    let names: Vec<_> = backends.iter().map(BackendId::as_str).collect();
    Err(DirectoryError::Asked(format!(
        "\"{name}\" is no backend, expected one of {}",
        names.join(", ")
    )))
}

/// The record of the side of a conflict that somebody means.
fn side(current: &Directory, address: &Mailbox, wanted: &str) -> Result<String, DirectoryError> {
    let key = lookup_key(address);
    let about = |one: &&super::Conflict| {
        one.kind == ConflictKind::Address
            && one
                .address
                .parse::<Mailbox>()
                .is_ok_and(|other| lookup_key(&other) == key)
    };
    let mut sides = Vec::new();
    for one in current.conflicts().iter().filter(about) {
        sides.push((&one.owner, &one.owner_record));
        sides.push((&one.claimant, &one.claimant_record));
    }
    if sides.is_empty() {
        return Err(DirectoryError::NoSuch(format!(
            "nobody disputes {address}: `tideover directory conflicts` lists what is open"
        )));
    }
    let by_record = sides.iter().find(|(_, record)| *record == wanted);
    let by_name = sides
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if let Some((_, record)) = by_record.or(by_name) {
        return Ok((*record).clone());
    }
    let names: Vec<_> = sides.iter().map(|(_, record)| record.as_str()).collect();
    Err(DirectoryError::Asked(format!(
        "\"{wanted}\" does not claim {address}, expected one of {}",
        names.join(", ")
    )))
}

fn by_hand(
    current: &Directory,
    said: Vec<(Mailbox, Option<Record>)>,
    backends: &[BackendId],
) -> Result<Delta, DirectoryError> {
    let mut draft = Draft::new(&current.people, HAND);
    let mut taken_back = Vec::new();
    for (address, record) in said {
        let Some((entry, _)) = current.find(&address) else {
            return Err(DirectoryError::NoSuch(format!(
                "{address} is not in the directory"
            )));
        };
        let known = current.by_hand(&entry.address);
        let Some(mut record) = record else {
            taken_back.extend(known.map(|(_, _, packed)| PackedChange {
                source: HAND.into(),
                before: Some(packed),
                after: None,
            }));
            continue;
        };
        if let Some(home) = &record.home {
            known_backend(home, backends)?;
        }
        record.address = entry.address.clone();
        let (id, record) = match known {
            Some((id, earlier, _)) => (id, record.over(earlier)),
            None => (entry.address.key(), record),
        };
        draft.add(Some(id), record);
    }
    let mut delta = draft.finish(Extent::More);
    delta.changes.extend(taken_back);
    Ok(delta)
}
