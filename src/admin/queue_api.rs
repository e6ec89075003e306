//! What operators do to mail that waits, page by page; and how they take copies of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use bytes::Bytes;
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::{Did, Paged};
use super::extract::{Body, Path};
use super::media::Letter;
use super::noted::{Note, Noted};
use super::{Admin, AdminError, Caller, QueueItem, Role};
use crate::backend::BackendHealth;
use crate::limits;
use crate::mail::{BackendId, BodySource, HoldReason, SpoolId};
use crate::queue::{Deed, Order, Pick, Place, Tally};
use crate::route::{Candidate, Selection, Shown, ShownState};
use crate::smtp::Domain;
use crate::spool::{Exported, SpoolError, StoredMessage, exported_name};

/// Messages that are looked at for one page of a selection.
const PAGE: usize = 200;

/// Something to be done to a selection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PerformQuery {
    /// What, by whom, why.
    #[serde(flatten)]
    pub(crate) order: Order,
    /// To whom.
    pub(crate) which: SelectQuery,
}

/// A page of a selection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SelectQuery {
    /// Which recipients.
    pub(crate) selection: Selection,
    /// A selection that names everything is meant so.
    #[serde(default)]
    pub(crate) all: bool,
    /// Behind this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<SpoolId>,
    /// Recipients to show.
    #[serde(default)]
    pub(crate) show: usize,
    /// Only those that are shown in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<ShownState>,
    /// Only those to whom this can be done now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deed: Option<Deed>,
    /// The page ends with the message with which `show` is reached; all its recipients are shown.
    #[serde(default)]
    pub(crate) fill: bool,
    /// Of one message show so many recipients at most; 0: all of them.
    #[serde(default)]
    pub(crate) per_message: usize,
}

impl SelectQuery {
    /// What narrows a look narrows nothing that is done: it would be done to more than was seen.
    pub(super) fn expect_deed(&self) -> Result<(), AdminError> {
        let is_narrow = self.fill || self.per_message > 0;
        if self.state.is_none() && self.deed.is_none() && !is_narrow {
            return Ok(());
        }
        Err(AdminError::Asked {
            what: "state, deed, fill and per_message choose what is shown, and not to whom \
                   something is done"
                .to_owned(),
            hint: "leave them out of `which`; name messages, or select by reason_kind",
        })
    }
}

/// What a page of a selection has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SelectView {
    /// Recipients that are meant.
    pub(crate) recipients: u64,
    /// Those that are left out, because they only wait for a backend that takes no mail now: with
    /// `deed` release, resume or retry.
    #[serde(default)]
    pub(crate) behind: u64,
    /// Those that are left out, because a move holds them: with `deed` release.
    #[serde(default)]
    pub(crate) moving: u64,
    /// Those of `recipients` for whom an attempt may have arrived.
    #[serde(default)]
    pub(crate) uncertain: u64,
    /// Their messages.
    pub(crate) messages: Vec<SpoolId>,
    /// Of each, the recipients that are meant.
    #[serde(default)]
    pub(crate) selected: BTreeMap<SpoolId, Vec<u16>>,
    /// The first recipients, as many as were asked for.
    pub(crate) items: Vec<QueueItem>,
    /// Messages that were looked at.
    pub(crate) seen: u64,
    /// There is more behind this message; none at the end.
    pub(crate) next: Option<SpoolId>,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn perform(
    State(admin): Us,
    caller: Caller,
    Body(query): Body<PerformQuery>,
) -> Result<Noted<Tally>, AdminError> {
    if query.order.deed == Deed::Drop && caller.role < Role::Admin {
        return Err(AdminError::forbidden(&caller, Role::Admin));
    }
    admin.check(&query.which)?;
    query.which.expect_deed()?;
    if query.order.deed == Deed::Drop && query.order.actor.trim().is_empty() {
        return Err(AdminError::Asked {
            what: "mail is dropped by somebody with a name".to_owned(),
            hint: "give it with --actor",
        });
    }
    let (selection, after) = (query.which.selection, query.which.after);
    let place = selection.message.map_or(Place::Behind(after), Place::At);
    let pick: Pick = Arc::new(move |one| selection.matches(one));
    let tally = admin.queue.perform_page(&query.order, &pick, place).await?;
    let note = Note::Paged(paged(&tally));
    Ok(Noted(tally, note))
}

/// To how many it was done, for the audit log.
fn paged(tally: &Tally) -> Paged {
    let did = Did {
        recipients: tally.recipients,
        messages: tally.messages,
        under_way: tally.under_way,
    };
    let next = tally.next.map(|next| next.to_string());
    Paged { did, next }
}

pub(super) async fn select(State(admin): Us, Body(query): Body<SelectQuery>) -> Answer<SelectView> {
    admin.check(&query)?;
    admin
        .blocking(move |admin| admin.select(&query))
        .await
        .map(Json)
}

