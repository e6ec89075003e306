//! Who is meant: the answers for the script that completes addresses.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::guard::User;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PeopleQuery {
    q: String,
}

/// Names with addresses, as a field of a letter has them.
pub(crate) async fn find(
    State(webmail): State<Webmail>,
    _user: User,
    Query(query): Query<PeopleQuery>,
) -> Result<Json<Vec<String>>, WebError> {
    Ok(Json(webmail.people(&query.q).await?))
}
