//! Mailbox rates at work: who has no room is given a turn of its own, in the index, and costs
//! neither a connection nor an attempt.
//!
//! The rates bind the backlog. Fresh mail counts against them but does not wait: people expect it
//! now, and it comes no faster than it came to us. What a sender of ours may bind fresh mail, too.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::pace::{Item, Pace, Turn};
use super::state::{Job, JobRecipient};
use super::{Queue, ending};
use crate::base::Timestamp;
use crate::mail::{BackendId, DeliveryTarget, RecipientEvent, SenderPace};

/// Mail that was accepted so long ago and is not delivered yet is backlog.
const FRESH: Duration = Duration::from_secs(60);

/// Time before the queue was made, for what happened in an earlier life.
const PAST: Duration = Duration::from_secs(2 * 60 * 60);

/// What is asked of the rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// Is there room? Nothing is counted: others may be sent first.
    Room,
    /// It is sent now, if there is room.
    Turn,
}

/// Somebody who has his turn later.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) recipient: JobRecipient,
    pub(super) wait: Duration,
    /// It is because of the sender.
    pub(super) sender: Option<Box<SenderPace>>,
}

impl Queue {
    /// The recipients of a job that may be sent now; the others get their turns. `None` when
    /// nobody is left.
    pub(super) async fn keep_pace(
        &self,
        target: &DeliveryTarget,
        mut job: Job,
        asking: Asking,
    ) -> Option<Job> {
        let DeliveryTarget::Backend(backend) = target else {
            return Some(job);
        };
        let sender = self.sender_at(backend, &job);
        let mut early = self.part_by_sender(&mut job, (sender.as_ref(), asking));
        let mut late = Vec::new();
        {
            let mut pace = self.pace();
            let all = std::mem::take(&mut job.recipients);
            for recipient in all {
                match self.wait_of(&mut pace, backend, &job, (&recipient, asking)) {
                    None => job.recipients.push(recipient),
                    Some(wait) => late.push((recipient, wait)),
                }
            }
        }
        if let Some(sender) = sender.filter(|_| asking == Asking::Turn) {
            self.count_of_sender(&job, &sender).await;
        }
        if let Some(replay) = job.replay.clone() {
            let asked = (&job, asking);
            self.give_replay_turns(&replay, asked, late).await;
        } else {
            let late = late.into_iter().map(|(recipient, wait)| Late {
                recipient,
                wait,
                sender: None,
            });
            early.extend(late);
            self.give_turns(&job, early).await;
        }
        (!job.recipients.is_empty()).then_some(job)
    }

    /// How long a recipient has to wait, if it has to.
    pub(super) fn wait_of(
        &self,
        pace: &mut Pace,
        backend: &BackendId,
        job: &Job,
        (recipient, asking): (&JobRecipient, Asking),
    ) -> Option<Duration> {
        let (now, is_fresh) = (self.elapsed(), self.is_fresh(job, recipient));
        let wait = |item: &Item<'_>| match asking {
            Asking::Room if is_fresh => None,
            Asking::Turn if is_fresh => {
                pace.count(item, now);
                None
            }
            Asking::Room => pace.wait(item, now),
            Asking::Turn => match pace.ask(item, now) {
                Turn::Now => None,
                Turn::In(wait) => Some(wait),
            },
        };
        self.with_item(backend, job, recipient, wait).flatten()
    }

    /// What a platform has not taken, and was counted shortly before, does not count: else a
    /// platform that puts mail off would use up what the mailbox may get when it is mended.
    pub(super) fn refund_mailboxes(
        &self,
        backend: &BackendId,
        job: &Job,
        (recipients, counted): (&[&JobRecipient], Duration),
    ) {
        let mut pace = self.pace();
        for recipient in recipients {
            self.with_item(backend, job, recipient, |item| pace.refund(item, counted));
        }
    }

    /// Looks at what the rates know of a recipient.
    fn with_item<T>(
        &self,
        backend: &BackendId,
        job: &Job,
        recipient: &JobRecipient,
        look: impl FnOnce(&Item<'_>) -> T,
    ) -> Option<T> {
        let envelope = &job.envelope;
        let known = envelope.recipients.get(usize::from(recipient.number))?;
        let key;
        let mailbox = if let Some(mailbox) = &known.mailbox {
            mailbox
        } else {
            key = recipient.address.key();
            &key
        };
        let sender = envelope.from.to_string();
        let item = Item {
            backend,
            mailbox,
            sender: &sender,
            rates: self.limits_of_backend(backend).mailbox,
            attempts: recipient.was.attempts,
        };
        Some(look(&item))
    }

    fn is_fresh(&self, job: &Job, recipient: &JobRecipient) -> bool {
        let age = self.0.parts.clock.now().since(job.id.timestamp());
        job.replay.is_none() && recipient.was.attempts == 0 && age < FRESH
    }

    async fn give_turns(&self, job: &Job, late: Vec<Late>) {
        if late.is_empty() {
            return;
        }
        let now = self.0.parts.clock.now();
        let (mut turns, mut recipients) = (Vec::new(), Vec::new());
        for Late {
            recipient,
            wait,
            sender,
        } in late
        {
            let due: Timestamp = now.after(wait);
            turns.push((
                RecipientEvent::Paced { due, sender },
                vec![recipient.number],
            ));
            recipients.push(recipient);
        }
        let job = Job {
            recipients,
            ..job.clone()
        };
        self.settle_events(job, ending::together(turns)).await;
    }

    /// Since a while before the queue was made. Not by the clock, which can be set.
    pub(super) fn elapsed(&self) -> Duration {
        tokio::time::Instant::now().saturating_duration_since(self.0.begun) + PAST
    }

    /// Turns of mailboxes and senders are given anew.
    pub(super) fn forget_turns(&self) {
        self.pace().forget_turns();
        self.senders().forget_turns();
    }

    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.0.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
