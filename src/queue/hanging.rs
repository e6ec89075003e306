//! Attempts that are in hand while their backend hangs or goes down. Behind the final dot a next
//! hop has ten minutes to answer (RFC 5321 §4.5.3.2.6): a few that hang take all places of a
//! backend, also of one that was down meanwhile, and is up again.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::Queue;
use super::state::Job;
use super::worker::{PAUSE, is_delivered};
use crate::backend::{Health, Healths};
use crate::base::{Boxed, Shutdown};
use crate::limits;
use crate::mail::{BackendId, Blame, DeliveryTarget, Failure, Outcome, Unmarked};

/// What is seen of an attempt while it is in hand.
#[derive(Debug, Default)]
pub(super) struct InHand {
    /// Ends it.
    pub(super) stop: Shutdown,
    /// Signals that the final dot is about to be sent.
    ending: Shutdown,
    /// Its backend went down since it began.
    fell: AtomicBool,
}

impl InHand {
    /// What is awaited before the end of the message, and seen.
    pub(super) fn before_end<'a>(
        &'a self,
        marked: impl Future<Output = Result<(), Unmarked>> + Send + 'a,
    ) -> Boxed<'a, Result<(), Unmarked>> {
        Box::pin(async move {
            marked.await?;
            self.ending.signal();
            Ok(())
        })
    }
}

