//! A platform that failed all mail takes some again, or one that was down answers: what it put off
//! meanwhile is due now, and not in an hour.
//!
//! It comes gently, as behind an outage, and not sooner than [`APART`] after the last time, then
//! twice as long and so on: one that takes a message now and then is not given everything anew each
//! time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::{Deed, Order, Pick, Queue, Tally};
use crate::backend::{BackendHealth, Health, Healths};
use crate::base::Timestamp;
use crate::mail::{BackendId, Blame, DeliveryTarget, RecipientState, SpoolId};
use crate::route::Candidate;
use crate::spool::{Due, SpoolError};

/// Who brings mail forward.
pub(super) const ACTOR: &str = "tideover";
/// Least time between the first two times at one backend.
const APART: Duration = Duration::from_secs(5 * 60);
/// Most time between two: by then who was put off is due by himself.
const APART_AT_MOST: Duration = Duration::from_secs(60 * 60);
/// Who is due so soon by himself stays as he is.
const SOON: Duration = Duration::from_secs(15);
/// An attempt that is so far in the future was made before the clock was set back.
const SET_BACK: Duration = Duration::from_secs(60);
/// Attempts that count, of whatever end, of one who may have got the mail with the last of them:
/// beyond, it keeps its time.
const COPIES: u32 = 3;
/// Recipients that are looked at in one page.
const PAGE: usize = 200;

/// What is to be done for a backend now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Nothing,
    /// To ask again after this long.
    Wait(Duration),
    /// What it put off is due.
    Bring(Since),
}

/// Since when what a backend put off is not brought forward yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// The start: what was before, nobody knows.
    Start,
    /// The start, and it took no mail then: somebody held it, or it was rejecting.
    Pause,
    /// It failed all mail, or was down.
    Illness,
}

impl Since {
    /// Why it is brought forward, for people.
    fn reason(self, backend: &BackendId) -> String {
        match self {
            Self::Start => "Tideover was started".to_owned(),
            Self::Pause | Self::Illness => format!("{backend} takes mail again"),
        }
    }
}

/// How far what was put off came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// To its end.
    All,
    /// Not so far: it is gone on with later.
    Some,
}

/// The course of one backend.
#[derive(Debug)]
struct Course {
    /// What it put off was not brought forward since then.
    ill: Option<Since>,
    /// When that was done last.
    brought: Option<Duration>,
    /// Least time from then to the next time.
    apart: Duration,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            ill: Some(Since::Start),
            brought: None,
            apart: APART,
        }
    }
}

impl Course {
    fn note(&mut self, health: &BackendHealth) {
        if health.failing || health.health == Health::Down {
            self.ill = Some(Since::Illness);
        } else if self.ill == Some(Since::Start) && !health.takes_mail() {
            self.ill = Some(Since::Pause);
        }
    }

    /// What came of it that it was brought forward.
    fn end(&mut self, brought: Brought, since: Since) {
        match (brought, since) {
            (Brought::Some, _) => {
                self.ill.get_or_insert(since);
            }
            // A start is no illness: what begins behind it is the first one.
            (Brought::All, Since::Start | Since::Pause) => self.brought = None,
            (Brought::All, Since::Illness) => {}
        }
    }

    /// `now` is the time since some beginning.
    fn see(&mut self, health: &BackendHealth, now: Duration) -> Step {
        self.note(health);
        let Some(since) = self.ill.filter(|_| takes_mail_well(health)) else {
            return Step::Nothing;
        };
        let next = self.brought.map_or(now, |brought| brought + self.apart);
        if next > now {
            return Step::Wait(next.saturating_sub(now));
        }
        // One that was well for long begins anew.
        let was_lately = self.brought.is_some() && now < next + self.apart;
        self.apart = if was_lately {
            (2 * self.apart).min(APART_AT_MOST)
        } else {
            APART
        };
        self.ill = None;
        self.brought = Some(now);
        Step::Bring(since)
    }
}

