//! Invitations for many at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Body;
use super::{Admin, AdminError, Invitation};

/// Whom to invite.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InviteQuery {
    /// These.
    pub addresses: Vec<String>,
    /// All who have a mailbox and no account.
    pub all_missing: bool,
    /// Of all who are missing: those of this domain.
    pub domain: Option<String>,
    /// Of all who are missing: also those who were invited and have not come yet. Their earlier
    /// invitations end.
    pub again: bool,
    /// Send the links by mail.
    pub mail: Option<MailTo>,
}

/// Which address gets a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailTo {
    /// The mailbox itself.
    First,
    /// The second address that the directory names.
    Second,
}

/// Who was invited, and who was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvitedView {
    /// Those who were.
    pub invitations: Vec<Invitation>,
    /// Those who were not, or whose link could not be sent.
    pub left_out: Vec<LeftOut>,
}

/// Somebody who has no link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Who.
    pub address: String,
    /// Why.
    pub why: String,
}

pub(super) async fn invite(
    State(admin): State<Arc<Admin>>,
    Body(query): Body<InviteQuery>,
) -> Result<Json<InvitedView>, AdminError> {
    if query.addresses.is_empty() && !query.all_missing {
        return Err(AdminError::Asked {
            what: "nobody is named".to_owned(),
            hint: "name addresses, or give --all-missing, perhaps with --domain",
        });
    }
    Ok(Json(admin.accounts.invite_many(query).await?))
}
