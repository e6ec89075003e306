//! Something is done to all mail that a filter names, in two steps: first what would happen is
//! shown, then it is done, with a reason, and not to what came meanwhile.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use tokio::time::Instant;

use super::Console;
use super::asker::{Asker, Fields, Question, Sent};
use super::fault::Fault;
use super::filter::Filter;
use super::moments::{grouped, many};
use super::queue::Row;
use super::shell::{Here, Shell, show};
use crate::admin::{HoldQuery, HoldView, PerformQuery, QueueItem, Role, SelectQuery, SelectView};
use crate::mail::SpoolId;
use crate::queue::{Deed, Order, Tally};

/// Recipients that are shown as examples.
const SAMPLE: usize = 20;
/// Questions to the API about what would happen, of 200 messages each. Beyond: it is said that
/// there is more.
const QUESTIONS: usize = 250;
/// The field that says that a hold means everything.
const EVERYTHING: &str = "everything";
/// The field with the count that was shown.
const SHOWN: &str = "shown";
/// A step takes no longer than this; then it says how far it has come, and goes on when it is told.
const SLICE: Duration = Duration::from_secs(20);

/// What is done, as the pages call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    word: &'static str,
    name: &'static str,
    deed: Deed,
    role: Role,
    /// What it means, before it is done.
    meaning: &'static str,
    /// What was done.
    done: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        word: "retry",
        name: "Retry",
        deed: Deed::Retry,
        role: Role::Operator,
        meaning: "Mail that waits for its next attempt is tried now. What is held stays held.",
        done: "due now",
    },
    Kind {
        word: "release",
        name: "Release",
        deed: Deed::Release,
        role: Role::Operator,
        meaning: "Mail that is held goes into the queue again and is tried now. Holds and moves \
                  stay in force for what comes later; what waits for a backend goes when it is up.",
        done: "released",
    },
    Kind {
        word: "resume",
        name: "Let go",
        deed: Deed::Resume,
        role: Role::Operator,
        meaning: "Mail whose hold has ended goes into the queue again; other holds still count.",
        done: "in the queue again",
    },
    Kind {
        word: "hold",
        name: "Hold",
        deed: Deed::Hold,
        role: Role::Operator,
        meaning: "A rule is made that holds this mail and all that comes later and matches, until \
                  the hold is ended.",
        done: "held",
    },
    Kind {
        word: "drop",
        name: "Drop",
        deed: Deed::Drop,
        role: Role::Admin,
        meaning: "This mail is taken out for good: nobody gets it, and nobody is told. It cannot \
                  be undone. `tideover queue export` keeps a copy before.",
        done: "dropped",
    },
];

fn kind(fields: &Fields) -> Result<Kind, Fault> {
    let word = fields.text("deed");
    let known = KINDS.into_iter().find(|kind| kind.word == word);
    known.ok_or_else(|| {
        Fault::asked(
            format!("\"{word}\" is nothing that can be done"),
            "Expected retry, release, hold or drop.",
        )
    })
}

fn filter(console: &Console, fields: &Fields) -> Result<Filter, Fault> {
    let now = console.moments().now;
    let filter = Filter::of(fields, now);
    let filter = filter.map_err(|what| Fault::asked(what, "Go back to the queue."))?;
    Ok(filter.up_to(now))
}

/// A rule names mail, and not why other mail is held, or when it came.
fn rule_of(filter: &Filter) -> Result<SelectQuery, Fault> {
    let mut query = filter.query();
    query.selection.accepted_before = None;
    let selection = &query.selection;
    let is_odd = selection.hold.is_some() || selection.reason_kind.is_some();
    if is_odd || filter.state.is_some() {
        return Err(Fault::asked(
            "a hold names mail, and not its state, its reason or another hold",
            "Leave these out of the filter, and hold by recipient, sender, domain or backend.",
        ));
    }
    query.all = selection.is_all();
    Ok(query)
}

/// What a hold is asked for with: a rule has no age, so it would hold more than was shown.
fn expect_no_age(kind: Kind, fields: &Fields) -> Result<(), Fault> {
    let has_age = ["older", "before"]
        .iter()
        .any(|name| fields.some(name).is_some());
    if kind.deed == Deed::Hold && has_age {
        return Err(Fault::asked(
            "a hold cannot name an age: it holds what comes later, too",
            "Leave the age out of the filter, and look at what it names then.",
        ));
    }
    Ok(())
}

/// Everything is held only by who was shown that it is everything.
fn expect_all_meant(filter: &Filter, fields: &Fields) -> Result<(), Fault> {
    if rule_of(filter)?.all && fields.text(EVERYTHING) != "yes" {
        return Err(Fault::asked(
            "this would hold everything that comes",
            "Go back to the queue, and look at what it names.",
        ));
    }
    Ok(())
}

