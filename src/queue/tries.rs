//! Attempts that find something out: one waiting message for each probe interval while a backend
//! is rejecting, and the first recipient of a case that is to be released.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::Queue;
use super::settle::{counts_as_rejected, denies_relay, is_refused_content};
use super::state::{Job, JobRecipient, Source, Waited};
use super::trials::at_rcpt;
use crate::backend::{Doubt, Form, Ground, asks_to_slow_down};
use crate::base::Timestamp;
use crate::mail::{
    BackendId, Blame, CaseId, CaseKey, Cause, DeliveryTarget, Envelope, Failure, Outcome,
    Recipient, Said, SpoolId,
};
use crate::route::{Decision, Mail};
use crate::smtp::Mailbox;
use crate::spool::{Due, Spool, SpoolError};

/// Least time between two looks for a trial.
const APART: Duration = Duration::from_secs(1);

/// Attempts that find something out.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// With whom a rejecting backend is tried.
    probing: BTreeMap<BackendId, (SpoolId, u16)>,
    /// Up to here nobody waits for it whose mail it took lately: the look for the next trial goes
    /// on behind.
    pub(super) looked: BTreeMap<BackendId, Due>,
    /// The first recipients of cases that are to be released.
    pub(super) cases: BTreeMap<(SpoolId, u16), CaseId>,
    /// Cases of which it is being found out who goes first.
    pub(super) beginning: HashSet<CaseId>,
    /// Cases whose first recipient was accepted; the others follow just now.
    pub(super) following: HashSet<CaseId>,
}

impl Tries {
    /// Does a job, or a part of it, try a backend that is rejecting?
    fn has(&self, backend: &BackendId, job: &Job) -> bool {
        self.probing.get(backend).is_some_and(|(id, number)| {
            *id == job.id && job.recipients.iter().any(|one| one.number == *number)
        })
    }

    /// Is the release of a case under way?
    pub(super) fn is_releasing(&self, case: CaseId) -> bool {
        self.following.contains(&case) || self.cases.values().any(|other| *other == case)
    }

    /// An attempt has ended; of which backends it was the trial.
    fn end(&mut self, id: SpoolId, numbers: &[u16]) -> Vec<BackendId> {
        let probing = std::mem::take(&mut self.probing);
        let (ended, others): (BTreeMap<_, _>, BTreeMap<_, _>) = probing
            .into_iter()
            .partition(|(_, (other, number))| *other == id && numbers.contains(number));
        self.probing = others;
        ended.into_keys().collect()
    }
}

impl Queue {
    pub(super) fn tries(&self) -> MutexGuard<'_, Tries> {
        self.0.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// May a job be sent to its next hop now? A backend that takes no mail gets none, and one that
    /// is rejecting gets trials only.
    pub(super) fn may_go(&self, target: &DeliveryTarget, job: &Job) -> bool {
        let DeliveryTarget::Backend(backend) = target else {
            return true;
        };
        let health = self.0.parts.router.board().health(backend);
        health.is_none_or(|health| {
            health.takes_mail() || (health.is_on_trial() && self.tries().has(backend, job))
        })
    }

    /// The case for which this recipient is tried at a rejecting backend. What stands for a case
    /// that is to be released belongs to that case again when it is refused.
    pub(super) fn trial_of(
        &self,
        target: &DeliveryTarget,
        id: SpoolId,
        number: u16,
    ) -> Option<CaseId> {
        let DeliveryTarget::Backend(backend) = target else {
            return None;
        };
        let tries = self.tries();
        let is_probe = tries.probing.get(backend) == Some(&(id, number));
        if !is_probe || tries.cases.contains_key(&(id, number)) {
            return None;
        }
        drop(tries);
        let rejecting = self.0.parts.router.board().rejecting(backend);
        rejecting.map(|rejecting| rejecting.case)
    }

