//! Releases and bounces cases. A release is a trial first: one recipient, and the rest only when
//! it was accepted. What is under way stands in the log, so that a restart goes on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Queue;
use super::bulk::{Deed, Order, Pick, Place};
use super::state::{Source, Waited};
use super::tally::Tally;
use crate::base::Timestamp;
use crate::mail::{CaseId, CaseKey, CaseKind, RecipientEvent, RecipientState, SpoolId};
use crate::spool::{CaseMember, SpoolError};

mod releasing;

/// The room under which the facts stand in the log.
const ROOM: &str = "queue";
/// The beginning of their keys; the name of the case follows.
const KEY: &str = "case/";
/// Recipients that are looked at in one page.
pub(super) const PAGE: usize = 200;

/// The last release of a case, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseTrial {
    /// Who released it.
    pub actor: String,
    /// Why, for people; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The message that goes first.
    pub id: SpoolId,
    /// Its recipient that goes first.
    pub recipient: u16,
    /// How it went.
    pub outcome: TrialOutcome,
}

/// How the first recipient of a released case fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// Not known yet.
    Trying,
    /// It was refused again: the case stands.
    Refused {
        /// What was said.
        what: String,
        /// When.
        at: Timestamp,
    },
    /// It was accepted, and the rest is released.
    Released {
        /// How many of the rest wait on by what: a hold, or `@domain` of a move.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        still_held: BTreeMap<String, u64>,
        /// When.
        at: Timestamp,
    },
    /// Nobody could be tried: those whom a move or a hold holds are released, and wait on.
    HeldOn {
        /// How many recipients wait on by what: a hold, or `@domain` of a move.
        still_held: BTreeMap<String, u64>,
        /// When.
        at: Timestamp,
    },
}

impl TrialOutcome {
    /// Who waits on, and by what, for people; without a full stop. Nobody, mostly.
    #[must_use]
    pub fn held_on(&self) -> Vec<String> {
        let (Self::HeldOn { still_held, .. } | Self::Released { still_held, .. }) = self else {
            return Vec::new();
        };
        let tally = Tally {
            still_held: still_held.clone(),
            ..Tally::default()
        };
        tally.held_on().collect()
    }
}

