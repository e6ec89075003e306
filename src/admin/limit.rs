//! `limit` of a query: how many are wanted.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::limits;

/// How many are wanted: from 1 on, and at most a page ([`limits::PAGE`]). That somebody wants none
/// is a mistake, and is told instead of being taken for what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub(crate) struct Limit(usize);

impl Limit {
    /// This many; of none, one.
    pub(crate) const fn of(count: usize) -> Self {
        if count == 0 { Self(1) } else { Self(count) }
    }

    /// How many are given: as many as are wanted, or a page.
    pub(crate) const fn get(self) -> usize {
        if self.0 > limits::PAGE {
            limits::PAGE
        } else {
            self.0
        }
    }

    /// The same, and without a wish as many as is usual.
    pub(super) fn or(wish: Option<Self>, usual: usize) -> usize {
        wish.map_or(usual, Self::get)
    }
}

/// What to ask instead of a limit that is none.
pub(super) const LIMITS: &str = "limit is a number from 1 to 1000: more than that gives 1000, and \
                                 without it as many come as is usual";

impl TryFrom<usize> for Limit {
    type Error = String;

    fn try_from(count: usize) -> Result<Self, String> {
        if count == 0 {
            return Err(format!(
                "limit=0 asks for nothing: leave it out, or ask for 1 to {}",
                limits::PAGE
            ));
        }
        Ok(Self(count))
    }
}

impl From<Limit> for usize {
    fn from(limit: Limit) -> Self {
        limit.0
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "format": "uint", "minimum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::QueueQuery;

    fn read(query: &str) -> Result<QueueQuery, String> {
        let uri: axum::http::Uri = format!("/api/queue?{query}").parse().unwrap();
        let read = axum::extract::Query::<QueueQuery>::try_from_uri(&uri);
        read.map(|it| it.0).map_err(|error| error.body_text())
    }

    #[test]
    fn nothing_is_no_limit() {
        let wish = |query| Limit::or(read(query).unwrap().limit, 100);
        assert_eq!(wish(""), 100);
        assert_eq!(wish("limit=1"), 1);
        assert_eq!(wish("limit=5000"), limits::PAGE);
        let told = read("limit=0").unwrap_err();
        assert!(told.contains("ask for 1 to 1000"), "{told}");
        assert!(read("limit=-1").is_err());
        assert!(LIMITS.contains(&format!("from 1 to {}:", limits::PAGE)));
    }
}
