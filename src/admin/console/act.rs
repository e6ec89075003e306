//! Something is done to all mail that a filter names, in two steps: first what would happen is
//! shown, then it is done, with a reason, and not to what came meanwhile.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::Instant;

use super::Console;
use super::asker::{Asker, Fields, Question, Sent};
use super::count::{self, Counted};
use super::fault::Fault;
use super::filter::{Filter, UP_TO, moment};
use super::kinds::{Kind, kind};
use super::moments::{grouped, many};
use super::queue::Row;
use super::shell::{Here, Shell, show, show_with};
use crate::admin::{HoldQuery, HoldView, PerformQuery, SelectQuery};
use crate::mail::SpoolId;
use crate::queue::{Deed, Order, Tally};
use crate::terminal::visible;

/// The first step looks no longer than this; then it counts on when it is told.
const LOOK: Duration = Duration::from_secs(5);
/// The field that says that a hold means everything.
const EVERYTHING: &str = "everything";
/// The field with the count that was shown.
const SHOWN: &str = "shown";
/// A step takes no longer than this; then it says how far it has come, and goes on when it is told.
const SLICE: Duration = Duration::from_secs(20);
/// Behind it is everything.
const FIRST: SpoolId = SpoolId::from_u64(0);

/// What the two steps know beside a filter.
const OTHERS: [&str; 15] = [
    "deed",
    "reason",
    "csrf",
    "name",
    "after",
    "recipients",
    "messages",
    SHOWN,
    EVERYTHING,
    UP_TO,
    count::BEHIND,
    count::RECIPIENTS,
    count::MESSAGES,
    count::PAUSED,
    count::MOVING,
];

/// What was typed, and the mail of it that is meant: what there was when it was shown first. A
/// filter that is not known is none: without it a deed would be done to all mail.
fn filters(console: &Console, fields: &Fields) -> Result<(Filter, Filter), Fault> {
    Filter::expect_known(fields, &OTHERS)?;
    let now = console.moments().now;
    let filters = moment(fields, UP_TO).and_then(|shown| {
        let shown = shown.map_or(now, |shown| shown.min(now));
        let typed = Filter::of(fields, shown)?;
        Ok((typed.clone(), typed.up_to(shown)))
    });
    filters.map_err(|what| Fault::asked(what, "Go back to the queue."))
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

/// Nothing is dropped for good that was not shown: states change between two looks. Says how far
/// it was counted again, when that is not all of it yet.
async fn expect_as_shown(
    (console, asker): (&Console, &Asker),
    (kind, filter): (Kind, &Filter),
    fields: &Fields,
) -> Result<Option<Counted>, Fault> {
    let shown: Option<u64> = fields.text(SHOWN).parse().ok();
    let sofar = Counted::of(fields)?;
    let now = sofar.go_on((console, asker), (kind.deed, filter), SLICE);
    let now = now.await?;
    if shown.is_none_or(|shown| now.recipients > shown) {
        return Err(Fault::asked(
            format!(
                "the filter names {} now, and not what was shown; nothing was dropped",
                many(now.recipients, "recipient")
            ),
            "Go back to the queue, and look again.",
        ));
    }
    Ok(Some(now).filter(|now| now.rest.is_some()))
}

/// What a page need not offer, because it would be refused.
pub(super) fn expect_offered(kind: Kind, filter: &Filter, fields: &Fields) -> Result<(), Fault> {
    expect_no_age(kind, fields)?;
    expect_fit(kind, filter)
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
    /// What is not done, because it waits for a backend.
    behind: Option<String>,
    /// What is not done, because a move holds it.
    moving: Option<String>,
    /// Where the count goes on.
    on: Option<String>,
    can: Can,
    /// Said when nobody is there to whom it could be done.
    nothing: &'static str,
    is_final: bool,
    /// It holds nobody now, and whoever comes later.
    is_for_later: bool,
}

/// What the first step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Can {
    /// It can be done.
    Act,
    /// Nobody is there to whom it could be done.
    Nothing,
    /// It must be counted to its end before.
    Count,
}

impl Can {
    fn of(kind: Kind, filter: &Filter, counted: &Counted) -> Self {
        match (kind.deed, counted.rest, counted.recipients) {
            // A rule is made for what comes later, too; of one message nothing comes later.
            (Deed::Hold, _, 0) if filter.selection.message.is_some() => Self::Nothing,
            (Deed::Hold, _, _) => Self::Act,
            // What cannot be counted is not dropped.
            (Deed::Drop, Some(_), _) | (_, Some(_), 0) => Self::Count,
            (_, None, 0) => Self::Nothing,
            (_, _, _) => Self::Act,
        }
    }
}