    /// Whom a refusal of the content speaks against. The first one of a case that is to be released
    /// decides about it, in any case.
    pub(super) fn doubt_of(&self, target: &DeliveryTarget, id: SpoolId, number: u16) -> Doubt {
        let DeliveryTarget::Backend(backend) = target else {
            return Doubt::Message;
        };
        match self.0.parts.router.board().content_doubt(backend) {
            Doubt::Unknown if self.tries().cases.contains_key(&(id, number)) => Doubt::Backend,
            doubt @ (Doubt::Message | Doubt::Unknown | Doubt::Backend) => doubt,
        }
    }

    /// Tells the board whom a backend accepted, and whom it refused.
    pub(super) fn tell_breaker(&self, target: &DeliveryTarget, job: &Job, outcomes: &[Outcome]) {
        let DeliveryTarget::Backend(backend) = target else {
            return;
        };
        let board = self.0.parts.router.board();
        let is_taken = |outcome: &Outcome| matches!(outcome, Outcome::Delivered { .. });
        let mut people = Vec::new();
        let taken = job.recipients.iter().zip(outcomes);
        for (recipient, _) in taken.filter(|(_, outcome)| is_taken(outcome)) {
            match self.addressee_of(job, recipient) {
                Some(whom) => people.push(whom.person),
                None => board.report_relayed(backend, &recipient.address.key()),
            }
        }
        if outcomes.iter().any(is_taken) {
            board.report_accepted(backend);
            board.note_taken(backend, people);
            board.report_sender(backend, &sender_of(&job.envelope));
            return;
        }
        for (recipient, outcome) in job.recipients.iter().zip(outcomes) {
            let Outcome::Failed(failure) = outcome else {
                continue;
            };
            if self.tell_failure(backend, job, (recipient, failure)) {
                // When it takes mail again it is not overrun.
                self.state().fail(target);
            }
            // What is said of a message says nothing more about its other recipients.
            if failure.blame == Blame::Message {
                break;
            }
        }
    }

    /// Tells the board why a recipient did not get his mail. Has the backend begun to reject?
    fn tell_failure(
        &self,
        backend: &BackendId,
        job: &Job,
        (recipient, failure): (&JobRecipient, &Failure),
    ) -> bool {
        let board = self.0.parts.router.board();
        let whom = self.addressee_of(job, recipient);
        let who = match &whom {
            Some(whom) => whom.person.clone(),
            None => recipient.address.key(),
        };
        let is_his = failure.blame != Blame::Backend || asks_to_slow_down(failure);
        if !failure.is_permanent() && is_his {
            board.report_put_off(backend, &who, failure);
        }
        let case = CaseKey::of(backend, failure);
        if is_refused_content(failure) {
            return board.report_content(backend, &case, &sender_of(&job.envelope));
        }
        let Some(whom) = whom.filter(|_| counts_as_rejected(failure)) else {
            return denies_relay(failure) && board.report_not_relayed(backend, &case, &who);
        };
        let known = job.envelope.recipients.get(usize::from(recipient.number));
        let is_ours = known.is_none_or(|known| self.is_ours(backend, known, &whom));
        board.note_refused(backend, &whom);
        // RFC 5233 is known to some platforms only: a name with a tag says nothing about them.
        if whom.form == Form::Tagged && failure.cause() == Cause::Recipient {
            return false;
        }
        // Behind the final dot (LMTP) it is another matter: RCPT is taken there.
        if failure.said == Some(Said::Rcpt)
            && let Some(refused) = at_rcpt(job, recipient, &whom)
        {
            board.note_refused_at_rcpt(backend, &case, refused);
        }
        let ground = match failure.cause() {
            _ if !is_ours => Ground::Unnamed,
            Cause::Policy => Ground::Sender,
            Cause::Recipient
            | Cause::Domain
            | Cause::Content
            | Cause::Trouble
            | Cause::SlowDown
            | Cause::Lacking => Ground::Recipient,
        };
        board.report_refused(backend, (&case, ground), &whom.person)
    }

