//! Cases: refusals that are alike, shown and decided.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Path, Query};
use super::{Admin, AdminError};
use crate::backend::Health;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{
    BackendId, CaseId, CaseKind, Cause, Failure, HoldReason, RecipientState, SpoolId, told, wording,
};
use crate::queue::{CaseTrial, Tally, TrialOutcome};
use crate::smtp::EnhancedStatus;
use crate::spool::{Case, CaseMember, SpoolError};

/// Recipients that `cases show` names.
const EXAMPLES: usize = 20;
/// A release that is not decided by then is told as under way.
const PATIENCE: Duration = Duration::from_secs(20);

/// A line of `cases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseView {
    /// Its name, for the other verbs.
    pub id: CaseId,
    /// Who refused.
    pub backend: BackendId,
    /// The reply's code.
    pub code: u16,
    /// The reply's enhanced code.
    pub enhanced: Option<EnhancedStatus>,
    /// The reply's text, `*` for what differs.
    pub text: String,
    /// What it is about: `recipient`, `domain`, `policy`, `content` …
    pub cause: Cause,
    /// Recipients that got that reply.
    pub recipients: u64,
    /// Recipients that are held back because the backend is rejecting.
    pub waiting: u64,
    /// When the first of them got it.
    pub since: Timestamp,
    /// The last release, and what came of it.
    pub trial: Option<CaseTrial>,
}

/// `cases show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseDetails {
    /// As in the list.
    #[serde(flatten)]
    pub case: CaseView,
    /// It is over: its recipients are refused for good, or were given up; nothing is to decide.
    #[serde(default)]
    pub is_final: bool,
    /// Where to look first.
    pub advice: String,
    /// Why nothing is tried, when the backend is rejecting because of this case.
    pub rejecting: Option<String>,
    /// One of the replies, word for word.
    pub reply: String,
    /// Of the first thousand recipients: those for whom an earlier attempt may have arrived.
    #[serde(default)]
    pub uncertain: u64,
    /// The first recipients.
    pub members: Vec<CaseMemberView>,
}

/// A recipient of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseMemberView {
    /// The message.
    pub id: SpoolId,
    /// The recipient.
    pub recipient: String,
    /// The reverse-path; empty for reports.
    pub from: String,
    /// Since when.
    pub since: Timestamp,
}

/// Which cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CasesQuery {
    /// Refusals for good, instead of those that wait for a decision.
    #[serde(default, rename = "final")]
    pub(crate) finals: bool,
}

