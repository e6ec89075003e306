//! Which certificates are shown to whom, from which those of clients come, and who makes ours.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError, Served};
use crate::acme::{Acme, AcmeView};
use crate::base::Timestamp;
use crate::net::{AuthoritiesState, CertificateState};

/// What there is of certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificatesView {
    /// Those that are shown to others, in the order in which they are looked through.
    pub shown: Vec<ShownView>,
    /// The authorities of clients' certificates.
    pub client_authorities: Vec<AuthoritiesView>,
    /// How the one stands that an authority makes for us; `null`: there is none.
    pub acme: Option<AcmeView>,
}

/// A certificate that is shown to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownView {
    /// To whom: `mail`, `admin`.
    #[serde(rename = "use")]
    pub served: String,
    /// Its file.
    pub file: String,
    /// The hosts that it is for.
    pub names: Vec<String>,
    /// Until when; `null`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// Newer files are there and cannot be used: why.
    pub refused: Option<String>,
}

/// Authorities of clients' certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthoritiesView {
    /// Their file.
    pub file: String,
    /// Until when the last of them is good; `null`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// A newer file is there and cannot be used: why.
    pub refused: Option<String>,
}

impl ShownView {
    fn new(served: Served, state: CertificateState) -> Self {
        Self {
            served: served.word().to_owned(),
            file: state.file.display().to_string(),
            names: state.names,
            ends: state.ends,
            refused: state.refused,
        }
    }
}

impl From<AuthoritiesState> for AuthoritiesView {
    fn from(state: AuthoritiesState) -> Self {
        Self {
            file: state.file.display().to_string(),
            ends: state.ends,
            refused: state.refused,
        }
    }
}

/// `GET /api/tls/certificates`.
pub(super) async fn certificates(
    State(admin): State<Arc<Admin>>,
) -> Result<Json<CertificatesView>, AdminError> {
    // Files that have changed are read again.
    let view = admin.blocking(|admin| {
        let shown = admin.certificates.iter().flat_map(|(served, server)| {
            let states = server.states().into_iter();
            states.map(|state| ShownView::new(*served, state))
        });
        let authorities = admin.client_authorities.iter();
        Ok(CertificatesView {
            shown: shown.collect(),
            client_authorities: authorities.map(|it| it.state().into()).collect(),
            acme: admin.acme.as_ref().map(Acme::view),
        })
    });
    view.await.map(Json)
}
