//! What homes said of whom the directory does not name.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory_api::parsed;
use super::extract::Body;
use super::{Admin, AdminError};
use crate::directory::{Standing, Word};
use crate::smtp::Mailbox;

/// An address of which a home said that it exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedView {
    /// The address, as it is looked up.
    pub address: String,
    /// Who says so, and since when.
    #[serde(flatten)]
    pub word: Word,
}

/// An address that the home is to be asked about anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ForgetQuery {
    /// The address.
    pub(crate) address: String,
}

/// Whether there was something to forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForgetView {
    /// The address.
    pub address: String,
    /// Was it known?
    pub forgotten: bool,
}

impl Admin {
    /// That a home said of an address that it exists.
    pub(super) fn word_of(&self, address: &Mailbox) -> Option<Word> {
        let verified = &self.router.verifier()?.verified;
        match verified.standing(&address.key(), self.clock.now()) {
            Standing::Exists(word) => Some(word),
            Standing::Absent { .. } | Standing::Unknown => None,
        }
    }
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
) -> Result<Json<Vec<VerifiedView>>, AdminError> {
    let words = admin.router.verifier().map(|it| it.verified.list());
    let words = words.unwrap_or_default().into_iter();
    let views = words.map(|(address, word)| VerifiedView { address, word });
    Ok(Json(views.collect()))
}

pub(super) async fn forget(
    State(admin): State<Arc<Admin>>,
    Body(query): Body<ForgetQuery>,
) -> Result<Json<ForgetView>, AdminError> {
    let address = parsed(&query.address)?.key();
    let forgotten = match admin.router.verifier() {
        Some(verifier) => verifier.verified.forget(&address).await?,
        None => false,
    };
    Ok(Json(ForgetView { address, forgotten }))
}
