//! The X.500 addresses that a platform has to know of its people.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Query;
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::{X500Sender, X500Use};
use crate::mail::BackendId;

/// Of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct X500Query {
    /// Those with this home; absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<String>,
}

/// The X.500 addresses of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct X500View {
    /// The person's address.
    pub address: String,
    /// All of them, as platforms take them: `X500:/o=…`.
    pub x500: Vec<String>,
}

/// A sender who still writes to an X.500 address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct X500SenderView {
    /// The envelope sender; empty for reports.
    pub sender: String,
    /// How many messages, and when the last one came.
    #[serde(flatten)]
    pub seen: X500Sender,
}

/// An X.500 address that is still used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct X500UseView {
    /// The X.500 address.
    pub x500: String,
    /// Whose it is; none when nobody has it any more.
    pub address: Option<String>,
    /// Where he lives.
    pub home: Option<BackendId>,
    /// How many messages came for it.
    pub count: u64,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// Who wrote them, the latest first.
    pub senders: Vec<X500SenderView>,
    /// Messages of others, who wrote before them.
    pub others: u64,
}

/// The X.500 addresses that are still used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct X500UsedView {
    /// Since when it is counted.
    pub since: Option<Timestamp>,
    /// How many there are in the directory.
    pub of: u64,
    /// Those that are used, the last used first.
    pub used: Vec<X500UseView>,
}

pub(super) async fn used(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<X500Query>,
) -> Result<Json<X500UsedView>, AdminError> {
    let found = admin.blocking(move |admin| {
        let current = admin.directory.current();
        let wanted = |home: Option<&BackendId>| {
            let wanted = query.home.as_ref();
            wanted.is_none_or(|wanted| home.is_some_and(|home| home.as_str() == wanted))
        };
        let (since, counted) = admin.router.x500_uses().list();
        let mut used = Vec::new();
        for (x500, one) in counted {
            let entry = current.find_x500(&x500);
            let home = entry.as_ref().and_then(|entry| current.home_of(entry));
            if wanted(home.as_ref()) {
                let address = entry.map(|entry| entry.address.to_string());
                used.push(use_view((x500, one), address, home));
            }
        }
        used.sort_by_key(|one| std::cmp::Reverse(one.last));
        let there = current.entries();
        let there = there.filter(|entry| wanted(current.home_of(entry).as_ref()));
        let of: usize = there.map(|entry| entry.x500.len()).sum();
        Ok(X500UsedView {
            since,
            of: of as u64,
            used,
        })
    });
    found.await.map(Json)
}

fn use_view(
    (x500, one): (String, X500Use),
    address: Option<String>,
    home: Option<BackendId>,
) -> X500UseView {
    let senders = one.senders.into_iter();
    let senders = senders.map(|(sender, seen)| X500SenderView { sender, seen });
    let mut senders: Vec<X500SenderView> = senders.collect();
    senders.sort_by_key(|one| std::cmp::Reverse(one.seen.last));
    X500UseView {
        x500,
        address,
        home,
        count: one.count,
        first: one.first,
        last: one.last,
        senders,
        others: one.others,
    }
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
