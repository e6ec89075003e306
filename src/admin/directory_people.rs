//! The people of the directory, page by page.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Limit;
use super::directory_api::{Answer, Us};
use super::extract::Query;
use crate::base::query_words;
use crate::directory::{Directory, Entry, EntryKind};
use crate::mail::BackendId;
use crate::smtp::Domain;

/// Entries that are given when nobody says how many.
const USUAL: usize = 100;

/// Does a source still name him?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// A source names him.
    Named,
    /// None does any more: his route lives on for `directory.grace`.
    Departed,
}

impl EntryState {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Departed => "departed",
        }
    }
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct EntriesQuery {
    /// With this in an address or in the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// Of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    /// With this home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<String>,
    /// Of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<EntryKind>,
    /// Only whom a source names, or only who departed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<EntryState>,
    /// Leave out so many.
    #[serde(default)]
    pub(crate) skip: usize,
    /// Not more than this; absent: 100.
    #[serde(default)]
    pub(crate) limit: Option<Limit>,
}

impl EntriesQuery {
    /// As it stands behind the `?` of the address.
    pub(crate) fn words(&self) -> String {
        query_words([
            ("skip", Some(self.skip.to_string())),
            ("limit", Some(Limit::or(self.limit, USUAL).to_string())),
            ("text", self.text.clone()),
            ("domain", self.domain.clone()),
            ("home", self.home.clone()),
            ("kind", self.kind.map(|kind| kind.as_str().to_owned())),
            ("state", self.state.map(|state| state.as_str().to_owned())),
        ])
    }
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryView {
    /// What the directory has of it.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its home, also when it is that of its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_now: Option<BackendId>,
}

/// What is looked for, as it is compared.
struct Wanted {
    text: Option<String>,
    domain: Option<String>,
    home: Option<String>,
    kind: Option<EntryKind>,
    state: Option<EntryState>,
}

impl Wanted {
    fn new(query: EntriesQuery) -> Self {
        let domain = query
            .domain
            .map(|text| match text.trim().parse::<Domain>() {
                Ok(domain) => domain.key(),
                Err(_) => text.to_lowercase(),
            });
        Self {
            text: query.text.map(|text| text.to_lowercase()),
            domain,
            home: query.home,
            kind: query.kind,
            state: query.state,
        }
    }

    fn takes(&self, view: &EntryView) -> bool {
        let EntryView { entry, home_now } = view;
        let is = |wanted: &str, there: Option<&BackendId>| {
            there.is_some_and(|there| there.as_str() == wanted)
        };
        let state = match entry.departed {
            None => EntryState::Named,
            Some(_) => EntryState::Departed,
        };
        self.kind.is_none_or(|kind| kind == entry.kind)
            && self.state.is_none_or(|wanted| wanted == state)
            && self
                .home
                .as_ref()
                .is_none_or(|home| is(home, home_now.as_ref()))
            && self
                .domain
                .as_ref()
                .is_none_or(|domain| *domain == entry.address.domain().key())
            && self.text.as_ref().is_none_or(|text| has(entry, text))
    }
}

/// Is this somewhere in its addresses or its name?
fn has(entry: &Entry, text: &str) -> bool {
    let there = |address: &crate::smtp::Mailbox| address.to_string().to_lowercase().contains(text);
    let further = entry.delivery_address.iter();
    entry.addresses().chain(further).any(there) || entry.name.to_lowercase().contains(text)
}

fn view(directory: &Directory, entry: Entry) -> EntryView {
    EntryView {
        home_now: directory.home_of(&entry),
        entry,
    }
}

pub(super) async fn entries(
    State(admin): Us,
    Query(query): Query<EntriesQuery>,
) -> Answer<Vec<EntryView>> {
    let found = admin.blocking(move |admin| {
        let limit = Limit::or(query.limit, USUAL);
        let (skip, current) = (query.skip, admin.directory.current());
        let wanted = Wanted::new(query);
        let all = current.entries().map(|entry| view(&current, entry));
        let found = all.filter(|view| wanted.takes(view));
        Ok(found.skip(skip).take(limit).collect())
    });
    found.await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    fn person(address: &str, home: Option<&str>) -> EntryView {
        let entry = serde_json::json!({ "address": address, "name": "Ann Archer",
            "aliases": ["archer@example.net"], "delivery_address": "ann@tenant.example" });
        EntryView {
            entry: serde_json::from_value(entry).unwrap(),
            home_now: home.map(BackendId::new),
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_found() {
        let ann = person("ann@example.org", Some("onprem"));
        for (query, found) in [
            ("{}", true),
            (r#"{"text":"ARCH"}"#, true),
            (r#"{"text":"r@example.net"}"#, true),
            (r#"{"text":"tenant"}"#, true),
            (r#"{"text":"bob"}"#, false),
            (r#"{"domain":"Example.ORG"}"#, true),
            (r#"{"domain":"example.net"}"#, false),
            (r#"{"domain":"a b"}"#, false),
            (r#"{"home":"onprem"}"#, true),
            (r#"{"home":"cloud"}"#, false),
            (r#"{"kind":"mailbox"}"#, true),
            (r#"{"kind":"group"}"#, false),
            (r#"{"state":"named"}"#, true),
            (r#"{"state":"departed"}"#, false),
            (r#"{"text":"ann","home":"cloud"}"#, false),
        ] {
            let wanted = Wanted::new(serde_json::from_str(query).unwrap());
            assert_eq!(wanted.takes(&ann), found, "{query}");
        }
        let mut gone = person("ann@example.org", None);
        gone.entry.departed = Some(Timestamp::from_millis(1));
        let departed = EntriesQuery {
            state: Some(EntryState::Departed),
            ..EntriesQuery::default()
        };
        assert!(Wanted::new(departed).takes(&gone));
        let at_home = EntriesQuery {
            home: Some("onprem".to_owned()),
            ..EntriesQuery::default()
        };
        assert!(!Wanted::new(at_home).takes(&gone));
    }
}
