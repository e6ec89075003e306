//! `queue hold` and `release`, and the steps of a move: first what rules from now on is changed,
//! then whoever waits already follows.

use std::fmt::Write as _;

use serde::Serialize;

use super::bulk::{Worker, told};
use super::intent::Request;
use super::render::Page;
use super::{Exit, Failure};
use crate::admin::{EndQuery, HoldQuery, HoldView, MoveQuery, MoveReport, MoveView, SelectQuery};
use crate::base::Clock;
use crate::queue::{Deed, Order, Tally};
use crate::route::{Check, Force, HOMES_AS_THEN, MoveStep, Selection, permits};
use crate::terminal::{Palette, many};

/// What was released.
#[derive(Debug, Serialize)]
struct Released {
    ended: Vec<HoldView>,
    #[serde(flatten)]
    tally: Tally,
}

/// What is held now.
#[derive(Debug, Serialize)]
struct Held {
    #[serde(flatten)]
    hold: HoldView,
    recipients: u64,
    messages: u64,
    under_way: u64,
}

/// A step, and whom it concerned at once.
#[derive(Debug, Serialize)]
struct Stepped {
    #[serde(flatten)]
    report: MoveReport,
    recipients: u64,
    messages: u64,
}

impl Worker {
    pub(super) async fn hold(&self, query: HoldQuery) -> Result<(), Failure> {
        let order = Order {
            deed: Deed::Hold,
            actor: query.actor.clone(),
            reason: query.reason.clone(),
        };
        let request = Request::post("/api/holds", &query);
        let hold: HoldView = self.client.ask(request).await?;
        let tally = self.all_pages(order, self.which.clone()).await?;
        let until = hold.until.map_or_else(
            || format!("until `tideover queue release --hold {}`", hold.name),
            |until| format!("until {until}"),
        );
        // Under load the queue holds some before the verb gets to them.
        let already = hold.already;
        let mut hold = self.counted(hold).await?;
        hold.already = already;
        let tally = Tally {
            recipients: tally.recipients.max(hold.held),
            messages: tally.messages.max(hold.messages),
            ..tally
        };
        let mut text = begun(&hold, &until);
        if tally.recipients > 0 {
            text.push_str(&told(Deed::Hold, &tally));
        }
        if tally.under_way > 0 {
            let many = many(tally.under_way, "recipient");
            // Writing to a String cannot fail.
            writeln!(text, "{many} being tried just now may still be delivered").ok();
        }
        let done = Held {
            hold,
            recipients: tally.recipients,
            messages: tally.messages,
            under_way: tally.under_way,
        };
        self.tell(&done, || text)
    }

    /// A hold with what it holds now.
    async fn counted(&self, hold: HoldView) -> Result<HoldView, Failure> {
        let holds: Vec<HoldView> = self
            .client
            .ask(Request::get("/api/holds".to_owned()))
            .await?;
        let now = holds.into_iter().find(|one| one.name == hold.name);
        Ok(now.unwrap_or(hold))
    }

    pub(super) async fn release(&self, order: Order) -> Result<(), Failure> {
        let query = EndQuery {
            which: self.which.clone(),
            actor: order.actor.clone(),
        };
        let request = Request::post("/api/holds/end", &query);
        let ended: Vec<HoldView> = self.client.ask(request).await?;
        // Whoever names a hold means its mail as a whole: other holds still count.
        let by_name = self.which.selection.hold.is_some();
        let deed = if by_name { Deed::Resume } else { Deed::Release };
        let order = Order { deed, ..order };
        let tally = self.all_pages(order, self.which.clone()).await?;
        let mut text = String::new();
        for hold in &ended {
            // Writing to a String cannot fail.
            writeln!(text, "hold {} has ended: {}", hold.name, hold.what).ok();
        }
        if ended.is_empty()
            || tally
                != (Tally {
                    seen: tally.seen,
                    ..Tally::default()
                })
        {
            text.push_str(&told(Deed::Release, &tally));
        }
        self.tell(&Released { ended, tally }, || text)
    }

    pub(super) async fn step(&self, domain: &str, query: MoveQuery) -> Result<(), Failure> {
        let request = Request::post(&format!("/api/moves/{domain}"), &query);
        let report: MoveReport = self.client.ask(request).await?;
        let page = Page {
            palette: Palette::of_stdout(),
            now: Clock::system().now(),
        };
        let mut text = page.checks(&report);
        let mut stepped = Stepped {
            report,
            recipients: 0,
            messages: 0,
        };
        if stepped.report.done {
            let tally = self.follow(domain, &query).await?;
            let tally = self.counted_move(domain, query.step, tally).await?;
            (stepped.recipients, stepped.messages) = (tally.recipients, tally.messages);
            text.push_str(&stepped_text(&stepped.report, &tally));
        }
        self.tell(&stepped, || text)?;
        if stepped.report.permitted {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, refused(&stepped.report)))
    }

    /// What a move that begins holds now: under load the queue holds some before the verb does.
    async fn counted_move(
        &self,
        domain: &str,
        step: MoveStep,
        tally: Tally,
    ) -> Result<Tally, Failure> {
        if step != MoveStep::Start {
            return Ok(tally);
        }
        let moves: Vec<MoveView> = self
            .client
            .ask(Request::get("/api/moves".to_owned()))
            .await?;
        let held = moves.iter().find(|one| one.domain == domain);
        Ok(Tally {
            recipients: tally.recipients.max(held.map_or(0, |one| one.held)),
            messages: tally.messages.max(held.map_or(0, |one| one.messages)),
            ..tally
        })
    }

    /// Whoever waits already follows.
    async fn follow(&self, domain: &str, query: &MoveQuery) -> Result<Tally, Failure> {
        let step = query.step;
        let order = |deed| Order {
            deed,
            actor: query.actor.clone(),
            reason: format!("move {step} {domain}"),
        };
        if step == MoveStep::Start {
            return self.all_pages(order(Deed::Hold), self.which.clone()).await;
        }
        let of_the_move = SelectQuery {
            selection: Selection {
                hold: Some(format!("@{domain}")),
                ..Selection::default()
            },
            ..SelectQuery::default()
        };
        self.all_pages(order(Deed::Resume), of_the_move).await
    }
}

