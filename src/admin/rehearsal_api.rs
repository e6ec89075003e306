//! Rehearsals: mail of the past through a directory of the future.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Query;
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::{BadRows, Effect, Extent, FILE, Import, WaveFile, WouldBe};
use crate::limits;
use crate::mail::BackendId;
use crate::route::RehearsalReport;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The file is the body of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RehearsalQuery {
    /// The new home: the file is one of a wave. `None`: it is a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<BackendId>,
    /// Which source the directory is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// The directory names some people only.
    #[serde(default)]
    pub(crate) add: bool,
    /// Mail from then on; a day before `until` when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Mail up to then; now when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

/// `rehearse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RehearsalView {
    /// Mail from then on.
    pub since: Timestamp,
    /// Mail up to then.
    pub until: Timestamp,
    /// How the directory would differ.
    pub directory: Effect,
    /// Users of the wave who cannot move, and do not in the rehearsal.
    pub blocked: Vec<String>,
    /// Messages that are damaged: nobody knows whom they were for.
    pub unreadable: u64,
    /// There was more mail than a rehearsal takes.
    pub cut: bool,
    /// What came of it.
    #[serde(flatten)]
    pub report: RehearsalReport,
}

pub(super) async fn rehearse(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<RehearsalQuery>,
    body: Bytes,
) -> Result<Json<RehearsalView>, AdminError> {
    let until = query.until.unwrap_or_else(|| admin.clock.now());
    let since = query.since.unwrap_or_else(|| until.before(DAY));
    if since >= until {
        return Err(AdminError::Asked {
            what: format!("from {since} to {until} there is no time"),
            hint: "--since comes before --until",
        });
    }
    let (tomorrow, blocked) = match &query.to {
        Some(to) => admin.after_wave(to, &body).await?,
        None => (admin.after_import(&query, body).await?, Vec::new()),
    };
    let view = admin.blocking(move |admin| admin.rehearsal((since, until), tomorrow));
    let view = view.await?;
    Ok(Json(RehearsalView { blocked, ..view }))
}

impl Admin {
    async fn after_wave(
        &self,
        to: &BackendId,
        body: &[u8],
    ) -> Result<(WouldBe, Vec<String>), AdminError> {
        self.known_home(to)?;
        let planned = self.plan_of(to, WaveFile::parse(body)?).await?;
        let blocked = planned.users.iter().filter(|user| user.is_blocked());
        let blocked = blocked.map(|user| user.address.clone()).collect();
        Ok((self.directory.if_started(&planned).await?, blocked))
    }

    async fn after_import(
        &self,
        query: &RehearsalQuery,
        body: Bytes,
    ) -> Result<WouldBe, AdminError> {
        let import = Import {
            source: query.source.clone().unwrap_or_else(|| FILE.to_owned()),
            extent: if query.add { Extent::More } else { Extent::All },
            bad: BadRows::Refuse,
            home: None,
        };
        Ok(self
            .directory
            .if_imported(Cursor::new(body), import)
            .await?)
    }

    fn rehearsal(
        &self,
        (since, until): (Timestamp, Timestamp),
        tomorrow: WouldBe,
    ) -> Result<RehearsalView, AdminError> {
        let backends = Arc::clone(&self.backends.borrow());
        let mut rehearsal = self.router.rehearse(&tomorrow.directory, &backends);
        let most = limits::REHEARSED;
        let shown = self.spool.passed(since..until, most, &mut |passing| {
            rehearsal.note(passing.message);
        })?;
        Ok(RehearsalView {
            since,
            until,
            report: rehearsal.finish(),
            directory: tomorrow.effect,
            blocked: Vec::new(),
            unreadable: shown.unreadable,
            cut: shown.cut,
        })
    }
}
