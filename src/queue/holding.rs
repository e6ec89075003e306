//! Mail that waits by a rule or a move: held when its route says so, released when that has ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::hands::Hands;
use super::state::{Job, Waited};
use super::{Deed, Order, Pick, Place, Queue};
use crate::mail::{DeliveryTarget, Envelope, HoldReason, RecipientEvent, RecipientState, SpoolId};
use crate::route::{Decision, Mail, MoveState};
use crate::spool::SpoolError;

/// Who ends a hold whose time is over.
const CLOCK: &str = "tideover";
/// A look at the holds, at least this often.
const ROUND: Duration = Duration::from_secs(30);
/// The verb that ends a hold releases its mail page by page. It has this long before what it left
/// over is released without it.
const VERB: Duration = Duration::from_secs(60);

/// How far a look at all that waits has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// To the end.
    Whole,
    /// To the end, and a rule has ended meanwhile: once more.
    ForNow,
}

impl Queue {
    /// Holds recipients of some messages one by one, each for its reason.
    pub(super) async fn keep(&self, kept: Vec<(SpoolId, Vec<(u16, HoldReason)>)>) {
        let works = kept.into_iter().flat_map(|(id, recipients)| {
            let one = move |(number, reason)| self.keep_one(id, number, reason);
            recipients.into_iter().map(one)
        });
        // All of them at once, for one sync of the log.
        join_all(works).await;
    }

    async fn keep_one(&self, id: SpoolId, number: u16, reason: HoldReason) {
        let mut hands = Hands::new(self, id);
        if hands.take(&[number], Duration::ZERO).await > 0 {
            // Somebody else has it: its route is asked for again.
            return;
        }
        if let Err(error) = self.hold_queued(id, number, reason).await {
            tracing::error!(%id, number, %error, "a recipient could not be held");
        }
    }

    /// Holds a recipient that is in our hands, if it is queued still.
    async fn hold_queued(
        &self,
        id: SpoolId,
        number: u16,
        reason: HoldReason,
    ) -> Result<(), SpoolError> {
        let spool = &self.0.parts.spool;
        if !matches!(
            spool.state(id, number)?,
            Some(RecipientState::Queued { .. })
        ) {
            return Ok(());
        }
        let event = RecipientEvent::Held { reason };
        spool.record(id, vec![number], event.clone()).await?;
        // It may be the first one of a case: somebody waits to hear what became of it.
        self.tried(id, &[number], &event).await;
        Ok(())
    }

    /// The event that holds a recipient, if a rule or a move does.
    pub(super) fn held_event(
        &self,
        id: SpoolId,
        envelope: &Envelope,
        number: u16,
        state: &RecipientState,
    ) -> Option<RecipientEvent> {
        let reason = self.withheld(id, envelope, number, state)?;
        Some(RecipientEvent::Held { reason })
    }

    /// The rule or move that holds a queued recipient, if one does.
    pub(super) fn withheld(
        &self,
        id: SpoolId,
        envelope: &Envelope,
        number: u16,
        state: &RecipientState,
    ) -> Option<HoldReason> {
        let recipient = envelope.recipients.get(usize::from(number))?;
        let explanation = self.0.parts.router.route_mail(&Mail {
            id,
            from: &envelope.from,
            authenticity: envelope.authenticity,
            address: &recipient.address,
            exempt: Waited::of(state)?.exempt,
        });
        explanation.withheld
    }

    /// Would a queued recipient wait all the same, because its backend takes no mail? One that is
    /// held is not queued.
    #[must_use]
    pub fn is_behind(
        &self,
        id: SpoolId,
        envelope: &Envelope,
        number: u16,
        state: &RecipientState,
    ) -> bool {
        let recipient = envelope.recipients.get(usize::from(number));
        let queued = Waited::of(state);
        recipient.zip(queued).is_some_and(|(recipient, was)| {
            let explanation = self.0.parts.router.route_mail(&Mail {
                id,
                from: &envelope.from,
                authenticity: envelope.authenticity,
                address: &recipient.address,
                exempt: was.exempt,
            });
            matches!(
                explanation.decision,
                Decision::Hold { .. } | Decision::Expand { .. }
            )
        })
    }