    /// Gives each rejecting backend its trial, when it is time; returns when to ask again.
    pub(super) async fn try_rejecting(&self) -> Option<Timestamp> {
        let board = self.0.parts.router.board().clone();
        let lanes = self.0.parts.spool.lanes();
        let others = lanes.keys().any(|lane| lane.starts_with('@'));
        let router = &self.0.parts.router;
        let waits = |backend: &BackendId| {
            lanes.contains_key(backend.as_str()) || (others && router.relays_through(backend))
        };
        let on_trial = board.on_trial().into_iter();
        let (backends, idle): (Vec<BackendId>, Vec<BackendId>) = on_trial.partition(waits);
        for backend in &idle {
            self.see_what_is_left(backend);
        }
        let mut next: Option<Timestamp> = None;
        for backend in &backends {
            board.something_is_left(backend);
            let again = self.try_when_due(backend).await;
            next = next.into_iter().chain(again).min();
        }
        next
    }

    /// The same for one of them. `None`: nothing is known to wait for but the loader's own round.
    /// Who comes meanwhile and is held wakes the loader, and so does the end of a trial.
    async fn try_when_due(&self, backend: &BackendId) -> Option<Timestamp> {
        let board = self.0.parts.router.board();
        let mut first_due = None;
        if board.is_time_for_trial(backend) {
            match self.try_one_of(backend).await {
                Ok(later) => first_due = later,
                Err(error) => tracing::error!(%backend, %error, "no trial"),
            }
        }
        let now = self.0.parts.clock.now();
        // A time that has come is that of the trial which is under way.
        let next_trial = || board.next_trial(backend).filter(|next| *next > now);
        let next = first_due.or_else(next_trial)?;
        Some(next.max(now.after(APART)))
    }

    /// An attempt has ended. When it was a trial, and lasted until it is time for the next one, the
    /// loader waits for that.
    pub(super) fn end_trials(&self, id: SpoolId, numbers: &[u16]) {
        let ended = self.tries().end(id, numbers);
        let board = self.0.parts.router.board();
        if ended.iter().any(|it| board.is_time_for_trial(it)) {
            self.0.wake.notify_one();
        }
    }

    /// Mail that failover would give to another backend is tried at its home when it is time: else
    /// nothing would find out that the home takes mail again.
    pub(super) fn tries_home(
        &self,
        home: &BackendId,
        recipient: &Recipient,
        (id, number): (SpoolId, u16),
    ) -> bool {
        let board = self.0.parts.router.board();
        let may_try = || {
            let whom = self.addressee(recipient, &recipient.address);
            whom.is_none_or(|whom| board.may_try(home, &whom))
        };
        board.is_on_trial(home)
            && may_try()
            && board.take_trial(home)
            && self.try_at(home, id, number).unwrap_or_default()
    }

    /// The same for mail to strangers that another way takes, while a smart host before it in
    /// `outbound.relay` is rejecting.
    pub(super) fn tries_smart_host(
        &self,
        (home, targets): (Option<&BackendId>, &[DeliveryTarget]),
        id: SpoolId,
        number: u16,
    ) -> bool {
        if home.is_some() {
            return false;
        }
        let board = self.0.parts.router.board();
        let first = targets.first();
        self.0
            .parts
            .router
            .smart_hosts()
            .iter()
            .take_while(|host| first != Some(&DeliveryTarget::Backend((*host).clone())))
            .any(|host| {
                board.is_on_trial(host)
                    && board.take_trial(host)
                    && self.try_at(host, id, number).unwrap_or_default()
            })
    }

