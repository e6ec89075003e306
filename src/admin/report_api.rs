//! The closing report of a time: figures, and a line for each recipient.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::extract::{Body, Query};
use super::media::Csv;
use super::operation::{Operation, change, look};
use super::{Admin, AdminError, Role};
use crate::base::Timestamp;
use crate::directory::Wave;
use crate::limits;
use crate::report::{self, Collector, Figures, Scope};
use crate::spool::{Anchor, ChainCheck, Known, LedgerEntry, Passed, Passing, Reach};

/// Lines are sent in pieces of about so many bytes.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for the reader.
const PIECES: usize = 4;

/// Which time is meant, and whose mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReportQuery {
    /// Mail from then on; with a wave, when it is left out: since the wave started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Mail up to then; now when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// Only mail for the users of this wave: its id, or the name of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<String>,
    /// Only mail for recipients of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
}

/// A query, understood.
struct Asked {
    time: (Timestamp, Timestamp),
    scope: Scope,
}

/// `report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportView {
    /// Our name.
    pub site: String,
    /// The end of the ledger's chain when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// What was counted.
    #[serde(flatten)]
    pub figures: Figures,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        look(
            "/api/report",
            Role::Viewer,
            "What became of the mail of a time",
            figures,
        ),
        look(
            "/api/report/rows",
            Role::Viewer,
            "The same, recipient by recipient, as CSV",
            rows,
        ),
        look(
            "/api/report/verify",
            Role::Viewer,
            "Was the ledger changed?",
            verify,
        ),
        change(
            "/api/report/verify/acknowledge",
            Role::Admin,
            "Say why something of the ledger is missing",
            acknowledge,
        ),
    ]
}

async fn figures(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ReportQuery>,
) -> Result<Json<ReportView>, AdminError> {
    let asked = admin.blocking(move |admin| admin.report_of(&query)).await?;
    // What is counted now is linked before.
    let anchor = admin.link().await;
    let figures = admin.blocking(move |admin| admin.figures(asked)).await?;
    Ok(Json(ReportView {
        site: admin.router.hostname().unwrap_or_default(),
        anchor,
        figures,
    }))
}

/// Which moment is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct VerifyQuery {
    /// What somebody has kept; nothing is compared when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anchor: Option<Anchor>,
}

async fn verify(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<VerifyQuery>,
) -> Result<Json<ChainCheck>, AdminError> {
    admin.link().await;
    admin.check_chain(query.anchor).await.map(Json)
}

/// Who acknowledges what is wrong, and why it is so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AcknowledgeQuery {
    /// Who.
    #[serde(default)]
    pub(crate) actor: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: String,
    /// What he has seen: `seen` of the check.
    #[serde(default)]
    pub(crate) seen: String,
}

async fn acknowledge(
    State(admin): State<Arc<Admin>>,
    Body(query): Body<AcknowledgeQuery>,
) -> Result<Json<ChainCheck>, AdminError> {
    if query.reason.trim().is_empty() {
        return Err(AdminError::Asked {
            what: "there is no reason".to_owned(),
            hint: "who reads the check later wants to know why it is so",
        });
    }
    admin.link().await;
    let check = admin.check_chain(None).await?;
    if check.explainable.is_empty() {
        return Err(AdminError::Asked {
            what: "there is nothing that could be acknowledged".to_owned(),
            hint: "files can be explained; a chain that does not fit its links proves nothing",
        });
    }
    if check.seen != query.seen {
        return Err(AdminError::Asked {
            what: "that is not what is wrong now".to_owned(),
            hint: "look at `tideover report verify` again: it says what to give with --seen",
        });
    }
    let known = Known {
        actor: query.actor,
        reason: query.reason,
        problems: check.explainable,
    };
    admin.spool.acknowledge(known).await?;
    admin.check_chain(None).await.map(Json)
}

async fn rows(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ReportQuery>,
) -> Result<Csv, AdminError> {
    let asked = admin.blocking(move |admin| admin.report_of(&query)).await?;
    let (pieces, told) = mpsc::channel(PIECES);
    let writer = Arc::clone(&admin);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = writer.write_rows(&asked, &pieces) {
            // A body that breaks off is an error for the reader: half a report is none.
            let error = std::io::Error::other(error.to_string());
            pieces.blocking_send(Err(error)).ok();
        }
    });
    let pieces = futures_util::stream::unfold(told, |mut told| async move {
        let piece = told.recv().await?;
        Some((piece, told))
    });
    Ok(Csv(HttpBody::from_stream(pieces)))
}

