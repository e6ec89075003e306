//! Asks one mailbox which of the messages that are meant for it are missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;

use super::gap::Batch;
use super::judge::{Judge, Taken, Verdict};
use super::runner::look;
use super::work::Pair;
use crate::base::Boxed;
use crate::imap::{ImapError, Mailboxes, Place, Purpose, Wanted};
use crate::mail::ReplayMark;
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) spool: Spool,
    pub(super) judge: Arc<Judge>,
    pub(super) mailboxes: Arc<dyn Mailboxes>,
    /// What for.
    pub(super) purpose: Purpose,
}

/// What is known of one recipient of a message.
#[derive(Debug)]
pub(super) enum Told {
    /// The mailbox does not have it.
    Missing,
    /// It has it.
    Present(Place),
    /// A rule or a move holds it now.
    Withheld,
    /// This replay has come to its end with it.
    Ended(ReplayMark),
    /// It is not meant any more.
    LeftOut,
    /// It belongs to another mailbox with the same fingerprint, which is asked next.
    Other,
}

/// What came of asking.
#[derive(Debug)]
pub(super) struct Answer {
    /// The mailbox, by its key in the directory.
    pub(super) mailbox: String,
    pub(super) told: Vec<(Pair, Told)>,
    /// Those about whom it was asked in vain.
    pub(super) unasked: Option<(Batch, Why)>,
}

/// Why a mailbox could not be asked.
#[derive(Debug)]
pub(super) enum Why {
    /// The server, or the way to it.
    Imap(ImapError),
    /// A group, a contact: what is meant for it lands elsewhere.
    NoMailbox,
}

impl Why {
    /// For people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Imap(error) => error.to_string(),
            Self::NoMailbox => "it is no mailbox of its own: a group or contact".to_owned(),
        }
    }

    /// The trouble of the server, which is that of all mailboxes.
    pub(super) fn of_server(&self) -> Option<&ImapError> {
        match self {
            Self::Imap(error) if error.is_of_server() => Some(error),
            Self::Imap(_) | Self::NoMailbox => None,
        }
    }

    /// Are the logins of several mailboxes refused?
    pub(super) const fn is_of_logins(&self) -> bool {
        match self {
            Self::Imap(error) => error.is_of_logins(),
            Self::NoMailbox => false,
        }
    }

    /// Would it be the same in a minute?
    pub(super) const fn is_lasting(&self) -> bool {
        match self {
            Self::Imap(error) => error.is_lasting(),
            Self::NoMailbox => true,
        }
    }
}

/// Mailboxes that are being asked.
pub(super) type Calls = FuturesUnordered<Boxed<'static, Result<Answer, SpoolError>>>;

/// A recipient about whom the mailbox is asked.
struct Candidate {
    pair: Pair,
    wanted: Wanted,
    taken: Taken,
}

/// What can be said without asking, and what cannot.
#[derive(Default)]
struct Sorted {
    told: Vec<(Pair, Told)>,
    by_mailbox: BTreeMap<(String, Option<String>), Vec<Candidate>>,
}

impl Asker {
    /// How many mailboxes may be asked at one time.
    pub(super) fn at_a_time(&self) -> usize {
        self.mailboxes.at_a_time(&self.judge.to)
    }

    /// Asks about the recipients of one mailbox.
    pub(super) fn ask(&self, batch: Batch) -> Boxed<'static, Result<Answer, SpoolError>> {
        let asker = self.clone();
        Box::pin(async move { asker.answer(batch).await })
    }

    async fn answer(&self, batch: Batch) -> Result<Answer, SpoolError> {
        let (judge, tries) = (Arc::clone(&self.judge), batch.tries);
        // Each is looked at anew: it may have changed since it was gathered.
        let sorting = move |spool: &Spool| sort(spool, &judge, batch.pairs);
        let Sorted {
            mut told,
            mut by_mailbox,
        } = self.spool.beside(sorting).await?;
        let Some(((mailbox, _), candidates)) = by_mailbox.pop_first() else {
            return Ok(Answer {
                mailbox: String::new(),
                told,
                unasked: None,
            });
        };
        let others = by_mailbox.into_values().flatten();
        told.extend(others.map(|one| (one.pair, Told::Other)));
        let holder = candidates.first().and_then(|one| one.taken.holder.clone());
        let (pairs, wanted): (Vec<Pair>, Vec<Wanted>) = candidates
            .into_iter()
            .map(|one| (one.pair, one.wanted))
            .unzip();
        let unasked = match self.find(holder, &wanted).await {
            Ok(places) => {
                told.extend(pairs.into_iter().zip(places));
                None
            }
            Err(why) => Some((Batch { pairs, tries }, why)),
        };
        Ok(Answer {
            mailbox,
            told,
            unasked,
        })
    }

    async fn find(&self, holder: Option<Mailbox>, wanted: &[Wanted]) -> Result<Vec<Told>, Why> {
        let holder = holder.ok_or(Why::NoMailbox)?;
        let question = (wanted, self.purpose);
        let found = self.mailboxes.find(&self.judge.to, &holder, question).await;
        let found = found.map_err(Why::Imap)?;
        if found.len() != wanted.len() {
            return Err(Why::Imap(ImapError::Odd));
        }
        let told = found.into_iter().map(|place| match place {
            Some(place) => Told::Present(place),
            None => Told::Missing,
        });
        Ok(told.collect())
    }
}

fn sort(spool: &Spool, judge: &Judge, pairs: Vec<Pair>) -> Result<Sorted, SpoolError> {
    let mut sorted = Sorted::default();
    for pair in pairs {
        let Some((message, replays)) = look(spool, pair.id)? else {
            sorted.told.push((pair, Told::LeftOut));
            continue;
        };
        match judge.one(&message, pair.number, &replays) {
            Verdict::Take(taken) => {
                let holder = taken.holder.as_ref().map(Mailbox::key);
                let of_mailbox = sorted.by_mailbox.entry((taken.mailbox.clone(), holder));
                of_mailbox.or_default().push(Candidate {
                    pair,
                    wanted: Wanted {
                        id: pair.id,
                        message_id: message.envelope.message_id.clone(),
                    },
                    taken,
                });
            }
            Verdict::Withheld => sorted.told.push((pair, Told::Withheld)),
            Verdict::Ended(mark) => sorted.told.push((pair, Told::Ended(mark))),
            Verdict::Skip(_) | Verdict::No => sorted.told.push((pair, Told::LeftOut)),
        }
    }
    Ok(sorted)
}
