//! The config as it is in force: each key, its value, and the line that it comes from.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError};
use crate::base::Timestamp;

/// `config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigView {
    /// The file, by its whole path. Paths in it are relative to its folder.
    pub file: String,
    /// When it was read: at the start, or at a reload since.
    pub loaded: Timestamp,
    /// What is in the file now.
    pub disk: ConfigOnDisk,
    /// All sections, in the order of docs/config.md.
    pub sections: Vec<ConfigSection>,
}

/// The file as it is now, beside what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigOnDisk {
    /// What a reload would do.
    pub state: ConfigState,
    /// Why a reload would be refused, with the lines of the file as it is now.
    pub problems: Vec<String>,
    /// Keys that are others than those that run, whether a reload would take them or not.
    pub changes: Vec<ConfigChange>,
    /// `directory.file` is not the one that was read last.
    #[serde(default)]
    pub directory: bool,
    /// Names the file as it is now, for `reload`; none when a reload would refuse it.
    #[serde(default)]
    pub mark: Option<String>,
}

/// Which file a reload takes over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReloadQuery {
    /// The `mark` of the file that was looked at: a file that has changed since is refused.
    /// Without it, the file is taken as it is.
    #[serde(default)]
    pub(crate) mark: Option<String>,
}

/// What a reload would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConfigState {
    /// Nothing: the file is the one that runs.
    Same,
    /// It would take the file over.
    Changed,
    /// It would refuse the file: what has changed needs a restart.
    Restart,
    /// It would refuse the file: something is wrong in it.
    Refused,
}

/// A key that has another value in the file than in what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigChange {
    /// `[backend.onprem]`.
    pub section: String,
    /// `tls`.
    pub key: String,
    /// What runs; none when the key is not there.
    pub runs: Option<String>,
    /// What the file says; none when the key is not there any more.
    pub says: Option<String>,
    /// Where it stands in the file now.
    pub line: Option<usize>,
}

/// A section of the config, in the file or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigSection {
    /// `[backend.onprem]`; `[[listener]] 2` for the second one of a list.
    pub title: String,
    /// Where it begins; none when all of it is by default.
    pub line: Option<usize>,
    /// Its keys, in the order of docs/config.md.
    pub keys: Vec<ConfigKey>,
}

/// A key of the config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigKey {
    /// `tls`.
    pub name: String,
    /// As TOML writes it, with `"…"` for what may be a secret; in words for `words`; empty for
    /// `unset`.
    pub value: String,
    /// Where it comes from.
    pub from: ConfigOrigin,
    /// Its line in the file as it was when it was read; none when it is not in it.
    pub line: Option<usize>,
    /// What it does.
    pub meaning: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConfigOrigin {
    /// The file.
    File,
    /// It is what holds when the key is left out.
    Default,
    /// The same, in words: it depends on other things.
    Words,
    /// It is not set, and nothing stands in for it.
    Unset,
}

pub(super) async fn config(
    State(admin): State<Arc<Admin>>,
) -> Result<Json<ConfigView>, AdminError> {
    admin
        .config
        .config()
        .await
        .map(Json)
        .map_err(AdminError::Ours)
}
