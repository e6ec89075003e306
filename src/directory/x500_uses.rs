//! Who still writes to X.500 addresses: counted when mail is accepted, written down now and then.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::x500::x500_key;
use crate::base::{Shutdown, Timestamp};
use crate::limits;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "x500-used";
/// One address; its key follows.
const USE: &str = "use/";
/// Since when it is counted.
const SINCE: &str = "since";
/// From one time that counts are written down to the next: no record for each message.
const FLUSH: Duration = Duration::from_secs(60);

/// A sender who writes to an X.500 address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct X500Sender {
    /// How many messages.
    pub count: u64,
    /// When the last one came.
    pub last: Timestamp,
}

/// How an X.500 address is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct X500Use {
    /// How many messages came for it.
    pub count: u64,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// Who wrote them: the latest [`limits::X500_SENDERS`].
    pub senders: BTreeMap<String, X500Sender>,
    /// Messages of others, who wrote before them.
    #[serde(default)]
    pub others: u64,
}

impl X500Use {
    fn new(at: Timestamp) -> Self {
        Self {
            count: 0,
            first: at,
            last: at,
            senders: BTreeMap::new(),
            others: 0,
        }
    }

    fn note(&mut self, from: &str, at: Timestamp) {
        self.count += 1;
        self.last = self.last.max(at);
        let sender = self
            .senders
            .entry(from.to_owned())
            .or_insert(X500Sender { count: 0, last: at });
        sender.count += 1;
        sender.last = sender.last.max(at);
        self.trim();
    }

    /// What was counted before this.
    fn add(&mut self, earlier: Self) {
        self.count += earlier.count;
        self.first = self.first.min(earlier.first);
        self.last = self.last.max(earlier.last);
        self.others += earlier.others;
        for (name, earlier) in earlier.senders {
            let sender = self.senders.entry(name).or_insert(X500Sender {
                count: 0,
                last: earlier.last,
            });
            sender.count += earlier.count;
            sender.last = sender.last.max(earlier.last);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.senders.len() > limits::X500_SENDERS {
            let oldest = self.senders.iter().min_by_key(|(_, sender)| sender.last);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            if let Some(sender) = self.senders.remove(&oldest) {
                self.others += sender.count;
            }
        }
    }
}

/// Who still writes to X.500 addresses; cheap to clone.
#[derive(Clone, Default)]
pub struct X500Uses(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    uses: BTreeMap<String, X500Use>,
    since: Option<Timestamp>,
    /// Keys of facts that are to be written.
    unsaved: std::collections::BTreeSet<String>,
    restored: bool,
}

impl fmt::Debug for X500Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X500Uses").finish_non_exhaustive()
    }
}

