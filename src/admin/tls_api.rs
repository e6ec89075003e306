//! How TLS with servers outside went, and what is reported of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificates_api::certificates;
use super::extract::Query;
use super::operation::{Operation, look};
use super::{Admin, AdminError, Role};
use crate::outbound::{TlsCount, TlsReportView};

/// Which reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TlsReportQuery {
    /// Those for this domain only.
    #[serde(default)]
    pub(crate) domain: Option<String>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        look("/api/tls", Role::Viewer, "How TLS went", counts),
        look(
            "/api/tls/certificates",
            Role::Viewer,
            "Which certificates there are, and who makes ours (RFC 8555)",
            certificates,
        ),
        look(
            "/api/tls/reports",
            Role::Viewer,
            "What domains outside are told of it (RFC 8460), and what became of that",
            reports,
        ),
    ]
}

async fn counts(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<TlsCount>>, AdminError> {
    Ok(Json(admin.outbound.tls_counts()))
}

async fn reports(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<TlsReportQuery>,
) -> Result<Json<Vec<TlsReportView>>, AdminError> {
    let domain = query.domain.as_deref().map(str::trim);
    Ok(Json(admin.outbound.tls_report_views(domain)))
}
