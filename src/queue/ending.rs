//! Writes down what became of recipients: the report to the sender, the outcome in the log, and
//! only then are they free for another attempt.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Queue;
use super::settle::{Attempt, Known, backend_of, settle};
use super::state::{Job, JobRecipient};
use crate::base::Timestamp;
use crate::mail::{BackendId, DeliveryTarget, Outcome, RecipientEvent};
use crate::spool::{SpoolError, Written};
use crate::telemetry::names;

/// Pause before an outcome is written again.
const PAUSE: Duration = Duration::from_millis(500);

impl Queue {
    /// Writes down what became of the recipients, equal events in one record.
    pub(super) async fn settle_job(
        &self,
        target: &DeliveryTarget,
        job: Job,
        outcomes: Vec<Outcome>,
        tls: Option<&str>,
    ) {
        if let Some(replay) = job.replay.clone() {
            return self.settle_replay(&replay, job, outcomes, tls).await;
        }
        let now = self.0.parts.clock.now();
        // One for all: who fails alike stays together, in the log and in the next attempt.
        let chance = self.0.parts.entropy.unit();
        let options = self.options();
        let backend = backend_of(target);
        let mut settled = Vec::with_capacity(job.recipients.len());
        for (recipient, outcome) in job.recipients.iter().zip(outcomes) {
            let address = recipient.address.to_string();
            let attempt = Attempt {
                target,
                delivery_address: &address,
                known: known(&job, recipient),
                attempts: recipient.was.attempts,
                received: self.patient_since(&backend, &job, recipient.number),
                tls,
                diverted_from: recipient.diverted_from.as_ref(),
                finals: &options.finals,
                trial: self.trial_of(target, job.id, recipient.number),
                doubt: self.doubt_of(target, job.id, recipient.number),
                relaying: self.relaying_of(target),
            };
            let event = settle(outcome, &attempt, now, chance);
            let lasted = Lasted {
                all: now.since(job.id.timestamp()),
                patient: now.since(attempt.received),
            };
            count(target, &event, &lasted);
            settled.push((event, vec![recipient.number]));
        }
        self.settle_events(job, together(settled)).await;
    }

    /// When the patience with a recipient begins: when its message was accepted, or as much later
    /// as it was on hold, by itself or with the backend that it goes to: that is no time
    /// (decision 5).
    pub(super) fn patient_since(&self, backend: &BackendId, job: &Job, number: u16) -> Timestamp {
        let received = job.id.timestamp();
        let recipient = job.recipients.iter().find(|one| one.number == number);
        let on_hold = recipient.map_or(0, |recipient| recipient.was.on_hold);
        let now = self.0.parts.clock.now();
        let board = self.0.parts.router.board();
        let held = board.held_for(backend, received, now);
        received.after(Duration::from_millis(on_hold) + held)
    }

    /// Writes down what happened to recipients of a job, and frees them when it is durable.
    pub(super) async fn settle_events(&self, job: Job, settled: Vec<(RecipientEvent, Vec<u16>)>) {
        let mut records = Vec::with_capacity(settled.len());
        for (event, numbers) in settled {
            match self.write_down(&job, &event, &numbers).await {
                Ok(written) => records.push(Outcomes {
                    event,
                    numbers,
                    written,
                }),
                Err(error) => {
                    tracing::error!(id = %job.id, %error, "an outcome could not be recorded");
                }
            }
        }
        let settled = Settled { job, records };
        if let Err(error) = self.0.settled.send(settled).await {
            // The queue has stopped taking: wait for it here.
            self.finish(error.0).await;
        }
    }

    /// Waits until outcomes are durable, in their order, and frees their recipients.
    pub(super) async fn finish_for_ever(&self, mut settled: mpsc::Receiver<Settled>) {
        loop {
            let next = tokio::select! {
                biased;
                next = settled.recv() => next,
                () = self.0.parts.shutdown.stopping() => {
                    // What is on its way may still come; nothing new does.
                    settled.close();
                    settled.recv().await
                }
            };
            match next {
                Some(settled) => self.finish(settled).await,
                None => return,
            }
        }
    }

    async fn finish(&self, settled: Settled) {
        for record in settled.records {
            self.finish_record(&settled.job, record).await;
        }
        self.state().release(&settled.job);
        self.0.freed.notify_waiters();
    }

    async fn finish_record(&self, job: &Job, record: Outcomes) {
        let Outcomes {
            event,
            numbers,
            written,
        } = record;
        let spool = &self.0.parts.spool;
        let mut result = written.wait().await;
        while let Err(error) = result {
            if !self.may_try_again(job, &error).await {
                return;
            }
            result = spool.record(job.id, numbers.clone(), event.clone()).await;
        }
        self.tried(job.id, &numbers, &event).await;
        if let RecipientEvent::Deferred { due, .. } | RecipientEvent::Paced { due, .. } = event {
            for number in numbers {
                // It may have moved during the attempt.
                self.reroute_one(job.id, number, &job.envelope).await;
            }
            if due < self.state().planned {
                self.0.wake.notify_one();
            }
        }
    }

