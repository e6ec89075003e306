//! Is a value what a schema says? As much of JSON Schema as the document has; what it has beyond
//! makes the test fail, so that nothing is passed over.

use serde_json::Value;

/// Keywords that say nothing about a value here.
const WORDS: [&str; 9] = [
    "description",
    "title",
    "format",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "uniqueItems",
];

/// What is wrong with `value`, with the place in it.
pub(crate) fn wrong(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    wrong_at(document, schema, value, "$")
}

fn wrong_at(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let Value::Object(keywords) = schema else {
        return (*schema == Value::Bool(false)).then(|| format!("{at}: nothing is allowed"));
    };
    let look = Look {
        document,
        schema,
        value,
        at,
    };
    let mut keywords = keywords.iter();
    keywords.find_map(|(keyword, said)| match keyword.as_str() {
        "$ref" => {
            let pointer = said.as_str()?.trim_start_matches('#');
            let part = document.pointer(pointer);
            let part = part.unwrap_or_else(|| panic!("{at}: no {pointer}"));
            wrong_at(document, part, value, at)
        }
        "type" => (!is_of(said, value)).then(|| format!("{at}: {value} is no {said}")),
        "enum" => {
            let one = said.as_array()?.contains(value);
            (!one).then(|| format!("{at}: {value} is none of {said}"))
        }
        "const" => (said != value).then(|| format!("{at}: {value} is not {said}")),
        "properties"
        | "required"
        | "additionalProperties"
        | "propertyNames"
        | "patternProperties" => look.fields(keyword, said),
        "items" | "prefixItems" | "minItems" | "maxItems" => look.list(keyword, said),
        "anyOf" | "oneOf" | "allOf" => look.parts(keyword, said),
        "pattern" => None,
        word if WORDS.contains(&word) => None,
        other => panic!("{at}: the keyword {other} is not understood here"),
    })
}

/// What is looked at.
struct Look<'a> {
    document: &'a Value,
    schema: &'a Value,
    value: &'a Value,
    at: &'a str,
}

impl Look<'_> {
    fn fields(&self, keyword: &str, said: &Value) -> Option<String> {
        let (document, at) = (self.document, self.at);
        let fields = self.value.as_object()?;
        match keyword {
            "properties" => said.as_object()?.iter().find_map(|(name, part)| {
                wrong_at(document, part, fields.get(name)?, &format!("{at}.{name}"))
            }),
            "required" => {
                let mut names = said.as_array()?.iter().filter_map(Value::as_str);
                let missing = names.find(|name| !fields.contains_key(*name));
                missing.map(|name| format!("{at}: no {name}"))
            }
            "propertyNames" => fields.keys().find_map(|name| {
                wrong_at(
                    document,
                    said,
                    &Value::from(name.as_str()),
                    &format!("{at}.{name}"),
                )
            }),
            // Maps have one pattern for all of their keys.
            "patternProperties" => said.as_object()?.values().find_map(|part| {
                fields
                    .values()
                    .find_map(|one| wrong_at(document, part, one, at))
            }),
            _ if self.schema.get("patternProperties").is_some() => None,
            _ => {
                let named = self.schema.get("properties").and_then(Value::as_object);
                let is_named = |name: &String| named.is_some_and(|it| it.contains_key(name));
                let mut others = fields.iter().filter(|(name, _)| !is_named(name));
                others
                    .find_map(|(name, one)| wrong_at(document, said, one, &format!("{at}.{name}")))
            }
        }
    }

    fn list(&self, keyword: &str, said: &Value) -> Option<String> {
        let (document, at) = (self.document, self.at);
        let list = self.value.as_array()?;
        let bound = said.as_u64().and_then(|bound| usize::try_from(bound).ok());
        match keyword {
            "items" => {
                let first = self.schema.get("prefixItems").and_then(Value::as_array);
                let mut rest = list.iter().skip(first.map_or(0, Vec::len));
                rest.find_map(|one| wrong_at(document, said, one, &format!("{at}[]")))
            }
            "prefixItems" => {
                let mut both = said.as_array()?.iter().zip(list);
                both.find_map(|(part, one)| wrong_at(document, part, one, &format!("{at}[]")))
            }
            "minItems" => (list.len() < bound?).then(|| format!("{at}: too few")),
            _ => (list.len() > bound?).then(|| format!("{at}: too many")),
        }
    }

    fn parts(&self, keyword: &str, said: &Value) -> Option<String> {
        let parts = said.as_array()?;
        let wrong = |part| wrong_at(self.document, part, self.value, self.at);
        let fits = parts.iter().filter(|part| wrong(*part).is_none()).count();
        let is_right = match keyword {
            "anyOf" => fits > 0,
            "oneOf" => fits == 1,
            _ => fits == parts.len(),
        };
        (!is_right).then(|| format!("{}: {} is {fits} of {said}", self.at, self.value))
    }
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("no such type: {other}"),
    };
    match kinds.as_array() {
        Some(kinds) => kinds.iter().any(is),
        None => is(kinds),
    }
}

#[test]
fn what_does_not_fit_is_seen() {
    let document = serde_json::json!({
        "parts": { "name": { "type": "string" } },
    });
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "name": { "$ref": "#/parts/name" }, "n": { "type": ["integer", "null"] } },
        "required": ["name"],
    });
    let look = |value: &str| wrong(&document, &schema, &serde_json::from_str(value).unwrap());
    assert_eq!(look(r#"{"name":"x","n":null,"more":1}"#), None);
    for odd in ["{}", r#"{"name":1}"#, r#"{"name":"x","n":"1"}"#, "[]"] {
        assert!(look(odd).is_some(), "{odd}");
    }
}
