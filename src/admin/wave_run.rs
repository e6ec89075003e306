//! Waves that start by themselves, and those that a restart cut off.

use std::sync::Arc;
use std::time::Duration;

use super::{Admin, AdminError};
use crate::base::{Shutdown, Timestamp};
use crate::directory::{Said, Wave};

/// From one look at what is due to the next, at most.
const ROUND: Duration = Duration::from_secs(30);
/// Later than this a wave does not start any more: whoever chose the time did not mean this day.
const LATE: Duration = Duration::from_secs(6 * 3600);

/// Starts what is due, until the program stops.
pub async fn keep_waves(admin: Arc<Admin>, shutdown: Shutdown) {
    let mut resumed = false;
    loop {
        let next = match admin.go_on_with_waves(&mut resumed).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "waves wait");
                None
            }
        };
        let now = admin.clock.now();
        let wait = next.map_or(ROUND, |next| next.since(now)).min(ROUND);
        tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            () = admin.waves.newly_scheduled() => {}
            // At least a moment, so that a clock that stands still cannot make it spin.
            () = tokio::time::sleep(wait.max(Duration::from_millis(10))) => {}
        }
    }
}

impl Admin {
    /// Starts what is due; when the next one is.
    async fn go_on_with_waves(&self, resumed: &mut bool) -> Result<Option<Timestamp>, AdminError> {
        if self.spool.rebuilding().is_some() || !self.directory.is_restored().await? {
            return Ok(None);
        }
        if !*resumed {
            self.waves.resume().await?;
            *resumed = true;
            self.queue.look_anew();
        }
        for wave in self.waves.scheduled()? {
            let at = wave.start_at.unwrap_or_default();
            if at > self.clock.now() {
                return Ok(Some(at));
            }
            self.start_due(wave, at).await?;
        }
        Ok(None)
    }

    async fn start_due(&self, wave: Wave, at: Timestamp) -> Result<(), AdminError> {
        let late = self.clock.now().since(at);
        if late > LATE {
            let why = format!("the program did not run at {at}, and it is too late now");
            self.waves.refuse(wave, why).await?;
            return Ok(());
        }
        let planned = self.plan_of(&wave.to, self.waves.file(&wave)?).await?;
        let refusals = planned.refusals(wave.allowed);
        if !refusals.is_empty() {
            self.waves.refuse(wave, refusals.join("; ")).await?;
            return Ok(());
        }
        let by = wave.steps.last();
        let said = Said {
            actor: by.map(|step| step.actor.clone()).unwrap_or_default(),
            reason: by.map(|step| step.reason.clone()).unwrap_or_default(),
        };
        let allowed = wave.allowed;
        // The directory may change at this very moment: then the next round starts it.
        let started = self.waves.start(wave, (&planned, allowed), said).await;
        started?;
        self.queue.look_anew();
        Ok(())
    }
}
