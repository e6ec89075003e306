//! The plan of a replay of what is missing: the mailboxes are asked, nothing is sent.

use std::collections::HashSet;
use std::sync::Arc;

use super::ReplayError;
use super::ask::{Answer, Asker, Told};
use super::plan::Counting;
use super::runner::look;
use super::selection::Skip;
use super::survey::Survey;
use crate::limits;
use crate::mail::{FolderKind, SpoolId};
use crate::spool::{Spool, SpoolError};

/// Looks at all the mail that is meant, and asks its mailboxes.
pub(super) async fn count_missing(asker: &Asker) -> Result<Counting, ReplayError> {
    let mut survey = Survey::new(asker).await?;
    let mut counted = HashSet::new();
    while let Some(answer) = survey.next().await? {
        note(asker, &mut survey.counting, (answer, &mut counted)).await?;
    }
    Ok(survey.counting)
}

async fn note(
    asker: &Asker,
    counting: &mut Counting,
    (answer, counted): (Answer, &mut HashSet<SpoolId>),
) -> Result<(), SpoolError> {
    let mut missing = Vec::new();
    for (pair, told) in answer.told {
        match told {
            Told::Missing => missing.push(pair),
            Told::Present(place) => counting.skip(in_folder(place.kind), 1),
            // It changed in this moment: the replay sees how.
            Told::Withheld | Told::Ended(_) | Told::LeftOut | Told::Other => {}
        }
    }
    if let Some((batch, why)) = answer.unasked {
        let recipients = batch.pairs.len() as u64;
        counting.not_asked((&answer.mailbox, why.text()), recipients);
        if asker.judge.selection.unasked {
            missing.extend(batch.pairs);
        } else {
            counting.skip(Skip::NotAsked, recipients);
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
        counting.note_one(&message, (number, verdict), is_first.into());
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
