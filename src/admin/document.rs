//! The document of the API (OpenAPI 3.1), made from the table: paths, roles, and the types of the
//! handlers. Nothing in it is written by hand but the words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::door::{SECURE_SESSION, SESSION};
use super::enforce::REASON;
use super::operation::{Answer, Content, Effect, Operation, look};
use super::table::operations as all_operations;
use super::taken::taken;
use super::{Admin, Refusal, Role};

/// Where answers find the schemas of their parts.
const PARTS: &str = "/components/schemas";

/// A way in which an operation refuses, when it applies.
struct Refused {
    status: &'static str,
    what: &'static str,
    applies: fn(&Operation) -> bool,
}

const REFUSALS: [Refused; 9] = [
    Refused {
        status: "400",
        what: "What was asked for cannot be",
        applies: |_| true,
    },
    Refused {
        status: "401",
        what: "Nobody is logged in",
        applies: |_| true,
    },
    Refused {
        status: "403",
        what: "Who asks may not",
        applies: |_| true,
    },
    Refused {
        status: "404",
        what: "There is no such thing",
        applies: |_| true,
    },
    Refused {
        status: "413",
        what: "The body is too large",
        applies: |it| it.method == Method::POST,
    },
    Refused {
        status: "422",
        what: "The config is refused",
        applies: |it| it.reads_config,
    },
    Refused {
        status: "429",
        what: "Too many tries: wait",
        applies: |_| true,
    },
    Refused {
        status: "500",
        what: "The server failed",
        applies: |_| true,
    },
    Refused {
        status: "503",
        what: "The spool cannot be read or written now",
        applies: |_| true,
    },
];

/// The operation that gives the document.
pub(super) fn operations() -> Vec<Operation> {
    vec![look(
        "/api/openapi.json",
        Role::Viewer,
        "This document",
        show,
    )]
}

async fn show(State(_): State<Arc<Admin>>) -> Json<Value> {
    Json(document())
}

/// The document of the API, as OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    described(&all_operations())
}

fn described(operations: &[Operation]) -> Value {
    let mut parts = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = PARTS.into();
            settings.meta_schema = None;
        })
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(method(operation), one(operation, &mut parts));
        }
    }
    let refusal = parts.subschema_for::<Refusal>();
    let responses = REFUSALS.map(|refused| {
        let body = json!({ "application/json": { "schema": refusal } });
        let what = json!({ "description": refused.what, "content": body });
        (format!("Refused{}", refused.status), what)
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tideover",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of the operators of a Tideover server: docs/api.md",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": parts.take_definitions(true),
            "responses": Map::from_iter(responses),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": SECURE_SESSION },
                "local_session": { "type": "apiKey", "in": "cookie", "name": SESSION },
            },
        },
        "security": [{ "token": [] }, { "session": [] }, { "local_session": [] }],
    })
}

fn method(operation: &Operation) -> String {
    operation.method.as_str().to_lowercase()
}

/// One operation.
fn one(operation: &Operation, parts: &mut SchemaGenerator) -> Value {
    let content = match operation.shape.answer {
        Answer::Json(schema_of) => json!({ "application/json": { "schema": schema_of(parts) } }),
        Answer::Other(kind) => Value::Object(Map::from_iter([(
            kind.to_owned(),
            json!({ "schema": { "type": "string" } }),
        )])),
    };
    let done = json!({ "description": "It is done", "content": content });
    let mut responses: Map<String, Value> = Map::from_iter([("200".to_owned(), done)]);
    for refused in REFUSALS {
        if (refused.applies)(operation) {
            let target = format!("#/components/responses/Refused{}", refused.status);
            responses.insert(refused.status.to_owned(), json!({ "$ref": target }));
        }
    }
    let mut described: Map<String, Value> = Map::from_iter([
        ("operationId".to_owned(), id_of(operation).into()),
        ("summary".to_owned(), operation.what.into()),
        (
            "description".to_owned(),
            format!("Takes the role {}.", operation.role).into(),
        ),
        ("x-tideover-role".to_owned(), operation.role.word().into()),
        ("parameters".to_owned(), parameters(operation).into()),
        ("responses".to_owned(), responses.into()),
    ]);
    let content = match (operation.shape.content, operation.shape.body) {
        (Content::Json, Some(schema_of)) => {
            Some(json!({ "application/json": { "schema": taken(schema_of) } }))
        }
        (Content::File, _) => Some(json!({ "text/plain": { "schema": { "type": "string" } } })),
        (Content::Json | Content::None, _) => None,
    };
    if let Some(content) = content {
        let body = json!({ "required": true, "content": content });
        described.insert("requestBody".to_owned(), body);
    }
    described.into()
}

