//! A running replay of what is missing: asks mailboxes beside the sending, and hears what they say.

use std::time::Duration;

use super::ask::{Answer, Calls, Told, Why};
use super::gap::Batch;
use super::runner::{Runner, WITHHELD};
use super::work::{Pair, Work};
use crate::limits;
use crate::spool::SpoolError;

/// Before a mailbox, or a server that is away, is asked again.
const AGAIN: Duration = Duration::from_secs(30);
/// Before a mailbox is asked again whose login was refused together with others.
const REFUSED_AGAIN: Duration = Duration::from_secs(300);
/// So often, which is four hours at least: somebody has to renew a token.
const REFUSED_TRIES: u32 = 48;
/// A mailbox is asked so often in vain.
const TRIES: u32 = 4;

impl Runner {
    /// Asks the next mailboxes, as many as may be asked at one time.
    pub(super) fn ask(&self, work: &mut Work, asking: &mut Calls) {
        let Some(asker) = &self.asker else {
            return;
        };
        let now = self.queue.0.parts.clock.now();
        // What is missing must find a place to wait.
        while asking.len() < asker.at_a_time().max(1)
            && work.waiting() < limits::REPLAY_WAITING / 2
            && !self.ticket.is_over()
        {
            let walked = work.walked();
            let Some(batch) = work.gap.next(now, walked.into()) else {
                break;
            };
            asking.push(asker.ask(batch));
        }
        let mut live = self.live();
        if let Some((_, why)) = work.gap.waits.as_ref().filter(|(until, _)| *until > now) {
            live.waits_for.get_or_insert_with(|| why.clone());
        }
    }

    /// A mailbox has answered, or not.
    pub(super) fn hear(&self, work: &mut Work, answer: Answer) -> Result<(), SpoolError> {
        work.gap.heard();
        for (pair, told) in answer.told {
            self.hear_one(work, pair, told)?;
        }
        match answer.unasked {
            Some((batch, why)) => self.hear_nothing(work, (&answer.mailbox, batch), &why),
            None => work.gap.waits = None,
        }
        Ok(())
    }

    fn hear_one(&self, work: &mut Work, pair: Pair, told: Told) -> Result<(), SpoolError> {
        let now = self.queue.0.parts.clock.now();
        match told {
            Told::Missing => work.wait(pair.asked(), now),
            Told::Withheld => work.wait(pair, now.after(WITHHELD)),
            Told::Other => work.gap.gather(pair),
            Told::Present(_) => {
                work.forget(pair);
                self.live().counts.present += u64::from(pair.counts);
            }
            Told::Ended(mark) => {
                work.forget(pair);
                if pair.counts {
                    self.count(pair, &mark)?;
                }
            }
            Told::LeftOut => {
                work.forget(pair);
                self.leave_out(u64::from(pair.counts));
            }
        }
        Ok(())
    }

    fn hear_nothing(&self, work: &mut Work, (mailbox, batch): (&str, Batch), why: &Why) {
        let now = self.queue.0.parts.clock.now();
        let again = now.after(AGAIN);
        if let Some(error) = why.of_server() {
            work.gap.waits = Some((again, error.to_string()));
            work.gap.later(batch, again);
            return;
        }
        let tries = batch.tries + 1;
        if why.is_of_logins() && tries < REFUSED_TRIES {
            // Others come before it: one that is let in says that the secret is good.
            work.gap.waits = Some((again, why.text()));
            let again = now.after(REFUSED_AGAIN);
            work.gap.later(Batch { tries, ..batch }, again);
            return;
        }
        work.gap.waits = None;
        if !why.is_lasting() && tries < TRIES {
            work.gap.later(Batch { tries, ..batch }, again);
            return;
        }
        tracing::warn!(replay = %self.ticket.id, mailbox, why = why.text(),
            recipients = batch.pairs.len(), "a mailbox cannot be asked what it has");
        let bring = self.judge.selection.unasked;
        for pair in &batch.pairs {
            if bring {
                work.wait(pair.asked(), now);
            } else {
                work.forget(*pair);
            }
        }
        if !bring {
            let counted = batch.pairs.iter().filter(|pair| pair.counts).count() as u64;
            self.live().counts.not_asked((mailbox, why.text()), counted);
        }
    }
}