impl Queue {
    /// Waits for the end of an attempt. When it hangs the board is told; when its backend goes down
    /// it is given up a minute later, if it is behind its final dot then.
    pub(super) async fn attend(
        &self,
        target: &DeliveryTarget,
        job: &Job,
        (in_hand, mut attempt): (&InHand, Boxed<'_, Vec<Outcome>>),
    ) -> Vec<Outcome> {
        // Nobody knows how a stranger's host is.
        let DeliveryTarget::Backend(backend) = target else {
            return attempt.await;
        };
        tokio::select! {
            biased;
            outcomes = &mut attempt => return outcomes,
            () = self.outlive(backend, job, in_hand) => {}
        }
        in_hand.stop.signal();
        attempt.await
    }

    /// Returns when a backend went down, and did not answer for a while.
    async fn outlive(&self, backend: &BackendId, job: &Job, in_hand: &InHand) {
        let mut changes = self.0.parts.router.board().changes();
        tokio::select! {
            biased;
            () = goes_down(backend, &mut changes) => {}
            () = self.tell_when_it_hangs(backend, job, in_hand) => {}
        }
        // What comes of it from now on says nothing about how the backend will be.
        in_hand.fell.store(true, Ordering::Relaxed);
        // Before the dot each wait has a bound of its own, and what still goes out may arrive.
        in_hand.ending.stopping().await;
        tokio::time::sleep(limits::IN_HAND_WHEN_DOWN).await;
    }

    /// Tells the board once; never returns.
    async fn tell_when_it_hangs(&self, backend: &BackendId, job: &Job, in_hand: &InHand) {
        in_hand.ending.stopping().await;
        tokio::time::sleep(limits::HANGS_BEHIND_END).await;
        if let Some(first) = job.recipients.first() {
            let whom = self.addressee_of(job, first);
            let who = whom.map_or_else(|| first.address.key(), |whom| whom.person);
            let minutes = limits::HANGS_BEHIND_END.as_secs() / 60;
            let what = format!("no answer behind the final dot for {minutes} minutes");
            let failure = Failure::without_reply(Blame::Backend, what);
            let board = self.0.parts.router.board();
            board.report_put_off(backend, &who, &failure);
        }
        pending::<()>().await;
    }

    /// Tells the board and the window what came of an attempt, and returns how long to leave the
    /// next hop alone. What got no answer when its backend went down says nothing about one that is
    /// up again.
    pub(super) fn tell_end(
        &self,
        target: &DeliveryTarget,
        outcomes: &[Outcome],
        in_hand: &InHand,
    ) -> Duration {
        let DeliveryTarget::Backend(backend) = target else {
            return self.tell_board(target, outcomes);
        };
        if !in_hand.fell.load(Ordering::Relaxed) || !is_trouble_without_word(outcomes) {
            return self.tell_board(target, outcomes);
        }
        let board = self.0.parts.router.board();
        if outcomes.iter().any(is_delivered) {
            board.report_taken(backend);
        }
        let health = board.health(backend);
        if health.is_some_and(|health| health.health == Health::Down) {
            // When it takes mail again it is not overrun.
            self.state().fail(target);
        }
        PAUSE
    }
}

/// Waits until a backend that is not down is so. One that is down already gets mail because an
/// operator says so.
async fn goes_down(backend: &BackendId, changes: &mut watch::Receiver<Arc<Healths>>) {
    let is_down = |healths: &Arc<Healths>| {
        let health = healths.get(backend);
        health.is_some_and(|health| health.health == Health::Down)
    };
    let was_up = changes.wait_for(|healths| !is_down(healths)).await.is_ok();
    let went_down = was_up && changes.wait_for(is_down).await.is_ok();
    if !went_down {
        // Nobody watches any more.
        pending::<()>().await;
    }
}

/// Is what went wrong first a trouble of which the backend said nothing?
fn is_trouble_without_word(outcomes: &[Outcome]) -> bool {
    let trouble = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Failed(failure) if failure.blame == Blame::Backend => Some(failure),
        Outcome::Failed(_) | Outcome::Delivered { .. } => None,
    });
    trouble.is_some_and(|failure| failure.reply.is_none())
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::backend::Signal;
    use crate::mail::SpoolId;
    use crate::queue::idle_tests::{Idle, idle};
    use crate::queue::samples;
    use crate::queue::state::Source;
    use crate::smtp::Reply;

    const MINUTE: Duration = Duration::from_secs(60);

    fn cloud() -> BackendId {
        BackendId::new("cloud")
    }

    fn job(id: u64, name: &str) -> Job {
        let address = format!("{name}@example.org");
        samples::job(SpoolId::from_u64(id), Source::Fresh, &address, &[0])
    }

    fn unanswered() -> Outcome {
        let mut failure = Failure::without_reply(Blame::Backend, "no answer");
        failure.uncertain = true;
        Outcome::Failed(failure)
    }

    /// A message for each of them is so far behind its final dot, and not answered.
    async fn hang(idle: &Idle, names: &[&str], time: Duration) {
        let target = DeliveryTarget::Backend(cloud());
        let jobs: Vec<Job> = (1..).zip(names).map(|(id, name)| job(id, name)).collect();
        let hands: Vec<InHand> = names.iter().map(|_| InHand::default()).collect();
        let attempts = jobs.iter().zip(&hands).map(|(job, in_hand)| {
            let attempt: Boxed<'_, Vec<Outcome>> = Box::pin(async move {
                in_hand.before_end(async { Ok(()) }).await.unwrap();
                pending().await
            });
            idle.queue.attend(&target, job, (in_hand, attempt))
        });
        let ended = timeout(time, join_all(attempts)).await;
        assert!(ended.is_err(), "none of them ends");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_lets_mail_for_five_people_hang_fails_mail() {
        let folder = tempfile::tempdir().unwrap();
        let idle = idle(folder.path(), &cloud());
        let health = || idle.board.health(&cloud()).unwrap();
        hang(&idle, &["a", "b", "c", "d", "a"], 3 * MINUTE).await;
        hang(&idle, &["d"], 5 * MINUTE).await;
        hang(&idle, &["e"], Duration::from_secs(119)).await;
        assert_eq!(health().health, Health::Up, "{}", health().reason);
        hang(&idle, &["e"], Duration::from_secs(121)).await;
        let told = health();
        assert!(told.failing && told.health == Health::Slow);
        let reason = told.reason;
        let expected = "no answer behind the final dot for 2 minutes";
        assert!(reason.ends_with(expected), "{reason}");
    }

    /// One that went down 10 seconds behind the beginning of an attempt, which came to its final
    /// dot so many seconds behind that.
    async fn outlived(idle: &Idle, before: u64) -> InHand {
        let target = DeliveryTarget::Backend(cloud());
        let (job, in_hand) = (job(1, "a"), InHand::default());
        let stop = in_hand.stop.clone();
        let (seen, before) = (&in_hand, Duration::from_secs(before));
        let attempt: Boxed<'_, Vec<Outcome>> = Box::pin(async move {
            sleep(before).await;
            assert!(!stop.is_stopping(), "in the middle of its body");
            seen.before_end(async { Ok(()) }).await.unwrap();
            stop.stopping().await;
            vec![unanswered()]
        });
        let falls = async {
            sleep(Duration::from_secs(10)).await;
            for _ in 0..3 {
                let refused = Failure::without_reply(Blame::Backend, "refused");
                idle.board.report_probe(&cloud(), Signal::Bad(refused));
            }
            assert_eq!(idle.board.health(&cloud()).unwrap().health, Health::Down);
        };
        let attended = idle.queue.attend(&target, &job, (&in_hand, attempt));
        let (outcomes, ()) = tokio::join!(attended, falls);
        assert_eq!(outcomes, [unanswered()]);
        in_hand
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_hand_when_its_backend_goes_down_is_given_up_a_minute_later() {
        let folder = tempfile::tempdir().unwrap();
        let idle = idle(folder.path(), &cloud());
        let begun = Instant::now();
        let in_hand = outlived(&idle, 1).await;
        assert_eq!(begun.elapsed().as_secs(), 70);
        // Probes say why it is down, and no attempt that began before.
        let target = DeliveryTarget::Backend(cloud());
        idle.queue.tell_end(&target, &[unanswered()], &in_hand);
        assert_eq!(idle.board.health(&cloud()).unwrap().reason, "refused");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_of_before_says_nothing_about_a_backend_that_is_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let idle = idle(folder.path(), &cloud());
        let target = DeliveryTarget::Backend(cloud());
        let health = || idle.board.health(&cloud()).unwrap().health;
        let begun = Instant::now();
        let in_hand = outlived(&idle, 300).await;
        assert_eq!(
            begun.elapsed().as_secs(),
            360,
            "a large body takes its time"
        );
        for _ in 0..3 {
            idle.board.report_probe(&cloud(), Signal::Good);
        }
        assert_eq!(health(), Health::Up);
        for _ in 0..limits::FAILING_MAIL {
            idle.queue.tell_end(&target, &[unanswered()], &in_hand);
        }
        assert_eq!(health(), Health::Up);
        // What it says counts, whenever it was asked.
        let reply = Reply::parse(&["421 4.3.2 Too many connections"]).unwrap();
        let said = Outcome::Failed(Failure::replied(Blame::Backend, reply));
        idle.queue.tell_end(&target, &[said], &in_hand);
        assert_eq!(health(), Health::Slow);
        // An attempt that began behind the outage speaks for itself.
        for _ in 0..limits::FAILING_MAIL {
            let fresh = InHand::default();
            idle.queue.tell_end(&target, &[unanswered()], &fresh);
        }
        assert_eq!(health(), Health::Down);
    }
}
