//! Reading the audit log, page by page, the newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AUDIT, AuditEntry, AuditLog, id_of, moment};
use crate::admin::extract::Query;
use crate::admin::operation::{Operation, look};
use crate::admin::{Admin, AdminError, Limit, Role};
use crate::base::Timestamp;
use crate::limits;
use crate::spool::{Spool, SpoolError};
use crate::terminal::clamped;

/// Entries of a page when nothing else is asked for.
const USUAL: usize = 100;

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AuditQuery {
    /// From then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// Of whom; all of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// A part of what was done, of its path, of what was said of it or of what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<String>,
    /// Behind this entry: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// So many at most; absent: as many as is usual.
    #[serde(default)]
    pub(crate) limit: Option<Limit>,
}

/// A page of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// The entries, the newest first.
    pub entries: Vec<AuditEntry>,
    /// There is more behind this entry, perhaps; none at the end. A page may be short all the
    /// same: so many entries are looked at for one answer and no more.
    pub next: Option<String>,
}

/// The operations.
pub(in crate::admin) fn operations() -> Vec<Operation> {
    vec![look(
        "/api/audit",
        Role::Viewer,
        "Who has done what, from where and why",
        page,
    )]
}

async fn page(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, AdminError> {
    query.expect_place()?;
    Ok(Json(admin.audit.page(query).await?))
}

impl AuditLog {
    /// A page.
    pub(in crate::admin) async fn page(&self, query: AuditQuery) -> Result<AuditPage, SpoolError> {
        self.0.spool.beside(move |spool| query.read(spool)).await
    }
}

impl AuditQuery {
    /// What cannot be an entry has nothing behind it, and nobody would know why.
    fn expect_place(&self) -> Result<(), AdminError> {
        match self.after.as_deref() {
            Some(after) if !is_id(after) => Err(AdminError::Asked {
                what: format!("\"{}\" is no entry of the audit log", clamped(after, 40)),
                hint: "it goes on behind `next` of the page before; begin without `after`",
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The first key that is looked at.
    fn start(&self) -> String {
        let until = self
            .until
            .map(|until| id_of(moment(until).saturating_sub(1)));
        self.after
            .as_deref()
            .map(behind)
            .max(until)
            .unwrap_or_default()
    }

    fn read(&self, spool: &Spool) -> Result<AuditPage, SpoolError> {
        let limit = Limit::or(self.limit, USUAL);
        let (mut start, mut entries) = (self.start(), Vec::new());
        for _ in 0..limits::AUDIT_LOOKED / USUAL {
            let rows = spool.facts_from(AUDIT, &start, USUAL)?;
            let is_end = rows.len() < USUAL;
            for (id, value) in rows {
                start = behind(&id);
                let Some(entry) = readable(&id, value) else {
                    continue;
                };
                if self.since.is_some_and(|since| entry.at < since) {
                    return Ok(AuditPage::last(entries));
                }
                if self.matches(&entry) {
                    entries.push(entry);
                }
                if entries.len() >= limit {
                    let next = Some(id);
                    return Ok(AuditPage { entries, next });
                }
            }
            if is_end {
                return Ok(AuditPage::last(entries));
            }
        }
        let next = Some(start.trim_end_matches('\0').to_owned());
        Ok(AuditPage { entries, next })
    }
}

impl AuditPage {
    const fn last(entries: Vec<AuditEntry>) -> Self {
        Self {
            entries,
            next: None,
        }
    }
}

/// Can it be the name of an entry? As [`id_of`] makes them.
fn is_id(text: &str) -> bool {
    let is_digit = |letter: u8| matches!(letter, b'0'..=b'9' | b'a'..=b'f');
    text.len() == id_of(0).len() && text.bytes().all(is_digit)
}

/// The next key there can be.
fn behind(id: &str) -> String {
    format!("{id}\0")
}

fn readable(id: &str, value: serde_json::Value) -> Option<AuditEntry> {
    match serde_json::from_value::<AuditEntry>(value) {
        Ok(entry) => Some(AuditEntry {
            id: id.to_owned(),
            ..entry
        }),
        Err(error) => {
            tracing::error!(id, %error, "an entry of the audit log cannot be read");
            None
        }
    }
}

impl AuditQuery {
    fn matches(&self, entry: &AuditEntry) -> bool {
        let by = self.by.as_ref().is_none_or(|by| *by == entry.who);
        let what = self.what.as_ref().is_none_or(|what| {
            let what = what.to_lowercase();
            let has = |text: &str| text.to_lowercase().contains(&what);
            [&entry.what, &entry.path, &entry.told]
                .into_iter()
                .any(|it| has(it))
                || entry.arguments.0.values().any(|it| has(it))
        });
        by && what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_an_entry_or_is_refused() {
        let from = |after: &str| {
            let query = AuditQuery {
                after: Some(after.to_owned()),
                ..AuditQuery::default()
            };
            query.expect_place().map_err(|error| error.to_string())
        };
        assert_eq!(from(&id_of(7)), Ok(()));
        assert!(AuditQuery::default().expect_place().is_ok());
        for odd in [
            "",
            "zz",
            "0123456789ABCDEF",
            "0123456789abcdef0",
            "../../etc/passwd",
        ] {
            assert!(from(odd).unwrap_err().contains("is no entry"), "{odd}");
        }
        assert!(from(&"z".repeat(9000)).unwrap_err().len() < 100);
    }
}
