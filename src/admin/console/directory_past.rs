//! The generations of the directory: who changed what and why, what differs between two, and the
//! way back to one, in two steps.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::asker::{Asker, Fields, Question, Sent};
use super::fault::Fault;
use super::moments::{Moments, When, grouped, many};
use super::shell::{Here, Shell, show, show_with};
use crate::admin::{ChangeQuery, ChangeView, DiffView, RevertQuery, Role};
use crate::directory::{Cause, Change, Effect, Generation, RulingChange};
use crate::frame::see_other;
use crate::terminal::visible;

/// Generations on a page.
const SHOWN: usize = 50;
/// Changes on a page.
const CHANGES: usize = 100;
/// Letters of a value. Beyond: the verb tells it.
const LETTERS: usize = 300;
/// Of what is alike in front of it.
const LEAD: usize = 20;

#[derive(Template)]
#[template(path = "console/generations.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    /// The newest of the page.
    newest: u64,
    is_first: bool,
    older: Option<u64>,
    may_act: bool,
}

/// A generation.
struct Row {
    number: u64,
    at: When,
    by: String,
    cause: String,
    reason: String,
    effect: String,
    touched: Option<String>,
    /// What it changed can be looked at.
    before: Option<u64>,
    is_present: bool,
}

impl Row {
    fn new(one: &Generation, (present, moments): (u64, &Moments)) -> Self {
        let cause = match &one.source {
            Some(source) => format!("{}, source {source}", one.cause),
            None => one.cause.to_string(),
        };
        Self {
            number: one.number,
            at: moments.when(one.at),
            by: visible(&one.author),
            cause: visible(&cause),
            reason: visible(&one.reason),
            effect: records(&one.effect),
            touched: touched(&one.effect),
            before: (!one.afresh).then(|| one.number.saturating_sub(1)),
            is_present: one.number == present,
        }
    }
}

pub(super) fn records(effect: &Effect) -> String {
    format!(
        "{} added, {} changed, {} removed",
        many(effect.added, "record"),
        grouped(effect.changed),
        grouped(effect.removed)
    )
}

/// What it means for people.
pub(super) fn touched(effect: &Effect) -> Option<String> {
    if effect.deleted + effect.moved + effect.bereft == 0 {
        return None;
    }
    let bereft = match effect.bereft {
        0 => String::new(),
        bereft => format!(", {} lose an address", grouped(bereft)),
    };
    let names = match effect.names.join(", ") {
        names if names.is_empty() => names,
        names => format!("; for example {names}"),
    };
    Some(visible(&format!(
        "Of {} people {} are gone, {} get another home or delivery address{bereft}{names}",
        grouped(effect.of),
        grouped(effect.deleted),
        grouped(effect.moved)
    )))
}

fn number(fields: &Fields, name: &str) -> Result<Option<u64>, Fault> {
    let parsed = fields.some(name).map(str::parse::<u64>).transpose();
    parsed.map_err(|_| {
        Fault::asked(
            format!("\"{}\" is no number", visible(fields.text(name))),
            "Open the page of the generations, and go on from there.",
        )
    })
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let before = number(&fields, "before")?;
    let path = match before {
        Some(before) => format!("/api/directory/generations?limit={SHOWN}&before={before}"),
        None => format!("/api/directory/generations?limit={SHOWN}"),
    };
    let ask = console.ask(&asker);
    let found: Vec<Generation> = ask.get(&path).await?;
    // The present one is the newest of the first page; on the others none is.
    let newest = found.last().map_or(0, |last| last.number);
    let present = if before.is_none() { newest } else { 0 };
    let moments = console.moments();
    let mut shell = console.shell(&asker, Here::Directory, "Generations");
    shell.notice = done(&fields, &found)?;
    show(&Page {
        shell,
        newest,
        is_first: before.is_none(),
        older: found
            .first()
            .map(|first| first.number)
            .filter(|first| *first > 1),
        rows: found
            .iter()
            .rev()
            .map(|one| Row::new(one, (present, &moments)))
            .collect(),
        may_act: asker.may(Role::Operator),
    })
}

