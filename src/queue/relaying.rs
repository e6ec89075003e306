//! Mail to strangers that a smart host does not take: the next way is tried at once, and nobody is
//! told that his mail failed while it may be the smart host that does.

use super::Queue;
use super::ending::is_known;
use super::settle::denies_relay;
use super::state::{Job, JobRecipient};
use crate::backend::Doubt;
use crate::mail::{DeliveryTarget, Outcome};

impl Queue {
    /// Whom a smart host's refusal to pass mail on speaks against.
    pub(super) fn relaying_of(&self, target: &DeliveryTarget) -> Doubt {
        match target {
            DeliveryTarget::Backend(backend) => self.0.parts.router.board().relaying_doubt(backend),
            DeliveryTarget::Domain(_) | DeliveryTarget::Lenient(_) | DeliveryTarget::Relay(_) => {
                Doubt::Message
            }
        }
    }

    /// Gives strangers whom a smart host does not take to the next way, if there is one. Returns
    /// who is left, with the outcomes.
    pub(super) fn go_other_ways(
        &self,
        target: &DeliveryTarget,
        job: Job,
        outcomes: Vec<Outcome>,
    ) -> Option<(Job, Vec<Outcome>)> {
        let is_way = matches!(target, DeliveryTarget::Backend(_))
            && job.targets.front() == Some(target)
            && job.targets.len() > 1;
        let is_denied = |recipient: &JobRecipient, outcome: &Outcome| match outcome {
            Outcome::Failed(failure) => denies_relay(failure) && !is_known(&job, recipient),
            Outcome::Delivered { .. } => false,
        };
        let pairs = || job.recipients.iter().zip(&outcomes);
        if !is_way || !pairs().any(|(recipient, outcome)| is_denied(recipient, outcome)) {
            return Some((job, outcomes));
        }
        let denied = pairs().filter(|(recipient, outcome)| is_denied(recipient, outcome));
        let mut next = Job {
            recipients: denied.map(|(recipient, _)| recipient.clone()).collect(),
            ..job.clone()
        };
        next.targets.pop_front();
        if !self.push_on(&next) {
            return Some((job, outcomes));
        }
        tracing::warn!(id = %job.id, %target, "passes no mail on to strangers: the next way");
        let left = pairs().filter(|(recipient, outcome)| !is_denied(recipient, outcome));
        let (recipients, outcomes): (Vec<_>, Vec<_>) = left
            .map(|(recipient, outcome)| (recipient.clone(), outcome.clone()))
            .unzip();
        let job = Job { recipients, ..job };
        (!job.recipients.is_empty()).then_some((job, outcomes))
    }
}
