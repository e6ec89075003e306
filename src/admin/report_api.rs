//! The closing report of a time: figures, and a line for each recipient.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::extract::Query;
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::limits;
use crate::report::{self, Collector, Figures};
use crate::spool::{Anchor, ChainCheck, LedgerEntry, Passed, Passing, Reach};

/// Lines are sent in pieces of about so many bytes.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for the reader.
const PIECES: usize = 4;

/// Which time is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReportQuery {
    /// Mail from then on.
    pub(crate) since: Timestamp,
    /// Mail up to then; now when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

/// `report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/api/report", get(figures))
        .route("/api/report/rows", get(rows))
        .route("/api/report/verify", get(verify))
}

async fn figures(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ReportQuery>,
) -> Result<Json<ReportView>, AdminError> {
    let time = admin.time_of(query)?;
    // What is counted now is linked before.
    let anchor = admin.link().await;
    let figures = admin.blocking(move |admin| admin.figures(time)).await?;
    Ok(Json(ReportView {
        site: admin.router.hostname().unwrap_or_default(),
        anchor,
        figures,
    }))
}

/// Which moment is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    let check = admin
        .blocking(move |admin| Ok(admin.spool.check_chain(query.anchor.as_ref())?))
        .await?;
    Ok(Json(check))
}

async fn rows(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ReportQuery>,
) -> Result<Response, AdminError> {
    let time = admin.time_of(query)?;
    let (pieces, told) = mpsc::channel(PIECES);
    let writer = Arc::clone(&admin);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = writer.write_rows(time, &pieces) {
            // A body that breaks off is an error for the reader: half a report is none.
            let error = std::io::Error::other(error.to_string());
            pieces.blocking_send(Err(error)).ok();
        }
    });
    let pieces = futures_util::stream::unfold(told, |mut told| async move {
        let piece = told.recv().await?;
        Some((piece, told))
    });
    let head = [(header::CONTENT_TYPE, "text/csv; charset=utf-8")];
    Ok((head, HttpBody::from_stream(pieces)).into_response())
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
    /// The end of the chain, up to now; a disk that is full must not hide what is known.
    async fn link(&self) -> Option<Anchor> {
        let linked = self.spool.link(Reach::Everything).await;
        linked
            .inspect_err(|error| tracing::warn!(%error, "the ledger's chain does not grow"))
            .ok()
    }

    fn time_of(&self, query: ReportQuery) -> Result<(Timestamp, Timestamp), AdminError> {
        let until = query.until.unwrap_or_else(|| self.clock.now());
        if query.since >= until {
            return Err(AdminError::Asked {
                what: format!("from {} to {until} there is no time", query.since),
                hint: "--since comes before --until",
            });
        }
        Ok((query.since, until))
    }

    fn figures(&self, time: (Timestamp, Timestamp)) -> Result<Figures, AdminError> {
        let mut collector = Collector::new(time, self.clock.now());
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
        time: (Timestamp, Timestamp),
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<(), AdminError> {
        let mut text = report::head();
        let mut is_read = true;
        let passed = self.each_of(time, &mut |passing| {
            if is_read {
                text.extend(report::rows(passing.message, &told(passing)?));
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