/// `get_api_backends_name`.
fn id_of(operation: &Operation) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let path = operation.path.replace(['{', '}'], "");
    let path: String = path.chars().map(plain).collect();
    format!("{}{path}", method(operation))
}

/// What stands in the path, the query and the headers.
fn parameters(operation: &Operation) -> Vec<Value> {
    let names = operation.path.split('{').skip(1);
    let names = names.filter_map(|part| part.split('}').next());
    let mut parameters: Vec<Value> = names
        .map(|name| {
            let schema = json!({ "type": "string", "minLength": 1 });
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    if let Some(schema_of) = operation.shape.query {
        parameters.extend(in_query(taken(schema_of)));
    }
    if operation.effect == Effect::Changes {
        parameters.push(json!({
            "name": REASON,
            "in": "header",
            "required": false,
            "description": "Why, percent-encoded UTF-8; for the audit log",
            "schema": { "type": "string" },
        }));
    }
    parameters
}

fn in_query(mut schema: Value) -> Vec<Value> {
    let mut part = |name: &str| schema.get_mut(name).map(Value::take);
    let required = part("required").unwrap_or_default();
    let required = required.as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(Value::Object(properties)) = part("properties") else {
        return Vec::new();
    };
    let named = properties.into_iter().map(|(name, property)| {
        let mut property = without_null(property);
        let fields = property.as_object_mut();
        let what = fields.and_then(|fields| fields.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": required.iter().any(|one| *one == name),
            "description": what.unwrap_or_default(),
            "schema": property,
        })
    });
    named.collect()
}

/// In a query there is no null: what is not there is left out.
fn without_null(mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("default");
        if let Some(Value::Array(kinds)) = fields.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [only] = kinds.as_slice() {
                let only = only.clone();
                fields.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(kinds)) = fields.get_mut("enum") {
            kinds.retain(|kind| !kind.is_null());
        }
        if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type") != Some(&json!("null")));
            if let [only] = choices.as_slice() {
                let (only, what) = (only.clone(), fields.remove("description"));
                schema = only;
                if let (Some(fields), Some(what)) = (schema.as_object_mut(), what) {
                    fields.insert("description".to_owned(), what);
                }
            }
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_operation_stands_in_the_document_once() {
        let all = all_operations();
        let document = described(&all);
        let mut ids = BTreeSet::new();
        for operation in &all {
            let described = &document["paths"][operation.path][method(operation)];
            let id = described["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id}");
            assert_eq!(described["x-tideover-role"], operation.role.word());
            assert_eq!(described["summary"], operation.what);
        }
        let paths = document["paths"].as_object().unwrap();
        let described: usize = paths
            .values()
            .map(|path| path.as_object().unwrap().len())
            .sum();
        assert_eq!(described, all.len());
    }

    /// All `$ref` of a document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.insert(target.clone());
                }
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(list) => list.iter().for_each(|one| references(one, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn what_is_referred_to_is_there_and_nobody_says_who_he_is() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 50, "{found:?}");
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let taken = [&described["parameters"], &described["requestBody"]];
                let text = taken.map(ToString::to_string).concat();
                assert!(!text.contains("\"actor\""), "{method} {path}");
            }
        }
    }
}