    /// An outcome could not be written down. Until it is, its recipients stay busy, and soon the
    /// workers wait: on a full disk everything would be delivered again and again.
    pub(super) async fn may_try_again(&self, job: &Job, error: &SpoolError) -> bool {
        tracing::error!(id = %job.id, %error, "an outcome could not be recorded");
        let is_of_the_disk = matches!(error, SpoolError::Full { .. } | SpoolError::Disk { .. });
        if !is_of_the_disk || self.stopping() {
            return false;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(PAUSE) => {}
            () = self.0.parts.shutdown.stopping() => {}
        }
        true
    }

    async fn write_down(
        &self,
        job: &Job,
        event: &RecipientEvent,
        numbers: &[u16],
    ) -> Result<Written, SpoolError> {
        match event {
            RecipientEvent::Bounced { failure, .. } => loop {
                let what = (failure, event);
                let error = match self.record_and_report(job, numbers, what).await {
                    Ok(written) => return Ok(written),
                    Err(error) => error,
                };
                if !self.may_try_again(job, &error).await {
                    return Err(error);
                }
            },
            RecipientEvent::Deferred {
                failure, backend, ..
            } => {
                let told = (backend, failure);
                while let Err(error) = self.report_delay(job, numbers, told).await {
                    if !self.may_try_again(job, &error).await {
                        return Err(error);
                    }
                }
            }
            RecipientEvent::Attempted { .. }
            | RecipientEvent::Delivered { .. }
            | RecipientEvent::Held { .. }
            | RecipientEvent::Interrupted { .. }
            | RecipientEvent::Rerouted { .. }
            | RecipientEvent::Paced { .. }
            | RecipientEvent::Replay { .. }
            | RecipientEvent::Landing { .. }
            | RecipientEvent::Released { .. }
            | RecipientEvent::Dropped { .. }
            | RecipientEvent::Expanded { .. } => {}
        }
        self.0
            .parts
            .spool
            .begin_record(job.id, numbers.to_vec(), event.clone())
            .await
    }
}

/// Equal events of several recipients as one.
pub(super) fn together(events: Vec<(RecipientEvent, Vec<u16>)>) -> Vec<(RecipientEvent, Vec<u16>)> {
    let mut together: Vec<(RecipientEvent, Vec<u16>)> = Vec::new();
    for (event, mut numbers) in events {
        match together.iter_mut().find(|(other, _)| *other == event) {
            Some((_, others)) => others.append(&mut numbers),
            None => together.push((event, numbers)),
        }
    }
    together
}

/// A job whose outcomes are on their way to the log.
#[derive(Debug)]
pub(super) struct Settled {
    job: Job,
    records: Vec<Outcomes>,
}

/// Equal outcomes of some recipients, on their way to the log.
#[derive(Debug)]
struct Outcomes {
    event: RecipientEvent,
    numbers: Vec<u16>,
    written: Written,
}

/// Is it a recipient of ours?
pub(super) fn is_known(job: &Job, recipient: &JobRecipient) -> bool {
    let envelope = job.envelope.recipients.get(usize::from(recipient.number));
    envelope.is_some_and(|recipient| recipient.mailbox.is_some())
}

fn known(job: &Job, recipient: &JobRecipient) -> Known {
    if is_known(job, recipient) {
        Known::Ours
    } else {
        Known::Stranger
    }
}

/// From acceptance until now.
struct Lasted {
    all: Duration,
    /// But for the time on hold.
    patient: Duration,
}

fn count(target: &DeliveryTarget, event: &RecipientEvent, lasted: &Lasted) {
    let backend = match target {
        DeliveryTarget::Backend(backend) => backend.to_string(),
        DeliveryTarget::Domain(_) | DeliveryTarget::Lenient(_) | DeliveryTarget::Relay(_) => {
            "@".to_owned()
        }
    };
    if matches!(event, RecipientEvent::Delivered { .. }) {
        let (all, patient) = (lasted.all.as_secs_f64(), lasted.patient.as_secs_f64());
        metrics::histogram!(names::DELIVERY_SECONDS, "backend" => backend.clone()).record(all);
        metrics::histogram!(names::QUEUE_SECONDS, "backend" => backend.clone()).record(patient);
    }
    metrics::counter!(names::ATTEMPTS, "backend" => backend, "outcome" => event.name())
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Reply;
    use crate::telemetry::Metrics;

    #[test]
    fn a_delivery_is_measured_with_and_without_the_time_on_hold() {
        let recorder = Metrics::install().unwrap();
        let backend = BackendId::new("measured");
        let target = DeliveryTarget::Backend(backend.clone());
        let delivered = RecipientEvent::Delivered {
            backend,
            reply: Reply::new(250, (2, 0, 0), "Ok"),
            delivery_address: "ann@example.org".to_owned(),
            tls: None,
            diverted_from: None,
        };
        let lasted = Lasted {
            all: Duration::from_secs(50),
            patient: Duration::from_millis(20),
        };
        count(&target, &delivered, &lasted);
        count(
            &target,
            &RecipientEvent::Interrupted { uncertain: false },
            &lasted,
        );
        recorder.upkeep();
        let text = recorder.render();
        for line in [
            "tideover_delivery_seconds_bucket{backend=\"measured\",le=\"10\"} 0",
            "tideover_delivery_seconds_bucket{backend=\"measured\",le=\"60\"} 1",
            "tideover_queue_seconds_bucket{backend=\"measured\",le=\"0.01\"} 0",
            "tideover_queue_seconds_bucket{backend=\"measured\",le=\"0.03\"} 1",
            "tideover_queue_seconds_count{backend=\"measured\"} 1",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
