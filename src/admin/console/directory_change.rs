//! What operators change in the directory from its page: who has a disputed address, and what a
//! source says now. First it is shown what that would do, then it is done, with a reason.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Sent};
use super::directory_past::{records, touched};
use super::fault::Fault;
use super::shell::{Here, Shell, show, show_with};
use crate::admin::{ChangeQuery, ChangeView, SettleQuery, SyncQuery, SyncView};
use crate::directory::{Conflict, ConflictKind};
use crate::frame::see_other;
use crate::mail::BackendId;
use crate::terminal::visible;

/// A way in which a conflict can end: the field of the form, its value, and what the button says.
pub(super) type Choice = (&'static str, String, String);

/// How a conflict can end here; nothing where only its sources can end it.
pub(super) fn choices(conflict: &Conflict) -> Vec<Choice> {
    match conflict.kind {
        ConflictKind::Address => [
            (&conflict.owner, &conflict.owner_record, "keeps it"),
            (&conflict.claimant, &conflict.claimant_record, "gets it"),
        ]
        .into_iter()
        .map(|(name, record, what)| {
            let told = visible(&format!("{name} {what} ({record})"));
            ("owner", record.clone(), told)
        })
        .collect(),
        ConflictKind::TwoMailboxes => conflict
            .homes
            .iter()
            .map(|one| {
                let told = visible(&format!("{one} counts"));
                ("home", one.home.to_string(), told)
            })
            .collect(),
        ConflictKind::X500 | ConflictKind::Ambiguous => Vec::new(),
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Settle,
    Sync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    Look,
    Step,
}

#[derive(Template)]
#[template(path = "console/change.html")]
struct ChangePage {
    shell: Shell,
    title: String,
    lead: &'static str,
    /// Where the form goes.
    action: &'static str,
    button: &'static str,
    /// None: nothing differs.
    effect: Option<String>,
    touched: Option<String>,
    /// Whose the mail is when a conflict has ended.
    settles: Option<String>,
    needs_yes: Option<String>,
    /// What could not be done, and what to do.
    refused: Option<(String, String)>,
    /// The look itself came to nothing.
    is_off: bool,
    reason: String,
    typed: Vec<(&'static str, String)>,
}

/// What would be done, or was.
struct Seen {
    change: Option<ChangeView>,
    /// What could not be done, and what to do.
    refused: Option<(String, String)>,
}

impl Deed {
    const fn action(self) -> &'static str {
        match self {
            Self::Settle => "/directory/settle",
            Self::Sync => "/directory/sync",
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Self::Settle => "Settle it",
            Self::Sync => "Take it over",
        }
    }

    const fn lead(self) -> &'static str {
        match self {
            Self::Settle => {
                "It is settled once and for all: it stays so whatever the sources say later. Mail \
                 that waits follows at once."
            }
            Self::Sync => {
                "The source was asked just now. When it is taken over it is asked once more; mail \
                 that waits follows at once."
            }
        }
    }

    /// What he has named, for hidden fields.
    fn typed(self, fields: &Fields) -> Vec<(&'static str, String)> {
        let names: &[&str] = match self {
            Self::Settle => &["address", "owner", "home"],
            Self::Sync => &["source"],
        };
        let typed = names.iter().copied();
        let typed = typed.filter_map(|name| Some((name, fields.some(name)?.to_owned())));
        typed.collect()
    }

    /// What is asked for, with the name of the entry whose record is named.
    async fn title(self, (console, asker): (&Console, &Asker), fields: &Fields) -> String {
        let text = |name: &str| visible(fields.text(name));
        match (self, fields.some("owner")) {
            (Self::Settle, Some(record)) => {
                let ask = console.ask(asker);
                let all = ask.get::<Vec<Conflict>>("/api/directory/conflicts").await;
                // Without the name the record has to do.
                let all = all.unwrap_or_default();
                let named = name_of(&all, (fields.text("address"), record));
                let owner = match named {
                    Some(name) => visible(&format!("{name} ({record})")),
                    None => visible(record),
                };
                format!("{} for {owner}", text("address"))
            }
            (Self::Settle, None) => format!("{} at {}", text("address"), text("home")),
            (Self::Sync, _) => format!("What {} says now", text("source")),
        }
    }

    async fn ask(
        self,
        (console, asker): (&Console, &Asker),
        fields: &Fields,
        change: ChangeQuery,
    ) -> Result<Seen, Fault> {
        let named = |name: &str| fields.some(name).map(str::to_owned);
        let ask = console.ask(asker);
        match self {
            Self::Settle => {
                let query = SettleQuery {
                    address: fields.text("address").to_owned(),
                    owner: named("owner"),
                    home: fields.some("home").map(BackendId::new),
                    change,
                };
                let change = ask.post("/api/directory/settle", &query).await?;
                Ok(Seen {
                    change: Some(change),
                    refused: None,
                })
            }
            Self::Sync => {
                let source = named("source");
                // Without a name all of them would be read.
                if source.is_none() {
                    return Err(Fault::asked(
                        "no source is named; nothing was done",
                        "Choose one on the page of the directory.",
                    ));
                }
                let query = SyncQuery { source, change };
                let done: Vec<SyncView> = ask.post("/api/directory/sync", &query).await?;
                let one = done.into_iter().next();
                let one = one.ok_or_else(|| Fault::asked("there is no such source", ""))?;
                let why = one.status.error.as_deref().map(visible);
                let hint = visible(one.hint.as_deref().unwrap_or_default());
                Ok(Seen {
                    refused: why.filter(|_| one.change.is_none()).map(|why| (why, hint)),
                    change: one.change,
                })
            }
        }
    }
}

/// Whose record it is, of those who claim an address.
fn name_of<'a>(all: &'a [Conflict], (address, record): (&str, &str)) -> Option<&'a str> {
    let about = all.iter().filter(|one| one.address == address);
    let mut sides = about.flat_map(|one| {
        [
            (&one.owner, &one.owner_record),
            (&one.claimant, &one.claimant_record),
        ]
    });
    let side = sides.find(|(_, of)| of.as_str() == record);
    side.map(|(name, _)| name.as_str())
}