/// What has just been done, if it is so.
fn done(fields: &Fields, found: &[Generation]) -> Result<Option<String>, Fault> {
    let Some(number) = number(fields, "done")? else {
        return Ok(None);
    };
    let made = found.iter().find(|one| one.number == number);
    let is_made = made.is_some_and(|one| one.cause == Cause::Revert);
    Ok(is_made.then(|| format!("Generation {number} was made: the directory is as it was.")))
}

#[derive(Template)]
#[template(path = "console/diff.html")]
struct DiffPage {
    shell: Shell,
    from: u64,
    to: u64,
    total: String,
    changes: Vec<Shown>,
    previous: Option<String>,
    next: Option<String>,
}

/// Something that differs.
struct Shown {
    tone: &'static str,
    word: &'static str,
    what: String,
    /// Name, before, now.
    fields: Vec<(String, String, String)>,
}

impl Shown {
    fn record(change: &Change) -> Self {
        let (tone, word, record) = match (&change.before, &change.after) {
            (None, Some(after)) => ("done", "added", Some(after)),
            (Some(before), None) => ("trouble", "removed", Some(before)),
            (_, after) => ("waiting", "changed", after.as_ref()),
        };
        let address = record.map_or_else(|| change.id.clone(), |one| one.address.to_string());
        let fields = match (&change.before, &change.after) {
            (Some(before), Some(after)) => before.differing(after),
            (None, _) | (_, None) => Vec::new(),
        };
        let fields = fields.into_iter();
        Self {
            tone,
            word,
            what: visible(&format!("{address} ({})", change.source)),
            fields: fields
                .map(|(name, before, now)| {
                    let (before, now) = sides(&before, &now);
                    (visible(&name), before, now)
                })
                .collect(),
        }
    }

    fn ruling(change: &RulingChange) -> Self {
        let told = match &change.after {
            None => "is open again".to_owned(),
            Some(ruling) => {
                let owner = ruling.owner.as_ref().map(|owner| format!("owner {owner}"));
                let home = ruling.home.as_ref().map(|home| format!("home {home}"));
                let both: Vec<String> = owner.into_iter().chain(home).collect();
                format!("{}, by {}", both.join(", "), ruling.by)
            }
        };
        Self {
            tone: "waiting",
            word: "settled",
            what: visible(&format!("{}: {told}", change.ruling)),
            fields: Vec::new(),
        }
    }
}

/// Both sides of a field. What is long begins shortly before the first letter that differs.
fn sides(before: &str, now: &str) -> (String, String) {
    let pairs = before.chars().zip(now.chars());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let is_long = before.chars().count().max(now.chars().count()) > LETTERS;
    let skip = if is_long {
        same.saturating_sub(LEAD)
    } else {
        0
    };
    (part(before, skip), part(now, skip))
}

fn part(text: &str, skip: usize) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    let mut letters = text.chars().skip(skip);
    let shown: String = letters.by_ref().take(LETTERS).collect();
    let front = if skip > 0 { "…" } else { "" };
    let rest = if letters.next().is_some() { "…" } else { "" };
    visible(&format!("{front}{shown}{rest}"))
}

pub(super) async fn diff(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let wanted = (number(&fields, "from")?, number(&fields, "to")?);
    let (Some(from), Some(to)) = wanted else {
        return Err(Fault::asked(
            "two generations are to be named",
            "Open the page of the generations, and choose there.",
        ));
    };
    let skip = number(&fields, "skip")?.unwrap_or(0);
    let path = format!("/api/directory/diff?from={from}&to={to}&skip={skip}&limit={CHANGES}");
    let view: DiffView = console.ask(&asker).get(&path).await?;
    let link = |skip: u64| format!("/directory/diff?from={from}&to={to}&skip={skip}");
    let records = view.changes.iter().map(Shown::record);
    let changes: Vec<Shown> = records
        .chain(view.rulings.iter().map(Shown::ruling))
        .collect();
    let end = skip.saturating_add(changes.len() as u64);
    let step = CHANGES as u64;
    show(&DiffPage {
        shell: console.shell(&asker, Here::Directory, "What differs"),
        from,
        to,
        total: many(view.total, "difference"),
        changes,
        previous: (skip > 0).then(|| link(skip.saturating_sub(step))),
        next: (end < view.total && end > skip).then(|| link(end)),
    })
}

