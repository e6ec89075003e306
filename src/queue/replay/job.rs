//! The attempts of replays, where they differ from those of other mail: no reports, no cases, no
//! other ways, and what became of them is written beside the recipient's state.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Options;
use super::judge::Taken;
use crate::base::Timestamp;
use crate::mail::{
    BackendId, Blame, BodySource, DeliveryTarget, Envelope, Failure, Outcome, RecipientEvent,
    ReplayStep, SpoolId, WithLine, WithoutFields,
};
use crate::queue::pacing::Asking;
use crate::queue::state::{Content, Job, JobRecipient, Source, Waited};
use crate::queue::{Queue, ending, schedule, settle};
use crate::smtp::{MailParameters, Notify as Wishes, RcptParameters};
use crate::spool::{BodyPlace, SpoolError};
use crate::telemetry::names;

/// Asks platforms to send no automatic answers: mail of days ago is no reason for them.
const SUPPRESS: &str = "X-Auto-Response-Suppress: All\r\n";

/// What the jobs of one run of a replay share.
#[derive(Debug)]
pub(in crate::queue) struct Ticket {
    /// The replay: `r1`.
    pub(super) id: String,
    /// Where to.
    pub(super) to: BackendId,
    /// Are platforms asked for no automatic answers?
    pub(super) suppress: bool,
    ended: AtomicBool,
    /// Rings when it ends.
    pub(super) news: Notify,
    /// Turns that the rates of mailboxes gave.
    turns: Mutex<BTreeMap<(SpoolId, u16), Timestamp>>,
}

impl Ticket {
    pub(super) fn new(id: &str, to: &BackendId, options: Options) -> Self {
        Self {
            id: id.to_owned(),
            to: to.clone(),
            suppress: options.suppress_automatic_answers,
            ended: AtomicBool::new(false),
            news: Notify::new(),
            turns: Mutex::default(),
        }
    }

    /// This run is over: what waits in rows is not sent any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.news.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The turn that a recipient got, once.
    pub(super) fn turn_of(&self, id: SpoolId, number: u16) -> Option<Timestamp> {
        let turns = self.turns.lock();
        turns
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(id, number))
    }

    fn give_turn(&self, id: SpoolId, number: u16, due: Timestamp) {
        let turns = self.turns.lock();
        turns
            .unwrap_or_else(PoisonError::into_inner)
            .insert((id, number), due);
    }

    fn event(&self, step: ReplayStep, diverted_from: Option<&BackendId>) -> RecipientEvent {
        RecipientEvent::Replay {
            replay: self.id.clone(),
            backend: self.to.clone(),
            step,
            diverted_from: diverted_from.cloned(),
        }
    }
}

impl Job {
    /// The event of a step of a replay, for all its recipients.
    fn replay_event(&self, ticket: &Ticket, step: ReplayStep) -> RecipientEvent {
        let home = self.recipients.first();
        ticket.event(step, home.and_then(|one| one.diverted_from.as_ref()))
    }

    /// What marks that an attempt begins.
    pub(in crate::queue) fn attempted(&self, backend: BackendId) -> RecipientEvent {
        match &self.replay {
            Some(ticket) => self.replay_event(ticket, ReplayStep::Attempted),
            None => RecipientEvent::Attempted { backend },
        }
    }

    /// What says that an attempt was given up before anything was sent.
    pub(in crate::queue) fn interrupted(&self) -> RecipientEvent {
        let uncertain = false;
        match &self.replay {
            Some(ticket) => self.replay_event(ticket, ReplayStep::Interrupted { uncertain }),
            None => RecipientEvent::Interrupted { uncertain },
        }
    }

    /// A body without the fields that the policy of its time takes off for its recipients, who all
    /// get the same bytes: also when a replay brings them again.
    ///
    /// # Errors
    /// When its header cannot be read.
    pub(in crate::queue) fn stripped(
        &self,
        body: Arc<dyn BodySource>,
    ) -> io::Result<Arc<dyn BodySource>> {
        let first = self.recipients.first();
        let fields = first.map_or(&[][..], |one| self.envelope.stripped(one.number));
        if fields.is_empty() {
            return Ok(body);
        }
        Ok(Arc::new(WithoutFields::new(body, fields)?))
    }

    /// What is sent: for a replay with the wish for no automatic answers in front, if it is so.
    pub(in crate::queue) fn sent(&self, body: Arc<dyn BodySource>) -> Arc<dyn BodySource> {
        match &self.replay {
            Some(ticket) if ticket.suppress => Arc::new(WithLine::new(SUPPRESS.to_owned(), body)),
            Some(_) | None => body,
        }
    }
}

impl Queue {
    /// A job for recipients of one message; each home has a job of its own.
    pub(super) fn replay_job(
        &self,
        ticket: &Arc<Ticket>,
        (id, envelope): (SpoolId, &Envelope),
        place: Option<BodyPlace>,
        taken: Vec<Taken>,
    ) -> Job {
        let recipient = |one: Taken| JobRecipient {
            number: one.number,
            address: one.address,
            was: Waited {
                attempts: one.attempts,
                ..Waited::default()
            },
            diverted_from: one.diverted_from,
        };
        let target = DeliveryTarget::Backend(ticket.to.clone());
        Job {
            id,
            ticket: 0,
            source: Source::Replay,
            envelope: Arc::new(without_reports(envelope)),
            body: place.map(Content::InLog),
            recipients: taken.into_iter().map(recipient).collect(),
            targets: VecDeque::from([target]),
            holds: self.0.parts.router.holds().book(),
            replay: Some(Arc::clone(ticket)),
        }
    }

