//! What one user did in the webmail and what of it is not carried yet, read from the spool.

use std::collections::{BTreeMap, BTreeSet};

use super::copy::is_there;
use super::people::Person;
use super::record::{AllWritten, Written, written};
use crate::base::Timestamp;
use crate::mail::{
    BackendId, DRAFTS, Envelope, MARKS, Mark, OUTBOX, SENT_AS, SpoolId, UnsentLetter, sent_as_key,
};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError, StoredMessage};

/// What records of drafts begin with.
const DRAFT: &str = "draft/";
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
    /// States of it that were put there, or perhaps were. Also by another backend: its mailboxes
    /// may have been copied.
    pub(super) states: Vec<Timestamp>,
    /// Records of it under keys that the mailbox had: whole keys.
    pub(super) former: Vec<String>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Work {
    pub(super) sent: Vec<SentTask>,
    pub(super) marks: Vec<MarkTask>,
    pub(super) drafts: Vec<DraftTask>,
    /// Whole keys of records whose message is gone.
    pub(super) stale: Vec<String>,
    /// What is damaged or gone here, for people.
    pub(super) lost: Vec<String>,
}

impl Work {
    pub(super) const fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.marks.is_empty() && self.drafts.is_empty()
    }

    /// What no copy tells: states, and drafts that there are.
    pub(super) fn without_imap(&self) -> u64 {
        let drafts = self.drafts.iter().filter(|task| task.letter.is_some());
        (self.marks.len() + drafts.count()) as u64
    }
}

/// What is to be carried for a user to this backend; `None`: to any that has got nothing yet.
/// Blocks.
pub(super) fn work(
    spool: &Spool,
    person: &Person,
    backend: Option<&BackendId>,
) -> Result<Work, SpoolError> {
    let mut lost = Vec::new();
    let marks = marks(spool, person, &mut lost)?;
    let mut records = records(spool, person, &marks)?;
    let known = (&marks, &records.all, backend);
    let work = Work {
        sent: sent(spool, person, (known, &mut lost))?,
        marks: received(spool, person, (known, &mut lost))?,
        drafts: drafts(spool, person, ((&mut records, backend), &mut lost))?,
        stale: records.stale,
        lost,
    };
    Ok(work)
}

/// What he did with messages, each with the key of the mailbox as it was then.
type Marks = BTreeMap<SpoolId, (String, Mark)>;

fn marks(spool: &Spool, person: &Person, lost: &mut Vec<String>) -> Result<Marks, SpoolError> {
    let mut marks = Marks::new();
    for mailbox in person.keys() {
        let prefix = format!("{mailbox}/");
        for (key, value) in spool.facts(MARKS, &prefix)? {
            let id = key.strip_prefix(&prefix).and_then(|id| id.parse().ok());
            let (Some(id), Ok(mark)) = (id, serde_json::from_value::<Mark>(value)) else {
                lost.push(format!("what was done with {key} cannot be read"));
                continue;
            };
            // Today's key counts most.
            let is_newest = mailbox == person.mailbox
                || marks
                    .get(&id)
                    .is_none_or(|(_, other)| other.changed <= mark.changed);
            if is_newest {
                marks.insert(id, (mailbox.to_owned(), mark));
            }
        }
    }
    Ok(marks)
}

/// What was carried for him.
#[derive(Default)]
struct Records {
    all: AllWritten,
    /// Where else it stands, by name: whole keys.
    former: BTreeMap<String, Vec<String>>,
    /// Whole keys of those whose message is gone.
    stale: Vec<String>,
}

