//! Puts the drills together.

use std::sync::Arc;

use super::assemble::Base;
use crate::base::{Boxed, Shutdown};
use crate::config::Config;
use crate::drill::{Drills, Parts, Withdraw};
use crate::mail::SpoolId;
use crate::queue::{Deed, Order, Pick, Place, Queue};
use crate::route::DRILL;

pub(super) fn drills(base: &Base, config: &Config) -> Drills {
    let parts = Parts {
        spool: base.spool.clone(),
        router: base.router.clone(),
        directory: base.generations.clone(),
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
    };
    Drills::new(config.drill_options(), parts)
}

/// Probes leave from now on, if any are configured.
pub(super) fn start(drills: Drills, queue: &Queue, shutdown: &Shutdown) {
    if drills.options().is_none() {
        return;
    }
    drills.withdraw_with(Arc::new(FromQueue(queue.clone())));
    shutdown.spawn("drills", drills.run(shutdown.clone()));
}

#[derive(Debug)]
struct FromQueue(Queue);

impl Withdraw for FromQueue {
    fn withdraw(&self, probe: SpoolId) -> Boxed<'_, ()> {
        Box::pin(async move {
            let order = Order {
                deed: Deed::Drop,
                actor: DRILL.to_owned(),
                reason: "a probe that nobody waits for any more".to_owned(),
            };
            let all: Pick = Arc::new(|_| true);
            let done = self.0.perform_page(&order, &all, Place::At(probe)).await;
            if let Err(error) = done {
                tracing::warn!(%error, %probe, "a probe stays in the queue");
            }
        })
    }
}
