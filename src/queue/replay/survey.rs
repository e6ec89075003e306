//! Asks all mailboxes that a selection means, and sends nothing: for plans and for checks.

use std::sync::Arc;

use futures_util::StreamExt as _;

use super::ReplayError;
use super::ask::{Answer, Asker, Calls, Told};
use super::gap::{Batch, Gap, Gathering};
use super::judge::{Judge, Verdict};
use super::plan::{Counting, Read, count_gone, judged, read};
use super::selection::{Order, Skip};
use super::walk::Walk;
use super::work::Pair;
use crate::base::Timestamp;
use crate::spool::{Spool, SpoolError};

/// A mailbox is asked so often, at once.
const TRIES: u32 = 2;

/// A walk over all the mail that is meant, and the mailboxes that are asked about it.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    asker: &'a Asker,
    /// What is known without asking.
    pub(super) counting: Counting,
    walk: Walk,
    pub(super) gap: Gap,
    ended: bool,
    calls: Calls,
}

impl<'a> Survey<'a> {
    /// Begins with what is kept no longer.
    pub(super) async fn new(asker: &'a Asker) -> Result<Self, ReplayError> {
        let judge = Arc::clone(&asker.judge);
        if asker.at_a_time() == 0 {
            return Err(ReplayError::NoImap(judge.to.to_string()));
        }
        let walk = Walk::new(judge.selection.ids(), Order::Oldest);
        let counting = move |spool: &Spool| {
            let mut counting = Counting::default();
            count_gone(spool, &judge, &mut counting)?;
            Ok::<_, SpoolError>(counting)
        };
        Ok(Self {
            counting: asker.spool.beside(counting).await?,
            asker,
            walk,
            gap: Gap::default(),
            ended: false,
            calls: Calls::new(),
        })
    }

    /// The next mailbox that has answered, or cannot be asked; `None`: all have.
    ///
    /// # Errors
    /// When the server is away, or the spool fails.
    pub(super) async fn next(&mut self) -> Result<Option<Answer>, ReplayError> {
        loop {
            while self.calls.len() < self.asker.at_a_time().max(1) {
                let Some(batch) = self.gap.next(Timestamp::EPOCH, Gathering::Done) else {
                    break;
                };
                self.calls.push(self.asker.ask(batch));
            }
            if let Some(answer) = self.calls.next().await {
                self.gap.heard();
                if let Some(answer) = self.settled(answer?)? {
                    return Ok(Some(answer));
                }
            } else if self.ended {
                return Ok(None);
            } else {
                self.gather().await?;
            }
        }
    }

    /// An answer to be told; `None`: its mailbox is asked once more.
    fn settled(&mut self, mut answer: Answer) -> Result<Option<Answer>, ReplayError> {
        let is_other = |told: &mut (Pair, Told)| matches!(told.1, Told::Other);
        for (pair, _) in answer.told.extract_if(.., is_other) {
            self.gap.gather(pair);
        }
        let Some((batch, why)) = &mut answer.unasked else {
            return Ok(Some(answer));
        };
        if let Some(error) = why.of_server() {
            return Err(ReplayError::Unreachable(error.to_string()));
        }
        let tries = batch.tries + 1;
        if why.is_lasting() || tries >= TRIES {
            return Ok(Some(answer));
        }
        let pairs = std::mem::take(&mut batch.pairs);
        self.gap.later(Batch { pairs, tries }, Timestamp::EPOCH);
        answer.unasked = None;
        Ok((!answer.told.is_empty()).then_some(answer))
    }

    /// Walks until there is enough to ask, or to the end.
    async fn gather(&mut self) -> Result<(), ReplayError> {
        let judge = Arc::clone(&self.asker.judge);
        let mut counting = std::mem::take(&mut self.counting);
        let (mut walk, mut gap) = (self.walk.clone(), std::mem::take(&mut self.gap));
        let gathering = move |spool: &Spool| {
            let ended = gather(spool, &judge, (&mut counting, &mut walk, &mut gap))?;
            Ok::<_, SpoolError>((counting, walk, gap, ended))
        };
        let spool = &self.asker.spool;
        (self.counting, self.walk, self.gap, self.ended) = spool.beside(gathering).await?;
        Ok(())
    }
}

/// `true` at the end of the walk.
fn gather(
    spool: &Spool,
    judge: &Judge,
    (counting, walk, gap): (&mut Counting, &mut Walk, &mut Gap),
) -> Result<bool, SpoolError> {
    while !gap.is_full() {
        let page = walk.next(|range, limit| spool.accepted(range, limit))?;
        if page.is_empty() {
            return Ok(true);
        }
        for id in page {
            match read(spool, id)? {
                Read::Message(message) => {
                    let mut verdicts = judged(spool, judge, (&message, &spool.replays(id)?))?;
                    for (number, mailbox) in taken(&mut verdicts) {
                        gap.gather(Pair::new(id, number, &mailbox));
                    }
                    counting.note(&message, &verdicts);
                }
                Read::Damaged => counting.skip(Skip::Damaged, 1),
                Read::Gone => {}
            }
        }
    }
    Ok(false)
}

/// Takes out those who would be replayed: number and mailbox.
fn taken(verdicts: &mut Vec<(u16, Verdict)>) -> Vec<(u16, String)> {
    let taken = verdicts
        .iter()
        .filter_map(|(number, verdict)| match verdict {
            Verdict::Take(taken) => Some((*number, taken.mailbox.clone())),
            Verdict::Withheld | Verdict::Skip(_) | Verdict::Ended(_) | Verdict::No => None,
        });
    let taken = taken.collect();
    verdicts.retain(|(_, verdict)| !matches!(verdict, Verdict::Take(_)));
    taken
}