/// Under every key that the mailbox had: after a new address, too, nothing is carried twice.
fn records(spool: &Spool, person: &Person, marks: &Marks) -> Result<Records, SpoolError> {
    let mut records = Records::default();
    for mailbox in person.keys() {
        let is_todays = mailbox == person.mailbox;
        for (name, written) in written(spool, mailbox)? {
            let key = format!("{mailbox}/{name}");
            let id: Option<SpoolId> = name
                .split_once('/')
                .filter(|_| !name.starts_with(DRAFT))
                .and_then(|(_, id)| id.parse().ok());
            if let Some(id) = id
                && spool.state(id, 0)?.is_none()
            {
                records.stale.push(key);
                continue;
            }
            // What was carried for whoever had that key says nothing of what this one did under
            // his own: both may have got the message.
            let is_mark = id.is_some_and(|id| name == name_of_mark(id));
            let marked = id.filter(|_| is_mark).and_then(|id| marks.get(&id));
            if !is_todays && marked.is_some_and(|(under, _)| *under == person.mailbox) {
                continue;
            }
            if !is_todays {
                records.former.entry(name.clone()).or_default().push(key);
            }
            let other = records.all.get(&name);
            if other.is_none_or(|other| other.at <= written.at) {
                records.all.insert(name, written);
            }
        }
    }
    Ok(records)
}

type Known<'a> = (&'a Marks, &'a AllWritten, Option<&'a BackendId>);

/// What a record says of this backend.
fn before(all: &AllWritten, name: &str, backend: Option<&BackendId>) -> Option<Written> {
    let before = all.get(name);
    before
        .filter(|before| Some(&before.backend) == backend)
        .cloned()
}

/// A message whose record cannot be read stops no other.
fn whole(
    (spool, id): (&Spool, SpoolId),
    lost: &mut Vec<String>,
) -> Result<Option<StoredMessage>, SpoolError> {
    match spool.message(id) {
        Err(error) if error.is_damage() => {
            lost.push(format!("{id}: {error}"));
            Ok(None)
        }
        other => other,
    }
}

