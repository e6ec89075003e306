//! `cases`, for people.

use super::bulk::CUT_OFF;
use super::intent::{CaseQuestion, Format, Request};
use super::render::Page;
use super::{Asker, Exit, Failure, print, show};
use crate::admin::{CaseDetails, CaseNumbers, CaseReleased, CaseView};
use crate::mail::{CaseKind, NOT_SENT};
use crate::queue::{Tally, TrialOutcome};
use crate::terminal::{Cell, Table, Tone, many, moment, visible};

impl Asker {
    /// The verbs of `cases`.
    pub(super) async fn about_cases(
        &self,
        question: CaseQuestion,
        request: Request,
    ) -> Result<(), Failure> {
        let page = self.page;
        match question {
            CaseQuestion::List(kind) => {
                let text = move |it: &Vec<CaseView>| page.cases(kind, it);
                self.show(request, text).await
            }
            CaseQuestion::Show(_) => self.show(request, |it: &CaseDetails| page.case(it)).await,
            CaseQuestion::Release(..) => self.release_case(request).await,
            CaseQuestion::Bounce(..) => self.show(request, bounced).await,
        }
    }

    /// `cases release`: done when it is released or on its way, not when the case stands.
    async fn release_case(&self, request: Request) -> Result<(), Failure> {
        let released: CaseReleased = self.client.ask(request).await?;
        match self.format {
            Format::Text => show(&text_of(&released))?,
            Format::Json => {
                let json = serde_json::to_string_pretty(&released);
                let json = json.map_err(|error| Failure::new(Exit::Failed, error))?;
                print(&format!("{json}\n"))?;
            }
        }
        match released.trial.outcome {
            TrialOutcome::Refused { .. } => Err(Failure::new(
                Exit::Failed,
                "not released: the backend still refuses",
            )),
            TrialOutcome::Trying | TrialOutcome::Released { .. } | TrialOutcome::HeldOn { .. } => {
                Ok(())
            }
        }
    }
}