pub(super) async fn export(State(admin): Us, Path(id): Path<String>) -> Answer<Exported> {
    let id = parse(&id)?;
    let found = admin.blocking(move |admin| {
        let message = admin.spool.message(id)?;
        let (damaged, source) = admin.bytes(id)?;
        Ok(message.zip(source).map(|found| (found, damaged)))
    });
    let ((message, source), damaged) = found.await?.ok_or_else(|| gone(id))?;
    Ok(Json(Exported {
        file: exported_name(id, damaged.as_deref()),
        id,
        received: message.received,
        size: source.len(),
        envelope: message.envelope,
        states: message.states,
        damaged,
    }))
}

pub(super) async fn body(State(admin): Us, Path(id): Path<String>) -> Result<Letter, AdminError> {
    let id = parse(&id)?;
    let found = admin.blocking(move |admin| admin.bytes(id));
    let (_, source) = found.await?;
    let source = source.ok_or_else(|| gone(id))?;
    let length = source.len();
    let pieces = stream::try_unfold((source, 0_u64), |(source, offset)| async move {
        let (source, piece) = read_piece(source, offset).await?;
        let next = offset + piece.len() as u64;
        Ok::<_, std::io::Error>((!piece.is_empty()).then_some((piece, (source, next))))
    });
    let body = HttpBody::from_stream(pieces);
    Ok(Letter { body, length })
}

/// The next piece of a body, read beside the async threads.
async fn read_piece(
    source: Arc<dyn BodySource>,
    offset: u64,
) -> std::io::Result<(Arc<dyn BodySource>, Bytes)> {
    let reading = tokio::task::spawn_blocking(move || {
        let piece = source.read_at(offset, limits::BODY_PIECE)?;
        Ok((source, piece))
    });
    reading.await.map_err(std::io::Error::other)?
}

fn parse(id: &str) -> Result<SpoolId, AdminError> {
    id.parse().map_err(|error| AdminError::Asked {
        what: format!("{id}: {error}"),
        hint: "`tideover queue list` shows the ids",
    })
}

/// A domain as mail is compared with it; of another one no mail would be, and nobody told.
fn expect_domain(text: &str) -> Result<(), AdminError> {
    let asked = |what| AdminError::Asked {
        what,
        hint: "expected for example example.org",
    };
    match text.parse::<Domain>() {
        Ok(domain) if domain.key() == text => Ok(()),
        Ok(domain) => Err(asked(format!("\"{text}\" is written {}", domain.key()))),
        Err(error) => Err(asked(format!("\"{text}\" is no domain: {error}"))),
    }
}

fn gone(id: SpoolId) -> AdminError {
    AdminError::NotFound {
        what: format!("the spool has no message {id}"),
        hint: "messages go spool.retain after their last recipient is finished",
    }
}

/// The message is there and its bytes are not: to whoever rescues mail that is no message that has
/// left the spool.
fn nothing_left(why: &str) -> AdminError {
    let why = why.strip_prefix("damaged: ").unwrap_or(why);
    SpoolError::Damaged(why.to_owned()).into()
}

/// What is wrong with a message, and its bytes.
type Found = (Option<String>, Option<Arc<dyn BodySource>>);

impl Admin {
    /// The bytes of a message; what is left of them, when it is damaged.
    fn bytes(&self, id: SpoolId) -> Result<Found, AdminError> {
        let damaged = self.spool.damage(id)?;
        let source = match &damaged {
            None => self.spool.body(id)?,
            Some(why) => Some(self.spool.salvage(id)?.ok_or_else(|| nothing_left(why))?),
        };
        Ok((damaged, source))
    }

    /// A typing error must not look like an empty selection, and nothing at all not like all.
    pub(super) fn check(&self, query: &SelectQuery) -> Result<(), AdminError> {
        let selection = &query.selection;
        if selection.is_all() && !query.all {
            return Err(AdminError::Asked {
                what: "no mail is selected".to_owned(),
                hint: "name a message, --recipient, --sender, --domain, --backend or \
                       --reason-kind; --all means all mail",
            });
        }
        self.check_names(selection)
    }

    /// Is there what a selection names?
    pub(super) fn check_names(&self, selection: &Selection) -> Result<(), AdminError> {
        if let Some(domain) = &selection.domain {
            expect_domain(domain)?;
        }
        let backend = selection.backend.as_ref().map(BackendId::as_str);
        self.refuse_unknown(backend, &self.router.board().snapshot())?;
        match &selection.reason_kind {
            Some(kind) if !HoldReason::KINDS.contains(&kind.as_str()) => Err(AdminError::Asked {
                what: format!(
                    "there is no reason \"{kind}\"; there are {}",
                    HoldReason::KINDS.join(", ")
                ),
                hint: "`tideover queue list --state held` shows why mail is held",
            }),
            Some(_) | None => Ok(()),
        }
    }

