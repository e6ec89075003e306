//! A proof of landing that somebody asks for: is all that was delivered in the mailboxes?

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::{Answer, Asker, Told};
use super::judge::Judge;
use super::plan::Skipped;
use super::record::Unasked;
use super::runner::look;
use super::selection::{People, Selection, Which};
use super::survey::Survey;
use super::work::Pair;
use super::{ReplayError, Replays};
use crate::imap::Purpose;
use crate::limits;
use crate::mail::{BackendId, FolderKind};
use crate::queue::landing::{Book, MissingMail};
use crate::spool::{Spool, SpoolError};

/// What a look into the mailboxes has shown, counted in recipients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LandingCheck {
    /// Deliveries that were looked for.
    pub checked: u64,
    /// Found.
    pub found: u64,
    /// Found, by what the folder is for.
    pub folders: BTreeMap<FolderKind, u64>,
    /// In no folder.
    pub missing: u64,
    /// The first of them.
    pub mail: Vec<MissingMail>,
    /// Their mailboxes could not be asked.
    pub not_asked: u64,
    /// Those mailboxes.
    pub unasked: Vec<Unasked>,
    /// What is meant, but not looked for.
    pub skipped: Vec<Skipped>,
}

impl Replays {
    /// Looks for all that is meant in the mailboxes of a backend, and writes down what it sees.
    ///
    /// # Errors
    /// When the backend has no IMAP, its server is away, or the spool fails.
    pub async fn check(
        &self,
        at: &BackendId,
        (mut selection, people): (Selection, People),
    ) -> Result<LandingCheck, ReplayError> {
        if selection.which == Which::Unfinished {
            return Err(ReplayError::NotDelivered);
        }
        selection.made = self.now();
        selection.until = selection.until.min(selection.made);
        if selection.since >= selection.until {
            return Err(ReplayError::NoTime);
        }
        // Whatever came there how often: it is looked for.
        (selection.missing_only, selection.again) = (true, true);
        // What others took was never meant to be there.
        let judge = Arc::new(Judge {
            landed: true,
            ..self.judge_of(at, selection, people)
        });
        let none = || ReplayError::NoImap(at.to_string());
        let asker = self.asker(judge).ok_or_else(none)?;
        let asker = Asker {
            purpose: Purpose::Landing,
            ..asker
        };
        let mut check = LandingCheck::default();
        let mut survey = Survey::new(&asker).await?;
        while let Some(answer) = survey.next().await? {
            self.note(&mut check, &asker, answer).await?;
        }
        let limits = self.queue().limits_of_backend(at);
        check.skipped = survey.counting.finish(&limits, None).skipped;
        Ok(check)
    }

    async fn note(
        &self,
        check: &mut LandingCheck,
        asker: &Asker,
        answer: Answer,
    ) -> Result<(), SpoolError> {
        let (book, at) = (Book(asker.spool.clone()), &asker.judge.to);
        for (pair, told) in answer.told {
            match told {
                Told::Present(place) => {
                    check.checked += 1;
                    check.found += 1;
                    *check.folders.entry(place.kind).or_default() += 1;
                    book.found((pair.id, pair.number), at, place).await?;
                }
                Told::Missing => {
                    check.checked += 1;
                    check.missing += 1;
                    let Some(mail) = self.missing(asker, pair).await? else {
                        continue;
                    };
                    if check.mail.len() < limits::PAGE {
                        check.mail.push(mail.clone());
                    }
                    book.missing(mail).await?;
                }
                Told::Withheld | Told::Ended(_) | Told::LeftOut | Told::Other => {}
            }
        }
        if let Some((batch, why)) = answer.unasked {
            let recipients = batch.pairs.len() as u64;
            check.not_asked += recipients;
            Unasked::note(
                &mut check.unasked,
                (&answer.mailbox, why.text()),
                recipients,
            );
        }
        Ok(())
    }

    async fn missing(&self, asker: &Asker, pair: Pair) -> Result<Option<MissingMail>, SpoolError> {
        let looking = move |spool: &Spool| look(spool, pair.id);
        let Some((message, _)) = asker.spool.beside(looking).await? else {
            return Ok(None);
        };
        let recipient = message.envelope.recipients.get(usize::from(pair.number));
        Ok(recipient.map(|recipient| MissingMail {
            id: pair.id,
            recipient: pair.number,
            address: recipient.address.to_string(),
            backend: asker.judge.to.clone(),
            delivered: message.received,
            missed: self.now(),
            message_id: message.envelope.message_id.clone(),
        }))
    }
}
