//! Workers: each has one connection to one next hop, takes job after job from its row, and writes
//! down what became of them.

use std::iter;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::ahead::{Ahead, Mark, Prepared};
use super::hanging::InHand;
use super::pacing::Asking;
use super::state::{Content, Job, Pushed, Source};
use super::unmarked::wait_for_mark;
use super::{Queue, settle};
use crate::backend::{Signal, asks_to_slow_down};
use crate::mail::{
    Blame, Body, BodySource, Channel, Delivery, DeliveryTarget, Failure, Outcome, RecipientState,
    WithLine,
};
use crate::spool::SpoolError;

/// A connection without work is closed after this long.
const IDLE: Duration = Duration::from_secs(5);
/// Pause of a worker whose next hop asks for less.
const SLOWLY: Duration = Duration::from_secs(5);
/// A connection is opened so long before it is needed.
const CONNECTING: Duration = Duration::from_secs(2);
/// Pause of a worker after a failure, before it takes the next job.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

impl Queue {
    /// Starts a worker for a next hop.
    pub(super) fn start_worker(&self, target: DeliveryTarget) {
        let queue = self.clone();
        self.0.parts.shutdown.spawn("queue-worker", async move {
            // A worker that panics gives its place to another one. Its job stays busy until the
            // next start: nothing is known of it, and it would bring down the next worker too.
            let work = AssertUnwindSafe(queue.work(&target)).catch_unwind();
            let ended = work.await;
            let needs_another = queue.state().end_worker(&target);
            queue.refill(&target);
            if needs_another && !queue.stopping() {
                queue.start_worker(target);
            }
            if let Err(panic) = ended {
                resume_unwind(panic);
            }
        });
    }

