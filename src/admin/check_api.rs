//! The config file as it is now, checked by the server: what `tideover check` does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Query;
use super::operation::{Operation, look};
use super::{Admin, AdminError, Role};
use crate::acme::AcmeView;
use crate::base::Timestamp;
use crate::cutover::Report;
use crate::route::RelayTest;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// The file, and what it names on this machine.
    File,
    /// Also the backends, and what the domains publish in the public DNS.
    Online,
}

/// How much is to be looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CheckQuery {
    /// Also ask the backends and the public DNS.
    #[serde(default)]
    pub(crate) online: bool,
}

/// `check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckView {
    /// Nothing is wrong; there may be warnings.
    pub ok: bool,
    /// The file.
    pub file: String,
    /// What is wrong.
    pub problems: Vec<CheckProblem>,
    /// Could strangers send through this server? Only when the file is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_relay: Option<RelayTest>,
    /// What is possible and unwise.
    pub warnings: Vec<CheckProblem>,
    /// What a server with this file would do, one sentence each; empty when the file is not good.
    #[serde(default)]
    pub summary: Vec<String>,
    /// Those of `[tls]`, and who sees which.
    pub certificates: Vec<CheckCertificate>,
    /// The one that an authority makes for us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeView>,
    /// Content filters, as they answer from here.
    pub filters: Vec<CheckFilter>,
    /// The public DNS; only when it was asked for, and the file is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<CheckDns>,
}

/// Something that is wrong, or unwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckProblem {
    /// The file.
    pub file: String,
    /// The line; 0 when it concerns the whole file.
    pub line: usize,
    /// The key, as `backend.onprem.tls`; empty when it is none.
    pub key: String,
    /// What is wrong and what is expected.
    pub what: String,
    /// All of it in one line.
    #[serde(default)]
    pub told: String,
}

/// A certificate of `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckCertificate {
    /// Its file.
    pub file: String,
    /// It is for those who name no host, or none that another one is for.
    pub first: bool,
    /// The hosts that it is for.
    pub names: Vec<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
}

/// A content filter that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckFilter {
    /// Its name in the config.
    pub name: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What the domains publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckDns {
    /// Findings that do harm.
    pub wrong: usize,
    /// Findings for which a cutover waits.
    pub waits: usize,
    /// Findings of which nothing is known.
    pub unanswered: usize,
    /// All of them.
    #[serde(flatten)]
    pub report: Report,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![look(
        "/api/check",
        Role::Operator,
        "Check the config file as it is now",
        check,
    )]
}

async fn check(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<CheckQuery>,
) -> Result<Json<CheckView>, AdminError> {
    let depth = if query.online {
        CheckDepth::Online
    } else {
        CheckDepth::File
    };
    let found = admin.config.check(depth).await;
    found.map(Json).map_err(AdminError::Ours)
}