    /// Tries one recipient that waits for a backend: the first one of a case that is to be
    /// released, or the one in its lane whom it takes most likely. While nobody is due the trial
    /// is left to fresh mail; then it returns when the first one will be.
    async fn try_one_of(&self, backend: &BackendId) -> Result<Option<Timestamp>, SpoolError> {
        let present = self.tries().probing.get(backend).copied();
        if present.is_some_and(|(id, number)| self.state().is_busy(id, number)) {
            return Ok(None);
        }
        let (queue, whose) = (self.clone(), backend.clone());
        let look = move |_: &Spool| {
            let waiting = queue.most_likely_first(&whose);
            waiting.map(|waiting| (queue.firsts_for(&whose), waiting))
        };
        let (firsts, waiting) = self.0.parts.spool.beside(look).await?;
        if firsts.is_empty() && waiting.due.is_empty() {
            return Ok(waiting.later);
        }
        if !self.0.parts.router.board().take_trial(backend) {
            return Ok(None);
        }
        let waiting = waiting.due.into_iter().map(|due| (due.id, due.recipient));
        for (id, number) in firsts.into_iter().chain(waiting) {
            match self.try_at(backend, id, number) {
                Ok(true) => return Ok(None),
                Ok(false) => {}
                Err(error @ (SpoolError::Damaged(_) | SpoolError::Disk { .. })) => {
                    // One that cannot be read keeps no other from being the trial.
                    tracing::error!(%backend, %id, %error, "cannot be the trial");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Those who go first for their cases, and would go to this backend if it took mail. One of
    /// another platform may wait for days, and is no trial of this one.
    fn firsts_for(&self, backend: &BackendId) -> Vec<(SpoolId, u16)> {
        let firsts: Vec<(SpoolId, u16)> = self.tries().cases.keys().copied().collect();
        let would_go = |first: &(SpoolId, u16)| match self.trial_job(backend, first.0, first.1) {
            Ok(job) => job.is_some(),
            Err(error) => {
                tracing::error!(%backend, id = %first.0, %error, "cannot be the trial");
                false
            }
        };
        firsts.into_iter().filter(would_go).collect()
    }

    /// Tries one recipient at a rejecting backend; `false` when it is not there to be tried, or
    /// its route leads elsewhere.
    pub(super) fn try_at(
        &self,
        backend: &BackendId,
        id: SpoolId,
        number: u16,
    ) -> Result<bool, SpoolError> {
        let Some(job) = self.trial_job(backend, id, number)? else {
            return Ok(false);
        };
        self.tries().probing.insert(backend.clone(), (id, number));
        tracing::info!(%id, numbers = %number, %backend, "a trial, whether it takes mail again");
        let pushed = self.push(job);
        if pushed {
            self.0.parts.router.board().note_mail_tried(backend);
        }
        Ok(pushed)
    }

    /// The attempt with which one recipient would be tried there; `None` as above.
    fn trial_job(
        &self,
        backend: &BackendId,
        id: SpoolId,
        number: u16,
    ) -> Result<Option<Job>, SpoolError> {
        let spool = &self.0.parts.spool;
        if self.state().is_busy(id, number) {
            return Ok(None);
        }
        let Some(was) = spool.state(id, number)?.as_ref().and_then(Waited::of) else {
            return Ok(None);
        };
        let holds = self.0.parts.router.holds().book();
        let Some(message) = spool.message_if_whole(id)? else {
            return Ok(None);
        };
        let recipients = &message.envelope.recipients;
        let Some(recipient) = recipients.get(usize::from(number)) else {
            return Ok(None);
        };
        let withheld = self.0.parts.router.route_mail(&Mail {
            id,
            from: &message.envelope.from,
            authenticity: message.envelope.authenticity,
            address: &recipient.address,
            exempt: was.exempt,
        });
        if withheld.withheld.is_some() {
            return Ok(None);
        }
        let target = DeliveryTarget::Backend(backend.clone());
        let explanation =
            self.0
                .parts
                .router
                .route_trial(&recipient.address, backend, id.timestamp());
        let Decision::Relay {
            targets, address, ..
        } = explanation.decision
        else {
            return Ok(None);
        };
        if targets.first() != Some(&target) {
            return Ok(None);
        }
        Ok(Some(Job {
            id,
            ticket: 0,
            source: Source::Backlog,
            envelope: Arc::clone(&message.envelope),
            body: None,
            recipients: vec![JobRecipient {
                number,
                address,
                was,
                diverted_from: None,
            }],
            targets: VecDeque::from([target]),
            holds,
            replay: None,
        }))
    }
}

/// By which senders are told apart.
pub(super) fn sender_of(envelope: &Envelope) -> String {
    let sender = envelope.from.mailbox();
    sender.map_or_else(|| "<>".to_owned(), Mailbox::key)
}

#[cfg(test)]
#[path = "tries_tests.rs"]
mod tests;