    /// Is this recipient of a job held by what operators said since the job was made?
    pub(super) fn is_held_since(
        &self,
        job: &Job,
        target: &DeliveryTarget,
        (number, was): (u16, Waited),
    ) -> bool {
        let now = self.0.parts.router.holds().book();
        if Arc::ptr_eq(&now, &job.holds) {
            return false;
        }
        let recipient = job.envelope.recipients.get(usize::from(number));
        let Some(recipient) = recipient else {
            return false;
        };
        let explanation = self.0.parts.router.route_mail(&Mail {
            id: job.id,
            from: &job.envelope.from,
            authenticity: job.envelope.authenticity,
            address: &recipient.address,
            exempt: was.exempt,
        });
        match explanation.decision {
            Decision::Relay { targets, .. } => !leads_to(target, (targets, &job.envelope)),
            Decision::Hold { .. } | Decision::Expand { .. } | Decision::Reject(_) => true,
        }
    }

    /// May what a worker has in its hands be sent still? It may have waited for minutes for its
    /// place in the rate of its next hop, and was decided before.
    pub(super) fn may_be_sent(&self, target: &DeliveryTarget, job: &Job) -> bool {
        self.may_go(target, job) && !self.state().is_recalled(target, job)
    }

    /// Ends rules when their time is over, and releases whoever is left over from a rule or a move
    /// that has ended; until the program stops.
    pub(super) async fn keep_holds(&self) {
        let mut changes = self.0.parts.router.holds().changes();
        // Somebody may be left over from an earlier life.
        let mut sweep_at = Some(Instant::now());
        loop {
            match self.end_what_is_over().await {
                Ok(true) => sweep_at = Some(Instant::now()),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "a hold could not be ended"),
            }
            if sweep_at.is_some_and(|at| at <= Instant::now()) {
                sweep_at = match self.resume_leftovers().await {
                    Ok(Swept::Whole) => None,
                    Ok(Swept::ForNow) => Some(Instant::now()),
                    Err(error) => {
                        tracing::error!(%error, "held mail could not be released");
                        Some(Instant::now() + ROUND)
                    }
                };
            }
            let next = Instant::now() + self.until_next_end();
            tokio::select! {
                biased;
                () = self.0.parts.shutdown.stopping() => return,
                told = changes.changed() => {
                    if told.is_err() {
                        return;
                    }
                    sweep_at = sweep_at.or(Some(Instant::now() + VERB));
                    // Routes of what is loaded were decided before the change.
                    self.return_jobs(|_| true);
                    self.look_from_the_beginning();
                }
                () = tokio::time::sleep_until(sweep_at.map_or(next, |at| at.min(next))) => {}
            }
        }
    }

    /// How long until the next rule ends by itself, at most a round.
    fn until_next_end(&self) -> Duration {
        let now = self.0.parts.clock.now();
        let book = self.0.parts.router.holds().book();
        let ends = book.rules().into_iter().filter_map(|rule| rule.until);
        let next = ends.map(|end| end.since(now)).min();
        // At least a moment, so that a clock that stands still cannot make it spin.
        next.map_or(ROUND, |next| next.clamp(Duration::from_millis(100), ROUND))
    }

    /// Has a rule ended?
    async fn end_what_is_over(&self) -> Result<bool, SpoolError> {
        let now = self.0.parts.clock.now();
        let holds = self.0.parts.router.holds();
        let book = holds.book();
        let over = book.rules().into_iter().filter(|rule| {
            let until = rule.until;
            until.is_some_and(|until| until <= now)
        });
        let over: Vec<String> = over.map(|rule| rule.name.clone()).collect();
        let ended = holds.end(&self.0.parts.spool, &over, CLOCK).await?;
        Ok(!ended.is_empty())
    }

    /// Releases whoever is held by what is no longer in force.
    async fn resume_leftovers(&self) -> Result<Swept, SpoolError> {
        let order = Order {
            deed: Deed::Resume,
            actor: CLOCK.to_owned(),
            reason: "the hold has ended".to_owned(),
        };
        let released = self.sweep(&order, &self.held_by_nothing()).await?;
        let held = self.hold_waiting().await?;
        Ok(if released == Swept::Whole {
            held
        } else {
            released
        })
    }

    /// Does what is ordered page by page, and ends rules whose time is over meanwhile: that must
    /// not wait until a backlog of millions has been looked at.
    async fn sweep(&self, order: &Order, pick: &Pick) -> Result<Swept, SpoolError> {
        let (mut place, mut swept) = (Place::Behind(None), Swept::Whole);
        loop {
            let page = self.perform_page(order, pick, place).await?;
            if page.next.is_none() {
                return Ok(swept);
            }
            place = Place::Behind(page.next);
            // What is behind is looked at by the rules of then, what is before another time.
            if self.end_what_is_over().await? {
                swept = Swept::ForNow;
            }
        }
    }

    /// Holds whoever a rule or a move names. Else mail would be held when its time comes only: in a
    /// lane that is paused never, and elsewhere after an hour; and a hold would count less than
    /// waits for it.
    async fn hold_waiting(&self) -> Result<Swept, SpoolError> {
        let book = self.0.parts.router.holds().book();
        let is_moving = book.moves().any(|one| one.state == MoveState::Moving);
        if book.rules().is_empty() && !is_moving {
            return Ok(Swept::Whole);
        }
        let order = Order {
            deed: Deed::Hold,
            actor: CLOCK.to_owned(),
            reason: String::new(),
        };
        // Of those who are queued, those who are named are held.
        let all: Pick = Arc::new(|_| true);
        self.sweep(&order, &all).await
    }

    /// Names recipients whose rule or move has ended.
    #[must_use]
    pub fn held_by_nothing(&self) -> Pick {
        let router = self.0.parts.router.clone();
        Arc::new(move |one| {
            let book = router.holds().book();
            let reason = one.hold_reason();
            reason.is_some_and(|reason| !book.is_in_force(reason))
        })
    }
}

