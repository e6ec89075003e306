//! Who exists though the directory does not name him: what the home said, kept in the log, so that
//! it outlives outages and restarts.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// It could not be asked, or said neither.
    Nothing,
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
    /// Not in the log: whoever tries names must not fill it.
    absent: HashMap<String, Denial>,
    /// When a question got no answer.
    silent: HashMap<String, Timestamp>,
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
        for (key, value) in spool.facts(ROOM, "")? {
            match serde_json::from_value(value) {
                Ok(word) => {
                    self.book().words.insert(key, word);
                }
                Err(error) => tracing::error!(%key, %error, "a verified address is not readable"),
            }
        }
        // Later calls find the same spool.
        self.0.spool.get_or_init(|| spool.clone());
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
        let to_write = self.book().note(key, by, (heard, now));
        match to_write {
            ToWrite::Nothing => Ok(()),
            ToWrite::Word(word) => self.write(key, Some(&word)).await,
            ToWrite::Gone => self.write(key, None).await,
        }
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
        let (word, denial) = {
            let mut book = self.book();
            book.silent.remove(key);
            (book.words.remove(key), book.absent.remove(key))
        };
        if word.is_some() {
            self.write(key, None).await?;
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

/// What of a change goes into the log.
enum ToWrite {
    Nothing,
    Word(Word),
    /// That there is no word any more.
    Gone,
}

impl Book {
    fn note(&mut self, key: &str, by: &BackendId, (heard, now): (Heard, Timestamp)) -> ToWrite {
        self.silent.remove(key);
        match heard {
            Heard::Nothing => {
                make_room(&mut self.silent, |asked| now.since(*asked) < SILENCE);
                self.silent.insert(key.to_owned(), now);
                ToWrite::Nothing
            }
            Heard::Exists => {
                self.absent.remove(key);
                if !self.words.contains_key(key) && self.words.len() >= limits::VERIFIED {
                    tracing::warn!("so many addresses were verified that no more are remembered");
                    return ToWrite::Nothing;
                }
                let known = self.words.get(key).filter(|word| word.by == *by);
                let word = Word {
                    by: by.clone(),
                    since: known.map_or(now, |word| word.since),
                    at: now,
                    denied: None,
                };
                self.words.insert(key.to_owned(), word.clone());
                ToWrite::Word(word)
            }
            Heard::Absent(reply) => self.deny(key, by, (reply, now)),
        }
    }

    fn deny(&mut self, key: &str, by: &BackendId, (reply, now): (String, Timestamp)) -> ToWrite {
        if let Some(word) = self.words.get_mut(key) {
            let Some(denied) = word.denied else {
                word.denied = Some(now);
                return ToWrite::Word(word.clone());
            };
            // Two questions at the same time have one answer.
            if now.since(denied) < DOUBT {
                return ToWrite::Nothing;
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
        known.map_or(ToWrite::Nothing, |_| ToWrite::Gone)
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
mod tests {
    use super::*;

    const ANN: &str = "ann@example.org";
    const SECOND: Duration = Duration::from_secs(1);

    struct Case {
        verified: Verified,
        now: Timestamp,
        home: BackendId,
    }

    impl Case {
        fn new() -> Self {
            Self {
                verified: Verified::default(),
                now: Timestamp::from_millis(1_800_000_000_000),
                home: BackendId::new("onprem"),
            }
        }

        async fn hear(&self, heard: Heard) {
            let noted = self.verified.note(ANN, &self.home, (heard, self.now));
            noted.await.unwrap();
        }

        fn exists(&self) -> bool {
            matches!(self.verified.standing(ANN, self.now), Standing::Exists(_))
        }

        fn due_after(&mut self, wait: Duration) -> bool {
            self.now = self.now.after(wait);
            self.verified.is_due(ANN, self.now)
        }
    }

    #[tokio::test]
    async fn who_exists_goes_on_existing_until_the_home_says_twice_that_he_does_not() {
        let mut case = Case::new();
        assert!(case.due_after(Duration::ZERO));
        case.hear(Heard::Exists).await;
        assert!(case.exists() && !case.due_after(REFRESH.saturating_sub(SECOND)));
        assert!(case.due_after(SECOND));
        // An outage, of any length.
        case.hear(Heard::Nothing).await;
        assert!(!case.due_after(SECOND));
        assert!(case.due_after(REFRESH * 100) && case.exists());
        // Two doors asked at the same time.
        for _ in 0..2 {
            case.hear(Heard::Absent("550 5.1.1".into())).await;
        }
        assert!(case.exists() && !case.due_after(DOUBT.saturating_sub(SECOND)));
        assert!(case.due_after(SECOND));
        case.hear(Heard::Absent("550 5.1.1".into())).await;
        assert!(!case.exists());
    }

    #[tokio::test]
    async fn who_is_confirmed_again_is_no_longer_in_doubt() {
        let mut case = Case::new();
        case.hear(Heard::Exists).await;
        let first = case.now;
        case.due_after(REFRESH);
        case.hear(Heard::Absent("550 5.4.1".into())).await;
        case.due_after(DOUBT);
        case.hear(Heard::Exists).await;
        let Standing::Exists(word) = case.verified.standing(ANN, case.now) else {
            panic!("gone");
        };
        assert_eq!((word.since, word.at, word.denied), (first, case.now, None));
    }

    #[tokio::test]
    async fn that_nobody_is_there_counts_for_minutes() {
        let mut case = Case::new();
        case.hear(Heard::Absent("550 5.1.1 who?".into())).await;
        let standing = case.verified.standing(ANN, case.now);
        assert!(matches!(standing, Standing::Absent { reply, .. } if reply == "550 5.1.1 who?"));
        assert!(!case.due_after(ABSENT.saturating_sub(SECOND)));
        assert!(case.due_after(SECOND));
        assert_eq!(case.verified.standing(ANN, case.now), Standing::Unknown);
        assert!(!case.verified.forget("bob@example.org").await.unwrap());
        assert!(case.verified.forget(ANN).await.unwrap());
    }
}
