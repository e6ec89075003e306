//! Sources that are synchronised: how they are, and a synchronisation now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use metrics::gauge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory_api::{ChangeQuery, ChangeView};
use super::extract::Body;
use super::{Admin, AdminError};
use crate::directory::{DirectoryError, FILE, HAND, Origin, SyncStatus};
use crate::telemetry::names;

/// A synchronisation that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SyncQuery {
    /// The source; absent: all.
    #[serde(default)]
    pub(crate) source: Option<String>,
    #[serde(flatten)]
    pub(crate) change: ChangeQuery,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncView {
    /// How it went.
    pub status: SyncStatus,
    /// What it changed; none when it failed.
    pub change: Option<ChangeView>,
    /// What to do when it failed.
    pub hint: Option<String>,
}

/// The directory in `directory status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectoryStatusView {
    /// The number of the generation.
    pub generation: u64,
    /// How many people, groups and so on.
    pub entries: u64,
    /// How many addresses lead to them.
    pub addresses: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Conflicts that are open.
    pub open_conflicts: u64,
    /// The sources that are synchronised.
    pub sources: Vec<SyncStatus>,
    /// All sources that have said something, also those that are imported.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// Why `directory.file` was not taken at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untaken: Option<String>,
}

impl DirectoryStatusView {
    /// The sources that were imported: those that are not synchronised.
    pub(crate) fn imported(&self) -> impl Iterator<Item = &Origin> {
        let is_synced =
            |origin: &Origin| self.sources.iter().any(|one| one.source == origin.source);
        self.origins.iter().filter(move |origin| !is_synced(origin))
    }
}

pub(super) async fn sync(
    State(admin): State<Arc<Admin>>,
    Body(query): Body<SyncQuery>,
) -> Result<Json<Vec<SyncView>>, AdminError> {
    let SyncQuery { source, change } = query;
    let by = (change.actor.as_str(), change.reason.as_str());
    let done = admin.sync.sync(source.as_deref(), by, change.mode());
    let done = match (done.await, source) {
        (Err(error @ DirectoryError::NoSuch(_)), Some(source)) => {
            let origins = admin.directory.origins().await?;
            return Err(unread(&source, &origins).unwrap_or_else(|| error.into()));
        }
        (done, _) => done?,
    };
    let views = done.into_iter().map(|one| {
        let (change, hint) = match one.outcome {
            Ok(outcome) => (Some(admin.changed(outcome)), None),
            Err(error) => (None, Some(AdminError::from(error).hint().to_owned())),
        };
        SyncView {
            status: one.status,
            change,
            hint,
        }
    });
    Ok(Json(views.collect()))
}

/// Why a source that is there cannot be read now; nothing of one that is not.
fn unread(source: &str, origins: &[Origin]) -> Option<AdminError> {
    let is_it = |origin: &Origin| origin.source == source;
    origins.iter().any(is_it).then(|| {
        let (why, hint) = match source {
            HAND => (
                "it is what people said here, address by address",
                "`tideover directory set` changes it",
            ),
            FILE => (
                "it came as a file",
                "when it is directory.file of the config, `tideover reload` reads it again; else \
                 bring a newer one: `tideover directory import FILE`",
            ),
            _ => (
                "it came as a file that somebody imported, and the file is not kept",
                "bring a newer one: `tideover directory import FILE --source NAME`",
            ),
        };
        AdminError::Asked {
            what: format!("the source {source} cannot be read again: {why}"),
            hint,
        }
    })
}

pub(super) async fn status(
    State(admin): State<Arc<Admin>>,
) -> Result<Json<DirectoryStatusView>, AdminError> {
    let origins = admin.directory.origins().await?;
    let view = admin.blocking(|admin| {
        let current = admin.directory.current();
        Ok(DirectoryStatusView {
            generation: current.number(),
            entries: current.len() as u64,
            addresses: current.addresses() as u64,
            memory_bytes: current.memory() as u64,
            open_conflicts: current.open_conflicts() as u64,
            sources: admin.sync.status(),
            origins,
            untaken: admin.directory.untaken(),
        })
    });
    view.await.map(Json)
}

impl Admin {
    /// Sources that the directory is not in step with.
    pub(super) fn sync_problems(&self) -> impl Iterator<Item = String> {
        let failed = self.sync.status().into_iter();
        failed.filter_map(|status| {
            let error = status.error?;
            Some(format!("the directory source {}: {error}", status.source))
        })
    }

    pub(super) fn set_sync_gauges(&self) {
        let now = self.clock.now();
        for status in self.sync.status() {
            let age = status.good_at.map(|at| now.since(at).as_secs_f64());
            let source = status.source;
            gauge!(names::DIRECTORY_SYNC_AGE, "source" => source).set(age.unwrap_or(-1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_cannot_be_read_says_why() {
        let origins = ["hr", "file", "hand"].map(|source| Origin {
            source: source.to_owned(),
            names: 1,
            departed: 0,
            last: None,
        });
        for (source, why, hint) in [
            ("hr", "somebody imported", "--source NAME"),
            ("file", "it came as a file", "tideover reload"),
            ("hand", "address by address", "directory set"),
        ] {
            let error = unread(source, &origins).unwrap();
            let told = error.to_string();
            assert!(told.contains(source) && told.contains(why), "{told}");
            assert!(error.hint().contains(hint), "{}", error.hint());
        }
        assert!(unread("moon", &origins).is_none());
    }
}
