//! A running replay: looks for the mail that is meant, gives it to the rows of its backend as far
//! as there is room and the mailboxes have turns, and hears what became of it from its marks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::job::Ticket;
use futures_util::StreamExt as _;

use super::ask::{Asker, Calls};
use super::judge::{Judge, Taken, Verdict, due_of};
use super::plan::{Read, judged, read};
use super::record::Counts;
use super::work::{Pair, Work};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{
    DeliveryTarget, RecipientEvent, ReplayMark, ReplayPhase, ReplayStep, ReplayedRecipient, SpoolId,
};
use crate::queue::Queue;
use crate::queue::pacing::Asking;
use crate::queue::state::Source;
use crate::spool::{BodyPlace, Spool, SpoolError, StoredMessage};

/// A look at what is under way, at least this often.
const ROUND: Duration = Duration::from_secs(5);
/// Before a recipient is looked at again that came back without an outcome.
const SOON: Duration = Duration::from_millis(500);
/// Wait for what is under way when a run ends. What comes later is counted by the next run.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before a recipient is looked at again whom a rule or a move holds.
pub(super) const WITHHELD: Duration = Duration::from_secs(30);

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All of it has come to its end.
    Done,
    /// It was paused or stopped.
    Over,
    /// It should be looked at, for this reason.
    Odd(String),
    /// The program stops.
    Stopping,
}

/// What a status shows of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pub(super) counts: Counts,
    pub(super) waiting: u64,
    pub(super) under_way: u64,
    /// All that is meant was looked at.
    pub(super) walked: bool,
    /// Why nothing happens, for people.
    pub(super) waits_for: Option<String>,
    /// Refusals since the last delivery.
    in_a_row: u64,
}

/// One run of a replay.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) queue: Queue,
    pub(super) ticket: Arc<Ticket>,
    pub(super) judge: Arc<Judge>,
    pub(super) live: Arc<Mutex<Live>>,
    /// Asks mailboxes what they have, when only what is missing is meant.
    pub(super) asker: Option<Asker>,
}

/// A message, and what is to be done with it.
struct Found {
    message: StoredMessage,
    place: Option<BodyPlace>,
    verdicts: Vec<(u16, Verdict)>,
}