/// What he sent in the webmail. What his own program sent it has filed itself.
fn sent(
    spool: &Spool,
    person: &Person,
    ((marks, all, backend), lost): (Known<'_>, &mut Vec<String>),
) -> Result<Vec<SentTask>, SpoolError> {
    let accounts: Vec<String> = person.accounts.iter().map(Mailbox::key).collect();
    let is_his = |envelope: &Envelope| {
        let user = envelope.peer.user.as_ref();
        envelope.peer.protocol == "webmail" && user.is_some_and(|user| accounts.contains(user))
    };
    let mut tasks = BTreeMap::new();
    for sender in senders(spool, person)? {
        let mut newest = None;
        loop {
            let page = spool.sent(&sender, newest, PAGE)?;
            newest = page.last().copied();
            for id in &page {
                let before = before(all, &name_of_sent(*id), backend);
                // A crash came between the record of a copy and the copy.
                let stands = |it: &Written| {
                    let copy = it.copy.filter(|_| !it.accepted);
                    copy.is_none_or(|copy| is_there(spool, copy))
                };
                let before = before.filter(stands);
                let mark = marks.get(id).map(|(_, mark)| mark.clone());
                let mark = mark.unwrap_or_default();
                if before.as_ref().is_some_and(|it| it.changed == mark.changed) {
                    continue;
                }
                let Some(message) = whole((spool, *id), lost)? else {
                    continue;
                };
                if !is_his(&message.envelope) || message.received < person.began {
                    continue;
                }
                // Who wrote to himself has it twice; what he did is about what came to him.
                let came_too = person.keys().any(|key| is_for(&message.envelope, key));
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
///
/// A key of before is his if he has a new address. But it may be that of somebody who left, and
/// whose mail he gets now: what was done under it is done in no message of his. It counts only for
/// what came to that key and not to his own, and such messages are not in his mailbox (`absent`)
/// unless somebody has copied them there, with our line. Their Message-ID alone, which he may have
/// got by another way, does not count for what came when his own key was in use already.
fn received(
    spool: &Spool,
    person: &Person,
    ((marks, all, backend), lost): (Known<'_>, &mut Vec<String>),
) -> Result<Vec<MarkTask>, SpoolError> {
    let mut tasks = Vec::new();
    for (id, (mailbox, mark)) in marks {
        let before = before(all, &name_of_mark(*id), backend);
        let is_carried = match &before {
            Some(before) => before.changed == mark.changed,
            None => mark.read.is_none() && mark.flagged.is_none() && mark.place.is_none(),
        };
        if is_carried {
            continue;
        }
        let Some(message) = whole((spool, *id), lost)? else {
            continue;
        };
        let is_former = *mailbox != person.mailbox;
        let is_anothers = is_former && is_for(&message.envelope, &person.mailbox);
        let came_to_him =
            is_for(&message.envelope, mailbox) && person.is_his(mailbox, id.timestamp());
        if !came_to_him || is_anothers {
            continue;
        }
        let is_perhaps = is_former && !spool.mailbox(&person.mailbox, Some(*id), 1)?.is_empty();
        tasks.push(MarkTask {
            id: *id,
            message_id: message.envelope.message_id.clone().filter(|_| !is_perhaps),
            mark: mark.clone(),
            before,
        });
    }
    Ok(tasks)
}

/// Takes what it has found out of the records.
fn drafts(
    spool: &Spool,
    person: &Person,
    ((records, backend), lost): ((&mut Records, Option<&BackendId>), &mut Vec<String>),
) -> Result<Vec<DraftTask>, SpoolError> {
    let mut tasks = Vec::new();
    for account in &person.accounts {
        let prefix = format!("{}/", account.key());
        let leaving = spool.facts(OUTBOX, &prefix)?;
        for (key, fact) in spool.facts(DRAFTS, &prefix)? {
            let Some(token) = key.strip_prefix(&prefix) else {
                continue;
            };
            let name = name_of_draft(token);
            let known = records.all.remove(&name);
            // On its way out, for seconds: it is a message then.
            if leaving.iter().any(|(other, _)| *other == key) {
                continue;
            }
            let Some((letter, missing)) = draft((spool, account, token), (&fact, lost))? else {
                continue;
            };
            let is_carried = known.as_ref().is_some_and(|it| {
                Some(&it.backend) == backend && it.changed == letter.changed && it.begun.is_empty()
            });
            if is_carried || letter.is_blank() && known.is_none() {
                continue;
            }
            if missing > 0 {
                let subject = &letter.subject;
                lost.push(format!(
                    "the draft \"{subject}\": {missing} of its parts are gone"
                ));
            }
            tasks.push(DraftTask {
                account: account.clone(),
                token: token.to_owned(),
                letter: Some(letter).filter(|letter| !letter.is_blank()),
                states: states(known),
                former: records.former.remove(&name).unwrap_or_default(),
            });
        }
    }
    let names: Vec<String> = records.all.keys().cloned().collect();
    let account = person.accounts.first();
    for name in names {
        let (Some(token), Some(account)) = (name.strip_prefix(DRAFT), account) else {
            continue;
        };
        tasks.push(DraftTask {
            account: account.clone(),
            token: token.to_owned(),
            letter: None,
            states: states(records.all.remove(&name)),
            former: records.former.remove(&name).unwrap_or_default(),
        });
    }
    Ok(tasks)
}

/// A draft as it can be read, and how many of its parts are gone. One that is damaged stops no
/// other.
fn draft(
    (spool, account, token): (&Spool, &Mailbox, &str),
    (fact, lost): (&serde_json::Value, &mut Vec<String>),
) -> Result<Option<(UnsentLetter, usize)>, SpoolError> {
    match spool.unsent_in_part(&account.key(), token) {
        Err(error) if error.is_damage() => {
            let subject = fact.pointer("/title/subject");
            let subject = subject.and_then(serde_json::Value::as_str);
            let subject = subject.unwrap_or_default();
            lost.push(format!("the draft \"{subject}\": {error}"));
            Ok(None)
        }
        read => read,
    }
}

fn states(known: Option<Written>) -> Vec<Timestamp> {
    let Some(known) = known else {
        return Vec::new();
    };
    let mut states = known.begun;
    // A record of nothing but the intent has no state that surely is there.
    if known.changed != Timestamp::EPOCH && !states.contains(&known.changed) {
        states.push(known.changed);
    }
    states
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
    format!("{DRAFT}{token}")
}