/// Why there is nothing to do.
const fn nothing(kind: Kind, filter: &Filter, counted: &Counted) -> &'static str {
    match (kind.deed, filter.selection.message, counted.left_out()) {
        (Deed::Hold, Some(_), _) => {
            "What waits of this message is held already, and nothing of it comes later: there is \
             nothing to do."
        }
        (_, _, 0) => "Nobody that waits matches: there is nothing to do.",
        (_, _, _) => "Nobody else that waits matches: there is nothing to do here.",
    }
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
    let (typed, filter) = filters(&console, &fields)?;
    expect_fit(kind, &filter)?;
    let counted = Counted::of(&fields)?;
    let counted = counted.go_on((&console, &asker), (kind.deed, &filter), LOOK);
    let counted = counted.await?;
    let on = counted.fields().map(|more| {
        let more = more.each_ref().map(|(name, text)| (*name, text.as_str()));
        filter.link(&[&[("deed", kind.word)][..], &more].concat())
    });
    let back = typed.link(&[]);
    let mut typed = filter.typed().to_vec();
    typed.push((SHOWN, counted.recipients.to_string()));
    if kind.deed == Deed::Hold && rule_of(&filter)?.all {
        typed.push((EVERYTHING, "yes".to_owned()));
    }
    let moments = console.moments();
    let shown = counted.items.len() as u64;
    show(&DryPage {
        what: visible(&moments.readable(&filter.selection.to_string())),
        count: counted.told(),
        rows: counted
            .items
            .iter()
            .map(|item| Row::new(item, &moments))
            .collect(),
        more: counted.recipients.saturating_sub(shown),
        typed,
        back,
        on,
        can: Can::of(kind, &filter, &counted),
        nothing: nothing(kind, &filter, &counted),
        is_for_later: kind.deed == Deed::Hold && counted.recipients == 0,
        behind: counted.behind_of(kind),
        moving: counted.moving_of(kind),
        is_final: kind.deed == Deed::Drop,
        shell: console.shell(&asker, Here::Queue, kind.name),
        kind,
    })
}

