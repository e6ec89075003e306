//! A deed that goes page by page is one entry: after each page it says how far it has come. One
//! that breaks off in the middle stays `asked`, with what was done until then.

use std::collections::VecDeque;
use std::fmt;

use axum::http::StatusCode;

use super::{AuditEntry, AuditLog};
use crate::limits;

/// The argument that says behind which message a page begins.
const AFTER: &str = "which.after";

/// To how many something was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::admin) struct Did {
    pub(in crate::admin) recipients: u64,
    pub(in crate::admin) messages: u64,
    /// Left out, because they were being tried just then.
    pub(in crate::admin) under_way: u64,
}

impl Did {
    const fn and(self, later: Self) -> Self {
        Self {
            recipients: self.recipients + later.recipients,
            messages: self.messages + later.messages,
            under_way: self.under_way + later.under_way,
        }
    }
}

/// `recipients: 3, messages: 2`.
impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (recipients, messages) = (self.recipients, self.messages);
        write!(f, "recipients: {recipients}, messages: {messages}")?;
        match self.under_way {
            0 => Ok(()),
            under_way => write!(f, ", being tried just then: {under_way}"),
        }
    }
}

/// What came of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) struct Paged {
    pub(in crate::admin) did: Did,
    /// Behind this message the next page begins; none at the end.
    pub(in crate::admin) next: Option<String>,
}

/// Something that was asked for and has no outcome yet.
#[derive(Debug)]
pub(in crate::admin) struct Begun {
    pub(in crate::admin) entry: AuditEntry,
    /// By the pages before.
    before: Option<Did>,
}

impl Begun {
    pub(super) const fn anew(entry: AuditEntry) -> Self {
        Self {
            entry,
            before: None,
        }
    }

    /// What is said of a page that was not done: what those before it did stays done.
    fn besides(&self, told: String) -> String {
        match self.before {
            Some(did) if told.is_empty() => format!("{did} before it"),
            Some(did) => format!("{did} before it; {told}"),
            None => told,
        }
    }
}

/// A deed whose next page is waited for.
#[derive(Debug)]
struct Waiting {
    begun: Begun,
    next: String,
}

/// Those whose next page is waited for, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Deeds(VecDeque<Waiting>);

impl Deeds {
    /// The deed that goes on with what is asked for now: the same order of the same person, behind
    /// the page before.
    pub(super) fn take(&mut self, asked: &AuditEntry) -> Option<Begun> {
        let goes_on = |one: &Waiting| {
            let after = asked.arguments.0.get(AFTER);
            after == Some(&one.next) && is_same(&one.begun.entry, asked)
        };
        let place = self.0.iter().position(goes_on)?;
        self.0.remove(place).map(|one| one.begun)
    }

    fn wait_for(&mut self, next: String, begun: Begun) {
        if self.0.len() >= limits::AUDIT_DEEDS {
            self.0.pop_front();
        }
        self.0.push_back(Waiting { begun, next });
    }
}

fn is_same(one: &AuditEntry, other: &AuditEntry) -> bool {
    let who = |entry: &AuditEntry| (entry.who.clone(), entry.role, entry.from.clone());
    let what = |entry: &AuditEntry| {
        let mut said = entry.arguments.clone();
        said.0.remove(AFTER);
        (entry.path.clone(), said, entry.reason.clone())
    };
    who(one) == who(other) && what(one) == what(other)
}

impl AuditLog {
    /// Writes down what came of a page: with the last one the deed is done.
    pub(in crate::admin) async fn paged(&self, begun: Begun, page: Paged) {
        let did = begun.before.unwrap_or_default().and(page.did);
        let mut entry = begun.entry;
        let Some(next) = page.next else {
            let done = (StatusCode::OK.as_u16(), did.to_string());
            return self.ended(entry, done).await;
        };
        entry.told = format!("{did} so far");
        if let Err(error) = self.put(&entry).await {
            let (who, what) = (&entry.who, &entry.what);
            tracing::error!(%error, who, what, "the audit log lacks how far a deed has come");
        }
        let before = Some(did);
        self.deeds().wait_for(next, Begun { entry, before });
    }

    /// Writes down what came of something, as the status says it.
    pub(in crate::admin) async fn came(&self, begun: Begun, (status, told): (u16, String)) {
        let told = begun.besides(told);
        self.ended(begun.entry, (status, told)).await;
    }
}