impl Queue {
    /// Waits until the release of a case is decided, but no longer than `patience`.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn decided(
        &self,
        case: CaseId,
        patience: Duration,
    ) -> Result<Option<CaseTrial>, SpoolError> {
        let wait = tokio::time::sleep(patience);
        tokio::pin!(wait);
        loop {
            // Before the look, or what is decided in between would be missed.
            let news = self.0.case_news.notified();
            let trial = self.case_trial(case)?;
            let is_open = trial
                .as_ref()
                .is_some_and(|trial| trial.outcome == TrialOutcome::Trying);
            if !is_open {
                return Ok(trial);
            }
            tokio::select! {
                biased;
                () = news => {}
                () = &mut wait => return Ok(trial),
                () = self.0.parts.shutdown.stopping() => return Ok(trial),
            }
        }
    }

    /// The last release of a case, if there was one.
    ///
    /// # Errors
    /// When the index fails.
    pub fn case_trial(&self, case: CaseId) -> Result<Option<CaseTrial>, SpoolError> {
        let fact = self.0.parts.spool.fact(ROOM, &format!("{KEY}{case}"))?;
        Ok(fact.and_then(|fact| serde_json::from_value(fact).ok()))
    }

    /// Brings one recipient to its next hop at once, past what waits before it.
    fn try_first(&self, first: CaseMember) -> Result<(), SpoolError> {
        let spool = &self.0.parts.spool;
        let (id, number) = (first.id, first.recipient);
        let was = spool.state(id, number)?.as_ref().and_then(Waited::of);
        let (Some(was), Some(message)) = (was, spool.message_if_whole(id)?) else {
            return Ok(());
        };
        let Some(recipient) = message.envelope.recipients.get(usize::from(number)) else {
            return Ok(());
        };
        let home = self
            .0
            .parts
            .router
            .route(&recipient.address, id.timestamp())
            .home;
        let on_trial = home.filter(|home| self.0.parts.router.board().is_on_trial(home));
        if let Some(backend) = on_trial {
            self.try_at(&backend, id, number)?;
        } else {
            // What cannot go now stays in the index.
            let source = (Source::Backlog, None);
            self.dispatch(id, &message.envelope, source, &[(number, was)]);
        }
        Ok(())
    }

    fn is_waiting(&self, trial: &CaseTrial) -> Result<bool, SpoolError> {
        let state = self.0.parts.spool.state(trial.id, trial.recipient)?;
        Ok(matches!(state, Some(RecipientState::Queued { .. })))
    }

    /// Hears what became of recipients; the first one of a case decides about the others.
    pub(super) async fn tried(&self, id: SpoolId, numbers: &[u16], event: &RecipientEvent) {
        self.end_trials(id, numbers);
        for &number in numbers {
            let Some(case) = self.tries().cases.get(&(id, number)).copied() else {
                continue;
            };
            match event {
                RecipientEvent::Delivered { .. } => self.go_on_with(case),
                RecipientEvent::Held { reason } => self.stands(case, reason.to_string()).await,
                RecipientEvent::Bounced { failure, .. } => {
                    self.stands(case, failure.to_string()).await;
                }
                RecipientEvent::Dropped { actor, .. } => {
                    self.stands(case, format!("{actor} dropped it")).await;
                }
                RecipientEvent::Expanded { .. } => {
                    self.stands(case, "the people of the group got it instead".to_owned())
                        .await;
                }
                // Not decided yet.
                RecipientEvent::Attempted { .. }
                | RecipientEvent::Interrupted { .. }
                | RecipientEvent::Deferred { .. }
                | RecipientEvent::Rerouted { .. }
                | RecipientEvent::Paced { .. }
                | RecipientEvent::Replay { .. }
                | RecipientEvent::Landing { .. }
                | RecipientEvent::Released { .. } => continue,
            }
            self.tries().cases.remove(&(id, number));
        }
    }

    /// The first one was accepted: the rest follows.
    fn go_on_with(&self, case: CaseId) {
        let queue = self.clone();
        self.tries().following.insert(case);
        self.0.parts.shutdown.spawn("case", async move {
            if let Err(error) = queue.release_rest(case).await {
                tracing::error!(%case, %error, "the rest of a case is not released");
            }
            queue.tries().following.remove(&case);
        });
    }

    async fn release_rest(&self, case: CaseId) -> Result<(), SpoolError> {
        let Some(mut trial) = self.case_trial(case)? else {
            return Ok(());
        };
        let order = release(&trial.actor, &trial.reason);
        let of_the_case: Pick = std::sync::Arc::new(move |one| is_of(one.state, case));
        let now = self.0.parts.clock.now();
        let (mut last, mut all) = (None, Tally::default());
        loop {
            let ids = self.next_messages(case, &mut last, now)?;
            if ids.is_empty() {
                break;
            }
            // All of them at once, for one sync of the log.
            let pages = ids
                .into_iter()
                .map(|id| self.perform_page(&order, &of_the_case, Place::At(id)));
            for done in join_all(pages).await {
                all.add(done?);
            }
        }
        if !self.stopping() {
            let still_held = all.still_held;
            trial.outcome = TrialOutcome::Released {
                still_held,
                at: now,
            };
            self.note_trial(case, &trial).await?;
            tracing::warn!(%case, actor = %trial.actor, "released: the first one was accepted");
        }
        self.0.case_news.notify_waiters();
        Ok(())
    }

    /// The messages of a page of those who belonged to a case at `now`, behind `last`, which goes
    /// on; none at the end, and when the program stops.
    pub(super) fn next_messages(
        &self,
        case: CaseId,
        last: &mut Option<CaseMember>,
        now: Timestamp,
    ) -> Result<BTreeSet<SpoolId>, SpoolError> {
        if self.stopping() {
            return Ok(BTreeSet::new());
        }
        let spool = &self.0.parts.spool;
        let mut members = spool.case_members(CaseKind::Open, case, *last, PAGE)?;
        // Who is refused again after this belongs to a case that stands.
        members.retain(|member| member.since <= now);
        *last = members.last().copied();
        Ok(members.iter().map(|member| member.id).collect())
    }

    /// The first one was not accepted: the case stands as before.
    async fn stands(&self, case: CaseId, what: String) {
        let at = self.0.parts.clock.now();
        tracing::warn!(%case, %what, "not released: the first one was refused again");
        let noted = match self.case_trial(case) {
            Ok(Some(mut trial)) => {
                trial.outcome = TrialOutcome::Refused { what, at };
                self.note_trial(case, &trial).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::error!(%case, %error, "the trial of a case is not recorded");
        }
        self.0.case_news.notify_waiters();
    }

    async fn note_trial(&self, case: CaseId, trial: &CaseTrial) -> Result<(), SpoolError> {
        let value = serde_json::to_value(trial).map_err(|e| SpoolError::Damaged(e.to_string()))?;
        let key = format!("{KEY}{case}");
        self.0.parts.spool.put_fact(ROOM, &key, Some(value)).await
    }

    /// Goes on with what an earlier life began.
    pub(super) async fn resume_cases(&self) -> Result<(), SpoolError> {
        for (key, fact) in self.0.parts.spool.facts(ROOM, KEY)? {
            let name = key.strip_prefix(KEY).and_then(|name| name.parse().ok());
            let trial: Option<CaseTrial> = serde_json::from_value(fact).ok();
            let (Some(case), Some(trial)) = (name, trial) else {
                continue;
            };
            if trial.outcome != TrialOutcome::Trying {
                continue;
            }
            match self.0.parts.spool.state(trial.id, trial.recipient)? {
                Some(RecipientState::Queued { .. }) => {
                    let first = (trial.id, trial.recipient);
                    self.tries().cases.insert(first, case);
                }
                Some(RecipientState::Delivered { .. }) => self.go_on_with(case),
                Some(
                    RecipientState::Held { .. }
                    | RecipientState::Bounced { .. }
                    | RecipientState::Dropped { .. }
                    | RecipientState::Expanded { .. },
                )
                | None => {
                    let what = "the program was stopped before the trial".to_owned();
                    self.stands(case, what).await;
                }
            }
        }
        Ok(())
    }
}

/// Does a recipient in this state belong to an open case?
pub(super) fn is_of(state: &RecipientState, case: CaseId) -> bool {
    let found = CaseKey::of_state(state);
    found.is_some_and(|(kind, key)| kind == CaseKind::Open && key.id() == case)
}

fn release(actor: &str, reason: &str) -> Order {
    Order {
        deed: Deed::Release,
        actor: actor.to_owned(),
        reason: reason.to_owned(),
    }
}
