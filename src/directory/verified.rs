//! Who exists though the directory does not name him: what the home said, kept in the log, so that
//! it outlives outages and restarts.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Boxed, Timestamp};
use crate::limits;
use crate::mail::BackendId;
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log; the key of the address follows.
const ROOM: &str = "verified";

/// That somebody exists is asked again after this long, when his home can be asked.
const REFRESH: Duration = Duration::from_secs(7 * 24 * 3600);
/// A home that takes back what it said is asked again after this long; until then the first word
/// counts. A domain in transit is refused as a whole, and everybody in it still exists.
const DOUBT: Duration = Duration::from_secs(24 * 3600);
/// That somebody does not exist counts for so long: he may be created any minute.
const ABSENT: Duration = Duration::from_secs(5 * 60);
/// After a question that got no answer it is not asked again for so long.
const SILENCE: Duration = Duration::from_secs(30);

/// That somebody exists, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Word {
    /// The home that said so.
    pub by: BackendId,
    /// When it said so first.
    pub since: Timestamp,
    /// When it said so last.
    pub at: Timestamp,
    /// When it said the contrary, if it did so since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Timestamp>,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            by,
            since,
            at,
            denied,
        } = self;
        write!(f, "{by} says since {since} that it exists, last at {at}")?;
        if let Some(denied) = denied {
            write!(
                f,
                ", and said no at {denied}: it is asked again a day later"
            )?;
        }
        Ok(())
    }
}

/// What the home of a domain says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It would take mail for it.
    Exists,
    /// Nobody of that name; its reply.
    Absent(String),
    /// It said neither of this address.
    Nothing,
    /// It could not be asked, about anybody.
    Silence,
}

/// Asks homes who exists.
pub trait AskHome: Send + Sync + fmt::Debug {
    /// Would `home` take mail for `address`? Comes back within
    /// [`limits::VERIFY_TIMEOUT`].
    fn ask<'a>(&'a self, home: &'a BackendId, address: &'a Mailbox) -> Boxed<'a, Heard>;
}

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The home said that it exists.
    Exists(Word),
    /// The home said just now that it does not.
    Absent {
        /// The home.
        by: BackendId,
        /// When.
        at: Timestamp,
        /// Its reply.
        reply: String,
    },
    /// Nobody knows.
    Unknown,
}

/// What homes said; cheap to clone.
#[derive(Clone, Default)]
pub struct Verified(Arc<Inner>);

#[derive(Default)]
struct Inner {
    book: Mutex<Book>,
    spool: OnceLock<Spool>,
}

#[derive(Default)]
struct Book {
    words: BTreeMap<String, Word>,
    /// What was heard before the log was known, and has to be written yet; `None`: forgotten.
    unwritten: BTreeMap<String, Option<Word>>,
    /// Not in the log: whoever tries names must not fill it.
    absent: HashMap<String, Denial>,
    /// When a question got no answer.
    silent: HashMap<String, Timestamp>,
    /// When a home could not be asked at all.
    silent_homes: HashMap<BackendId, Timestamp>,
}

struct Denial {
    by: BackendId,
    at: Timestamp,
    reply: String,
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

impl Verified {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the log knows, and writes to it from now on.
    ///
    /// # Errors
    /// When its index fails.
    pub fn restore(&self, spool: &Spool) -> Result<(), SpoolError> {
        let facts = spool.facts(ROOM, "")?;
        let mut book = self.book();
        for (key, value) in facts {
            match serde_json::from_value(value) {
                // What was heard since the start is newer.
                Ok(_) if book.unwritten.contains_key(&key) => {}
                Ok(word) => {
                    book.words.insert(key, word);
                }
                Err(error) => tracing::error!(%key, %error, "a verified address is not readable"),
            }
        }
        // Later calls find the same spool.
        self.0.spool.get_or_init(|| spool.clone());
        Ok(())
    }

    /// Writes down what was heard before [`Self::restore`].
    ///
    /// # Errors
    /// When it cannot be written down; it is known all the same.
    pub async fn write_what_was_heard(&self) -> Result<(), SpoolError> {
        let unwritten = std::mem::take(&mut self.book().unwritten);
        for (key, word) in unwritten {
            self.write(&key, word.as_ref()).await?;
        }
        Ok(())
    }

    /// What is known of the address with this key.
    #[must_use]
    pub fn standing(&self, key: &str, now: Timestamp) -> Standing {
        let book = self.book();
        if let Some(word) = book.words.get(key) {
            return Standing::Exists(word.clone());
        }
        match book.absent.get(key) {
            Some(denial) if now.since(denial.at) < ABSENT => Standing::Absent {
                by: denial.by.clone(),
                at: denial.at,
                reply: denial.reply.clone(),
            },
            Some(_) | None => Standing::Unknown,
        }
    }

    /// Could nobody ask the home a moment ago?
    #[must_use]
    pub fn is_silent(&self, home: &BackendId, now: Timestamp) -> bool {
        let book = self.book();
        let asked = book.silent_homes.get(home);
        asked.is_some_and(|asked| now.since(*asked) < SILENCE)
    }

    /// Is the home to be asked, if it can be?
    #[must_use]
    pub fn is_due(&self, key: &str, now: Timestamp) -> bool {
        let book = self.book();
        let asked = book.silent.get(key);
        if asked.is_some_and(|asked| now.since(*asked) < SILENCE) {
            return false;
        }
        match book.words.get(key) {
            Some(Word {
                denied: Some(denied),
                ..
            }) => now.since(*denied) >= DOUBT,
            Some(word) => now.since(word.at) >= REFRESH,
            None => {
                let denial = book.absent.get(key);
                denial.is_none_or(|denial| now.since(denial.at) >= ABSENT)
            }
        }
    }