impl Runner {
    /// Brings all of it, until it is over.
    pub(super) async fn run(&self) -> Result<Ended, SpoolError> {
        let mut work = Work::new(&self.judge.selection);
        let mut asking = Calls::new();
        let mut health = self.queue.0.parts.router.board().changes();
        loop {
            // Before the look, or what is freed in between would be missed.
            let freed = self.queue.0.freed.notified();
            if let Some(ended) = self.turn(&mut work).await? {
                self.settle(&mut work).await?;
                return Ok(ended);
            }
            self.ask(&mut work, &mut asking);
            let wait = self.until_next(&work);
            tokio::select! {
                biased;
                () = self.queue.0.parts.shutdown.stopping() => return Ok(Ended::Stopping),
                () = self.ticket.news.notified() => {}
                () = freed => {}
                _ = health.changed() => {}
                Some(answer) = asking.next(), if !asking.is_empty() => {
                    self.hear(&mut work, answer?)?;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn turn(&self, work: &mut Work) -> Result<Option<Ended>, SpoolError> {
        self.reap(work)?;
        self.show(work);
        if self.ticket.is_over() {
            return Ok(Some(Ended::Over));
        }
        if self.live().in_a_row >= limits::REPLAY_REFUSED_IN_A_ROW {
            let what = format!("{} were refused in a row", limits::REPLAY_REFUSED_IN_A_ROW);
            return Ok(Some(Ended::Odd(what)));
        }
        if self.backend_waits() {
            return Ok(None);
        }
        self.feed(work).await?;
        self.show(work);
        Ok(work.is_done().then_some(Ended::Done))
    }

    /// What is in rows is given back by the workers, what is being sent comes to its end: for the
    /// last counts.
    async fn settle(&self, work: &mut Work) -> Result<(), SpoolError> {
        self.ticket.end();
        let mut patience = PATIENCE;
        while work.under_way() > 0 && !self.queue.stopping() && !patience.is_zero() {
            patience = patience.saturating_sub(SOON);
            self.reap(work)?;
            tokio::select! {
                biased;
                () = self.queue.0.parts.shutdown.stopping() => {}
                () = tokio::time::sleep(SOON) => {}
            }
        }
        self.show(work);
        Ok(())
    }

    fn until_next(&self, work: &Work) -> Duration {
        let now = self.queue.0.parts.clock.now();
        let due = work.next_due().map(|due| due.since(now));
        let wait = due.unwrap_or(ROUND).min(ROUND);
        // At least a moment, so that a clock that stands still cannot make it spin.
        wait.max(Duration::from_millis(10))
    }

    fn target(&self) -> DeliveryTarget {
        DeliveryTarget::Backend(self.ticket.to.clone())
    }

    /// Does the backend take no mail now?
    fn backend_waits(&self) -> bool {
        let health = self.queue.0.parts.router.board().health(&self.ticket.to);
        let waits_for = match health {
            Some(health) if health.takes_mail() => None,
            Some(health) => Some(health.to_string()),
            None => Some(format!("the config has no backend {}", self.ticket.to)),
        };
        let waits = waits_for.is_some();
        self.live().waits_for = waits_for;
        waits
    }

    /// What is no longer busy has come to its end, or waits for another attempt.
    fn reap(&self, work: &mut Work) -> Result<(), SpoolError> {
        let returned = {
            let state = self.queue.state();
            work.returned(|id, number| state.is_busy(id, number))
        };
        let now = self.queue.0.parts.clock.now();
        let spool = &self.queue.0.parts.spool;
        for pair in returned {
            let mark = spool.replayed(pair.id, pair.number, &self.ticket.to)?;
            let turn = self.ticket.turn_of(pair.id, pair.number);
            match mark {
                Some(mark) if mark.is_end_of(&self.ticket.id) => self.count(pair, &mark)?,
                mark => {
                    let due = mark.and_then(|mark| due_of(&mark, &self.ticket.id));
                    let soon = now.after(SOON);
                    work.wait(pair, turn.or(due).unwrap_or(soon).max(soon));
                }
            }
        }
        Ok(())
    }

    /// One has come to its end.
    pub(super) fn count(&self, pair: Pair, mark: &ReplayMark) -> Result<(), SpoolError> {
        let mut reply = None;
        if mark.phase == ReplayPhase::Refused {
            reply = Some(self.refusal(pair)?);
        }
        let mut live = self.live();
        if let Some(reply) = reply {
            live.in_a_row += 1;
            live.counts
                .refuse(reply, || format!("{} {}", pair.id, pair.number));
        } else {
            live.in_a_row = 0;
            live.counts.delivered += 1;
            live.counts.uncertain += u64::from(mark.uncertain);
        }
        Ok(())
    }

    /// What the backend said, from the ledger.
    fn refusal(&self, pair: Pair) -> Result<String, SpoolError> {
        let history = self.queue.0.parts.spool.history(pair.id)?;
        let said = history.into_iter().rev().find_map(|entry| {
            let RecipientEvent::Replay {
                replay,
                step: ReplayStep::Refused { failure },
                ..
            } = entry.event
            else {
                return None;
            };
            let is_it = replay == self.ticket.id && entry.recipients.contains(&pair.number);
            is_it.then(|| failure.to_string())
        });
        Ok(said.unwrap_or_else(|| "refused".to_owned()))
    }

    fn has_room(&self, work: &Work) -> bool {
        work.under_way() < limits::REPLAY_UNDER_WAY
            && self.queue.state().has_room(&self.target(), Source::Replay)
    }

    /// Those whose turn it is, then the next ones of the walk.
    async fn feed(&self, work: &mut Work) -> Result<(), SpoolError> {
        let now = self.queue.0.parts.clock.now();
        while self.has_room(work) {
            let Some(pair) = work.due(now) else { break };
            self.again(work, pair, now)?;
        }
        work.walk_again(&self.judge.selection);
        while !work.walked() && !work.gap.is_full() && self.has_room(work) && !self.ticket.is_over()
        {
            let Some(page) = self.next_page(work).await? else {
                work.end_walk();
                break;
            };
            for found in page {
                self.take(work, found, now);
            }
            // The others want the thread too.
            tokio::task::yield_now().await;
            self.show(work);
        }
        Ok(())
    }

    /// One that has waited is looked at anew: it may have changed meanwhile.
    fn again(&self, work: &mut Work, pair: Pair, now: Timestamp) -> Result<(), SpoolError> {
        let spool = &self.queue.0.parts.spool;
        let Some((message, replays)) = look(spool, pair.id)? else {
            self.leave_out(1);
            return Ok(());
        };
        match self.judge.one(&message, pair.number, &replays) {
            Verdict::Take(_) if self.asker.is_some() && !pair.is_asked => work.gather(pair),
            Verdict::Take(taken) => {
                let place = spool.for_attempt(pair.id)?.and_then(|found| found.body);
                self.send(work, (&message, place), vec![taken], now);
            }
            Verdict::Withheld => work.wait(pair, now.after(WITHHELD)),
            Verdict::Ended(mark) => self.count(pair, &mark)?,
            Verdict::Skip(_) | Verdict::No => self.leave_out(1),
        }
        Ok(())
    }

    pub(super) fn leave_out(&self, recipients: u64) {
        self.live().counts.left_out += recipients;
    }

    /// What is meant of the next messages; `None` at the end.
    async fn next_page(&self, work: &mut Work) -> Result<Option<Vec<Found>>, SpoolError> {
        let (judge, mut walk) = (Arc::clone(&self.judge), work.walk.clone());
        let reading = move |spool: &Spool| {
            let ids = walk.next(|range, limit| spool.accepted(range, limit))?;
            if ids.is_empty() {
                return Ok((None, walk));
            }
            let mut page = Vec::new();
            for id in ids {
                page.extend(find(spool, &judge, id)?);
            }
            Ok((Some(page), walk))
        };
        let (page, walk) = self.queue.0.parts.spool.beside(reading).await?;
        work.walk = walk;
        Ok(page)
    }

    /// A message that the walk has met.
    fn take(&self, work: &mut Work, found: Found, now: Timestamp) {
        let Found {
            message,
            place,
            verdicts,
        } = found;
        let mut taken = Vec::new();
        for (number, verdict) in verdicts {
            if work.knows(message.id, number) {
                continue;
            }
            match verdict {
                Verdict::Take(one) if self.asker.is_some() => {
                    self.meet(work);
                    work.gather(Pair {
                        counts: work.counts,
                        ..Pair::new(message.id, number, &one.mailbox)
                    });
                }
                Verdict::Take(one) => {
                    self.meet(work);
                    taken.push(one);
                }
                Verdict::Withheld => {
                    self.meet(work);
                    let key = message.envelope.recipients.get(usize::from(number));
                    let key = key.and_then(|one| one.mailbox.clone()).unwrap_or_default();
                    let pair = Pair {
                        counts: work.counts,
                        ..Pair::new(message.id, number, &key)
                    };
                    work.wait(pair, now.after(WITHHELD));
                }
                // Of an earlier run of this replay.
                Verdict::Ended(mark) if work.counts => {
                    self.meet(work);
                    let pair = Pair::new(message.id, number, "");
                    if let Err(error) = self.count(pair, &mark) {
                        tracing::warn!(id = %message.id, %error, "a refusal cannot be told");
                    }
                    self.live().in_a_row = 0;
                }
                Verdict::Ended(_) | Verdict::Skip(_) | Verdict::No => {}
            }
        }
        self.send(work, (&message, place), taken, now);
    }

    fn meet(&self, work: &Work) {
        if work.counts {
            self.live().counts.found += 1;
        }
    }

    /// Puts recipients of a message into the row of the backend, as far as they have turns.
    fn send(
        &self,
        work: &mut Work,
        (message, place): (&StoredMessage, Option<BodyPlace>),
        taken: Vec<Taken>,
        now: Timestamp,
    ) {
        let (id, to) = (message.id, &self.ticket.to);
        let mut groups: Vec<Vec<Taken>> = Vec::new();
        for one in taken {
            // A job has one home, which stands in its events, and one body.
            let stripped = |one: &Taken| message.envelope.stripped(one.number);
            let like = |group: &&mut Vec<Taken>| {
                group.first().is_some_and(|first| {
                    first.diverted_from == one.diverted_from && stripped(first) == stripped(&one)
                })
            };
            match groups.iter_mut().find(like) {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
        }
        for group in groups {
            let pairs: Vec<Pair> = group
                .iter()
                .map(|one| Pair::new(id, one.number, &one.mailbox).asked())
                .collect();
            let envelope = &message.envelope;
            let mut job = self
                .queue
                .replay_job(&self.ticket, (id, envelope), place, group);
            let recipients = std::mem::take(&mut job.recipients);
            let mut sent = Vec::new();
            for (recipient, pair) in recipients.into_iter().zip(pairs) {
                let is_busy = self.queue.state().is_busy(id, pair.number);
                let asked = (&recipient, Asking::Room);
                let wait = if is_busy {
                    Some(SOON)
                } else {
                    let mut rates = self.queue.pace();
                    self.queue.wait_of(&mut rates, to, &job, asked)
                };
                if let Some(wait) = wait {
                    work.wait(pair, now.after(wait));
                } else {
                    job.recipients.push(recipient);
                    sent.push(pair);
                }
            }
            let pushed = job.recipients.is_empty() || self.queue.push(job);
            for pair in sent {
                if pushed {
                    work.send(pair);
                } else {
                    work.wait(pair, now.after(SOON));
                }
            }
        }
    }

    pub(super) fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, work: &Work) {
        let mut live = self.live();
        live.waiting = (work.waiting() + work.gap.len()) as u64;
        live.under_way = work.under_way() as u64;
        live.walked |= work.walked();
    }
}

pub(super) fn look(
    spool: &Spool,
    id: SpoolId,
) -> Result<Option<(StoredMessage, Vec<ReplayedRecipient>)>, SpoolError> {
    match read(spool, id)? {
        Read::Message(message) => Ok(Some((message, spool.replays(id)?))),
        Read::Damaged | Read::Gone => Ok(None),
    }
}

/// A message of the walk, if anybody of it is meant.
fn find(spool: &Spool, judge: &Judge, id: SpoolId) -> Result<Option<Found>, SpoolError> {
    let Some((message, replays)) = look(spool, id)? else {
        return Ok(None);
    };
    let verdicts = judged(spool, judge, (&message, &replays))?;
    let matters = |(_, verdict): &(u16, Verdict)| match verdict {
        Verdict::Take(_) | Verdict::Withheld | Verdict::Ended(_) => true,
        Verdict::Skip(_) | Verdict::No => false,
    };
    if !verdicts.iter().any(matters) {
        return Ok(None);
    }
    let place = spool.for_attempt(id)?.and_then(|found| found.body);
    Ok(Some(Found {
        message,
        place,
        verdicts,
    }))
}
