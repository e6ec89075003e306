//! Which certificates are shown to whom, from which those of clients come, and who makes ours.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Admin, AdminError, Served};
use crate::acme::{Acme, AcmeView};
use crate::base::Timestamp;
use crate::net::{AuthoritiesState, CertificateState, RevocationState};

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
    /// Their lists of revoked certificates.
    pub lists: Vec<RevocationView>,
    /// Those of them that have no list, while others have one: nobody knows what they have revoked.
    pub unlisted: Vec<String>,
    /// Newer files are there and cannot be used: why.
    pub refused: Option<String>,
}

/// A list of revoked certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevocationView {
    /// Its file.
    pub file: String,
    /// The authority whose list it is.
    pub issuer: String,
    /// When the next one has to be there; this one counts on after that. `null`: that cannot be
    /// read.
    pub ends: Option<Timestamp>,
    /// When the next one is due: two thirds of its time are over.
    pub due: Option<Timestamp>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

impl From<RevocationState> for RevocationView {
    fn from(state: RevocationState) -> Self {
        Self {
            file: state.file.display().to_string(),
            issuer: state.issuer,
            ends: state.ends,
            due: state.due,
            revoked: state.revoked,
        }
    }
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
            lists: state.lists.into_iter().map(Into::into).collect(),
            unlisted: state.unlisted,
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
