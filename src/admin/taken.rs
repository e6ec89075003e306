//! What a request may carry: the schemas of its query and its body, made of the handler's types.
//!
//! A name that nobody reads is a mistake of who sent it. With a misspelt filter he means less mail
//! than would be touched, with a misspelt `dry_run` nothing at all: so it is refused.

use std::sync::Arc;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::AdminError;
use super::operation::{SchemaOf, Shape};
use crate::base::percent_decoded;

/// What the server itself puts on a request, and who comes by the unix socket may.
const SAID: [&str; 2] = ["actor", "reason"];
/// Characters of a name that are said again.
const NAME: usize = 80;

/// The schema of what is taken, in one piece and closed. The name of who asks is no part of it.
pub(super) fn taken(schema_of: SchemaOf) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    let mut schema = schema_of(&mut generator).to_value();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.remove("actor");
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != "actor");
    }
    close(&mut schema);
    schema
}

/// Objects have no other names than those that are told.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            if fields.get("type") == Some(&json!("object")) && fields.contains_key("properties") {
                let others = fields.entry("additionalProperties");
                others.or_insert(Value::Bool(false));
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A name that nobody reads.
#[derive(Debug, PartialEq, Eq)]
struct Stranger {
    /// With its place: `which.selection.recpient`.
    name: String,
    /// What is read in that place.
    known: Vec<String>,
}

/// The first name in `value` that `schema` does not have.
fn stranger(schema: &Value, value: &Value) -> Option<Stranger> {
    match value {
        Value::Object(fields) => {
            let schema = of_objects(schema);
            let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            let parts = schema.get("properties").and_then(Value::as_object);
            let part = |name: &String| parts.and_then(|parts| parts.get(name));
            fields.iter().find_map(|(name, value)| match part(name) {
                Some(part) => stranger(part, value).map(|inner| Stranger {
                    name: format!("{name}.{}", inner.name),
                    ..inner
                }),
                None => is_closed.then(|| Stranger {
                    name: name.clone(),
                    known: parts.into_iter().flat_map(Map::keys).cloned().collect(),
                }),
            })
        }
        Value::Array(list) => {
            let part = schema.get("items")?;
            list.iter().find_map(|one| stranger(part, one))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// What may be left out is this or null: this.
fn of_objects(schema: &Value) -> &Value {
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let mut choices = choices.into_iter().flatten();
    choices
        .find(|choice| choice.get("properties").is_some())
        .unwrap_or(schema)
}

/// What one operation takes, by its names; by default anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    query: Option<Value>,
    body: Option<Value>,
}

impl Terms {
    pub(super) fn of(shape: &Shape) -> Self {
        let none = || json!({ "properties": {}, "additionalProperties": false });
        Self(Arc::new(Parts {
            query: Some(shape.query.map_or_else(none, taken)),
            body: shape.body.map(taken),
        }))
    }

    /// The query has no names but those that are read.
    pub(super) fn expect_query(&self, query: &str) -> Result<(), AdminError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let named = pairs.map(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            (percent_decoded(&name.replace('+', " ")), Value::Null)
        });
        expect(self.0.query.as_ref(), &Value::Object(named.collect()))
    }

    /// The body has no names but those that are read.
    pub(super) fn expect_body(&self, body: &Value) -> Result<(), AdminError> {
        expect(self.0.body.as_ref(), body)
    }
}

/// Where no body is read, none says anything. Clients that cannot send nothing send `null` or `{}`.
pub(super) fn expect_nothing(body: &[u8]) -> Result<(), AdminError> {
    if matches!(body.trim_ascii(), b"" | b"null" | b"{}") {
        return Ok(());
    }
    Err(AdminError::Asked {
        what: "there is no body here, and one was sent: nothing was done".to_owned(),
        hint: "a reason stands in the query (?reason=) or in the header X-Tideover-Reason; \
               `tideover openapi` says what there is",
    })
}

