//! Search in a user's own mail: signatures say which messages may match, the messages themselves
//! say which do. What a page may cost is bounded; then it says how far it has come.

pub(crate) mod query;
mod signature;

use std::sync::{Arc, Mutex, PoisonError};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::guard::User;
use super::letter::readable_text;
use super::mailbox::{Folder, Line, MOST, read_whole};
use super::marks::Place as Filed;
use crate::limits;
use crate::mail::{ParsedMessage, Person, SpoolId};
use crate::spool::SpoolError;
use query::{Place, Query, fold};
use signature::{Signature, Signatures};

/// Bytes of the text of a message that are looked into.
const TEXT: usize = 256 * 1024;
/// Messages that are read for one page. Beyond: the page says up to when it has looked.
const READS: usize = 400;
/// Bytes of messages that are read for one page.
const READ_BYTES: u64 = 16 * 1024 * 1024;

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub lines: Vec<(Folder, Line)>,
    /// There may be more before this one.
    pub older: Option<SpoolId>,
    /// The page is not full: its bounds were reached at that message.
    pub is_cut: bool,
}

/// What all searches share.
#[derive(Debug)]
pub(crate) struct Search {
    signatures: Mutex<Signatures>,
}

impl Search {
    pub(crate) const fn new() -> Self {
        Self {
            signatures: Mutex::new(Signatures::new(limits::WEB_SIGNATURES)),
        }
    }

    /// May the message contain all these words? `None`: it was never read, or is forgotten.
    fn may_match(&self, id: SpoolId, query: &Query) -> Option<bool> {
        let signatures = self.signatures();
        let signature = signatures.get(id)?;
        let mut words = query.words.iter();
        Some(words.all(|(_, word)| signature.may_contain(word)))
    }

    fn signatures(&self) -> std::sync::MutexGuard<'_, Signatures> {
        self.signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a message that are looked into, folded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Texts {
    from: String,
    to: String,
    subject: String,
    files: String,
    text: String,
}

impl Texts {
    fn of(message: &ParsedMessage) -> Self {
        let files: Vec<&str> = message
            .parts
            .iter()
            .filter_map(|part| part.name.as_deref())
            .collect();
        Self {
            from: people(&message.from),
            to: format!("{} \n{}", people(&message.to), people(&message.cc)),
            subject: fold(message.subject.as_deref().unwrap_or_default()),
            files: fold(&files.join(" \n")),
            text: fold(beginning(&readable_text(message), TEXT)),
        }
    }

    fn all(&self) -> [&str; 5] {
        [&self.from, &self.to, &self.subject, &self.files, &self.text]
    }

    /// The line feeds keep trigrams of one part out of the other.
    fn signature(&self) -> Signature {
        Signature::of(&self.all().join("\n"))
    }

    fn matches(&self, query: &Query) -> bool {
        query.words.iter().all(|(place, word)| match place {
            Place::Anywhere => self.all().iter().any(|text| text.contains(&**word)),
            Place::From => self.from.contains(&**word),
            Place::To => self.to.contains(&**word),
            Place::Subject => self.subject.contains(&**word),
            Place::File => self.files.contains(&**word),
        })
    }
}

fn people(people: &[Person]) -> String {
    let one = |person: &Person| {
        let name = person.name.as_deref().unwrap_or_default();
        fold(&format!("{name} <{}>", person.address))
    };
    people.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn beginning(text: &str, most: usize) -> &str {
    let cuts = (0..=most.min(text.len())).rev();
    cuts.take(4).find_map(|cut| text.get(..cut)).unwrap_or(text)
}

impl Webmail {
    /// Up to `limit` messages of the user's that match, newest first, older than `before`; from
    /// all folders.
    pub(crate) async fn search(
        &self,
        user: &User,
        query: Query,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<Found, WebError> {
        let reading = Arc::clone(&self.0.parsing).acquire_owned().await;
        let reading = reading.map_err(|_| WebError::Busy)?;
        let (webmail, user) = (self.clone(), user.clone());
        let found = blocking(move || {
            let _reading = reading;
            webmail.find(&user, &query, (before, limit))
        });
        Ok(found.await??)
    }

    fn find(
        &self,
        user: &User,
        query: &Query,
        (before, limit): (Option<SpoolId>, usize),
    ) -> Result<Found, SpoolError> {
        let filed = self.filed(user)?;
        let mut found = Found::default();
        let mut budget = Budget {
            reads: READS,
            bytes: READ_BYTES,
        };
        let mut last = before;
        for id in self.all_ids(user, query, before)? {
            if found.lines.len() == limit || budget.is_spent() {
                found.older = last;
                found.is_cut = found.lines.len() < limit;
                break;
            }
            last = Some(id);
            let mark = filed.mark(id);
            if mark.place == Some(Filed::Gone) || !self.is_match(id, query, &mut budget)? {
                continue;
            }
            // Whose it is decides, and not the list.
            let line = self.lines(user, &[id])?.pop();
            let Some(line) = line.filter(|line| !query.with_files || line.has_attachments) else {
                continue;
            };
            if let Some(folder) = Folder::of(&line.own, &line.mark) {
                found.lines.push((folder, line));
            }
        }
        Ok(found)
    }

    /// Ids of all that the user got or sent within the days of the query, newest first.
    fn all_ids(
        &self,
        user: &User,
        query: &Query,
        before: Option<SpoolId>,
    ) -> Result<Vec<SpoolId>, SpoolError> {
        let day = query.before.map(SpoolId::first_at);
        let before = match (before, day) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let oldest = query.after.map(SpoolId::first_at);
        let mut ids = self.received_ids(user, (before, oldest), MOST)?;
        ids.extend(self.sent_ids(user, (before, oldest), MOST)?);
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.dedup();
        Ok(ids)
    }

    fn is_match(
        &self,
        id: SpoolId,
        query: &Query,
        budget: &mut Budget,
    ) -> Result<bool, SpoolError> {
        let search = &self.0.search;
        if !query.needs_content() {
            budget.reads -= 1;
            return Ok(true);
        }
        if search.may_match(id, query) == Some(false) {
            return Ok(false);
        }
        let Some(texts) = self.texts_of(id, budget)? else {
            return Ok(false);
        };
        search.signatures().insert(id, texts.signature());
        Ok(texts.matches(query))
    }

    /// What can be searched of a message: of a damaged one nothing, of one that is too large to be
    /// shown its envelope.
    fn texts_of(&self, id: SpoolId, budget: &mut Budget) -> Result<Option<Texts>, SpoolError> {
        let spool = &self.0.world.spool;
        let Some(message) = spool.message_if_whole(id)? else {
            return Ok(None);
        };
        budget.reads -= 1;
        if message.size <= limits::WEB_MESSAGE {
            budget.bytes = budget.bytes.saturating_sub(message.size);
            let raw = match read_whole(spool, id) {
                Err(error) if error.is_damage() => return Ok(None),
                raw => raw?,
            };
            if let Some(parsed) = raw.and_then(|raw| ParsedMessage::parse(&raw)) {
                return Ok(Some(Texts::of(&parsed)));
            }
        }
        let envelope = &message.envelope;
        Ok(Some(Texts {
            from: fold(envelope.header_from.as_deref().unwrap_or_default()),
            subject: fold(envelope.subject.as_deref().unwrap_or_default()),
            ..Texts::default()
        }))
    }
}

/// What is left of what a page may cost.
struct Budget {
    reads: usize,
    bytes: u64,
}

impl Budget {
    const fn is_spent(&self) -> bool {
        self.reads == 0 || self.bytes == 0
    }
}

#[cfg(test)]
mod tests;