/// What happened to a message; nothing, when the record of it is damaged: its ends are known.
fn told<'a>(passing: &'a Passing<'_>) -> Result<Cow<'a, [LedgerEntry]>, AdminError> {
    match passing.history() {
        Err(error) if error.is_damage() => {
            tracing::warn!(id = %passing.message.id, %error, "its history cannot be read");
            Ok(Cow::Borrowed(&[]))
        }
        history => Ok(history?),
    }
}

type Piece = Result<Bytes, std::io::Error>;

impl Admin {
    async fn check_chain(&self, anchor: Option<Anchor>) -> Result<ChainCheck, AdminError> {
        self.blocking(move |admin| Ok(admin.spool.check_chain(anchor.as_ref())?))
            .await
    }

    /// The end of the chain, up to now; a disk that is full must not hide what is known.
    async fn link(&self) -> Option<Anchor> {
        let linked = self.spool.link(Reach::Everything).await;
        linked
            .inspect_err(|error| tracing::warn!(%error, "the ledger's chain does not grow"))
            .ok()
    }

    /// What a query means.
    fn report_of(&self, query: &ReportQuery) -> Result<Asked, AdminError> {
        let wave = query.wave.as_deref();
        let wave = wave.map(|name| self.waves.find(name, None)).transpose()?;
        let started = wave.as_ref().and_then(|wave| wave.started);
        let Some(since) = query.since.or(started) else {
            return Err(AdminError::Asked {
                what: "from when on?".to_owned(),
                hint: "say it with --since; a wave counts from its start, when it has started",
            });
        };
        let until = query.until.unwrap_or_else(|| self.clock.now());
        if since >= until {
            return Err(AdminError::Asked {
                what: format!("from {since} to {until} there is no time"),
                hint: "--since comes before --until",
            });
        }
        Ok(Asked {
            time: (since, until),
            scope: self.scope_of(query, wave.as_ref())?,
        })
    }

    fn scope_of(&self, query: &ReportQuery, wave: Option<&Wave>) -> Result<Scope, AdminError> {
        let mut scope = Scope::default();
        let mut told = Vec::new();
        if let Some(wave) = wave {
            let file = self.waves.file(wave)?;
            scope.people = Some(self.keys_of(file.users.iter().map(|(_, user)| user)));
            let Wave {
                id,
                name,
                to,
                users,
                ..
            } = wave;
            told.push(format!("{users} users of wave {id} ({name}) to {to}"));
        }
        if let Some(name) = &query.domain {
            let domain = self.known_domain(name)?;
            told.push(format!("recipients of {domain}"));
            scope.domain = Some(domain.key());
        }
        scope.told = (!told.is_empty()).then(|| told.join(", "));
        Ok(scope)
    }

    fn figures(&self, Asked { time, scope }: Asked) -> Result<Figures, AdminError> {
        let mut collector = Collector::new(scope, time, self.clock.now());
        let passed = self.each_of(time, &mut |passing| {
            let history = told(passing)?;
            collector.note(passing.message, &history);
            Ok(())
        })?;
        let board = self.router.board();
        let changes: BTreeMap<_, _> = board
            .healths()
            .keys()
            .map(|id| (id.clone(), board.history(id)))
            .collect();
        Ok(collector.finish(&changes, passed))
    }

    fn write_rows(
        &self,
        Asked { time, scope }: &Asked,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(), AdminError> {
        let mut text = report::head();
        let mut is_read = true;
        let passed = self.each_of(*time, &mut |passing| {
            if is_read {
                text.extend(report::rows(scope, passing.message, &told(passing)?));
            }
            if text.len() >= PIECE {
                let piece = Bytes::from(std::mem::take(&mut text));
                is_read = pieces.blocking_send(Ok(piece)).is_ok();
            }
            Ok(())
        })?;
        if passed.cut {
            return Err(AdminError::Ours(
                "there is more mail than a report takes".to_owned(),
            ));
        }
        pieces.blocking_send(Ok(text.into())).ok();
        Ok(())
    }

    fn each_of(
        &self,
        (since, until): (Timestamp, Timestamp),
        show: &mut dyn FnMut(&Passing<'_>) -> Result<(), AdminError>,
    ) -> Result<Passed, AdminError> {
        let mut failed = Ok(());
        let passed = self
            .spool
            .passed(since..until, limits::REPORTED, &mut |passing| {
                if failed.is_ok() {
                    failed = show(passing);
                }
            })?;
        failed?;
        Ok(passed)
    }
}