fn expect(schema: Option<&Value>, value: &Value) -> Result<(), AdminError> {
    let (Some(schema), Value::Object(fields)) = (schema, value) else {
        return Ok(());
    };
    let others = fields
        .iter()
        .filter(|(name, _)| !SAID.contains(&name.as_str()));
    let others: Map<String, Value> = others
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let Some(Stranger { name, known }) = stranger(schema, &Value::Object(others)) else {
        return Ok(());
    };
    let name: String = name.chars().take(NAME).collect();
    let known = match known.as_slice() {
        [] => "nothing".to_owned(),
        known => known.join(", "),
    };
    Err(AdminError::Asked {
        what: format!("there is no {name:?} here, and nothing was done; there is: {known}"),
        hint: "`tideover openapi` says what there is; is the tideover of the command line the one \
               that runs as the server?",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::admin::table::operations;

    fn terms(method: &str, path: &str) -> Terms {
        let all = operations();
        let mut all = all.iter();
        let found = all.find(|one| one.method.as_str() == method && one.path == path);
        Terms::of(&found.unwrap().shape)
    }

    #[test]
    fn a_name_that_nobody_reads_is_refused() {
        let perform = terms("POST", "/api/queue/perform");
        for (body, expected) in [
            (
                r#"{"deed":"drop","which":{"selection":{"domain":"a"}}}"#,
                None,
            ),
            (r#"{"deed":"drop","actor":"x","reason":"y"}"#, None),
            (
                r#"{"deed":"drop","which":{"selection":{"domain":"a","recpient":"b"}}}"#,
                Some("which.selection.recpient"),
            ),
            (r#"{"deed":"drop","dry_run":true}"#, Some("dry_run")),
            (r#"{"which":{"actor":"x"}}"#, Some("which.actor")),
        ] {
            let told = perform.expect_body(&serde_json::from_str(body).unwrap());
            let told = told.err().map(|error| error.to_string());
            let told = told.map(|told| told.split(" here,").next().unwrap().to_owned());
            let expected = expected.map(|name| format!("there is no {name:?}"));
            assert_eq!(told, expected, "{body}");
        }
        let plan = terms("POST", "/api/replays/plan");
        for (query, is_known) in [
            ("", true),
            ("to=a&missing_only=true&actor=x&reason=y", true),
            ("to=a&missing%5Fonly=true", true),
            ("to=a&missing_onyl=true", false),
            ("to=a&Since=2026", false),
            ("&&%20", false),
        ] {
            assert_eq!(plan.expect_query(query).is_ok(), is_known, "{query}");
        }
        assert!(
            terms("GET", "/api/status")
                .expect_query("backend=a")
                .is_err()
        );
        assert!(Terms::default().expect_query("backend=a").is_ok());
    }

    /// Where an object may stand in what is taken, its names are looked at.
    #[test]
    fn all_that_is_taken_is_closed() {
        /// Keywords, below which nothing is looked at by `stranger`.
        fn blind(schema: &Value, found: &mut BTreeSet<String>) {
            let Some(fields) = schema.as_object() else {
                return;
            };
            let is_object = fields.get("type") == Some(&json!("object"));
            if is_object && fields.get("additionalProperties") != Some(&Value::Bool(false)) {
                found.insert(schema.to_string());
            }
            for (keyword, part) in fields {
                match keyword.as_str() {
                    "properties" => part
                        .as_object()
                        .unwrap()
                        .values()
                        .for_each(|part| blind(part, found)),
                    "items" => blind(part, found),
                    "anyOf" => part
                        .as_array()
                        .unwrap()
                        .iter()
                        .for_each(|part| blind(part, found)),
                    "$ref" | "allOf" | "oneOf" | "prefixItems" | "patternProperties"
                        if part.to_string().contains("\"properties\"") || keyword == "$ref" =>
                    {
                        found.insert(format!("{keyword}: {part}"));
                    }
                    _ => {}
                }
            }
        }
        let mut found = BTreeSet::new();
        for operation in operations() {
            let shape = operation.shape;
            for schema in [shape.query, shape.body].into_iter().flatten() {
                blind(&taken(schema), &mut found);
            }
        }
        assert_eq!(found, BTreeSet::new());
    }
}
