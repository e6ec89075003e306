//! The X.500 addresses that a platform has to know of its people.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::extract::Query;
use super::{Admin, AdminError};

/// Of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct X500Query {
    /// Those with this home; absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<String>,
}

/// The X.500 addresses of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct X500View {
    /// The person's address.
    pub address: String,
    /// All of them, as platforms take them: `X500:/o=…`.
    pub x500: Vec<String>,
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<X500Query>,
) -> Result<Json<Vec<X500View>>, AdminError> {
    let found = admin.blocking(move |admin| {
        let current = admin.directory.current();
        let there = current.entries().filter(|entry| {
            let home = query.home.as_ref().is_none_or(|wanted| {
                let home = current.home_of(entry);
                home.is_some_and(|home| home.as_str() == wanted)
            });
            home && entry.departed.is_none() && !entry.x500.is_empty()
        });
        let views = there.map(|entry| X500View {
            address: entry.address.to_string(),
            x500: entry.x500.iter().map(|one| format!("X500:{one}")).collect(),
        });
        Ok(views.collect())
    });
    found.await.map(Json)
}