/// What was done.
#[derive(Template)]
#[template(path = "console/acted.html")]
pub(super) struct ActedPage {
    pub(super) shell: Shell,
    pub(super) headline: String,
    pub(super) lines: Vec<String>,
    /// Where it goes on, with what was typed and what was done so far.
    pub(super) next: Option<Vec<(&'static str, String)>>,
}

/// The second step: it is done.
pub(super) async fn act(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    perform((&console, &sent.asker), &sent.fields, Vec::new()).await
}

/// Does what the fields say, as far as it comes in its time; the lines say what was done before.
pub(super) async fn perform(
    (console, asker): (&Console, &Asker),
    fields: &Fields,
    mut lines: Vec<String>,
) -> Result<Response, Fault> {
    let kind = kind(fields)?;
    expect_no_age(kind, fields)?;
    let (_, filter) = filters(console, fields)?;
    expect_fit(kind, &filter)?;
    let reason = fields.reason()?;
    let after = fields.some("after").map(str::parse::<SpoolId>).transpose();
    let after = after.map_err(|_| Fault::asked("it does not go on from there", "Begin anew."))?;
    let mut goes_on = filter.typed().to_vec();
    goes_on.push(("deed", kind.word.to_owned()));
    goes_on.push(("reason", reason.clone()));
    // Who may not drop is refused by the API, which writes it down.
    if kind.deed == Deed::Drop && after.is_none() && asker.may(kind.role) {
        let counted = expect_as_shown((console, asker), (kind, &filter), fields).await?;
        if let Some(counted) = counted {
            goes_on.push((SHOWN, fields.text(SHOWN).to_owned()));
            return show(&recounted(
                console.shell(asker, Here::Queue, kind.name),
                (&counted, goes_on),
            ));
        }
    }
    if kind.deed == Deed::Hold && after.is_none() {
        expect_all_meant(&filter, fields)?;
        let hold = hold(console, asker, (&filter, &reason)).await?;
        lines.push(begun(&hold));
    }
    let order = Order {
        deed: kind.deed,
        actor: asker.caller.name.clone(),
        reason,
    };
    let which = SelectQuery {
        after,
        state: None,
        ..filter.query()
    };
    let sofar = |name: &str| fields.text(name).parse::<u64>().unwrap_or(0);
    let mut done = slice(console, asker, PerformQuery { order, which }).await?;
    // The API knows the least role for any deed; this one may take more.
    let is_refused = |fault: &Fault| fault.status == StatusCode::FORBIDDEN;
    if done.fault.as_ref().is_some_and(is_refused) && !asker.may(kind.role) {
        return Err(Fault::role(kind.role));
    }
    // What was done before is told, and goes on; where nothing was done, only why not.
    if let Some(fault) = done.fault.take_if(|fault| {
        let is_begun = after.is_some() && fault.status.is_server_error();
        lines.is_empty() && done.tally.seen == 0 && !is_begun
    }) {
        return Err(fault);
    }
    done.tally.recipients = done.tally.recipients.saturating_add(sofar("recipients"));
    done.tally.messages = done.tally.messages.saturating_add(sofar("messages"));
    show_done((console, asker), (kind, done), (lines, goes_on))
}

fn show_done(
    (console, asker): (&Console, &Asker),
    (kind, done): (Kind, Done),
    (mut lines, mut goes_on): (Vec<String>, Vec<(&'static str, String)>),
) -> Result<Response, Fault> {
    let Done { tally, fault } = done;
    let headline = headline(kind, &tally, &lines);
    lines.extend(told(&tally));
    let status = fault.as_ref().map(|fault| fault.status);
    lines.extend(fault.map(|fault| format!("Then it stopped: {}. {}", fault.what, fault.hint)));
    let next = tally.next.map(|next| {
        goes_on.push(("after", next.to_string()));
        goes_on.push(("recipients", tally.recipients.to_string()));
        goes_on.push(("messages", tally.messages.to_string()));
        goes_on
    });
    let page = ActedPage {
        shell: console.shell(asker, Here::Queue, kind.name),
        headline,
        lines,
        next,
    };
    match status {
        Some(status) => show_with(status, &page),
        None => show(&page),
    }
}

/// What would be dropped is counted again, and that takes long.
fn recounted(
    shell: Shell,
    (counted, mut goes_on): (&Counted, Vec<(&'static str, String)>),
) -> ActedPage {
    goes_on.extend(counted.fields().into_iter().flatten());
    ActedPage {
        shell,
        headline: "Nothing is dropped yet.".to_owned(),
        lines: vec![format!(
            "It is counted again before, and that takes long: {} until now.",
            counted.told()
        )],
        next: Some(goes_on),
    }
}

fn begun(hold: &HoldView) -> String {
    let (name, what) = (&hold.name, visible(&hold.what));
    if hold.already {
        let (by, reason) = (visible(&hold.actor), visible(&hold.reason));
        return format!(
            "Hold {name} holds {what} already (by {by}: {reason}). No second one is made."
        );
    }
    format!("Hold {name} is in force: {what} is held from now on, until somebody ends it.")
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

/// How far it has come, and what stopped it.
struct Done {
    tally: Tally,
    fault: Option<Fault>,
}

/// Page after page, as far as it comes in its time. It is a task: who goes away does not cut it
/// off.
async fn slice(console: &Console, asker: &Asker, mut query: PerformQuery) -> Result<Done, Fault> {
    let (tell, heard) = tokio::sync::oneshot::channel();
    let (console, asker) = (console.clone(), asker.clone());
    let until = Instant::now() + SLICE;
    let shutdown = console.0.shutdown.clone();
    shutdown.spawn("a deed of the console", async move {
        let mut sum = Tally::default();
        let fault = loop {
            let answer = console.ask(&asker).post("/api/queue/perform", &query).await;
            match answer {
                Ok(tally) => sum.add(tally),
                Err(fault) => {
                    // What was done stays done; it goes on with the page that failed.
                    sum.next = query.which.after.or(Some(FIRST));
                    break Some(fault);
                }
            }
            query.which.after = sum.next;
            if sum.next.is_none() || Instant::now() >= until || console.0.shutdown.is_stopping() {
                break None;
            }
        };
        tell.send(Done { tally: sum, fault }).ok();
    });
    heard.await.map_err(|error| Fault::ours(&error))
}

fn headline(kind: Kind, tally: &Tally, done_before: &[String]) -> String {
    let done = format!(
        "{} of {} {}",
        many(tally.recipients, "recipient"),
        many(tally.messages, "message"),
        kind.done
    );
    let is_left = tally.behind + tally.under_way + tally.moving > 0 || !tally.still_held.is_empty();
    match (tally.next.is_some(), tally.recipients) {
        (true, _) => format!("{done} so far."),
        (false, 0) if is_left => "Nothing was done now.".to_owned(),
        (false, 0) if done_before.is_empty() => {
            "Nobody that waits matched: nothing was done.".to_owned()
        }
        (false, 0) => "Nobody that waits matched.".to_owned(),
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
    lines.extend(tally.held_on().map(|told| visible(&format!("{told}."))));
    if tally.moving > 0 {
        lines.push(format!(
            "{} more are of domains on the move, and stay until the move is finished.",
            grouped(tally.moving)
        ));
    }
    lines
}