    /// Notes what a home said, durably if it is more than a moment's word.
    ///
    /// # Errors
    /// When it cannot be written down; it is known all the same.
    pub async fn note(
        &self,
        key: &str,
        by: &BackendId,
        (heard, now): (Heard, Timestamp),
    ) -> Result<(), SpoolError> {
        let to_write = {
            let mut book = self.book();
            let mut to_write = book.make_room_for(key, &heard, limits::VERIFIED);
            to_write.extend(book.note(key, by, (heard, now)));
            self.later(&mut book, to_write)
        };
        for (key, word) in to_write {
            self.write(&key, word.as_ref()).await?;
        }
        Ok(())
    }

    /// What is to be written now: nothing while nobody knows the log.
    fn later(&self, book: &mut Book, to_write: Vec<ToWrite>) -> Vec<ToWrite> {
        if self.0.spool.get().is_some() {
            return to_write;
        }
        book.unwritten.extend(to_write);
        Vec::new()
    }

    async fn write(&self, key: &str, word: Option<&Word>) -> Result<(), SpoolError> {
        let Some(spool) = self.0.spool.get() else {
            return Ok(());
        };
        let value = word.map(serde_json::to_value).transpose();
        let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        spool.put_fact(ROOM, key, value).await
    }

    /// Forgets what is known of an address: its next mail asks the home again. Was there anything?
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn forget(&self, key: &str) -> Result<bool, SpoolError> {
        let (word, denial, to_write) = {
            let mut book = self.book();
            book.silent.remove(key);
            let (word, denial) = (book.words.remove(key), book.absent.remove(key));
            // What the log has of it is not known yet at a start.
            let unknown = self.0.spool.get().is_none();
            let gone = (word.is_some() || unknown).then(|| (key.to_owned(), None));
            let to_write = self.later(&mut book, gone.into_iter().collect());
            (word, denial, to_write)
        };
        for (key, word) in to_write {
            self.write(&key, word.as_ref()).await?;
        }
        Ok(word.is_some() || denial.is_some())
    }

    /// Who is known to exist, by the key of the address.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Word)> {
        let book = self.book();
        let words = book.words.iter();
        words
            .map(|(key, word)| (key.clone(), word.clone()))
            .collect()
    }
}

/// What of a change goes into the log: the key of an address, and the word; `None`: there is none
/// any more.
type ToWrite = (String, Option<Word>);

impl Book {
    /// Forgets those of whom nobody has heard for the longest time, a hundredth of `limit` at once.
    fn make_room_for(&mut self, key: &str, heard: &Heard, limit: usize) -> Vec<ToWrite> {
        if *heard != Heard::Exists || self.words.contains_key(key) || self.words.len() < limit {
            return Vec::new();
        }
        let words = self.words.iter();
        let mut ages: Vec<_> = words.map(|(key, word)| (word.at, key.clone())).collect();
        ages.sort_unstable();
        ages.truncate((limit / 100).max(1));
        tracing::warn!(
            forgotten = ages.len(),
            "so many addresses were verified that some are forgotten"
        );
        for (_, key) in &ages {
            self.words.remove(key);
        }
        ages.into_iter().map(|(_, key)| (key, None)).collect()
    }

    fn note(
        &mut self,
        key: &str,
        by: &BackendId,
        (heard, now): (Heard, Timestamp),
    ) -> Option<ToWrite> {
        self.silent.remove(key);
        if heard == Heard::Silence {
            self.silent_homes.insert(by.clone(), now);
        } else {
            self.silent_homes.remove(by);
        }
        match heard {
            Heard::Nothing | Heard::Silence => {
                make_room(&mut self.silent, |asked| now.since(*asked) < SILENCE);
                self.silent.insert(key.to_owned(), now);
                None
            }
            Heard::Exists => {
                self.absent.remove(key);
                let known = self.words.get(key).filter(|word| word.by == *by);
                let word = Word {
                    by: by.clone(),
                    since: known.map_or(now, |word| word.since),
                    at: now,
                    denied: None,
                };
                self.words.insert(key.to_owned(), word.clone());
                Some((key.to_owned(), Some(word)))
            }
            Heard::Absent(reply) => self.deny(key, by, (reply, now)),
        }
    }

    fn deny(
        &mut self,
        key: &str,
        by: &BackendId,
        (reply, now): (String, Timestamp),
    ) -> Option<ToWrite> {
        if let Some(word) = self.words.get_mut(key) {
            let Some(denied) = word.denied else {
                word.denied = Some(now);
                return Some((key.to_owned(), Some(word.clone())));
            };
            // Two questions at the same time have one answer.
            if now.since(denied) < DOUBT {
                return None;
            }
        }
        make_room(&mut self.absent, |denial| now.since(denial.at) < ABSENT);
        let denial = Denial {
            by: by.clone(),
            at: now,
            reply,
        };
        self.absent.insert(key.to_owned(), denial);
        let known = self.words.remove(key);
        known.map(|_| (key.to_owned(), None))
    }
}

/// Drops what is over, and everything if that is not enough.
fn make_room<T>(map: &mut HashMap<String, T>, counts: impl Fn(&T) -> bool) {
    if map.len() < limits::DENIED {
        return;
    }
    map.retain(|_, one| counts(one));
    if map.len() >= limits::DENIED {
        map.clear();
    }
}

#[cfg(test)]
#[path = "verified_tests.rs"]
mod tests;
