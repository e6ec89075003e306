//! What one user did in the webmail and what of it is not carried yet, read from the spool.

use std::collections::{BTreeMap, BTreeSet};

use super::copy::is_there;
use super::people::Person;
use super::record::{AllWritten, Carried, Written, written};
use crate::base::Timestamp;
use crate::mail::{
    BackendId, DRAFTS, Envelope, MARKS, Mark, MarkPlace, OUTBOX, SENT_AS, SpoolId, UnsentLetter,
    sent_as_key,
};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// Rows that are read at once.
const PAGE: usize = 1_000;

/// A message that he sent in the webmail, or what he did with it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentTask {
    pub(super) id: SpoolId,
    pub(super) message_id: Option<String>,
    pub(super) at: Timestamp,
    pub(super) mark: Mark,
    pub(super) before: Option<Written>,
}

/// What he did with a message that he got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MarkTask {
    pub(super) id: SpoolId,
    pub(super) message_id: Option<String>,
    pub(super) mark: Mark,
    pub(super) before: Option<Written>,
}

/// A draft that is new or changed, or is none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftTask {
    pub(super) account: Mailbox,
    pub(super) token: String,
    /// As it is now; `None`: it was sent or thrown away.
    pub(super) letter: Option<UnsentLetter>,
    pub(super) before: Option<Written>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Work {
    pub(super) sent: Vec<SentTask>,
    pub(super) marks: Vec<MarkTask>,
    pub(super) drafts: Vec<DraftTask>,
    /// Names of records whose message is gone.
    pub(super) stale: Vec<String>,
}

impl Work {
    pub(super) const fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.marks.is_empty() && self.drafts.is_empty()
    }

    /// In numbers.
    pub(super) fn counted(&self) -> Carried {
        let mut carried = Carried {
            sent: self.sent.len() as u64,
            drafts: self.drafts.len() as u64,
            ..Carried::default()
        };
        for task in &self.marks {
            let before = task.before.as_ref();
            let was = |state: fn(&Written) -> bool| before.is_some_and(state);
            let states = task.mark.read.is_some() != was(|it| it.seen)
                || task.mark.flagged.is_some() != was(|it| it.flagged);
            carried.states += u64::from(states);
            match task.mark.place {
                place if place == before.and_then(|it| it.place) => {}
                Some(MarkPlace::Archive) | None => carried.filed += 1,
                Some(MarkPlace::Deleted | MarkPlace::Gone) => carried.deleted += 1,
            }
        }
        carried
    }
}

/// What is to be carried for a user to this backend. Blocks.
pub(super) fn work(
    spool: &Spool,
    person: &Person,
    backend: &BackendId,
) -> Result<Work, SpoolError> {
    let mut all = written(spool, &person.mailbox)?;
    let marks = marks(spool, &person.mailbox)?;
    let mut work = Work {
        sent: sent(spool, person, (&marks, &all, backend))?,
        marks: received(spool, &person.mailbox, (&marks, &all, backend))?,
        drafts: drafts(spool, person, (&mut all, backend))?,
        stale: Vec::new(),
    };
    for name in all.into_keys() {
        let id = name.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
        if let Some(id) = id
            && spool.state(id, 0)?.is_none()
        {
            work.stale.push(name);
        }
    }
    Ok(work)
}

fn marks(spool: &Spool, mailbox: &str) -> Result<BTreeMap<SpoolId, Mark>, SpoolError> {
    let prefix = format!("{mailbox}/");
    let facts = spool.facts(MARKS, &prefix)?.into_iter();
    let read = |(key, value): (String, serde_json::Value)| {
        let id = key.strip_prefix(&prefix)?.parse().ok()?;
        Some((id, serde_json::from_value(value).ok()?))
    };
    Ok(facts.filter_map(read).collect())
}

type Known<'a> = (&'a BTreeMap<SpoolId, Mark>, &'a AllWritten, &'a BackendId);

/// What a record says of this backend.
fn before(all: &AllWritten, name: &str, backend: &BackendId) -> Option<Written> {
    let before = all.get(name);
    before.filter(|before| before.backend == *backend).cloned()
}