    fn select(&self, query: &SelectQuery) -> Result<SelectView, AdminError> {
        let ids = match query.selection.message {
            Some(id) => vec![id],
            None if query.selection.reason_kind.is_some() => self.spool.held(query.after, PAGE)?,
            None => self.spool.unfinished(query.after, PAGE)?,
        };
        let next = ids.last().copied();
        let next = next.filter(|_| query.selection.message.is_none());
        let mut view = SelectView {
            recipients: 0,
            behind: 0,
            moving: 0,
            uncertain: 0,
            messages: Vec::new(),
            selected: BTreeMap::new(),
            items: Vec::new(),
            seen: ids.len() as u64,
            next,
        };
        let backends = self.router.board().snapshot();
        for (number, id) in (1..).zip(ids) {
            // Whoever names one hears what is wrong with it; among others it is left out.
            let found = match query.selection.message {
                Some(id) => self.spool.message(id)?,
                None => self.spool.message_if_whole(id)?,
            };
            if let Some(message) = found {
                self.select_of(query, (&message, &backends), &mut view);
            }
            if query.fill && view.items.len() >= query.show {
                (view.seen, view.next) = (number, view.next.and(Some(id)));
                break;
            }
        }
        Ok(view)
    }
}

impl Admin {
    /// The recipients of one message that are meant.
    fn select_of(
        &self,
        query: &SelectQuery,
        (message, backends): (&StoredMessage, &[BackendHealth]),
        view: &mut SelectView,
    ) {
        let most = if query.fill {
            limits::PAGE
        } else {
            query.show.min(limits::PAGE)
        };
        let envelope = &message.envelope;
        let recipients = envelope.recipients.iter().zip(&message.states);
        let per_message = match query.per_message {
            0 => usize::MAX,
            some => some,
        };
        let before = view.items.len();
        let mut selected = Vec::new();
        for (number, (recipient, state)) in (0_u16..).zip(recipients) {
            let one = Candidate {
                id: message.id,
                number,
                from: &envelope.from,
                recipient,
                state,
            };
            if state.is_finished() || !query.selection.matches(&one) {
                continue;
            }
            if let Some(deed) = query.deed {
                let is_behind = matches!(deed, Deed::Retry | Deed::Release | Deed::Resume)
                    && self.queue.is_behind(message.id, envelope, number, state);
                view.behind += u64::from(is_behind);
                // Who is held and cannot be released is of a domain on the move.
                let is_moving = deed == Deed::Release && Deed::Resume.suits(state);
                view.moving += u64::from(is_moving && !deed.suits(state));
                if is_behind || !deed.suits(state) {
                    continue;
                }
            }
            let shown_of_it = view.items.len() - before;
            let has_room = view.items.len() < most && shown_of_it < per_message;
            let shown = (has_room || query.state.is_some())
                .then(|| Shown::of(state, message.id.timestamp(), backends));
            let is_in = |shown: &Shown| query.state.is_none_or(|wanted| wanted == shown.state);
            if !shown.as_ref().is_none_or(is_in) {
                continue;
            }
            selected.push(number);
            view.recipients += 1;
            view.uncertain += u64::from(state.is_uncertain());
            if let Some(shown) = shown.filter(|_| has_room) {
                let address = recipient.address.to_string();
                view.items
                    .push(QueueItem::new(message.id, shown, address, envelope));
            }
        }
        if !selected.is_empty() {
            view.messages.push(message.id);
            view.selected.insert(message.id, selected);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn the_audit_log_is_told_to_how_many_it_was_done() {
        let mut tally = Tally {
            recipients: 3,
            messages: 2,
            ..Tally::default()
        };
        let did = |tally: &Tally| paged(tally).did.to_string();
        assert_eq!(did(&tally), "recipients: 3, messages: 2");
        tally.under_way = 1;
        assert!(did(&tally).ends_with("messages: 2, being tried just then: 1"));
    }

    #[test]
    fn a_message_without_bytes_is_not_one_that_has_left_the_spool() {
        for why in ["its file is gone", "damaged: its file is gone"] {
            let refused = nothing_left(why);
            assert_eq!(refused.to_string(), "damaged: its file is gone");
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[test]
    fn a_domain_that_no_mail_has_is_refused() {
        assert!(expect_domain("example.org").is_ok());
        for (text, told) in [
            ("", "is no domain"),
            (" ", "is no domain"),
            ("a b", "is no domain"),
            ("Example.ORG", "is written example.org"),
        ] {
            let error = expect_domain(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text:?}: {error}");
        }
    }
}
