//! The directory: what changes it, conflicts, and what is known of an address.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Query};
use super::media::Csv;
use super::{Admin, AdminError, settlement};
use crate::base::Timestamp;
use crate::directory::{
    Cause, Conflict, Directory, DirectoryError, Entry, FoundBy, Generation, Guard, Mode, Normalise,
    Normalised, Note, Oddity, Outcome, Provenance, Record, Verdict, Word,
};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// Who changes the directory, why, and how carefully.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ChangeQuery {
    /// Who.
    pub(crate) actor: String,
    /// Why; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
    /// Also when it deletes or moves many.
    #[serde(default)]
    pub(crate) yes: bool,
    /// Only look.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl ChangeQuery {
    pub(super) const fn mode(&self) -> Mode {
        match (self.dry_run, self.yes) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::Commit(Guard::Off),
            (false, false) => Mode::Commit(Guard::On),
        }
    }

    pub(super) fn note(&self, cause: Cause, source: Option<&str>) -> Note {
        Note {
            author: self.actor.clone(),
            reason: self.reason.clone(),
            cause,
            source: source.map(str::to_owned),
        }
    }
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeView {
    /// Was it made?
    pub done: bool,
    /// The generation that it is, or would be; none when nothing differs.
    pub generation: Option<Generation>,
    /// Good rows of the file.
    #[serde(default)]
    pub rows: u64,
    /// Only looked at: why it takes `yes`; absent when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_yes: Option<String>,
    /// Rows that were left out, with line and column.
    #[serde(default)]
    pub bad_rows: Vec<String>,
    /// How many more.
    #[serde(default)]
    pub more_bad_rows: u64,
    /// Bad rows of which nobody knows whom they name: nobody is gone by this file.
    #[serde(default)]
    pub nobody_departs: bool,
    /// Addresses of the file that platforms refuse: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<Oddity>,
    /// How many more.
    #[serde(default)]
    pub more_odd: u64,
    /// What is done about them.
    #[serde(default)]
    pub normalise: Normalise,
    /// Conflicts that are open then: in the generation that it is, or would be; in the present one
    /// when nothing differs.
    pub open_conflicts: u64,
    /// What the end of a conflict changes, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles: Option<String>,
}

/// A conflict that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SettleQuery {
    /// The address.
    pub(crate) address: String,
    /// Who has it.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    /// Or which home counts.
    #[serde(default)]
    pub(crate) home: Option<BackendId>,
    #[serde(flatten)]
    pub(crate) change: ChangeQuery,
}

/// Something said by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SetQuery {
    /// Of whom.
    pub(crate) address: String,
    /// The home.
    #[serde(default)]
    pub(crate) home: Option<BackendId>,
    /// The delivery address.
    #[serde(default)]
    pub(crate) delivery_address: Option<Mailbox>,
    /// Nothing any more.
    #[serde(default)]
    pub(crate) unset: bool,
    #[serde(flatten)]
    pub(crate) change: ChangeQuery,
}

/// An address, now or at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LookupQuery {
    /// The address; absent: the directory as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// When; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
}

/// The directory at a time, and what it knew of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LookupView {
    /// The generation.
    pub generation: u64,
    /// When it was made; none for the present one.
    pub at: Option<Timestamp>,
    /// How many entries it has.
    pub entries: u64,
    /// How many addresses lead to them.
    pub addresses: u64,
    /// The address that was asked for.
    pub address: Option<String>,
    /// Its entry.
    pub entry: Option<Entry>,
    /// Found without its tag, or by X.500.
    pub found_by: Option<String>,
    /// Where each fact of the entry comes from.
    pub sources: Provenance,
    /// What a home said of the address, when it has no entry.
    #[serde(default)]
    pub verified: Option<Word>,
}

pub(super) type Us = State<Arc<Admin>>;
pub(super) type Answer<T> = Result<Json<T>, AdminError>;

impl From<DirectoryError> for AdminError {
    fn from(error: DirectoryError) -> Self {
        let what = error.to_string();
        match error {
            DirectoryError::TooMany(_) => Self::Asked {
                what,
                hint: "nothing has changed; see it with --dry-run, say --yes if it is meant",
            },
            DirectoryError::File(_) => Self::Asked {
                what,
                hint: "nothing has changed; mend the file, or leave bad rows out with --skip-bad",
            },
            DirectoryError::Source(_) => Self::Asked {
                what,
                hint: "nothing has changed; the directory is as it was",
            },
            DirectoryError::Early => Self::Asked {
                what,
                hint: "nothing has changed; `tideover status` shows how far that is",
            },
            DirectoryError::Damaged(_) => Self::Asked {
                what,
                hint: "nothing has changed; `tideover directory import FILE --yes` with \
                       a file that names everybody begins a new one",
            },
            DirectoryError::NoSuch(_) => Self::NotFound {
                what,
                hint: "`tideover directory log` shows the generations, `list` the entries",
            },
            DirectoryError::NoWave(_) => Self::NotFound {
                what,
                hint: "`tideover wave status` shows the waves, `wave plan` makes one",
            },
            DirectoryError::Asked(_) => Self::Asked {
                what,
                hint: "nothing has changed",
            },
            DirectoryError::Spool(error) => Self::Spool(error),
        }
    }
}