    /// May this job of a replay still be sent? Else its recipients are free, and the replay looks
    /// at them again.
    pub(in crate::queue) fn still_replayed(&self, ticket: &Ticket, job: Job) -> Option<Job> {
        let same_rules = Arc::ptr_eq(&self.0.parts.router.holds().book(), &job.holds);
        if !ticket.is_over() && same_rules {
            return Some(job);
        }
        self.state().release(&job);
        self.0.freed.notify_waiters();
        None
    }

    /// Recipients whose mailboxes have no room now: the replay brings them when it is their turn.
    pub(in crate::queue) async fn give_replay_turns(
        &self,
        ticket: &Ticket,
        (job, asking): (&Job, Asking),
        late: Vec<(JobRecipient, Duration)>,
    ) {
        if late.is_empty() {
            return;
        }
        let now = self.0.parts.clock.now();
        for (recipient, wait) in &late {
            ticket.give_turn(job.id, recipient.number, now.after(*wait));
        }
        let recipients = late.into_iter().map(|(recipient, _)| recipient).collect();
        let late = Job {
            recipients,
            ..job.clone()
        };
        match asking {
            // Nothing is written down yet.
            Asking::Room => {
                self.state().release(&late);
                self.0.freed.notify_waiters();
            }
            Asking::Turn => {
                let (event, numbers) = (late.interrupted(), late.numbers());
                self.settle_events(late, vec![(event, numbers)]).await;
            }
        }
    }

    /// Writes down what became of an attempt of a replay.
    pub(in crate::queue) async fn settle_replay(
        &self,
        ticket: &Ticket,
        job: Job,
        outcomes: Vec<Outcome>,
        tls: Option<&str>,
    ) {
        let now = self.0.parts.clock.now();
        let chance = self.0.parts.entropy.unit();
        let target = DeliveryTarget::Backend(ticket.to.clone());
        let mut settled = Vec::with_capacity(job.recipients.len());
        for (recipient, outcome) in job.recipients.iter().zip(outcomes) {
            let step = step(outcome, (recipient, tls), &target, (now, chance));
            metrics::counter!(names::REPLAYED,
                "backend" => ticket.to.to_string(), "outcome" => step.name())
            .increment(1);
            let event = ticket.event(step, recipient.diverted_from.as_ref());
            settled.push((event, vec![recipient.number]));
        }
        self.settle_events(job, ending::together(settled)).await;
    }

    /// The message is damaged: that ends it for this replay.
    pub(in crate::queue) async fn refuse_damaged(&self, ticket: &Ticket, job: Job, what: String) {
        let failure = Failure::without_reply(Blame::Message, format!("damaged: {what}"));
        let event = job.replay_event(ticket, ReplayStep::Refused { failure });
        let numbers = job.numbers();
        self.settle_events(job, vec![(event, numbers)]).await;
    }

    /// The log cannot be written: later.
    pub(in crate::queue) async fn replay_later(
        &self,
        ticket: &Ticket,
        job: Job,
        error: &SpoolError,
    ) {
        let now = self.0.parts.clock.now();
        let step = ReplayStep::Deferred {
            failure: Failure::without_reply(Blame::Message, error.to_string()),
            due: schedule::after_trouble(now, self.0.parts.entropy.unit()),
            counts: false,
        };
        let event = job.replay_event(ticket, step);
        let numbers = job.numbers();
        self.settle_events(job, vec![(event, numbers)]).await;
    }
}

/// What an outcome is for a replay: a refusal is its end, and no case.
fn step(
    outcome: Outcome,
    (recipient, tls): (&JobRecipient, Option<&str>),
    target: &DeliveryTarget,
    time: (Timestamp, f64),
) -> ReplayStep {
    let failure = match outcome {
        Outcome::Delivered { reply } => {
            return ReplayStep::Delivered {
                reply,
                delivery_address: recipient.address.to_string(),
                tls: tls.map(str::to_owned),
            };
        }
        Outcome::Failed(failure) => failure,
    };
    if failure.is_permanent() && failure.blame != Blame::Backend {
        return ReplayStep::Refused { failure };
    }
    let again = settle::again(&failure, target, recipient.was.attempts, time);
    ReplayStep::Deferred {
        failure,
        due: again.due,
        counts: again.counts,
    }
}

/// Nobody is told what becomes of a message once more (RFC 3461 §4.1: NOTIFY=NEVER).
fn without_reports(envelope: &Envelope) -> Envelope {
    let never = Wishes {
        never: true,
        ..Wishes::default()
    };
    let mut quiet = envelope.clone();
    quiet.parameters = MailParameters {
        ret: None,
        envid: None,
        ..quiet.parameters
    };
    for recipient in &mut quiet.recipients {
        recipient.parameters = RcptParameters {
            notify: Some(never),
            ..recipient.parameters.clone()
        };
    }
    quiet
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
