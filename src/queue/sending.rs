//! The rates of senders at work. They bind mail whose sender is ours, and no other: mail from the
//! Internet and replays are not asked about.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;

use super::Queue;
use super::ending::is_known;
use super::pacing::{Asking, Late};
use super::senders::{Kept, Moment, SenderRates, SenderUse, Senders, Sending, Turned};
use super::state::{Job, JobRecipient, Source};
use crate::base::Timestamp;
use crate::mail::{
    Authenticity, BackendId, DeliveryTarget, Envelope, Outcome, SenderBound, SenderPace,
};
use crate::smtp::ReversePath;
use crate::telemetry::names;

/// The room of the facts; the name of the backend and of the sender follow.
const ROOM: &str = "sender";

/// Which recipients count for a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// All: it handed the message in here.
    All,
    /// Strangers: a platform handed it in, and another one carries it out. What the platforms send
    /// each other is no sending of a person here.
    Strangers,
}

/// The sender of a job, when it is one of ours and has limits.
#[derive(Debug, Clone)]
pub(super) struct SenderAt {
    backend: BackendId,
    name: String,
    rates: SenderRates,
    counted: Counted,
}

impl SenderAt {
    fn sending(&self) -> Sending<'_> {
        Sending {
            backend: &self.backend,
            sender: &self.name,
            rates: self.rates,
        }
    }

    fn counts(&self, job: &Job, recipient: &JobRecipient) -> bool {
        match self.counted {
            Counted::All => true,
            Counted::Strangers => !is_known(job, recipient),
        }
    }

    /// Puts those who count in front: then they fill as few transactions as are counted.
    fn arrange(&self, job: &mut Job) {
        if self.counted == Counted::Strangers {
            let mut all = std::mem::take(&mut job.recipients);
            all.sort_by_key(|recipient| !self.counts(job, recipient));
            job.recipients = all;
        }
    }

    fn counted_of(&self, job: &Job) -> u32 {
        let counted = job.recipients.iter().filter(|it| self.counts(job, it));
        u32::try_from(counted.count()).unwrap_or(u32::MAX)
    }
}

impl Queue {
    /// Those of ours who have used nearly all recipients of their day at a backend, the busiest
    /// first; `None` while nobody knows.
    #[must_use]
    pub fn busy_senders(&self) -> Option<Vec<SenderUse>> {
        let rates = |backend: &BackendId| self.limits_of_backend(backend).sender;
        let senders = self.senders();
        let near = || senders.near(&rates, self.0.parts.clock.now());
        senders.restored.then(near)
    }

    /// Why mail of this envelope waits that nothing else keeps: its sender has sent enough.
    #[must_use]
    pub fn sender_waits(&self, envelope: &Envelope) -> Option<SenderPace> {
        let (sender, _) = self.sender_of(envelope)?;
        let (backend, bound) = self.senders().waits(&sender, self.moment())?;
        Some(SenderPace {
            sender,
            backend,
            bound,
        })
    }

    /// Whose sending a message is.
    fn sender_of(&self, envelope: &Envelope) -> Option<(String, Counted)> {
        let peer = &envelope.peer;
        if let Some(name) = peer.user.as_ref().or(peer.device.as_ref()) {
            return Some((name.clone(), Counted::All));
        }
        let ReversePath::Mailbox(from) = &envelope.from else {
            return None;
        };
        if envelope.authenticity != Authenticity::Relayed {
            return None;
        }
        let directory = self.0.parts.router.directory().current();
        directory.domain(from.domain())?;
        Some((from.key(), Counted::Strangers))
    }

    /// The sender of a job, when it is bound there.
    pub(super) fn sender_at(&self, backend: &BackendId, job: &Job) -> Option<SenderAt> {
        if job.replay.is_some() {
            return None;
        }
        // Of mail from the Internet nothing more is asked.
        let (name, counted) = self.sender_of(&job.envelope)?;
        let rates = self.limits_of_backend(backend).sender;
        if rates.is_unlimited() {
            return None;
        }
        Some(SenderAt {
            backend: backend.clone(),
            name,
            rates,
            counted,
        })
    }

    /// Takes those out of a job for whom its sender has no room now.
    pub(super) fn part_by_sender(
        &self,
        job: &mut Job,
        (sender, asking): (Option<&SenderAt>, Asking),
    ) -> Vec<Late> {
        let Some(sender) = sender else {
            return Vec::new();
        };
        let counted = sender.counted_of(job);
        if counted == 0 {
            return Vec::new();
        }
        sender.arrange(job);
        let turned = match (asking, job.source) {
            // Fresh mail has waited for no turn.
            (Asking::Room, Source::Fresh) => Turned::Never,
            // Whom there was room for a moment ago is nobody who comes later.
            (Asking::Turn, _) | (_, Source::Backlog | Source::Replay) => Turned::Perhaps,
        };
        let asked = (counted, turned);
        let plan = self.senders().plan(&sender.sending(), asked, self.moment());
        let Some((wait, bound)) = plan.late else {
            return Vec::new();
        };
        let mut go = plan.go;
        let mut late = Vec::new();
        for recipient in std::mem::take(&mut job.recipients) {
            if !sender.counts(job, &recipient) {
                job.recipients.push(recipient);
                continue;
            }
            if go > 0 {
                go -= 1;
                job.recipients.push(recipient);
                continue;
            }
            count_paced(&sender.backend, bound);
            let sender = SenderPace {
                sender: sender.name.clone(),
                backend: sender.backend.clone(),
                bound,
            };
            late.push(Late {
                recipient,
                wait,
                sender: Some(Box::new(sender)),
            });
        }
        late
    }