    /// Job after job. The next ones are prepared while the present one is under way, and the
    /// outcomes become durable in the background: a slow disk delays no connection.
    async fn work(&self, target: &DeliveryTarget) {
        let mut channel: Option<Box<dyn Channel>> = None;
        let mut ahead = Ahead::default();
        while !self.stopping() {
            // What is ahead goes no further either when the window has closed.
            if !ahead.is_empty() && self.state().is_surplus(target) {
                break;
            }
            let present = match ahead.pop() {
                Some(ready) => ready,
                None => match self.next_job(target).await {
                    Some(job) => match self.prepare(target, job).await {
                        Some(ready) => ready,
                        None => continue,
                    },
                    None => break,
                },
            };
            let place = self.place_in_rate(target);
            self.sleep_until(place, CONNECTING).await;
            // Who is woken by the stop sends nothing more.
            if self.stopping() || !self.may_be_sent(target, &present.job) {
                self.put_back(iter::once(present)).await;
                continue;
            }
            if let Err(failure) = self.connect(&mut channel, target).await {
                self.unreachable(present.job, failure).await;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            // Open already: how long that took brings no two messages together.
            self.sleep_until(place, Duration::ZERO).await;
            if self.stopping() || !self.may_be_sent(target, &present.job) {
                self.put_back(iter::once(present)).await;
                continue;
            }
            let Some(present) = self.take_turns(target, present).await else {
                continue;
            };
            if let Some(open) = channel.as_mut() {
                self.prepare_ahead(target, &mut ahead).await;
                let pair = (present, &mut ahead);
                let pause = self.deliver_before(target, pair, open.as_mut()).await;
                leave_unusable(&mut channel).await;
                tokio::time::sleep(pause).await;
            }
        }
        self.put_back(iter::from_fn(|| ahead.pop())).await;
        if let Some(open) = channel {
            open.quit().await;
        }
    }

    /// Opens a connection, unless there is one that can be used.
    async fn connect(
        &self,
        channel: &mut Option<Box<dyn Channel>>,
        target: &DeliveryTarget,
    ) -> Result<(), Failure> {
        if !channel.as_ref().is_some_and(|open| open.is_usable()) {
            // The old one is closed first: the next hop counts connections too.
            *channel = None;
            *channel = Some(self.0.parts.transport.open(target).await?);
        }
        Ok(())
    }

    /// Reads the body and marks the attempt in the ledger.
    pub(super) async fn prepare(&self, target: &DeliveryTarget, job: Job) -> Option<Prepared> {
        let job = match job.replay.clone() {
            Some(replay) => self.still_replayed(&replay, job)?,
            None => self.still_waiting(target, job)?,
        };
        if !self.may_go(target, &job) {
            // Nothing was sent: it waits in the index.
            self.state().release(&job);
            self.0.freed.notify_waiters();
            self.look_from_the_beginning();
            return None;
        }
        let job = self.keep_pace(target, job, Asking::Room).await?;
        let body = match self.body(&job) {
            Ok(body) => body,
            Err(error) if error.is_damage() => {
                self.hold_damaged(job, error.to_string()).await;
                return None;
            }
            Err(error) => {
                // Nobody may get damaged mail, and nobody may lose it: it waits.
                tracing::error!(id = %job.id, %error, "unreadable mail; see `spool verify`");
                let what = format!("the message cannot be read: {error}");
                let failure = Failure::without_reply(Blame::Message, what);
                let outcomes = vec![Outcome::Failed(failure); job.recipients.len()];
                self.settle_job(target, job, outcomes, None).await;
                return None;
            }
        };
        let attempt = job.attempted(settle::backend_of(target));
        let spool = &self.0.parts.spool;
        // Fails only when the spool is closed: the program ends.
        let marked = spool
            .begin_record(job.id, job.numbers(), attempt)
            .await
            .ok()?;
        Some(Prepared { job, body, marked })
    }

    /// What of a prepared job is sent now.
    async fn take_turns(&self, target: &DeliveryTarget, prepared: Prepared) -> Option<Prepared> {
        let Prepared { job, body, marked } = prepared;
        let job = self.keep_pace(target, job, Asking::Turn).await?;
        Some(Prepared { job, body, marked })
    }

    async fn next_job(&self, target: &DeliveryTarget) -> Option<Job> {
        loop {
            let wake = {
                let mut state = self.state();
                if state.is_surplus(target) {
                    return None;
                }
                if let Some(job) = state.pop(target) {
                    drop(state);
                    self.refill(target);
                    return Some(job);
                }
                state.idle(target)?
            };
            let shutdown = &self.0.parts.shutdown;
            let woken = tokio::select! {
                biased;
                () = wake.notified() => true,
                () = shutdown.stopping() => false,
                () = tokio::time::sleep(IDLE) => false,
            };
            let mut state = self.state();
            state.busy_again(target);
            if !woken {
                // A job may have come in the last moment.
                return state.pop(target);
            }
        }
    }

    /// The recipients of a job that still wait. It was loaded a while ago, and fresh mail comes
    /// without a look at the index: what has been delivered meanwhile, or moved to a hold, is not
    /// tried again. Nobody else tries them now, because they are busy.
    fn still_waiting(&self, target: &DeliveryTarget, mut job: Job) -> Option<Job> {
        let id = job.id;
        let held = job.recipients.iter().filter(|recipient| {
            self.is_held_since(&job, target, (recipient.number, recipient.was))
        });
        let held: Vec<u16> = held.map(|recipient| recipient.number).collect();
        let mut gone = Vec::new();
        job.recipients.retain(|recipient| {
            let number = recipient.number;
            let waits = match self.0.parts.spool.state(id, number) {
                Ok(state) => matches!(state, Some(RecipientState::Queued { .. })),
                Err(error) => {
                    tracing::error!(%id, number, %error, "a recipient cannot be looked up");
                    false
                }
            };
            let waits = waits && !held.contains(&number);
            if !waits {
                gone.push(number);
            }
            waits
        });
        if !held.is_empty() {
            // The loader writes down why.
            self.look_from_the_beginning();
        }
        for number in gone {
            self.state().free(&job, number);
        }
        (!job.recipients.is_empty()).then_some(job)
    }

    /// The moment at which the rate of a next hop has a place for a message.
    fn place_in_rate(&self, target: &DeliveryTarget) -> Option<Instant> {
        let per_minute = self.limits_of(target).messages_per_minute;
        if per_minute == 0 {
            return None;
        }
        // Not by the clock, which can be set.
        let now = Instant::now();
        let rates = self.0.rates.lock();
        let mut rates = rates.unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(now + rates.reserve(target, per_minute, now))
    }

    /// Until so long before a moment, or until the program stops.
    async fn sleep_until(&self, moment: Option<Instant>, before: Duration) {
        let Some(end) = moment.and_then(|moment| moment.checked_sub(before)) else {
            return;
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(end) => {}
            () = self.0.parts.shutdown.stopping() => {}
        }
    }

    pub(super) async fn deliver(
        &self,
        target: &DeliveryTarget,
        prepared: Prepared,
        channel: &mut dyn Channel,
    ) -> Delivered {
        let Prepared { job, body, marked } = prepared;
        // Its turns were taken just now.
        let counted = self.elapsed();
        let body = self.with_visit(target, &job, job.sent(body));
        let in_hand = InHand::default();
        let delivery = Delivery {
            id: job.id,
            envelope: Arc::clone(&job.envelope),
            recipients: job
                .recipients
                .iter()
                .map(|r| (r.number, r.address.clone()))
                .collect(),
            body,
            stop: in_hand.stop.clone(),
        };
        let (late, unmarked) = (AtomicBool::new(false), OnceLock::new());
        let marked = in_hand.before_end(wait_for_mark(marked, &late, &unmarked));
        let attempt = channel.deliver(&delivery, marked);
        let outcomes = self.attend(target, &job, (&in_hand, attempt)).await;
        if let Some(error) = unmarked.into_inner() {
            self.refund_all(target, &job, counted);
            self.wait_for_the_log(target, job, &error).await;
            let mark = Mark::InTime;
            return Delivered { pause: PAUSE, mark };
        }
        if let Some(what) = delivery.body.damage() {
            // It is not the platform's fault. The end was not sent, so nobody has got it.
            self.refund_all(target, &job, counted);
            self.hold_damaged(job, what).await;
            let mark = Mark::InTime;
            return Delivered { pause: PAUSE, mark };
        }
        self.refund_untaken(target, &job, (&outcomes, counted));
        let pause = self.tell_end(target, &outcomes, &in_hand);
        if job.replay.is_none() {
            self.tell_breaker(target, &job, &outcomes);
        }
        self.measure(target, job.source, &outcomes);
        let mark = if late.into_inner() {
            Mark::Late
        } else {
            Mark::InTime
        };
        let Some((job, outcomes)) = self.go_other_ways(target, job, outcomes) else {
            return Delivered { pause, mark };
        };
        // Nobody is told of a replay.
        while job.replay.is_none()
            && let Err(error) = self
                .report_success(&job, &outcomes, channel.handover())
                .await
        {
            if !self.may_try_again(&job, &error).await {
                break;
            }
        }
        let tls = channel.tls().map(ToString::to_string);
        self.settle_job(target, job, outcomes, tls.as_deref()).await;
        Delivered { pause, mark }
    }

    /// For a platform: with the line by which it is known when it comes back.
    fn with_visit(
        &self,
        target: &DeliveryTarget,
        job: &Job,
        body: Arc<dyn BodySource>,
    ) -> Arc<dyn BodySource> {
        match (target, self.0.visits.get()) {
            (DeliveryTarget::Backend(backend), Some(key)) => {
                Arc::new(WithLine::new(key.line(job.id, backend), body))
            }
            _ => body,
        }
    }

    fn measure(&self, target: &DeliveryTarget, source: Source, outcomes: &[Outcome]) {
        if let (DeliveryTarget::Backend(backend), Source::Backlog) = (target, source) {
            let delivered = outcomes.iter().filter(|outcome| is_delivered(outcome));
            self.count_speed(backend, delivered.count());
        }
    }

    fn body(&self, job: &Job) -> Result<Arc<dyn BodySource>, SpoolError> {
        let spool = &self.0.parts.spool;
        let body: Option<Arc<dyn BodySource>> = match &job.body {
            Some(Content::Here(bytes)) => Some(Arc::new(Body(bytes.clone()))),
            Some(Content::InLog(place)) => spool.body_in(job.id, place)?,
            None => spool.body(job.id)?,
        };
        let body = body.ok_or_else(|| SpoolError::Damaged(format!("{} has no body", job.id)))?;
        let failed = |error| SpoolError::unread(job.id, error);
        job.stripped(body).map_err(failed)
    }

    /// Health signals and the window of the next hop; returns how long to leave it alone.
    pub(super) fn tell_board(&self, target: &DeliveryTarget, outcomes: &[Outcome]) -> Duration {
        let trouble = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Failed(failure) if failure.blame == Blame::Backend => Some(failure),
            Outcome::Failed(_) | Outcome::Delivered { .. } => None,
        });
        let now = self.elapsed();
        let start = {
            let mut state = self.state();
            if let Some(failure) = trouble {
                if asks_to_slow_down(failure) {
                    state.slow_down(target);
                } else {
                    state.fail(target);
                }
                false
            } else {
                state.succeed(target, now)
            }
        };
        if start {
            self.start_worker(target.clone());
        }
        if let DeliveryTarget::Backend(backend) = target {
            let signal = trouble.map_or(Signal::Good, |failure| Signal::Bad(failure.clone()));
            let board = self.0.parts.router.board();
            board.report(backend, signal);
            // Whoever's mail it is, also that of a replay, whose failures count as well.
            if outcomes.iter().any(is_delivered) {
                board.report_taken(backend);
            }
        }
        trouble.map_or(Duration::ZERO, |failure| {
            if asks_to_slow_down(failure) {
                SLOWLY
            } else {
                PAUSE
            }
        })
    }

    /// No connection: the next hop behind it, or later.
    async fn unreachable(&self, mut job: Job, failure: Failure) {
        let Some(target) = job.targets.pop_front() else {
            return;
        };
        if asks_to_slow_down(&failure) {
            self.state().slow_down(&target);
        } else {
            self.state().fail(&target);
        }
        if let DeliveryTarget::Backend(backend) = &target {
            let signal = Signal::Bad(failure.clone());
            self.0.parts.router.board().report(backend, signal);
        }
        // RFC 7505 §3: a domain that takes no mail takes it on no other way.
        let is_final = failure.is_permanent() && failure.blame == Blame::Recipient;
        if !is_final && self.push_on(&job) {
            return;
        }
        let mut jobs = vec![job];
        if !matches!(target, DeliveryTarget::Backend(_)) {
            // Nobody watches a stranger's host: what waits for it shares the failure.
            jobs.extend(self.state().drain(&target));
        }
        for job in jobs {
            let mut failure = failure.clone();
            if !is_final && job.targets.iter().any(|other| *other != target) {
                // Another way is left, which had no room: what this one said is not the end.
                failure.reply = None;
            }
            let outcomes = vec![Outcome::Failed(failure); job.recipients.len()];
            self.settle_job(&target, job, outcomes, None).await;
        }
    }

    /// Hands a job to its next target, if it has one with room. It stays busy all the time, so
    /// that nobody loads it meanwhile (I4).
    pub(super) fn push_on(&self, job: &Job) -> bool {
        let Some(next) = job.targets.front().cloned() else {
            return false;
        };
        let limits = self.limits_of(&next);
        let pushed = {
            let mut state = self.state();
            if !state.has_room(&next, job.source) {
                return false;
            }
            state.push(job.clone(), limits)
        };
        if pushed == Some(Pushed::StartWorker) {
            self.start_worker(next);
        }
        true
    }
}

/// Ends a connection on which no other message is sent, at once: the next hop counts it.
async fn leave_unusable(channel: &mut Option<Box<dyn Channel>>) {
    if let Some(open) = channel.take_if(|open| !open.is_usable()) {
        // RFC 5321 §4.1.1.10: not without QUIT, if it can still be said.
        open.quit().await;
    }
}

pub(super) const fn is_delivered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered { .. })
}

/// What a delivery tells its worker.
pub(super) struct Delivered {
    /// How long to leave the next hop alone.
    pub(super) pause: Duration,
    pub(super) mark: Mark,
}