/// Does somebody wait because the platform of this lane put his mail off before `begun`? Who was
/// refused for himself, or waits for his turn, does not.
fn was_put_off(state: &RecipientState, of: &str, (begun, now): (Timestamp, Timestamp)) -> bool {
    let RecipientState::Queued {
        lane,
        attempts,
        last: Some((at, failure)),
        paced: false,
        ..
    } = state
    else {
        return false;
    };
    // Each time may have been one copy more.
    if failure.uncertain && *attempts > COPIES {
        return false;
    }
    let is_trouble = failure.blame == Blame::Backend || failure.uncertain;
    let is_later = failure.reply.is_some() && !failure.is_permanent();
    // A clock that was set back makes nothing of before later.
    let is_before = *at <= begun || at.since(now) >= SET_BACK;
    lane == of && is_before && (is_trouble || is_later)
}

impl Queue {
    /// Brings mail forward that mended backends put off, until the program stops.
    pub(super) async fn bring_forward_for_ever(&self) {
        let shutdown = self.0.parts.shutdown.clone();
        let mut news = self.0.parts.router.board().changes();
        let mut courses: BTreeMap<BackendId, Course> = BTreeMap::new();
        loop {
            let healths = Arc::clone(&news.borrow_and_update());
            courses.retain(|id, _| healths.contains_key(id));
            let mut again: Option<Duration> = None;
            for (id, health) in &*healths {
                let course = courses.entry(id.clone()).or_default();
                let wait = match course.see(health, self.elapsed()) {
                    Step::Nothing => continue,
                    Step::Wait(wait) => wait,
                    Step::Bring(since) => {
                        let work = Box::pin(self.bring_forward(id, since));
                        let brought = watching(work, &mut news, &mut courses).await;
                        let course = courses.entry(id.clone()).or_default();
                        course.end(brought, since);
                        // The others may be another way since.
                        again = Some(Duration::ZERO);
                        break;
                    }
                };
                again = Some(again.map_or(wait, |other| other.min(wait)));
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                changed = news.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
            }
        }
    }

    /// What waits for a backend because it put it off is due now, as long as it takes mail.
    async fn bring_forward(&self, backend: &BackendId, since: Since) -> Brought {
        match self.bring_lane_forward(backend, since).await {
            Ok((recipients, brought)) => {
                if recipients > 0 {
                    let reason = since.reason(backend);
                    tracing::info!(%backend, recipients, reason, "what it put off is due");
                }
                brought
            }
            Err(error) => {
                tracing::error!(%backend, %error, "what it put off waits for its time");
                Brought::Some
            }
        }
    }

    async fn bring_lane_forward(
        &self,
        backend: &BackendId,
        since: Since,
    ) -> Result<(u64, Brought), SpoolError> {
        let order = Order {
            deed: Deed::Retry,
            actor: ACTOR.to_owned(),
            reason: since.reason(backend),
        };
        let begun = self.0.parts.clock.now();
        let (of, clock) = (backend.clone(), self.0.parts.clock.clone());
        let pick: Pick = Arc::new(move |one: &Candidate<'_>| {
            was_put_off(one.state, of.as_str(), (begun, clock.now()))
        });
        let mut last = Due {
            due: begun.after(SOON),
            id: SpoolId::from_u64(u64::MAX),
            recipient: u16::MAX,
        };
        let mut recipients = 0;
        let mut is_first = true;
        while !self.stopping() && self.takes_mail_well(backend) {
            let lane = backend.as_str();
            let page = self.0.parts.spool.due(lane, Some(last), PAGE)?;
            let Some(end) = page.last() else {
                return Ok((recipients, Brought::All));
            };
            last = *end;
            if std::mem::take(&mut is_first) {
                // It opens step by step, as behind an outage.
                let target = DeliveryTarget::Backend(backend.clone());
                self.state().fail(&target);
            }
            let mut ids: Vec<SpoolId> = page.iter().map(|due| due.id).collect();
            ids.sort_unstable();
            ids.dedup();
            // All of them at once, for one sync of the log.
            let works = ids
                .into_iter()
                .map(|id| self.perform_one(&order, &pick, id));
            let mut brought = Tally::default();
            let all = brought.count(join_all(works).await);
            if brought.recipients > 0 || all.is_err() {
                recipients += brought.recipients;
                self.look_from_the_beginning();
            }
            all?;
            // The others want the thread too.
            tokio::task::yield_now().await;
        }
        Ok((recipients, Brought::Some))
    }

    fn takes_mail_well(&self, backend: &BackendId) -> bool {
        let health = self.0.parts.router.board().health(backend);
        health.is_some_and(|health| takes_mail_well(&health))
    }
}