async fn look(console: &Console, sent: &Sent, deed: Deed) -> Result<Response, Fault> {
    let seen = take((console, sent), deed, Take::Look).await?;
    show(&page((console, sent), deed, seen).await)
}

async fn act(console: &Console, sent: &Sent, deed: Deed) -> Result<Response, Fault> {
    // What is missing in the form is told as such.
    sent.fields.reason()?;
    let refused = match take((console, sent), deed, Take::Step).await {
        Ok(Seen { refused: None, .. }) => {
            let (name, of) = match deed {
                Deed::Settle => ("settled", sent.fields.text("address")),
                Deed::Sync => ("read", sent.fields.text("source")),
            };
            return Ok(see_other(&format!("/directory?{name}={}", escaped(of))));
        }
        Ok(Seen { refused, .. }) => refused,
        Err(fault) if fault.status == StatusCode::BAD_REQUEST => Some((fault.what, fault.hint)),
        Err(fault) => return Err(fault),
    };
    let seen = take((console, sent), deed, Take::Look).await?;
    let seen = Seen {
        refused: seen.refused.or(refused),
        ..seen
    };
    let page = page((console, sent), deed, seen).await;
    show_with(StatusCode::CONFLICT, &page)
}

async fn take((console, sent): (&Console, &Sent), deed: Deed, take: Take) -> Result<Seen, Fault> {
    let is_step = take == Take::Step;
    let fields = &sent.fields;
    let change = ChangeQuery {
        actor: sent.asker.caller.name.clone(),
        reason: match take {
            Take::Step => fields.reason()?,
            Take::Look => String::new(),
        },
        yes: is_step && fields.text("yes") == "yes",
        dry_run: !is_step,
    };
    deed.ask((console, &sent.asker), fields, change).await
}

async fn page((console, sent): (&Console, &Sent), deed: Deed, seen: Seen) -> ChangePage {
    let title = deed.title((console, &sent.asker), &sent.fields).await;
    let would = seen.change.as_ref();
    let effect = would.and_then(|change| change.generation.as_ref());
    let effect = effect.map(|generation| &generation.effect);
    let needs_yes = would.and_then(|change| change.needs_yes.as_deref());
    ChangePage {
        shell: console.shell(&sent.asker, Here::Directory, &title),
        title,
        lead: deed.lead(),
        action: deed.action(),
        button: deed.button(),
        effect: effect.map(records),
        touched: effect.and_then(touched),
        settles: would.and_then(|change| change.settles.as_deref().map(visible)),
        needs_yes: needs_yes.map(visible),
        is_off: would.is_none(),
        refused: seen.refused,
        reason: sent.fields.text("reason").to_owned(),
        typed: deed.typed(&sent.fields),
    }
}

pub(super) async fn look_settle(
    State(console): State<Console>,
    sent: Sent,
) -> Result<Response, Fault> {
    look(&console, &sent, Deed::Settle).await
}

pub(super) async fn settle(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    act(&console, &sent, Deed::Settle).await
}

pub(super) async fn look_sync(
    State(console): State<Console>,
    sent: Sent,
) -> Result<Response, Fault> {
    look(&console, &sent, Deed::Sync).await
}

pub(super) async fn sync(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    act(&console, &sent, Deed::Sync).await
}