/// Nothing is dropped for good that was not shown: states change between two looks.
async fn expect_as_shown(
    (console, asker): (&Console, &Asker),
    (kind, filter): (Kind, &Filter),
    fields: &Fields,
) -> Result<(), Fault> {
    let shown: Option<u64> = fields.text(SHOWN).parse().ok();
    let now = count(console, asker, (kind, filter)).await?;
    expect_counted(kind, &now)?;
    if shown.is_none_or(|shown| now.recipients > shown) {
        return Err(Fault::asked(
            format!(
                "the filter names {} now, and not what was shown; nothing was dropped",
                many(now.recipients, "recipient")
            ),
            "Go back to the queue, and look again.",
        ));
    }
    Ok(())
}

/// What cannot be counted is not dropped.
fn expect_counted(kind: Kind, counted: &Counted) -> Result<(), Fault> {
    if kind.deed == Deed::Drop && counted.is_cut {
        return Err(Fault::asked(
            format!(
                "that is {}: too many to be dropped at one time",
                counted.told()
            ),
            "Narrow the filter, by sender, recipient or domain.",
        ));
    }
    Ok(())
}

/// What is done is done to what was meant, or not at all.
fn expect_fit(kind: Kind, filter: &Filter) -> Result<(), Fault> {
    match kind.deed {
        Deed::Hold => rule_of(filter).map(drop),
        Deed::Drop if filter.state.is_some() => Err(Fault::asked(
            "a drop takes out what is queued and what is held alike",
            "Leave the state out of the filter, and look at what it names then.",
        )),
        Deed::Drop | Deed::Release | Deed::Resume | Deed::Retry => Ok(()),
    }
}