#[derive(Template)]
#[template(path = "console/revert.html")]
struct RevertPage {
    shell: Shell,
    number: u64,
    /// The present one.
    present: u64,
    /// None: nothing differs.
    effect: Option<String>,
    touched: Option<String>,
    needs_yes: Option<String>,
    /// It was asked for, and refused.
    refused: Option<(String, String)>,
    reason: String,
    typed: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    Look,
    Step,
}

fn wanted(fields: &Fields) -> Result<u64, Fault> {
    number(fields, "number")?.ok_or_else(|| {
        Fault::asked(
            "no generation is named; nothing was done",
            "Open the page of the generations, and choose one there.",
        )
    })
}

async fn ask(console: &Console, sent: &Sent, take: Take) -> Result<ChangeView, Fault> {
    let fields = &sent.fields;
    let is_step = take == Take::Step;
    let seen = number(fields, "seen")?.filter(|_| is_step);
    let reason = if is_step {
        fields.reason()?
    } else {
        String::new()
    };
    let query = RevertQuery {
        number: wanted(fields)?,
        seen,
        change: ChangeQuery {
            actor: sent.asker.caller.name.clone(),
            reason,
            yes: is_step && fields.text("yes") == "yes",
            dry_run: !is_step,
        },
    };
    let ask = console.ask(&sent.asker);
    ask.post("/api/directory/revert", &query).await
}

/// The first step: what would become of the directory. Nothing is done.
pub(super) async fn look(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let view = ask(&console, &sent, Take::Look).await?;
    show(&revert_page((&console, &sent), &view, None)?)
}

/// The second step: it is done, unless something has changed since.
pub(super) async fn revert(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    // What is missing in the form is told as such.
    sent.fields.reason()?;
    number(&sent.fields, "seen")?.ok_or_else(|| {
        Fault::asked(
            "this was not looked at before; nothing was done",
            "Open the page of the generations, and choose one there.",
        )
    })?;
    let refused = match ask(&console, &sent, Take::Step).await {
        Ok(view) => {
            let made = view.generation.filter(|_| view.done);
            let done = made.map_or_else(String::new, |made| format!("?done={}", made.number));
            return Ok(see_other(&format!("/directory/generations{done}")));
        }
        Err(fault) if fault.status == StatusCode::BAD_REQUEST => fault,
        Err(fault) => return Err(fault),
    };
    let view = ask(&console, &sent, Take::Look).await?;
    let refused = Some((refused.what, refused.hint));
    show_with(
        StatusCode::CONFLICT,
        &revert_page((&console, &sent), &view, refused)?,
    )
}

fn revert_page(
    (console, sent): (&Console, &Sent),
    view: &ChangeView,
    refused: Option<(String, String)>,
) -> Result<RevertPage, Fault> {
    let number = wanted(&sent.fields)?;
    let effect = view.generation.as_ref().map(|would| &would.effect);
    // It would be the one behind the present one.
    let present = view
        .generation
        .as_ref()
        .map_or(0, |would| would.number.saturating_sub(1));
    Ok(RevertPage {
        shell: console.shell(
            &sent.asker,
            Here::Directory,
            "Back to an earlier generation",
        ),
        number,
        present,
        effect: effect.map(records),
        touched: effect.and_then(touched),
        needs_yes: view.needs_yes.as_deref().map(visible),
        refused,
        reason: sent.fields.text("reason").to_owned(),
        typed: vec![
            ("number", number.to_string()),
            ("seen", present.to_string()),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_far_behind_is_shown() {
        let members = |count: usize| {
            let all = (0..count).map(|one| format!("m{one:03}@example.org"));
            all.collect::<Vec<_>>().join(",")
        };
        let (before, now) = sides(&members(50), &members(51));
        assert_ne!(before, now);
        assert!(now.starts_with('…') && now.contains("m050@"), "{now}");
        assert_eq!(sides("", "ann"), ("nothing".to_owned(), "ann".to_owned()));
        assert_eq!(sides("abc", "abd"), ("abc".to_owned(), "abd".to_owned()));
        let (before, _) = sides(&"x".repeat(400), "y");
        assert_eq!(before.chars().count(), LETTERS + 1);
    }
}
