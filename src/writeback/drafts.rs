//! Drafts of one user: the new state is put there, older ones go to the trash. What is begun is a
//! fact before it is done, so that no state is left behind when a crash comes between the two.

use super::carry::{Broken, Carrier};
use super::letter;
use super::record::{Written, drop_written, put_written};
use super::work::{DraftTask, name_of_draft};
use crate::base::Timestamp;
use crate::directory::Lookup;
use crate::imap::{ImapError, Item, OpenMailbox, Spot};
use crate::mail::{BodySource, FolderKind, Mark, UnsentLetter};
use crate::smtp::Mailbox;

use std::sync::Arc;

impl Carrier<'_> {
    /// The Message-IDs of a draft as it is now, and of older states.
    pub(super) fn names_of(&self, task: &DraftTask) -> [Vec<String>; 2] {
        let now = task.letter.as_ref().map(|letter| letter.changed);
        let older = task.states.iter().filter(|state| Some(**state) != now);
        let names = |state: Timestamp| letter::message_ids(self.draft(&task.token), state);
        [
            now.into_iter().flat_map(names).collect(),
            older.copied().flat_map(names).collect(),
        ]
    }

    fn draft<'b>(&'b self, token: &'b str) -> (&'b str, &'b str) {
        (token, &self.parts.hostname)
    }

    pub(super) async fn carry_draft(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        (task, [now, before]): (&DraftTask, [&[Spot]; 2]),
    ) -> Result<(), Broken> {
        let mut changed = false;
        if let Some(letter) = &task.letter {
            let is_there = now.iter().any(|spot| !spot.flags.deleted);
            if is_there {
                self.result.carried.there += 1;
            } else if self.put_draft(mailbox, (task, letter)).await? {
                changed = true;
            } else {
                return Ok(());
            }
        }
        // An older state of it, or all of it when it is no draft any more: what he did with it
        // there, for example sending it, is his matter.
        let old = before.iter().filter(|spot| {
            let same = now.iter().any(|other| other == *spot);
            spot.kind == FolderKind::Drafts && !spot.flags.deleted && !same
        });
        for spot in old {
            self.pace(mailbox).await?;
            match mailbox.file(spot, FolderKind::Trash).await {
                Ok(_) => changed = true,
                Err(ImapError::Refused { what, why }) => {
                    self.result.refuse(format!("{what}: {why}"));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if changed {
            self.result.carried.drafts += 1;
            self.count("draft");
        }
        let Some(letter) = &task.letter else {
            return self.note_draft(task, None).await;
        };
        let mark = Mark {
            changed: letter.changed,
            ..Mark::default()
        };
        self.note_draft(task, Some(self.written(&mark))).await
    }

    async fn note_draft(&self, task: &DraftTask, written: Option<Written>) -> Result<(), Broken> {
        if written.is_none() {
            for key in &task.former {
                drop_written(&self.parts.spool, key).await?;
            }
        }
        let name = name_of_draft(&task.token);
        let place = (self.person.mailbox.as_str(), name.as_str());
        Ok(put_written(&self.parts.spool, place, written.as_ref()).await?)
    }

    /// Nobody knows yet which of these states are there.
    async fn note_begun(&self, task: &DraftTask, begun: Vec<Timestamp>) -> Result<(), Broken> {
        let written = (!begun.is_empty()).then(|| Written {
            begun,
            ..self.written(&Mark::default())
        });
        self.note_draft(task, written).await
    }

    async fn put_draft(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        (task, letter): (&DraftTask, &UnsentLetter),
    ) -> Result<bool, Broken> {
        let Some(body) = self.draft_body((task, letter)).await? else {
            return Ok(false);
        };
        let older = task
            .states
            .iter()
            .copied()
            .filter(|it| *it != letter.changed);
        let older: Vec<Timestamp> = older.collect();
        self.pace(mailbox).await?;
        // First it is said, then done: what a crash leaves is looked for by the next run, whatever
        // has become of the draft by then.
        self.note_begun(task, [older.as_slice(), &[letter.changed]].concat())
            .await?;
        let item = Item {
            flags: "\\Draft \\Seen",
            date: letter.changed,
            body: body.as_ref(),
        };
        match mailbox.append(FolderKind::Drafts, item).await {
            Ok(_) => Ok(true),
            Err(ImapError::Refused { what, why }) => {
                self.result.refuse(format!("a draft: {what}: {why}"));
                self.note_begun(task, older).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The message, read through once: nothing that is damaged is put anywhere.
    async fn draft_body(
        &mut self,
        (task, letter): (&DraftTask, &UnsentLetter),
    ) -> Result<Option<Arc<dyn BodySource>>, Broken> {
        let from = self.writer(&task.account, letter);
        let name = self.name_of(&from);
        let id = letter::message_id(self.draft(&task.token), letter.changed);
        let mark = self.parts.entropy.token();
        let (account, unsent) = (task.account.clone(), letter.clone());
        let made = self.parts.spool.beside(move |spool| {
            let writer = (name.as_deref(), &from);
            letter::body((spool, &account), &unsent, (writer, &id, &mark))
        });
        match made.await {
            Ok(body) => Ok(Some(body)),
            Err(error) => {
                let what = format!("the draft \"{}\"", letter.subject);
                self.damaged((&what, error))?;
                Ok(None)
            }
        }
    }

    /// The address that it would be sent as.
    fn writer(&self, account: &Mailbox, letter: &UnsentLetter) -> Mailbox {
        let wanted = letter.from.parse::<Mailbox>().ok();
        let mut own = self.person.addresses.iter();
        let found = wanted.and_then(|wanted| own.find(|one| one.key() == wanted.key()));
        found.unwrap_or(account).clone()
    }

    fn name_of(&self, address: &Mailbox) -> Option<String> {
        match self.parts.router.directory().current().lookup(address) {
            Lookup::Known { entry, .. } => Some(entry.name.clone()).filter(|name| !name.is_empty()),
            Lookup::Unknown(_) | Lookup::Stranger => None,
        }
    }
}