    /// Counts what of a job goes now. What a crash must not forget is on the disk when this
    /// returns.
    pub(super) async fn count_of_sender(&self, job: &Job, sender: &SenderAt) {
        let counted = sender.counted_of(job);
        let at = self.moment();
        let kept = self.senders().count(&sender.sending(), counted, at);
        let Some(kept) = kept else {
            return;
        };
        let Ok(value) = serde_json::to_value(&kept) else {
            return;
        };
        let key = format!("{}/{}", sender.backend, sender.name);
        let written = self.0.parts.spool.put_fact(ROOM, &key, Some(value));
        if let Err(error) = written.await {
            // It goes all the same: a start would begin its day with less than it was.
            tracing::error!(sender = sender.name, %error, "what a sender sent is not noted");
        }
    }

    /// What a backend has not taken, and was counted not later than then, does not count for its
    /// mailboxes, nor for the day of its sender. What may have arrived does.
    pub(super) fn refund_untaken(
        &self,
        target: &DeliveryTarget,
        job: &Job,
        (outcomes, counted): (&[Outcome], Duration),
    ) {
        let all = job.recipients.iter().zip(outcomes);
        let untaken = all.filter(
            |(_, outcome)| matches!(outcome, Outcome::Failed(failure) if !failure.uncertain),
        );
        let untaken: Vec<&JobRecipient> = untaken.map(|(recipient, _)| recipient).collect();
        if untaken.is_empty() {
            return;
        }
        self.refund(target, job, (&untaken, counted));
    }

    /// Nothing of it was sent.
    pub(super) fn refund_all(&self, target: &DeliveryTarget, job: &Job, counted: Duration) {
        let all: Vec<&JobRecipient> = job.recipients.iter().collect();
        self.refund(target, job, (&all, counted));
    }

    fn refund(
        &self,
        target: &DeliveryTarget,
        job: &Job,
        (recipients, counted): (&[&JobRecipient], Duration),
    ) {
        let DeliveryTarget::Backend(backend) = target else {
            return;
        };
        self.refund_mailboxes(backend, job, (recipients, counted));
        if let Some(sender) = self.sender_at(backend, job) {
            let failed = recipients.iter().filter(|it| sender.counts(job, it));
            let failed = u32::try_from(failed.count()).unwrap_or(u32::MAX);
            self.senders().refund(&sender.sending(), failed);
        }
    }

    /// Reads what the disk knows of senders, and forgets there what is over.
    pub(super) async fn restore_senders(&self) {
        self.read_senders().await;
        self.senders().restored = true;
    }

    async fn read_senders(&self) {
        let spool = &self.0.parts.spool;
        let facts = match spool.facts(ROOM, "") {
            Ok(facts) => facts,
            Err(error) => {
                tracing::error!(%error, "what senders sent is not known: their days begin anew");
                return;
            }
        };
        let hour = self.moment().hour();
        for (key, value) in facts {
            let kept: Option<Kept> = serde_json::from_value(value).ok();
            let lasting = kept.filter(|kept| kept.lasts(hour));
            match (key.split_once('/'), lasting) {
                (Some((backend, sender)), Some(kept)) => {
                    let of = (BackendId::new(backend), sender);
                    self.senders().restore(of, &kept, hour);
                }
                (None, _) | (_, None) => {
                    if let Err(error) = spool.put_fact(ROOM, &key, None).await {
                        tracing::warn!(%error, "what a sender sent long ago stays noted");
                    }
                }
            }
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            elapsed: self.elapsed(),
            now: self.0.parts.clock.now(),
        }
    }

    /// A message of a job that went out then, before the start.
    pub(super) fn recall_sender(
        &self,
        (backend, at): (&BackendId, Timestamp),
        envelope: &Envelope,
    ) {
        let rates = self.limits_of_backend(backend).sender;
        let Some((sender, _)) = self.sender_of(envelope).filter(|_| rates.per_minute > 0) else {
            return;
        };
        let sending = Sending {
            backend,
            sender: &sender,
            rates,
        };
        let now = self.moment();
        let at = Moment {
            elapsed: now.elapsed.saturating_sub(now.now.since(at)),
            now: now.now,
        };
        self.senders().recall(&sending, at);
    }

    pub(super) fn senders(&self) -> MutexGuard<'_, Senders> {
        let senders = self.0.senders.lock();
        senders.unwrap_or_else(PoisonError::into_inner)
    }
}

fn count_paced(backend: &BackendId, bound: SenderBound) {
    counter!(names::SENDER_PACED, "backend" => backend.to_string(), "limit" => bound.as_str())
        .increment(1);
}
