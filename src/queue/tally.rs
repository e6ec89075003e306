//! What came of an order to mail that waits, counted page by page.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mail::SpoolId;
use crate::spool::SpoolError;

/// What came of an order, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Recipients to whom it was done.
    pub recipients: u64,
    /// Their messages.
    pub messages: u64,
    /// Recipients that are meant, but an attempt is under way that did not end in time.
    pub under_way: u64,
    /// Recipients that are meant, but wait for the end of a move.
    pub moving: u64,
    /// Recipients that are meant and queued, but whose backend takes no mail now.
    #[serde(default)]
    pub behind: u64,
    /// Recipients that are meant and wait on, by the hold (or `@domain` of the move) that holds
    /// them now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub still_held: BTreeMap<String, u64>,
    /// Messages that were looked at.
    pub seen: u64,
    /// There is more behind this message; `None` at the end.
    pub next: Option<SpoolId>,
}

impl Tally {
    /// Adds a later part.
    pub fn add(&mut self, later: Self) {
        self.recipients += later.recipients;
        self.messages += later.messages;
        self.under_way += later.under_way;
        self.moving += later.moving;
        self.behind += later.behind;
        self.add_held(later.still_held);
        self.seen += later.seen;
        self.next = later.next;
    }

    /// Who is held on, and by what, for people; without a full stop.
    pub fn held_on(&self) -> impl Iterator<Item = String> {
        self.still_held.iter().map(|(hold, count)| {
            let who = match count {
                1 => "1 recipient waits".to_owned(),
                count => format!("{count} recipients wait"),
            };
            let by = match hold.strip_prefix('@') {
                Some(domain) => format!("the move of {domain}"),
                None => format!("hold {hold}"),
            };
            format!("{who} on because of {by}")
        })
    }

    /// Counts what came of each of these messages; those behind one that failed, too.
    ///
    /// # Errors
    /// The first of theirs.
    pub(super) fn count(&mut self, works: Vec<Result<Self, SpoolError>>) -> Result<(), SpoolError> {
        let mut all = Ok(());
        for work in works {
            match work {
                Ok(one) => {
                    let messages = u64::from(one.recipients > 0);
                    let (seen, next) = (0, self.next);
                    self.add(Self {
                        messages,
                        seen,
                        next,
                        ..one
                    });
                }
                Err(error) => all = all.and(Err(error)),
            }
        }
        all
    }

    fn add_held(&mut self, held: BTreeMap<String, u64>) {
        for (hold, recipients) in held {
            *self.still_held.entry(hold).or_default() += recipients;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_takes_no_other_out_of_the_count() {
        let done = |recipients| Tally {
            recipients,
            still_held: [("h1".to_owned(), 1)].into(),
            ..Tally::default()
        };
        let next = Some(SpoolId::from_u64(7));
        let mut tally = Tally {
            seen: 5,
            next,
            ..Tally::default()
        };
        let failed = |what: &str| Err(SpoolError::Index(what.to_owned()));
        let works = vec![
            Ok(done(2)),
            failed("the first"),
            Ok(done(0)),
            failed("the second"),
            Ok(done(3)),
        ];
        let error = tally.count(works).unwrap_err();
        assert!(error.to_string().contains("the first"), "{error}");
        let expected = Tally {
            recipients: 5,
            messages: 2,
            still_held: [("h1".to_owned(), 3)].into(),
            seen: 5,
            next,
            ..Tally::default()
        };
        assert_eq!(tally, expected);
        assert!(tally.count(vec![Ok(done(1))]).is_ok());
        assert_eq!((tally.recipients, tally.messages), (6, 3));
    }
}
