//! Cases: refusals that are alike, and what is decided about them.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::act::ActedPage;
use super::ask::escaped;
use super::asker::{Asker, Question, Sent};
use super::fault::Fault;
use super::moments::{Moments, When, grouped, many};
use super::queue::sender;
use super::shell::{Here, Shell, show};
use crate::admin::{CaseDetails, CaseOrder, CaseReleased, CaseView, Role};
use crate::frame::see_other;
use crate::queue::{Tally, TrialOutcome};
use crate::terminal::visible;

/// A case in the list.
struct Case {
    id: String,
    title: String,
    cause: &'static str,
    recipients: String,
    waiting: u64,
    since: When,
    trial: Option<(&'static str, String)>,
}

impl Case {
    fn new(case: &CaseView, moments: &Moments) -> Self {
        Self {
            id: case.id.to_string(),
            title: visible(&case.told()),
            cause: case.cause.as_str(),
            recipients: grouped(case.recipients),
            waiting: case.waiting,
            since: moments.when(case.since),
            trial: case.trial.as_ref().map(|trial| match &trial.outcome {
                TrialOutcome::Trying => ("waiting", "one message of it is being tried".to_owned()),
                TrialOutcome::Refused { at, .. } => (
                    "trouble",
                    format!("tried {}, and refused again", moments.since(*at)),
                ),
                TrialOutcome::Released { at, .. } => {
                    ("done", format!("released {}", moments.since(*at)))
                }
                TrialOutcome::HeldOn { at, .. } => (
                    "waiting",
                    format!("released {}, and held on", moments.since(*at)),
                ),
            }),
        }
    }
}

#[derive(Template)]
#[template(path = "console/cases.html")]
struct ListPage {
    shell: Shell,
    cases: Vec<Case>,
    finals: bool,
}

pub(super) async fn list(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let finals = fields
        .some("final")
        .is_some_and(|it| it == "1" || it == "true");
    let path = format!("/api/cases?final={finals}");
    let cases: Vec<CaseView> = console.ask(&asker).get(&path).await?;
    let moments = console.moments();
    show(&ListPage {
        shell: console.shell(&asker, Here::Cases, "Cases"),
        cases: cases.iter().map(|one| Case::new(one, &moments)).collect(),
        finals,
    })
}

#[derive(Template)]
#[template(path = "console/case.html")]
struct OnePage {
    shell: Shell,
    case: Case,
    advice: String,
    rejecting: Option<String>,
    /// How many may have it already.
    uncertain: Option<String>,
    reply: String,
    members: Vec<(String, String, String, When)>,
    more: u64,
    is_final: bool,
    may_release: bool,
    may_bounce: bool,
}

pub(super) async fn one(
    State(console): State<Console>,
    Path(id): Path<String>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let path = format!("/api/cases/{}", escaped(&id));
    let details: CaseDetails = console.ask(&asker).get(&path).await?;
    let moments = console.moments();
    let mut shell = console.shell(&asker, Here::Cases, &format!("Case {}", details.case.id));
    let trial = details.case.trial.as_ref().map(|trial| &trial.outcome);
    shell.notice = done(fields.text("done"), trial).map(str::to_owned);
    let members = details.members.iter();
    let shown = details.members.len() as u64;
    show(&OnePage {
        case: Case::new(&details.case, &moments),
        advice: details.advice.clone(),
        rejecting: details.rejecting.as_deref().map(visible),
        uncertain: (details.uncertain > 0).then(|| many(details.uncertain, "recipient")),
        reply: if details.case.was_asked() {
            visible(&details.reply)
        } else {
            String::new()
        },
        members: members
            .map(|one| {
                let (id, since) = (one.id.to_string(), moments.when(one.since));
                (id, visible(&one.recipient), sender(&one.from), since)
            })
            .collect(),
        more: details.case.recipients.saturating_sub(shown),
        is_final: details.is_final,
        may_release: !details.is_final && asker.may(Role::Operator),
        may_bounce: !details.is_final && asker.may(Role::Admin),
        shell,
    })
}

/// What has just been done; only what is true now is said.
fn done(what: &str, trial: Option<&TrialOutcome>) -> Option<&'static str> {
    match (what, trial?) {
        ("trying", TrialOutcome::Trying) => {
            Some("One message of it is being tried; the others follow it.")
        }
        ("refused", TrialOutcome::Refused { .. }) => {
            Some("It was tried, and refused again: nothing is lost.")
        }
        _ => None,
    }
}

pub(super) async fn release(
    State(console): State<Console>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let order = CaseOrder {
        actor: sent.asker.caller.name.clone(),
        reason: sent.fields.reason()?,
    };
    let id = escaped(&id);
    let path = format!("/api/cases/{id}/release");
    let released: CaseReleased = console.ask(&sent.asker).post(&path, &order).await?;
    let shell = || console.shell(&sent.asker, Here::Cases, "Case");
    match released.trial.outcome {
        TrialOutcome::Released { .. } => {
            let taken = "One message of it was taken; the others are in the queue.";
            let mut lines = vec![taken.to_owned()];
            lines.extend(left_over(&released));
            show(&ActedPage {
                shell: shell(),
                headline: format!("Case {} is released.", released.id),
                lines,
                next: None,
            })
        }
        TrialOutcome::HeldOn { .. } => show(&ActedPage {
            shell: shell(),
            headline: format!(
                "Case {} is released; none of it could be tried.",
                released.id
            ),
            lines: left_over(&released),
            next: None,
        }),
        TrialOutcome::Trying => Ok(see_other(&format!("/cases/{id}?done=trying"))),
        TrialOutcome::Refused { .. } => Ok(see_other(&format!("/cases/{id}?done=refused"))),
    }
}

/// Who waits on, and who is still in it, as sentences.
fn left_over(released: &CaseReleased) -> Vec<String> {
    let told = released.trial.outcome.held_on().into_iter();
    let mut lines: Vec<String> = told.map(|told| format!("{}.", visible(&told))).collect();
    if released.recipients > 0 {
        lines.push(format!(
            "Still in the case: {}. They could not be taken out of it, or were refused since.",
            grouped(released.recipients)
        ));
    }
    lines
}

pub(super) async fn bounce(
    State(console): State<Console>,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let order = CaseOrder {
        actor: sent.asker.caller.name.clone(),
        reason: sent.fields.reason()?,
    };
    if sent.fields.text("sure") != "yes" {
        return Err(Fault::asked(
            "it was not ticked that it is given up; nothing was done",
            "A bounce cannot be undone. Tick the box if it is meant.",
        ));
    }
    let path = format!("/api/cases/{}/bounce", escaped(&id));
    let tally: Tally = console.ask(&sent.asker).post(&path, &order).await?;
    let headline = match tally.recipients {
        0 => "Nobody waited in it any more: nothing was done.".to_owned(),
        count => format!(
            "{} of {} bounced; senders who proved to be senders are told.",
            many(count, "recipient"),
            many(tally.messages, "message")
        ),
    };
    show(&ActedPage {
        shell: console.shell(&sent.asker, Here::Cases, "Case"),
        headline,
        lines: Vec::new(),
        next: None,
    })
}