/// Does it take mail, and does not fail it?
fn takes_mail_well(health: &BackendHealth) -> bool {
    health.takes_mail() && !health.failing
}

/// Notes who falls ill while mail of one is brought forward, which lasts minutes when much waits.
async fn watching(
    mut work: impl Future<Output = Brought> + Unpin,
    news: &mut watch::Receiver<Arc<Healths>>,
    courses: &mut BTreeMap<BackendId, Course>,
) -> Brought {
    loop {
        tokio::select! {
            biased;
            brought = &mut work => return brought,
            Ok(()) = news.changed() => {
                let healths = Arc::clone(&news.borrow_and_update());
                for (id, health) in &*healths {
                    courses.entry(id.clone()).or_default().note(health);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Override, Wish};
    use crate::mail::{Failure, RecipientEvent};
    use crate::smtp::Reply;

    const SECOND: Duration = Duration::from_secs(1);

    fn health(health: Health) -> BackendHealth {
        BackendHealth {
            id: BackendId::new("onprem"),
            health,
            reason: String::new(),
            since: Timestamp::EPOCH,
            operator: None,
            remembered: false,
            failing: false,
        }
    }

    #[test]
    fn what_was_put_off_is_brought_once_behind_each_illness_and_not_too_often() {
        let failing = BackendHealth {
            failing: true,
            ..health(Health::Slow)
        };
        let (up, slow) = (health(Health::Up), health(Health::Slow));
        let (down, rejecting) = (health(Health::Down), health(Health::Rejecting));
        let first = Course::default().see(&up, Duration::ZERO);
        assert_eq!(
            first,
            Step::Bring(Since::Start),
            "it may have been ill before"
        );
        // What comes behind the start is the first illness, unless the start is not over.
        for (brought, expected) in [
            (Brought::All, Step::Bring(Since::Illness)),
            (Brought::Some, Step::Wait(298 * SECOND)),
        ] {
            let mut course = Course::default();
            course.see(&up, Duration::ZERO);
            course.end(brought, Since::Start);
            course.see(&down, SECOND);
            assert_eq!(course.see(&up, 2 * SECOND), expected);
        }
        let mut course = Course {
            ill: None,
            ..Course::default()
        };
        for (at, health, expected) in [
            (0, &up, Step::Nothing),
            (1, &slow, Step::Nothing),
            (2, &failing, Step::Nothing),
            (3, &slow, Step::Bring(Since::Illness)),
            (4, &up, Step::Nothing),
            // It takes one now and then: not everything anew each time.
            (5, &failing, Step::Nothing),
            (103, &slow, Step::Wait(200 * SECOND)),
            (203, &failing, Step::Nothing),
            (302, &slow, Step::Wait(SECOND)),
            (303, &up, Step::Bring(Since::Illness)),
            (900, &up, Step::Nothing),
            // Down, and then refusing: it takes mail when that is over.
            (901, &down, Step::Nothing),
            (902, &rejecting, Step::Nothing),
            (903, &up, Step::Bring(Since::Illness)),
            (2000, &rejecting, Step::Nothing),
            (2001, &up, Step::Nothing),
            // Each time twice as long, until it was well for long.
            (2100, &down, Step::Nothing),
            (2102, &up, Step::Wait(SECOND)),
            (2103, &up, Step::Bring(Since::Illness)),
            (9000, &down, Step::Nothing),
            (9001, &up, Step::Bring(Since::Illness)),
            (9002, &down, Step::Nothing),
            (9003, &up, Step::Wait(298 * SECOND)),
        ] {
            assert_eq!(course.see(health, at * SECOND), expected, "{at}");
        }
    }

    /// What waited for a platform that took no mail since the start comes because it takes some
    /// now: the start may have been days ago.
    #[test]
    fn a_start_is_the_reason_only_at_once() {
        let held = BackendHealth {
            operator: Some(Override {
                wish: Wish::Hold,
                actor: "root".to_owned(),
                reason: String::new(),
                since: Timestamp::EPOCH,
            }),
            ..health(Health::Up)
        };
        let onprem = BackendId::new("onprem");
        for (at_first, expected) in [
            (health(Health::Up), "Tideover was started"),
            (health(Health::Slow), "Tideover was started"),
            (held, "onprem takes mail again"),
            (health(Health::Rejecting), "onprem takes mail again"),
            (health(Health::Down), "onprem takes mail again"),
        ] {
            let mut course = Course::default();
            let step = match course.see(&at_first, SECOND) {
                Step::Nothing => course.see(&health(Health::Up), 2 * SECOND),
                step @ (Step::Wait(_) | Step::Bring(_)) => step,
            };
            let Step::Bring(since) = step else {
                panic!("{at_first}: {step:?}");
            };
            assert_eq!(since.reason(&onprem), expected, "{at_first}");
        }
    }

    #[test]
    fn who_was_refused_for_himself_or_waits_for_his_turn_stays_as_he_is() {
        let replied = |blame, reply: &str| {
            let reply = Reply::parse(&[reply]).unwrap();
            Failure::replied(blame, reply)
        };
        let mut cut = Failure::without_reply(Blame::Message, "cut at the end");
        cut.uncertain = true;
        for (failure, expected) in [
            (replied(Blame::Recipient, "450 4.2.1 not now"), true),
            (replied(Blame::Message, "451 4.3.0 later"), true),
            (Failure::without_reply(Blame::Backend, "refused"), true),
            (cut, true),
            (replied(Blame::Message, "554 5.7.1 spam"), false),
            (Failure::without_reply(Blame::Message, "no body"), false),
        ] {
            let (told, may_have_arrived) = (failure.what.clone(), failure.uncertain);
            let at = Timestamp::from_millis(5);
            let deferred = RecipientEvent::Deferred {
                backend: BackendId::new("onprem"),
                failure,
                due: at,
                counts: true,
            };
            let new = RecipientState::accepted("onprem".to_owned(), at);
            assert!(!was_put_off(&new, "onprem", (at, at)));
            let state = new.apply(&deferred, at).unwrap();
            assert_eq!(was_put_off(&state, "onprem", (at, at)), expected, "{told}");
            assert!(!was_put_off(&state, "cloud", (at, at)), "another's: {told}");
            let before = Timestamp::from_millis(4);
            let is_due = was_put_off(&state, "onprem", (before, at));
            assert!(!is_due, "a later attempt: {told}");
            // The clock was set back since: it was before, whatever it says.
            let later = state.apply(&deferred, at.after(SET_BACK)).unwrap();
            assert_eq!(was_put_off(&later, "onprem", (at, at)), expected, "{told}");
            // Each time may be one copy more, which is borne a few times.
            let often = (0..COPIES).fold(state.clone(), |state, _| {
                state.apply(&deferred, at).unwrap()
            });
            let is_brought = was_put_off(&often, "onprem", (at, at));
            assert_eq!(is_brought, expected && !may_have_arrived, "{told}");
            let paced = RecipientEvent::Paced {
                due: at,
                sender: None,
            };
            let state = state.apply(&paced, at).unwrap();
            assert!(!was_put_off(&state, "onprem", (at, at)), "its turn: {told}");
        }
    }
}