#[derive(Template)]
#[template(path = "console/dry.html")]
struct DryPage {
    shell: Shell,
    kind: Kind,
    what: String,
    count: String,
    rows: Vec<Row>,
    more: u64,
    typed: Vec<(&'static str, String)>,
    back: String,
    nothing: bool,
    is_final: bool,
}

/// The first step: what would happen.
pub(super) async fn dry(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let kind = kind(&fields)?;
    asker.needs(kind.role)?;
    expect_no_age(kind, &fields)?;
    let filter = filter(&console, &fields)?;
    expect_fit(kind, &filter)?;
    let counted = count(&console, &asker, (kind, &filter)).await?;
    expect_counted(kind, &counted)?;
    let mut typed = filter.typed().to_vec();
    typed.push((SHOWN, counted.recipients.to_string()));
    if kind.deed == Deed::Hold && rule_of(&filter)?.all {
        typed.push((EVERYTHING, "yes".to_owned()));
    }
    let moments = console.moments();
    let shown = counted.items.len() as u64;
    show(&DryPage {
        what: filter.selection.to_string(),
        count: counted.told(),
        rows: counted
            .items
            .iter()
            .map(|item| Row::new(item, &moments))
            .collect(),
        more: counted.recipients.saturating_sub(shown),
        typed,
        back: filter.link(&[]),
        nothing: counted.recipients == 0 && kind.deed != Deed::Hold,
        is_final: kind.deed == Deed::Drop,
        shell: console.shell(&asker, Here::Queue, kind.name),
        kind,
    })
}

/// To whom it would be done.
#[derive(Default)]
struct Counted {
    recipients: u64,
    messages: u64,
    items: Vec<QueueItem>,
    is_cut: bool,
}

impl Counted {
    fn told(&self) -> String {
        let cut = if self.is_cut { "at least " } else { "" };
        format!(
            "{cut}{} of {}",
            many(self.recipients, "recipient"),
            many(self.messages, "message")
        )
    }
}

async fn count(
    console: &Console,
    asker: &Asker,
    (kind, filter): (Kind, &Filter),
) -> Result<Counted, Fault> {
    let mut query = SelectQuery {
        deed: Some(kind.deed),
        // A deed is not asked in which state its mail is shown.
        state: None,
        ..filter.query()
    };
    let mut counted = Counted::default();
    for _ in 0..QUESTIONS {
        query.show = SAMPLE.saturating_sub(counted.items.len());
        let view: SelectView = console.ask(asker).post("/api/queue/select", &query).await?;
        counted.recipients += view.recipients;
        counted.messages += view.messages.len() as u64;
        counted.items.extend(view.items);
        query.after = view.next;
        if view.next.is_none() {
            return Ok(counted);
        }
    }
    counted.is_cut = true;
    Ok(counted)
}

#[derive(Template)]
#[template(path = "console/acted.html")]
struct ActedPage {
    shell: Shell,
    kind: Kind,
    headline: String,
    lines: Vec<String>,
    /// Where it goes on, with what was typed and what was done so far.
    next: Option<Next>,
}

/// The rest of a deed.
struct Next {
    typed: Vec<(&'static str, String)>,
    after: String,
    recipients: u64,
    messages: u64,
    reason: String,
}

/// The second step: it is done.
pub(super) async fn act(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    perform(&console, &sent.asker, &sent.fields).await
}

/// Does what the fields say, as far as it comes in its time.
pub(super) async fn perform(
    console: &Console,
    asker: &Asker,
    fields: &Fields,
) -> Result<Response, Fault> {
    let kind = kind(fields)?;
    asker.needs(kind.role)?;
    let filter = filter(console, fields)?;
    expect_fit(kind, &filter)?;
    let reason = fields.reason()?;
    let after = fields.some("after").map(str::parse::<SpoolId>).transpose();
    let after = after.map_err(|_| Fault::asked("it does not go on from there", "Begin anew."))?;
    if kind.deed == Deed::Drop && after.is_none() {
        expect_as_shown((console, asker), (kind, &filter), fields).await?;
    }
    let mut lines = Vec::new();
    if kind.deed == Deed::Hold && after.is_none() {
        expect_all_meant(&filter, fields)?;
        let hold = hold(console, asker, (&filter, &reason)).await?;
        lines.push(format!(
            "Hold {} is in force: {} is held from now on, until somebody ends it.",
            hold.name, hold.what
        ));
    }
    let order = Order {
        deed: kind.deed,
        actor: asker.caller.name.clone(),
        reason: reason.clone(),
    };
    let which = SelectQuery {
        after,
        ..filter.query()
    };
    let sofar = |name: &str| fields.text(name).parse::<u64>().unwrap_or(0);
    let mut tally = slice(console, asker, PerformQuery { order, which }).await?;
    tally.recipients += sofar("recipients");
    tally.messages += sofar("messages");
    lines.extend(told(&tally));
    let next = tally.next.map(|next| Next {
        typed: filter.typed().to_vec(),
        after: next.to_string(),
        recipients: tally.recipients,
        messages: tally.messages,
        reason,
    });
    show(&ActedPage {
        shell: console.shell(asker, Here::Queue, kind.name),
        headline: headline(kind, &tally),
        kind,
        lines,
        next,
    })
}

async fn hold(
    console: &Console,
    asker: &Asker,
    (filter, reason): (&Filter, &str),
) -> Result<HoldView, Fault> {
    let query = HoldQuery {
        which: rule_of(filter)?,
        actor: asker.caller.name.clone(),
        reason: reason.to_owned(),
        until: None,
        seconds: None,
    };
    console.ask(asker).post("/api/holds", &query).await
}

/// Page after page, as far as it comes in its time. It is a task: who goes away does not cut it
/// off.
async fn slice(console: &Console, asker: &Asker, mut query: PerformQuery) -> Result<Tally, Fault> {
    let (tell, heard) = tokio::sync::oneshot::channel();
    let (console, asker) = (console.clone(), asker.clone());
    let until = Instant::now() + SLICE;
    let shutdown = console.0.shutdown.clone();
    shutdown.spawn("a deed of the console", async move {
        let mut sum = Tally::default();
        let result = loop {
            let answer = console.ask(&asker).post("/api/queue/perform", &query).await;
            match answer {
                Ok(tally) => sum.add(tally),
                Err(fault) => break Err(fault),
            }
            query.which.after = sum.next;
            if sum.next.is_none() || Instant::now() >= until || console.0.shutdown.is_stopping() {
                break Ok(sum);
            }
        };
        tell.send(result).ok();
    });
    heard.await.unwrap_or_else(|error| Err(Fault::ours(&error)))
}

fn headline(kind: Kind, tally: &Tally) -> String {
    let done = format!(
        "{} of {} {}",
        many(tally.recipients, "recipient"),
        many(tally.messages, "message"),
        kind.done
    );
    match (tally.next.is_some(), tally.recipients) {
        (true, _) => format!("{done} so far."),
        (false, 0) => "Nobody that waits matched: nothing was done.".to_owned(),
        (false, _) => format!("{done}."),
    }
}

/// What was not done, and why.
fn told(tally: &Tally) -> Vec<String> {
    let mut lines = Vec::new();
    if tally.under_way > 0 {
        lines.push(format!(
            "{} more are being tried just now: do it again in a minute.",
            grouped(tally.under_way)
        ));
    }
    if tally.behind > 0 {
        lines.push(format!(
            "{} more wait for a backend that takes no mail now.",
            grouped(tally.behind)
        ));
    }
    if tally.moving > 0 {
        lines.push(format!(
            "{} more are of domains on the move, and stay until the move is finished.",
            grouped(tally.moving)
        ));
    }
    lines
}