/// Is this one of the ways of a message?
fn leads_to(target: &DeliveryTarget, (ways, envelope): (Vec<DeliveryTarget>, &Envelope)) -> bool {
    let mut ways = ways.into_iter().map(|way| way.for_envelope(envelope));
    ways.any(|way| way == *target)
}

#[cfg(test)]
mod tests {
    use super::super::samples::job;
    use super::super::state::Source;
    use super::*;
    use crate::mail::BackendId;

    /// Mail that goes whatever its host proves has connections of its own, and is not taken for
    /// held on them because a rule has changed elsewhere.
    #[test]
    fn a_way_is_that_of_its_mail() {
        let domain = || DeliveryTarget::Domain("far.example".to_owned());
        let lenient = DeliveryTarget::Lenient("far.example".to_owned());
        let backend = || DeliveryTarget::Backend(BackendId::new("onprem"));
        let job = job(SpoolId::from_u64(1), Source::Fresh, "x@far.example", &[0]);
        let plain = Envelope::clone(&job.envelope);
        let optional = Envelope {
            tls_optional: true,
            ..plain.clone()
        };
        for (target, ways, envelope, expected) in [
            (domain(), vec![backend(), domain()], &plain, true),
            (lenient.clone(), vec![domain()], &plain, false),
            (lenient.clone(), vec![backend(), domain()], &optional, true),
            (domain(), vec![domain()], &optional, false),
            (backend(), vec![domain(), backend()], &optional, true),
            (backend(), vec![domain()], &plain, false),
            (lenient, Vec::new(), &optional, false),
        ] {
            let told = format!("{target:?} of {ways:?}");
            assert_eq!(leads_to(&target, (ways, envelope)), expected, "{told}");
        }
    }
}