impl X500Uses {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message from `from` was accepted for this X.500 address.
    pub fn note(&self, x500: &str, from: &str, at: Timestamp) {
        let mut book = self.book();
        let key = x500_key(x500);
        if !book.uses.contains_key(&key) && book.uses.len() >= limits::X500_USED {
            let oldest = book.uses.iter().min_by_key(|(_, one)| one.last);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                book.uses.remove(&oldest);
                book.unsaved.insert(oldest);
            }
        }
        let entry = book.uses.entry(key.clone());
        entry.or_insert_with(|| X500Use::new(at)).note(from, at);
        book.unsaved.insert(key);
    }

    /// What was counted, and since when.
    #[must_use]
    pub fn list(&self) -> (Option<Timestamp>, BTreeMap<String, X500Use>) {
        let book = self.book();
        (book.since, book.uses.clone())
    }

    /// Takes over what the log knows, and counts since `now` if it knows nothing.
    ///
    /// # Errors
    /// When its index fails.
    pub fn restore(&self, spool: &Spool, now: Timestamp) -> Result<(), SpoolError> {
        let since = spool.fact(ROOM, SINCE)?;
        let facts = spool.facts(ROOM, USE)?;
        let mut book = self.book();
        // Nothing counts twice.
        if std::mem::replace(&mut book.restored, true) {
            return Ok(());
        }
        book.since = since.and_then(|value| serde_json::from_value(value).ok());
        if book.since.is_none() {
            book.since = Some(now);
            book.unsaved.insert(String::new());
        }
        for (name, value) in facts {
            let key = name.strip_prefix(USE).unwrap_or(&name).to_owned();
            let earlier: X500Use = match serde_json::from_value(value) {
                Ok(earlier) => earlier,
                Err(error) => {
                    tracing::error!(%key, %error, "a count of an X.500 address is not readable");
                    continue;
                }
            };
            match book.uses.get_mut(&key) {
                Some(now) => now.add(earlier),
                None => {
                    book.uses.insert(key, earlier);
                }
            }
        }
        Ok(())
    }

    /// Writes down what is not yet.
    ///
    /// # Errors
    /// When it cannot be; it is tried again the next time.
    pub async fn save(&self, spool: &Spool) -> Result<(), SpoolError> {
        loop {
            let (key, name, value) = {
                let mut book = self.book();
                // Counts of before are not known yet.
                if !book.restored {
                    return Ok(());
                }
                let Some(key) = book.unsaved.pop_first() else {
                    return Ok(());
                };
                if key.is_empty() {
                    let since = serde_json::to_value(book.since).ok();
                    (key, SINCE.to_owned(), since)
                } else {
                    let value = book.uses.get(&key);
                    let value = value.and_then(|one| serde_json::to_value(one).ok());
                    let name = format!("{USE}{key}");
                    (key, name, value)
                }
            };
            if let Err(error) = spool.put_fact(ROOM, &name, value).await {
                self.book().unsaved.insert(key);
                return Err(error);
            }
        }
    }

    /// Writes counts down now and then, and at the end.
    pub async fn keep(self, spool: Spool, shutdown: Shutdown) {
        loop {
            let last = tokio::select! {
                biased;
                () = shutdown.stopping() => true,
                () = tokio::time::sleep(FLUSH) => false,
            };
            if let Err(error) = self.save(&spool).await {
                tracing::error!(%error, "who uses X.500 addresses is not written down yet");
            }
            if last {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::generation_tests::House;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn each_address_has_its_count_and_its_senders() {
        let uses = X500Uses::default();
        uses.note("X500:/o=Org/cn=Ann", "bob@x.example", at(1));
        uses.note("/O=ORG/CN=ANN", "bob@x.example", at(3));
        uses.note("/o=org/cn=ann", "", at(2));
        uses.note("/o=org/cn=eve", "bob@x.example", at(9));
        let (_, all) = uses.list();
        assert_eq!(all.len(), 2);
        let ann = &all["/o=org/cn=ann"];
        assert_eq!((ann.count, ann.first, ann.last), (3, at(1), at(3)));
        let bob = &ann.senders["bob@x.example"];
        assert_eq!((bob.count, bob.last, ann.others), (2, at(3), 0));
        assert_eq!(ann.senders[""].count, 1);
    }

    #[test]
    fn it_is_bounded() {
        let uses = X500Uses::default();
        let most = limits::X500_SENDERS as u64;
        for number in 0..most + 5 {
            uses.note("/o=a", &format!("{number}@x.example"), at(number));
        }
        let (_, all) = uses.list();
        let one = &all["/o=a"];
        assert_eq!((one.count, one.others), (most + 5, 5));
        assert_eq!(one.senders.len(), limits::X500_SENDERS);
        assert!(!one.senders.contains_key("4@x.example"), "the oldest go");
        for number in 0..limits::X500_USED as u64 {
            uses.note(&format!("/o={number}"), "x@x.example", at(1000 + number));
        }
        let (_, all) = uses.list();
        assert_eq!(all.len(), limits::X500_USED);
        assert!(!all.contains_key("/o=a"), "the oldest goes");
    }

    #[tokio::test]
    async fn counts_outlive_a_restart_and_nothing_counts_twice() {
        let house = House::new();
        let spool = &house.spool;
        let uses = X500Uses::default();
        uses.restore(spool, at(5)).unwrap();
        uses.note("/o=a", "bob@x.example", at(6));
        uses.note("/o=a", "bob@x.example", at(7));
        uses.save(spool).await.unwrap();
        let before = uses.list();
        assert_eq!(before.0, Some(at(5)));

        let again = X500Uses::default();
        // Mail that comes while the index is made counts, and is not written before it is whole.
        again.note("/o=a", "eve@x.example", at(8));
        again.save(spool).await.unwrap();
        again.restore(spool, at(9)).unwrap();
        again.restore(spool, at(9)).unwrap();
        let (since, all) = again.list();
        assert_eq!(since, Some(at(5)));
        let one = &all["/o=a"];
        assert_eq!((one.count, one.first, one.last), (3, at(6), at(8)));
        again.note("/o=a", "eve@x.example", at(10));
        again.save(spool).await.unwrap();
        let third = X500Uses::default();
        third.restore(spool, at(11)).unwrap();
        assert_eq!(third.list(), again.list());
    }
}