/// What holds from now on, or did already.
fn begun(hold: &HoldView, until: &str) -> String {
    if hold.already {
        return format!(
            "hold {} by {} holds {} already, {until}:\nno second one is made\n",
            hold.name, hold.actor, hold.what
        );
    }
    format!(
        "hold {}: {} is held from now on,\n{until}\n",
        hold.name, hold.what
    )
}

/// Why a step was not taken. That it can be forced is said only where it can.
fn refused(report: &MoveReport) -> String {
    let (step, domain) = (report.step, &report.domain);
    let what = format!("move {step} {domain} is refused: mend what failed above");
    if permits(&report.checks, Force::Yes) {
        format!("{what};\n  --force takes the step all the same")
    } else {
        what
    }
}

fn stepped_text(report: &MoveReport, tally: &Tally) -> String {
    let (step, domain) = (report.step, &report.domain);
    let is_elsewhere = |check: &Check| check.what == HOMES_AS_THEN && !check.ok;
    let recipients = many(tally.recipients, "recipient");
    let messages = many(tally.messages, "message");
    match step {
        MoveStep::Start => format!(
            "\n{domain} is on the move: its mail is accepted and held, nobody is notified.\n\
             {recipients} of {messages} held that waited already; `move status` counts.\n"
        ),
        MoveStep::Finish => format!(
            "\n{domain} has arrived: {recipients} of {messages} go to the homes of the\n\
             directory. `tideover move back-out {domain}` undoes it.\n"
        ),
        // It would be said of people who live elsewhere, or may.
        MoveStep::BackOut if report.checks.iter().any(is_elsewhere) => format!(
            "\n{domain} is not on the move any more. Directory and config stay as they are now:\n\
             {recipients} of {messages} go where they say.\n\
             What was delivered meanwhile stays where it is.\n"
        ),
        MoveStep::BackOut => format!(
            "\n{domain} is where it was: {recipients} of {messages} go there.\n\
             What was delivered meanwhile stays where it is.\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::route::{Check, Weight};

    /// The way back leaves the directory alone, so the answer must not say that all is as before.
    #[test]
    fn nobody_is_said_to_be_where_he_is_not() {
        let told = |ok| {
            let check = Check {
                what: HOMES_AS_THEN.to_owned(),
                ok,
                weight: Weight::Should,
                detail: String::new(),
            };
            let report = MoveReport {
                domain: "example.org".to_owned(),
                step: MoveStep::BackOut,
                done: true,
                permitted: true,
                checks: vec![check],
                the_move: None,
            };
            stepped_text(&report, &Tally::default())
        };
        assert!(told(true).contains("example.org is where it was"));
        assert!(!told(false).contains("where it was"), "{}", told(false));
        assert!(told(false).contains("go where they say"), "{}", told(false));
    }

    #[test]
    fn the_same_hold_again_is_said_to_be_the_same() {
        let hold = |already| HoldView {
            name: "h1".to_owned(),
            what: "mail to @x.example".to_owned(),
            selection: Selection::default(),
            actor: "ann".to_owned(),
            reason: "patches".to_owned(),
            since: Timestamp::EPOCH,
            until: None,
            held: 0,
            messages: 0,
            oldest: None,
            already,
        };
        assert_eq!(
            begun(&hold(false), "until noon"),
            "hold h1: mail to @x.example is held from now on,\nuntil noon\n"
        );
        assert_eq!(
            begun(&hold(true), "until noon"),
            "hold h1 by ann holds mail to @x.example already, until noon:\n\
             no second one is made\n"
        );
    }

    #[test]
    fn only_what_can_be_forced_is_said_to_be() {
        let told = |weight| {
            let check = Check {
                what: "x".to_owned(),
                ok: false,
                weight,
                detail: String::new(),
            };
            refused(&MoveReport {
                domain: "example.org".to_owned(),
                step: MoveStep::Finish,
                done: false,
                permitted: false,
                checks: vec![check],
                the_move: None,
            })
        };
        assert!(told(Weight::Should).contains("--force"));
        assert!(!told(Weight::Must).contains("--force"));
    }
}