impl Page {
    /// `cases`.
    pub(super) fn cases(self, kind: CaseKind, cases: &[CaseView]) -> String {
        if cases.is_empty() {
            return "no cases\n".to_owned();
        }
        // Who got the reply is held for it; who waits has not, and waits for the backend.
        let theirs = match kind {
            CaseKind::Open => "HELD",
            CaseKind::Final => "REFUSED",
        };
        let head = ["CASE", "BACKEND", theirs, "WAITING", "SINCE", "REPLY"];
        let mut table = Table::new(&head, &[5]);
        for case in cases {
            table.row([
                Cell::toned(case.id.to_string(), Tone::Strong),
                case.backend.as_str().into(),
                case.recipients.to_string().into(),
                case.waiting.to_string().into(),
                moment(case.since, self.now).into(),
                case.wording().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        for case in cases {
            if let Some(trial) = self.trial(case) {
                text.push_str(&self.field(&case.id.to_string(), &trial));
            }
        }
        text
    }

    /// `cases show`.
    pub(super) fn case(self, details: &CaseDetails) -> String {
        let case = &details.case;
        let mut text = format!(
            "{}  {}\n",
            self.palette.paint(Tone::Strong, &case.id.to_string()),
            visible(&case.told()),
        );
        text.push_str(&self.field("since", &moment(case.since, self.now)));
        let got = if case.was_asked() {
            "got this reply"
        } else {
            "were not sent"
        };
        text.push_str(&self.field("recipients", &format!("{} {got}", case.recipients)));
        if let Some(rejecting) = &details.rejecting {
            let waiting = format!("{} are held back: {rejecting}", case.waiting);
            text.push_str(&self.field("waiting", &waiting));
        }
        text.push_str(&self.field("cause", &format!("{}: {}", case.cause, details.advice)));
        if case.was_asked() {
            text.push_str(&self.field("reply", &details.reply));
        } else {
            // Its codes are ours, and say nothing of the backend.
            let own = details.reply.find(NOT_SENT);
            let own = own.and_then(|at| details.reply.get(at..));
            text.push_str(&self.field("why", own.unwrap_or(&details.reply)));
        }
        if details.is_final {
            let over = "refused for good or given up: there is nothing to decide";
            text.push_str(&self.field("over", over));
        }
        if details.uncertain > 0 {
            let uncertain = many(details.uncertain, "recipient");
            text.push_str(&self.field("perhaps", &format!("{uncertain} may have it: {CUT_OFF}")));
        }
        if let Some(trial) = self.trial(case) {
            text.push_str(&self.field("release", &trial));
        }
        for (number, member) in details.members.iter().enumerate() {
            let label = if number == 0 { "to" } else { "" };
            let from = if member.from.is_empty() {
                "<>"
            } else {
                &member.from
            };
            let line = format!("{}  {}  from {from}", member.recipient, member.id);
            text.push_str(&self.field(label, &line));
        }
        let more = case.recipients.saturating_sub(details.members.len() as u64);
        if more > 0 {
            text.push_str(&self.field("", &format!("and {more} more")));
        }
        text
    }

    /// The cases that wait for a decision, for `status`; nothing when there are none.
    pub(super) fn cases_waiting(self, cases: &CaseNumbers) -> String {
        let told = match (&cases.unknown, cases.cases) {
            (Some(why), _) => format!("how many wait is not known: {why}"),
            (None, Some(0) | None) => return String::new(),
            (None, Some(count)) => {
                let recipients = cases.recipients.unwrap_or_default();
                let recipients = many(recipients, "recipient");
                format!("{count} with {recipients}: `tideover cases`")
            }
        };
        self.field("cases", &told)
    }

    fn trial(self, case: &CaseView) -> Option<String> {
        let trial = case.trial.as_ref()?;
        let by = format!(
            "released by {} at {}",
            trial.actor,
            moment(trial.at, self.now)
        );
        Some(match &trial.outcome {
            TrialOutcome::Trying => format!("{by}; the first message is being tried"),
            TrialOutcome::Refused { what, .. } => {
                format!("{by}; the first message was refused again, so the rest stays: {what}")
            }
            outcome @ TrialOutcome::Released { .. } => {
                let mut told = vec![format!("{by}; the first message was accepted")];
                told.extend(outcome.held_on());
                visible(&told.join("; "))
            }
            outcome @ TrialOutcome::HeldOn { .. } => {
                format!("{by}; {}", visible(&outcome.held_on().join("; ")))
            }
        })
    }
}

/// `cases release`.
pub(super) fn text_of(released: &CaseReleased) -> String {
    let first = format!("{} went first", released.trial.id);
    match &released.trial.outcome {
        outcome @ TrialOutcome::Released { .. } => {
            let done = format!("{first} and was accepted: case {} is released", released.id);
            let mut told = vec![done];
            told.extend(outcome.held_on());
            Page::paragraph(&visible(&told.join("; "))) + &still_in_it(released)
        }
        TrialOutcome::Refused { what, .. } => {
            let stands = format!(
                "{first} and was refused again: case {} stands, {} held",
                released.id, released.recipients,
            );
            Page::paragraph(&stands) + &Page::paragraph(what)
        }
        outcome @ TrialOutcome::HeldOn { .. } => {
            let told = format!(
                "case {} is released, and none of it could be tried: {}",
                released.id,
                visible(&outcome.held_on().join("; "))
            );
            Page::paragraph(&told) + &still_in_it(released)
        }
        TrialOutcome::Trying => Page::paragraph(&format!(
            "{first} and is not decided yet: when it is accepted the other {} follow; \
             `tideover cases show {}` tells",
            released.recipients, released.id
        )),
    }
}

/// Whom a case still has though it is released; nothing when there is nobody.
fn still_in_it(released: &CaseReleased) -> String {
    if released.recipients == 0 {
        return String::new();
    }
    Page::paragraph(&format!(
        "still in the case: {}, who could not be taken out of it or were refused since; \
         `tideover cases show {}` tells",
        many(released.recipients, "recipient"),
        released.id
    ))
}

/// `cases bounce`.
pub(super) fn bounced(tally: &Tally) -> String {
    let recipients = many(tally.recipients, "recipient");
    let messages = many(tally.messages, "message");
    Page::paragraph(&format!(
        "bounced {recipients} of {messages}; senders who proved to be senders are told"
    ))
}
