//! Fresh mail: straight from the commit to its next hop, without a look at the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Queue;
use super::expanding::Group;
use super::state::{Content, Job, JobRecipient, Pushed, Source, Waited};
use crate::limits;
use crate::mail::{DeliveryTarget, Envelope, HoldReason, SpoolId};
use crate::route::{Decision, Mail};
use crate::spool::Committed;

/// Who gets the same bytes from the same next hops.
type Row<'e> = (Vec<DeliveryTarget>, &'e [String]);

impl Queue {
    /// Takes messages as they become durable, until the spool is closed.
    pub(super) async fn intake(&self, mut committed: mpsc::Receiver<Committed>) {
        let mut overflowed = false;
        let shutdown = self.0.parts.shutdown.clone();
        loop {
            let message = tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                message = committed.recv() => message,
            };
            let Some(message) = message else {
                return;
            };
            // The spool drops what does not fit in here; the index has it.
            overflowed |= committed.len() + 1 >= limits::COMMITTED_QUEUE;
            if overflowed && committed.is_empty() {
                overflowed = false;
                self.look_from_the_beginning();
            }
            self.take(&message);
        }
    }

    /// Decides the routes of a fresh message and hands it on. What cannot be handed on now stays
    /// in the index.
    fn take(&self, message: &Committed) {
        let all = 0..u16::try_from(message.envelope.recipients.len()).unwrap_or(u16::MAX);
        let all = all.filter(|number| message.envelope.dropped(*number).is_none());
        let recipients: Vec<_> = all.map(|number| (number, Waited::default())).collect();
        let id = message.id;
        let content = (Source::Fresh, message.body.clone().map(Content::Here));
        let result = self.dispatch(id, &message.envelope, content, &recipients);
        let held = result.held;
        if result.full {
            // It was accepted a while ago: the loader may be behind it.
            let mut marks = self.marks();
            for recipient in &message.envelope.recipients {
                marks.clear_before(&recipient.lane, id.timestamp());
            }
        }
        if !result.kept.is_empty() {
            // No faster than messages are accepted, because both wait for the log.
            let queue = self.clone();
            self.0.parts.shutdown.spawn("withhold", async move {
                queue.keep(vec![(id, result.kept)]).await;
            });
        }
        if !result.groups.is_empty() {
            let (queue, envelope) = (self.clone(), Arc::clone(&message.envelope));
            self.0.parts.shutdown.spawn("expand", async move {
                queue.expand_all(id, &envelope, result.groups).await;
            });
        }
        // It may be what a rejecting backend is tried with.
        if held && !self.0.parts.router.board().on_trial().is_empty() {
            self.0.wake.notify_one();
        }
    }

    /// Decides the routes of some recipients (number and past) of a message and puts
    /// them into the rows of their next hops.
    pub(super) fn dispatch(
        &self,
        id: SpoolId,
        envelope: &Arc<Envelope>,
        (source, body): (Source, Option<Content>),
        recipients: &[(u16, Waited)],
    ) -> Dispatched {
        let mut result = Dispatched::default();
        let holds = self.0.parts.router.holds().book();
        let mut rows: BTreeMap<Row<'_>, Vec<JobRecipient>> = BTreeMap::new();
        for &(number, was) in recipients {
            let Some(recipient) = envelope.recipients.get(usize::from(number)) else {
                continue;
            };
            let explanation = self.0.parts.router.route_mail(&Mail {
                id,
                from: &envelope.from,
                authenticity: envelope.authenticity,
                address: &recipient.address,
                exempt: was.exempt,
            });
            if let Some(reason) = explanation.withheld {
                result.kept.push((number, reason));
                continue;
            }
            match explanation.decision {
                Decision::Relay {
                    diverted_from: Some(home),
                    ..
                } if self.tries_home(&home, recipient, (id, number)) => {}
                Decision::Relay { ref targets, .. }
                    if self.tries_smart_host((explanation.home.as_ref(), targets), id, number) => {}
                Decision::Relay {
                    targets,
                    address,
                    diverted_from,
                } => {
                    let row = rows.entry((targets, envelope.stripped(number)));
                    row.or_default().push(JobRecipient {
                        number,
                        address,
                        was,
                        diverted_from,
                    });
                }
                Decision::Expand { people, .. } => {
                    result.groups.push(Group { number, people });
                }
                // Others in its lane may still have a way: failover is a matter of the domain.
                Decision::Hold { .. } => result.held = true,
                // Somebody accepted their mail, so an administrator has to decide (decision 5).
                Decision::Reject(reply) => {
                    let what = reply.to_string();
                    result.kept.push((number, HoldReason::NoRoute { what }));
                }
            }
        }
        for ((targets, _), recipients) in rows {
            let targets = targets.into_iter().map(|way| way.for_envelope(envelope));
            let job = Job {
                id,
                ticket: 0,
                source,
                envelope: Arc::clone(envelope),
                body: body.clone(),
                recipients,
                targets: targets.collect(),
                holds: Arc::clone(&holds),
                replay: None,
            };
            if !self.push(job) {
                result.full = true;
            }
        }
        result
    }

    /// Puts a job into the row of its next hop; `false` when that is full. Recipients that are
    /// loaded already stay where they are (I4).
    pub(super) fn push(&self, mut job: Job) -> bool {
        let Some(target) = job.targets.front().cloned() else {
            return true;
        };
        let limits = self.limits_of(&target);
        let mut state = self.state();
        job.recipients
            .retain(|recipient| !state.is_busy(job.id, recipient.number));
        if job.recipients.is_empty() {
            return true;
        }
        if !state.has_room(&target, job.source) {
            return false;
        }
        let pushed = state.push(job, limits);
        drop(state);
        if pushed == Some(Pushed::StartWorker) {
            self.start_worker(target);
        }
        true
    }
}

/// What became of recipients that were to be dispatched.
#[derive(Debug, Default)]
pub(super) struct Dispatched {
    /// Somebody has to wait.
    pub(super) held: bool,
    /// Recipients that are to be held one by one: a rule or a move says so, or nobody takes them
    /// any more.
    pub(super) kept: Vec<(u16, HoldReason)>,
    /// Groups whose people are to get it.
    pub(super) groups: Vec<Group>,
    /// Some next hop has no room.
    pub(super) full: bool,
}