/// A decision about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CaseOrder {
    /// By whom.
    pub(crate) actor: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What came of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseReleased {
    /// The case.
    pub id: CaseId,
    /// The trial with the first recipient.
    pub trial: CaseTrial,
    /// Recipients that are still held in it: of a case that is released those who could not be
    /// taken out of it, or were refused since.
    pub recipients: u64,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn list(
    State(admin): Us,
    Query(query): Query<CasesQuery>,
) -> Answer<Vec<CaseView>> {
    let kind = if query.finals {
        CaseKind::Final
    } else {
        CaseKind::Open
    };
    let cases = admin.blocking(move |admin| Ok(admin.cases(kind)?));
    cases.await.map(Json)
}

pub(super) async fn show(State(admin): Us, Path(id): Path<String>) -> Answer<CaseDetails> {
    let id = parse(&id)?;
    let details = admin.blocking(move |admin| Ok(admin.case_details(id)?));
    details.await?.map(Json).ok_or_else(|| no_such(id))
}

pub(super) async fn release(
    State(admin): Us,
    Path(id): Path<String>,
    Body(order): Body<CaseOrder>,
) -> Answer<CaseReleased> {
    let id = parse(&id)?;
    let begun = admin.queue.release_case(id, &order.actor, &order.reason);
    let begun = begun.await?.ok_or_else(|| no_such(id))?;
    let trial = admin.queue.decided(id, PATIENCE).await?.unwrap_or(begun);
    let case = admin.spool.case(CaseKind::Open, id)?;
    Ok(Json(CaseReleased {
        id,
        trial,
        recipients: case.map_or(0, |case| case.recipients),
    }))
}

pub(super) async fn bounce(
    State(admin): Us,
    Path(id): Path<String>,
    Body(order): Body<CaseOrder>,
) -> Answer<Tally> {
    let id = parse(&id)?;
    for (word, what) in [(&order.actor, "a name"), (&order.reason, "a reason")] {
        if word.trim().is_empty() {
            return Err(AdminError::Asked {
                what: format!("mail is bounced by somebody with {what}"),
                hint: "give them with --actor and --reason",
            });
        }
    }
    if admin.spool.case(CaseKind::Open, id)?.is_none() {
        return Err(no_such(id));
    }
    let done = admin.queue.bounce_case(id, &order.actor, &order.reason);
    Ok(Json(done.await?))
}

fn parse(id: &str) -> Result<CaseId, AdminError> {
    id.parse().map_err(|error| AdminError::Asked {
        what: format!("{id}: {error}"),
        hint: "`tideover cases` shows their names",
    })
}

fn no_such(id: CaseId) -> AdminError {
    AdminError::NotFound {
        what: format!("there is no case {id} that waits for a decision"),
        hint: "`tideover cases` shows those that do",
    }
}

impl CaseView {
    /// `550 5.4.1`, as the reply had it.
    #[must_use]
    pub fn said(&self) -> String {
        self.enhanced.map_or_else(
            || self.code.to_string(),
            |enhanced| format!("{} {enhanced}", self.code),
        )
    }

    /// Was it said by the backend, or by us without asking it?
    #[must_use]
    pub fn was_asked(&self) -> bool {
        wording(&self.said(), &self.text).0.is_some()
    }

    /// What was said, for people.
    #[must_use]
    pub fn wording(&self) -> String {
        let said = self.said();
        let (said, text) = wording(&said, &self.text);
        said.map_or_else(|| text.to_owned(), |said| format!("{said} {text}"))
    }

    /// The same with who said it.
    #[must_use]
    pub fn told(&self) -> String {
        told(&self.backend, &self.said(), &self.text)
    }
}

impl Admin {
    /// The largest first.
    fn cases(&self, kind: CaseKind) -> Result<Vec<CaseView>, SpoolError> {
        let cases = self.spool.cases(kind, limits::PAGE)?.into_iter();
        let views: Result<Vec<CaseView>, SpoolError> =
            cases.map(|case| self.case_view(kind, case)).collect();
        let mut views = views?;
        views.sort_by_key(|view| std::cmp::Reverse(view.recipients + view.waiting));
        Ok(views)
    }

    fn case_view(&self, kind: CaseKind, case: Case) -> Result<CaseView, SpoolError> {
        let first = self.spool.case_members(kind, case.id, None, 1)?;
        let failure = first
            .first()
            .map(|first| self.refusal(*first))
            .transpose()?;
        let trial = match kind {
            CaseKind::Open => self.queue.case_trial(case.id)?,
            CaseKind::Final => None,
        };
        let waiting = match kind {
            CaseKind::Open => self.waiting_for(&case),
            CaseKind::Final => 0,
        };
        // An older release says nothing about those who were refused since.
        let trial = trial.filter(|trial| match trial.outcome {
            TrialOutcome::Trying | TrialOutcome::Refused { .. } => true,
            TrialOutcome::Released { at, .. } | TrialOutcome::HeldOn { at, .. } => case.since <= at,
        });
        Ok(CaseView {
            id: case.id,
            backend: case.key.backend,
            code: case.key.code,
            enhanced: case.key.enhanced,
            text: case.key.text,
            cause: failure
                .flatten()
                .map_or(Cause::Policy, |failure| failure.cause()),
            recipients: case.recipients,
            waiting,
            since: case.since,
            trial,
        })
    }

    /// Recipients that are held back because of this case.
    fn waiting_for(&self, case: &Case) -> u64 {
        let backend = &case.key.backend;
        let board = self.router.board();
        let health = board.health(backend).map(|health| health.health);
        let is_its_case = health == Some(Health::Rejecting)
            && board.rejecting(backend).map(|one| one.case) == Some(case.id);
        let lanes = is_its_case.then(|| self.spool.lanes());
        let waiting = lanes.and_then(|lanes| lanes.get(backend.as_str()).copied());
        waiting.unwrap_or_default()
    }

    fn refusal(&self, member: CaseMember) -> Result<Option<Failure>, SpoolError> {
        let state = self.spool.state(member.id, member.recipient)?;
        Ok(match state {
            Some(
                RecipientState::Held {
                    reason: HoldReason::Refused { failure, .. },
                    ..
                }
                | RecipientState::Bounced { failure, .. },
            ) => Some(failure),
            Some(_) | None => None,
        })
    }

    /// Whom a bounce is told, and who has it perhaps.
    fn uncertain_of(&self, kind: CaseKind, id: CaseId) -> Result<u64, SpoolError> {
        let mut uncertain = 0;
        for member in self.spool.case_members(kind, id, None, limits::PAGE)? {
            let state = self.spool.state(member.id, member.recipient)?;
            uncertain += u64::from(state.is_some_and(|state| state.is_uncertain()));
        }
        Ok(uncertain)
    }

    fn case_details(&self, id: CaseId) -> Result<Option<CaseDetails>, SpoolError> {
        let kinds = [CaseKind::Open, CaseKind::Final];
        let mut found = None;
        for kind in kinds {
            if let Some(case) = self.spool.case(kind, id)? {
                found = Some((kind, case));
                break;
            }
        }
        let Some((kind, case)) = found else {
            return Ok(None);
        };
        let rejecting = self.router.board().rejecting(&case.key.backend);
        let rejecting = rejecting.filter(|rejecting| rejecting.case == id);
        let mut reply = String::new();
        let mut members = Vec::new();
        for member in self.spool.case_members(kind, id, None, EXAMPLES)? {
            if reply.is_empty()
                && let Some(failure) = self.refusal(member)?
            {
                reply = failure.what;
            }
            let Some(message) = self.spool.message_if_whole(member.id)? else {
                continue;
            };
            let recipients = &message.envelope.recipients;
            if let Some(recipient) = recipients.get(usize::from(member.recipient)) {
                members.push(CaseMemberView {
                    id: member.id,
                    recipient: recipient.address.to_string(),
                    from: message
                        .envelope
                        .from
                        .mailbox()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    since: member.since,
                });
            }
        }
        let uncertain = self.uncertain_of(kind, id)?;
        let case = self.case_view(kind, case)?;
        Ok(Some(CaseDetails {
            is_final: kind == CaseKind::Final,
            advice: advice(kind, case.cause).to_owned(),
            rejecting: rejecting.map(|rejecting| rejecting.reason),
            reply,
            uncertain,
            members,
            case,
        }))
    }
}

/// Where to look first. An open case of refused contents is one only because nothing else was
/// accepted.
const fn advice(kind: CaseKind, cause: Cause) -> &'static str {
    match (kind, cause) {
        (CaseKind::Open, Cause::Content) => {
            "the backend refuses the content of all mail: look at its filter"
        }
        (CaseKind::Open | CaseKind::Final, _) => cause.advice(),
    }
}
