//! The people of the directory, page by page, each with the way to where his mail goes and what
//! became of it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Question};
use super::fault::Fault;
use super::moments::Moments;
use super::shell::{Here, Shell, show};
use crate::admin::{BackendView, EntriesQuery, EntryState, EntryView, Limit};
use crate::base::query_words;
use crate::directory::EntryKind;
use crate::terminal::visible;

/// People on a page.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "console/people.html")]
struct Page {
    shell: Shell,
    text: String,
    domain: String,
    homes: Vec<(String, &'static str)>,
    kinds: Vec<(&'static str, &'static str)>,
    states: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    /// Which of them are shown.
    place: String,
    previous: Option<String>,
    next: Option<String>,
    is_filtered: bool,
}

/// A person, a group.
struct Row {
    address: String,
    kind: &'static str,
    tone: &'static str,
    state: String,
    facts: Vec<String>,
    why: String,
    trace: String,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let query = query(&fields)?;
    let ask = console.ask(&asker);
    let backends: Vec<BackendView> = ask.get("/api/backends").await?;
    // One more than is shown says whether there is a next page.
    let page_and_one = EntriesQuery {
        limit: Some(Limit::of(SHOWN + 1)),
        ..query.clone()
    };
    let path = format!("/api/directory/entries?{}", page_and_one.words());
    let found: Vec<EntryView> = ask.get(&path).await?;
    let moments = console.moments();
    let link = |skip: usize| link(&query, skip);
    let names = backends.iter().map(|one| one.name.to_string());
    let kinds = EntryKind::ALL.map(EntryKind::as_str);
    let states = [EntryState::Named, EntryState::Departed].map(EntryState::as_str);
    let of = |field: &str, name: &'static str| (name, mark(fields.text(field), name));
    let shown = found.len().min(SHOWN);
    show(&Page {
        shell: console.shell(&asker, Here::Directory, "People"),
        text: fields.text("q").to_owned(),
        domain: fields.text("domain").to_owned(),
        homes: names
            .map(|name| (name.clone(), mark(fields.text("home"), &name)))
            .collect(),
        kinds: kinds.map(|name| of("kind", name)).to_vec(),
        states: states.map(|name| of("state", name)).to_vec(),
        rows: found
            .iter()
            .take(SHOWN)
            .map(|one| Row::new(one, &moments))
            .collect(),
        place: match shown {
            0 => String::new(),
            1 => format!("Number {}", query.skip.saturating_add(1)),
            shown => format!(
                "Numbers {} to {}",
                query.skip.saturating_add(1),
                query.skip.saturating_add(shown)
            ),
        },
        previous: (query.skip > 0).then(|| link(query.skip.saturating_sub(SHOWN))),
        next: (found.len() > SHOWN).then(|| link(query.skip.saturating_add(SHOWN))),
        is_filtered: ["q", "domain", "home", "kind", "state"]
            .iter()
            .any(|name| fields.some(name).is_some()),
    })
}

/// Is this what was chosen?
fn mark(chosen: &str, name: &str) -> &'static str {
    if chosen == name { " selected" } else { "" }
}

fn query(fields: &Fields) -> Result<EntriesQuery, Fault> {
    let some = |name: &str| fields.some(name).map(str::to_owned);
    let wrong = |name: &str, expected: &str| {
        let typed = visible(fields.text(name));
        Fault::asked(format!("there is no {name} \"{typed}\""), expected)
    };
    let kind = fields.some("kind").map(|text| {
        let found = EntryKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text);
        found.ok_or_else(|| wrong("kind", "Choose one of the list."))
    });
    let state = fields.some("state").map(|text| match text {
        "named" => Ok(EntryState::Named),
        "departed" => Ok(EntryState::Departed),
        _ => Err(wrong("state", "Choose one of the list.")),
    });
    Ok(EntriesQuery {
        text: some("q"),
        domain: some("domain"),
        home: some("home"),
        kind: kind.transpose()?,
        state: state.transpose()?,
        skip: fields.skip()?,
        limit: Some(Limit::of(SHOWN)),
    })
}

/// This page, from another place on.
fn link(query: &EntriesQuery, skip: usize) -> String {
    let words = query_words([
        ("skip", Some(skip.to_string())),
        ("q", query.text.clone()),
        ("domain", query.domain.clone()),
        ("home", query.home.clone()),
        ("kind", query.kind.map(|kind| kind.as_str().to_owned())),
        ("state", query.state.map(|state| state.as_str().to_owned())),
    ]);
    format!("/directory/people?{words}")
}

impl Row {
    fn new(view: &EntryView, moments: &Moments) -> Self {
        let EntryView { entry, home_now } = view;
        let address = entry.address.to_string();
        let home = match (&entry.home, home_now) {
            (Some(home), _) => format!("home {home}"),
            (None, Some(home)) => format!("home {home}, that of its domain"),
            (None, None) => "no home".to_owned(),
        };
        let delivery = entry.delivery_address.as_ref();
        let known = [
            Some(entry.name.clone()).filter(|name| !name.is_empty()),
            Some(home),
            delivery.map(|to| format!("delivered as {to}")),
            count(&entry.aliases, ("alias", "aliases")),
            count(&entry.receive_only, ("old form", "old forms")),
            count(&entry.members, ("member", "members")),
        ];
        let (tone, state) = match entry.departed {
            None => ("done", "named".to_owned()),
            Some(at) => ("waiting", format!("departed {}", moments.since(at))),
        };
        Self {
            address: visible(&address),
            kind: entry.kind.as_str(),
            tone,
            state,
            facts: known
                .into_iter()
                .flatten()
                .map(|text| visible(&text))
                .collect(),
            why: format!("/directory?address={}", escaped(&address)),
            trace: format!("/trace?of={}", escaped(&address)),
        }
    }
}

fn count<T>(all: &[T], (one, several): (&str, &str)) -> Option<String> {
    match all.len() {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {several}")),
    }
}
