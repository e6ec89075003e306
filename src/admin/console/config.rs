//! The config that runs, key by key, with its lines; and what a reload would change.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Question, Sent};
use super::fault::Fault;
use super::moments::When;
use super::shell::{Here, Shell, show, show_with};
use crate::admin::{
    ConfigChange, ConfigKey, ConfigOnDisk, ConfigOrigin, ConfigSection, ConfigState, ConfigView,
    ReloadView, Role,
};
use crate::frame::see_other;
use crate::terminal::visible;

#[derive(Template)]
#[template(path = "console/config.html")]
struct Page {
    shell: Shell,
    file: String,
    loaded: When,
    disk: Disk,
    q: String,
    /// Without what is by default.
    only_set: bool,
    sections: Vec<Section>,
    may_reload: bool,
    error: Option<(String, String)>,
}

/// The file as it is now.
struct Disk {
    tone: &'static str,
    word: &'static str,
    told: &'static str,
    problems: Vec<String>,
    changes: Vec<ConfigChange>,
    /// It is not the one that runs.
    is_new: bool,
    /// Names it, if a reload would take it over.
    mark: Option<String>,
}

struct Section {
    /// Where the page has it.
    anchor: String,
    title: String,
    line: Option<usize>,
    keys: Vec<Key>,
}

struct Key {
    name: String,
    /// Empty when it is not set.
    value: String,
    /// It depends on other things, and is said in words.
    is_words: bool,
    tone: &'static str,
    from: String,
    /// Words, and whether they are code.
    meaning: Vec<(String, bool)>,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    asker.needs(Role::Operator)?;
    show(&compose(&console, &asker, (&fields, None)).await?)
}

async fn compose(
    console: &Console,
    asker: &Asker,
    (fields, error): (&Fields, Option<Fault>),
) -> Result<Page, Fault> {
    let view: ConfigView = console.ask(asker).get("/api/config").await?;
    let q = fields.text("q").to_lowercase();
    let which = match fields.text("set") {
        "yes" => Which::Set,
        _ => Which::All,
    };
    let sections = view.sections.iter().enumerate();
    let sections: Vec<Section> = sections
        .map(|one| of_section(one, &q, which))
        .filter(|section| !section.keys.is_empty())
        .collect();
    Ok(Page {
        shell: console.shell(asker, Here::Config, "Config"),
        file: visible(&view.file),
        loaded: console.moments().when(view.loaded),
        disk: disk(view.disk),
        q: fields.text("q").to_owned(),
        only_set: which == Which::Set,
        sections,
        may_reload: asker.may(Role::Admin),
        error: error.map(|fault| (fault.what, fault.hint)),
    })
}

/// Which keys are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Set,
}

fn disk(disk: ConfigOnDisk) -> Disk {
    let (tone, word, told) = match disk.state {
        ConfigState::Same if disk.directory => (
            "waiting",
            "as it runs",
            "The file is the one that runs. The directory's file, which it names, is another than \
             the one that was read; a reload reads it again.",
        ),
        ConfigState::Same => ("done", "as it runs", "The file is the one that runs."),
        ConfigState::Changed => (
            "waiting",
            "changed since",
            "The file has changed since, and what runs has not. A reload takes it over, if the \
             directory and the keys that it names can be read then.",
        ),
        ConfigState::Restart => (
            "trouble",
            "needs a restart",
            "The file has changed since. A reload refuses it as a whole: a part of it counts \
             after a restart only.",
        ),
        ConfigState::Refused => (
            "trouble",
            "would be refused",
            "The file has changed since, and something is wrong in it. A reload refuses it, and \
             so would a start: what runs goes on.",
        ),
    };
    Disk {
        tone,
        word,
        told,
        problems: disk.problems.iter().map(|text| visible(text)).collect(),
        changes: disk.changes,
        is_new: disk.state == ConfigState::Changed,
        mark: disk
            .mark
            .filter(|_| disk.state == ConfigState::Changed || disk.directory),
    }
}

fn of_section((place, section): (usize, &ConfigSection), q: &str, which: Which) -> Section {
    let is_meant = section.title.to_lowercase().contains(q);
    let keys = section.keys.iter();
    let keys = keys.filter(|key| is_meant || key.name.contains(q));
    let keys = keys.filter(|key| which == Which::All || key.from == ConfigOrigin::File);
    Section {
        anchor: format!("s{place}"),
        title: visible(&section.title),
        line: section.line,
        keys: keys.map(of_key).collect(),
    }
}

fn of_key(key: &ConfigKey) -> Key {
    let line = |line: usize| format!("line {line}");
    let (tone, from) = match key.from {
        ConfigOrigin::File => ("set", key.line.map_or_else(String::new, line)),
        ConfigOrigin::Default | ConfigOrigin::Words => ("usual", "default".to_owned()),
        ConfigOrigin::Unset => ("usual", "not set".to_owned()),
    };
    let words = key.meaning.split('`').enumerate();
    Key {
        name: key.name.clone(),
        value: visible(&key.value),
        is_words: key.from == ConfigOrigin::Words,
        tone,
        from,
        meaning: words
            .map(|(place, text)| (text.to_owned(), place % 2 == 1))
            .filter(|(text, _)| !text.is_empty())
            .collect(),
    }
}

/// Reads the file again. What is wrong with it is said on the page; who may not is refused by the
/// API, which writes that down.
pub(super) async fn reload(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let ask = console.ask(&sent.asker);
    let nothing = serde_json::json!({});
    // What was shown is taken, and nothing else: a page without a mark offers no reload.
    let path = format!("/api/reload?mark={}", escaped(sent.fields.text("mark")));
    let done: Result<ReloadView, Fault> = ask.post_because(&path, &nothing, &reason).await;
    match done {
        Ok(_) => Ok(see_other("/config")),
        Err(fault) if fault.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let status = fault.status;
            let page = compose(&console, &sent.asker, (&Fields::default(), Some(fault))).await?;
            show_with(status, &page)
        }
        Err(fault) => Err(fault),
    }
}