pub(super) fn parsed(address: &str) -> Result<Mailbox, AdminError> {
    address.trim().parse().map_err(|error| AdminError::Asked {
        what: format!("\"{address}\" is no address: {error}"),
        hint: "write the whole address",
    })
}

impl Admin {
    /// What came of a change; whoever waits may have another home now.
    pub(super) fn changed(&self, outcome: Outcome) -> ChangeView {
        let (done, generation, would_be_open) = match outcome {
            Outcome::Unchanged => (false, None, None),
            Outcome::Would {
                generation,
                open_conflicts,
            } => (false, Some(*generation), Some(open_conflicts)),
            Outcome::Done(generation) => (true, Some(*generation), None),
        };
        if done {
            self.queue.look_anew();
        }
        let over = generation.as_ref().filter(|_| !done);
        let over = over.and_then(|would| self.directory.over(&would.effect));
        let current = self.directory.current();
        let open = would_be_open.unwrap_or_else(|| current.open_conflicts());
        ChangeView {
            done,
            generation,
            needs_yes: over.map(|over| over.to_string()),
            rows: 0,
            bad_rows: Vec::new(),
            more_bad_rows: 0,
            nobody_departs: false,
            odd: Vec::new(),
            more_odd: 0,
            normalise: current.normalise(),
            open_conflicts: open as u64,
            settles: None,
        }
    }
}

pub(super) async fn normalised(State(admin): Us) -> Answer<Vec<Normalised>> {
    let found = admin.blocking(|admin| Ok(admin.directory.current().normalised()));
    found.await.map(Json)
}

pub(super) async fn export(State(admin): Us) -> Result<Csv, AdminError> {
    let text = admin.blocking(|admin| {
        let mut text = Vec::new();
        let written = admin.directory.current().write_csv(&mut text);
        written.map_err(|error| AdminError::Ours(error.to_string()))?;
        Ok(text)
    });
    Ok(Csv(text.await?.into()))
}

pub(super) async fn conflicts(State(admin): Us) -> Answer<Vec<Conflict>> {
    Ok(Json(admin.directory.current().conflicts().to_vec()))
}

pub(super) async fn settle(State(admin): Us, Body(query): Body<SettleQuery>) -> Answer<ChangeView> {
    let address = parsed(&query.address)?;
    let verdict = match (query.owner, query.home) {
        (Some(owner), None) => Verdict::Owner(owner),
        (None, Some(home)) => Verdict::Home(home),
        _ => {
            return Err(AdminError::Asked {
                what: "a conflict ends with an owner or with a home".to_owned(),
                hint: "say --owner or --home",
            });
        }
    };
    // As it is before: afterwards nobody disputes it.
    let current = admin.directory.current();
    let settles = settlement::told(current.conflicts(), &address.to_string(), &verdict);
    let note = query.change.note(Cause::Settle, None);
    let settled = admin
        .directory
        .settle(address, verdict, (note, query.change.mode()));
    let changed = admin.changed(settled.await?);
    let settles = settles.filter(|_| changed.generation.is_some());
    Ok(Json(ChangeView { settles, ..changed }))
}

pub(super) async fn set(State(admin): Us, Body(query): Body<SetQuery>) -> Answer<ChangeView> {
    let address = parsed(&query.address)?;
    let record = (!query.unset).then(|| Record {
        home: query.home,
        delivery_address: query.delivery_address,
        ..Record::new(address.clone())
    });
    let note = query.change.note(Cause::Hand, None);
    let said = admin
        .directory
        .say(vec![(address, record)], (note, query.change.mode()));
    let outcome = said.await?;
    Ok(Json(admin.changed(outcome)))
}

pub(super) async fn lookup(
    State(admin): Us,
    Query(query): Query<LookupQuery>,
) -> Answer<LookupView> {
    let address = query.address.as_deref().map(parsed).transpose()?;
    let Some(at) = query.at else {
        let current = admin.directory.current();
        let view = admin.blocking(move |admin| {
            let mut view = looked_up(&current, address.as_ref());
            if view.entry.is_none() {
                view.verified = address.and_then(|address| admin.word_of(&address));
            }
            Ok(view)
        });
        return view.await.map(Json);
    };
    let (generation, directory) = admin.directory.as_of(at).await?;
    Ok(Json(LookupView {
        at: Some(generation.at),
        ..looked_up(&directory, address.as_ref())
    }))
}

fn looked_up(directory: &Directory, address: Option<&Mailbox>) -> LookupView {
    let found = address.and_then(|address| directory.find(address));
    let (entry, by) = found.unzip();
    let sources = entry
        .as_ref()
        .and_then(|entry: &Entry| directory.provenance(&entry.address));
    LookupView {
        generation: directory.number(),
        at: None,
        entries: directory.len() as u64,
        addresses: directory.addresses() as u64,
        address: address.map(ToString::to_string),
        entry,
        found_by: by.map(|by| {
            match by {
                FoundBy::Address => "address",
                FoundBy::Tag => "tag",
                FoundBy::X500 => "x500",
            }
            .to_owned()
        }),
        sources: sources.map(|(_, from)| from).unwrap_or_default(),
        verified: None,
    }
}
