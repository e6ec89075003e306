//! The plan of a replay of what is missing: the mailboxes are asked, nothing is sent.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::ReplayError;
use super::ask::{Answer, Asker, Calls, Told};
use super::gap::{Batch, Gap, Gathering};
use super::judge::{Judge, Verdict};
use super::plan::{Counting, Read, count_gone, read};
use super::runner::look;
use super::selection::{Order, Skip};
use super::walk::Walk;
use super::work::Pair;
use crate::base::Timestamp;
use crate::imap::FolderKind;
use crate::limits;
use crate::mail::SpoolId;
use crate::spool::{Spool, SpoolError};

/// A plan asks a mailbox so often, at once.
const TRIES: u32 = 2;

/// What was looked at, and what is to be asked.
struct Gathered {
    counting: Counting,
    walk: Walk,
    gap: Gap,
    ended: bool,
}

/// Looks at all the mail that is meant, and asks its mailboxes.
pub(super) async fn count_missing(asker: &Asker) -> Result<Counting, ReplayError> {
    let judge = Arc::clone(&asker.judge);
    if asker.at_a_time() == 0 {
        return Err(ReplayError::NoImap(judge.to.to_string()));
    }
    let counting = asker
        .spool
        .beside({
            let judge = Arc::clone(&judge);
            move |spool| {
                let mut counting = Counting::default();
                count_gone(spool, &judge, &mut counting)?;
                Ok(counting)
            }
        })
        .await?;
    let mut state = Gathered {
        counting,
        walk: Walk::new(judge.selection.ids(), Order::Oldest),
        gap: Gap::default(),
        ended: false,
    };
    let mut counted = HashSet::new();
    while !state.ended {
        let judge = Arc::clone(&judge);
        state = asker
            .spool
            .beside(move |spool| gather(spool, &judge, state))
            .await?;
        ask_all(asker, &mut state, &mut counted).await?;
    }
    Ok(state.counting)
}

/// Walks until there is enough to ask, or to the end.
fn gather(spool: &Spool, judge: &Judge, mut state: Gathered) -> Result<Gathered, SpoolError> {
    while !state.gap.is_full() {
        let page = state
            .walk
            .next(|range, limit| spool.accepted(range, limit))?;
        if page.is_empty() {
            state.ended = true;
            break;
        }
        for id in page {
            match read(spool, id)? {
                Read::Message(message) => {
                    let mut verdicts = judge.judge(&message, &spool.replays(id)?);
                    for (number, taken) in taken(&mut verdicts) {
                        state.gap.gather(Pair::new(id, number, &taken));
                    }
                    state.counting.note(&message, &verdicts);
                }
                Read::Damaged => state.counting.skip(Skip::Damaged, 1),
                Read::Gone => {}
            }
        }
    }
    Ok(state)
}

/// Takes out those who would be replayed: number and mailbox.
fn taken(verdicts: &mut Vec<(u16, Verdict)>) -> Vec<(u16, String)> {
    let taken = verdicts
        .iter()
        .filter_map(|(number, verdict)| match verdict {
            Verdict::Take(taken) => Some((*number, taken.mailbox.clone())),
            Verdict::Withheld | Verdict::Skip(_) | Verdict::Ended(_) | Verdict::No => None,
        });
    let taken = taken.collect();
    verdicts.retain(|(_, verdict)| !matches!(verdict, Verdict::Take(_)));
    taken
}

async fn ask_all(
    asker: &Asker,
    state: &mut Gathered,
    counted: &mut HashSet<SpoolId>,
) -> Result<(), ReplayError> {
    let now = Timestamp::EPOCH;
    let mut asking = Calls::new();
    loop {
        while asking.len() < asker.at_a_time().max(1) {
            let Some(batch) = state.gap.next(now, Gathering::Done) else {
                break;
            };
            asking.push(asker.ask(batch));
        }
        let Some(answer) = asking.next().await else {
            return Ok(());
        };
        state.gap.heard();
        note(asker, state, (answer?, counted)).await?;
    }
}

async fn note(
    asker: &Asker,
    state: &mut Gathered,
    (answer, counted): (Answer, &mut HashSet<SpoolId>),
) -> Result<(), ReplayError> {
    let mut missing = Vec::new();
    for (pair, told) in answer.told {
        match told {
            Told::Missing => missing.push(pair),
            Told::Present(kind) => state.counting.skip(in_folder(kind), 1),
            Told::Other => state.gap.gather(pair),
            // It changed in this moment: the replay sees how.
            Told::Withheld | Told::Ended(_) | Told::LeftOut => {}
        }
    }
    if let Some((batch, why)) = answer.unasked {
        if let Some(error) = why.of_server() {
            return Err(ReplayError::Unreachable(error.to_string()));
        }
        let tries = batch.tries + 1;
        if !why.is_lasting() && tries < TRIES {
            state.gap.later(Batch { tries, ..batch }, Timestamp::EPOCH);
        } else {
            let recipients = batch.pairs.len() as u64;
            let counting = &mut state.counting;
            counting.not_asked((&answer.mailbox, why.text()), recipients);
            if asker.judge.selection.unasked {
                missing.extend(batch.pairs);
            } else {
                counting.skip(Skip::NotAsked, recipients);
            }
        }
    }
    let judge = Arc::clone(&asker.judge);
    let looking = move |spool: &Spool| {
        let mut found = Vec::new();
        for pair in missing {
            if let Some((message, replays)) = look(spool, pair.id)? {
                let verdict = judge.one(&message, pair.number, &replays);
                found.push((message, pair.number, verdict));
            }
        }
        Ok::<_, SpoolError>(found)
    };
    for (message, number, verdict) in asker.spool.beside(looking).await? {
        let is_first = counted.len() >= limits::PLANNED_MAILBOXES || counted.insert(message.id);
        state
            .counting
            .note_one(&message, (number, verdict), is_first.into());
    }
    Ok(())
}

const fn in_folder(kind: FolderKind) -> Skip {
    match kind {
        FolderKind::Trash => Skip::InTrash,
        FolderKind::Junk => Skip::InJunk,
        FolderKind::Inbox
        | FolderKind::Other
        | FolderKind::Archive
        | FolderKind::Sent
        | FolderKind::Drafts
        | FolderKind::All => Skip::Present,
    }
}