/// What he sent in the webmail. What his own program sent it has filed itself.
fn sent(
    spool: &Spool,
    person: &Person,
    (marks, all, backend): Known<'_>,
) -> Result<Vec<SentTask>, SpoolError> {
    let accounts: Vec<String> = person.accounts.iter().map(Mailbox::key).collect();
    let is_his = |envelope: &Envelope| {
        let user = envelope.peer.user.as_ref();
        envelope.peer.protocol == "webmail" && user.is_some_and(|user| accounts.contains(user))
    };
    let mut tasks = BTreeMap::new();
    for sender in senders(spool, person)? {
        let mut last = None;
        loop {
            let page = spool.sent(&sender, last, PAGE)?;
            last = page.last().copied();
            for id in &page {
                let before = before(all, &name_of_sent(*id), backend);
                // A crash came between the record of a copy and the copy.
                let stands = |it: &Written| it.copy.is_none_or(|copy| is_there(spool, copy));
                let before = before.filter(stands);
                let mark = marks.get(id).cloned().unwrap_or_default();
                if before.as_ref().is_some_and(|it| it.changed == mark.changed) {
                    continue;
                }
                let Some(message) = spool.message_if_whole(*id)? else {
                    continue;
                };
                if !is_his(&message.envelope) {
                    continue;
                }
                // Who wrote to himself has it twice; what he did is about what came to him.
                let came_too = is_for(&message.envelope, &person.mailbox);
                if came_too && before.is_some() {
                    continue;
                }
                let task = SentTask {
                    id: *id,
                    message_id: message.envelope.message_id.clone(),
                    at: message.received,
                    mark: if came_too { Mark::default() } else { mark },
                    before,
                };
                tasks.insert(*id, task);
            }
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(tasks.into_values().collect())
}

/// Under which senders there may be letters of his: also addresses that he has no more.
fn senders(spool: &Spool, person: &Person) -> Result<BTreeSet<String>, SpoolError> {
    let own = person.addresses.iter().chain(&person.accounts);
    let mut keys: BTreeSet<String> = own.map(Mailbox::key).collect();
    for account in &person.accounts {
        let prefix = sent_as_key(&account.key(), "");
        let before = spool.facts(SENT_AS, &prefix)?.into_iter();
        keys.extend(before.filter_map(|(key, _)| Some(key.strip_prefix(&prefix)?.to_owned())));
    }
    Ok(keys)
}

/// What he did with what he got.
fn received(
    spool: &Spool,
    mailbox: &str,
    (marks, all, backend): Known<'_>,
) -> Result<Vec<MarkTask>, SpoolError> {
    let mut tasks = Vec::new();
    for (id, mark) in marks {
        let before = before(all, &name_of_mark(*id), backend);
        let is_carried = match &before {
            Some(before) => before.changed == mark.changed,
            None => mark.read.is_none() && mark.flagged.is_none() && mark.place.is_none(),
        };
        if is_carried {
            continue;
        }
        let Some(message) = spool.message_if_whole(*id)? else {
            continue;
        };
        if is_for(&message.envelope, mailbox) {
            tasks.push(MarkTask {
                id: *id,
                message_id: message.envelope.message_id.clone(),
                mark: mark.clone(),
                before,
            });
        }
    }
    Ok(tasks)
}

/// Takes what it has found out of `all`.
fn drafts(
    spool: &Spool,
    person: &Person,
    (all, backend): (&mut AllWritten, &BackendId),
) -> Result<Vec<DraftTask>, SpoolError> {
    let mut tasks = Vec::new();
    for account in &person.accounts {
        let prefix = format!("{}/", account.key());
        let leaving = spool.facts(OUTBOX, &prefix)?;
        for (key, _) in spool.facts(DRAFTS, &prefix)? {
            let Some(token) = key.strip_prefix(&prefix) else {
                continue;
            };
            let name = name_of_draft(token);
            let known = before(all, &name, backend);
            all.remove(&name);
            // On its way out, for seconds: it is a message then.
            if leaving.iter().any(|(other, _)| *other == key) {
                continue;
            }
            let letter = match spool.unsent(&account.key(), token) {
                // One that is damaged stops no other.
                Err(error) if error.is_damage() => {
                    tracing::error!(account = %account, %error, "a draft cannot be carried");
                    continue;
                }
                letter => letter?,
            };
            let Some(letter) = letter else {
                continue;
            };
            let is_same = known
                .as_ref()
                .is_some_and(|it| it.changed == letter.changed);
            if is_same || letter.is_blank() && known.is_none() {
                continue;
            }
            tasks.push(DraftTask {
                account: account.clone(),
                token: token.to_owned(),
                letter: Some(letter).filter(|letter| !letter.is_blank()),
                before: known,
            });
        }
    }
    let gone: Vec<String> = all
        .keys()
        .filter(|name| name.starts_with("draft/"))
        .cloned()
        .collect();
    let account = person.accounts.first();
    for name in gone {
        let (token, known) = (
            name.trim_start_matches("draft/"),
            before(all, &name, backend),
        );
        let (Some(known), Some(account)) = (known, account) else {
            continue;
        };
        tasks.push(DraftTask {
            account: account.clone(),
            token: token.to_owned(),
            letter: None,
            before: Some(known),
        });
        all.remove(&name);
    }
    Ok(tasks)
}

fn is_for(envelope: &Envelope, mailbox: &str) -> bool {
    envelope.recipients.iter().any(|recipient| {
        let key = recipient.mailbox.as_deref();
        key.map_or_else(|| recipient.address.key() == mailbox, |key| key == mailbox)
    })
}

pub(super) fn name_of_sent(id: SpoolId) -> String {
    format!("sent/{id}")
}

pub(super) fn name_of_mark(id: SpoolId) -> String {
    format!("mark/{id}")
}

pub(super) fn name_of_draft(token: &str) -> String {
    format!("draft/{token}")
}
