//! The document of the API, held against who is let in and how others are refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::place::{Answer, Place, bearer};
use crate::schema::wrong;

const ROLES: [&str; 4] = ["viewer", "help-desk", "operator", "admin"];

/// An operation, as the document has it.
pub(crate) struct Described {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) role: String,
    whole: Value,
}

impl Described {
    pub(crate) fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let methods = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().unwrap().clone();
            let path = path.clone();
            methods.into_iter().map(move |(method, whole)| Self {
                method: method.to_uppercase(),
                path: path.clone(),
                role: whole["x-tideover-role"].as_str().unwrap().to_owned(),
                whole,
            })
        };
        paths.iter().flat_map(methods).collect()
    }

    /// The path with something for each variable.
    fn filled(&self) -> String {
        let mut path = self.path.clone();
        for name in ["{name}", "{id}", "{domain}"] {
            path = path.replace(name, "nobody");
        }
        assert!(!path.contains('{'), "{path}");
        path
    }

    /// Has the answer a status, a type and a body that the document tells of?
    pub(crate) fn expect(&self, document: &Value, answer: &Answer) {
        let name = format!("{} {}", self.method, self.path);
        let told = &self.whole["responses"][answer.status.to_string()];
        assert!(!told.is_null(), "{name}: {answer:?}");
        let told = match told["$ref"].as_str() {
            Some(target) => document.pointer(target.trim_start_matches('#')).unwrap(),
            None => told,
        };
        let content = &told["content"][answer.kind()];
        assert!(!content.is_null(), "{name}: {answer:?} for {told}");
        if answer.kind() == "application/json" {
            let odd = wrong(document, &content["schema"], &answer.json());
            assert_eq!(odd, None, "{name}: {}", answer.text);
        }
    }
}

/// Each exists, refuses who is not logged in and who has a role below its own, and lets in its own;
/// what it says then is in the document.
#[test]
fn each_operation_is_there_and_refuses_who_may_less() {
    let place = Place::open();
    let tokens: BTreeMap<&str, String> = ROLES
        .into_iter()
        .map(|role| (role, place.token(role, role)))
        .collect();
    let document = place.get(&tokens["viewer"], "/api/openapi.json").json();
    let all = Described::all(&document);
    assert!(all.len() > 80, "{}", all.len());
    for one in &all {
        let (method, path) = (one.method.as_str(), one.filled());
        let name = format!("{method} {path}");
        let ask = |token: &str| match method {
            "GET" => place.get(token, &path),
            _ => place.post(token, &path, "{}"),
        };
        for headers in [vec![], vec![bearer("tdo_nobody")]] {
            let stranger = place.ask(method, &path, &headers, "");
            assert_eq!(stranger.status, 401, "{name}: {stranger:?}");
            assert_eq!(stranger.header("www-authenticate"), "Bearer", "{name}");
            one.expect(&document, &stranger);
        }
        let rank = ROLES.iter().position(|role| *role == one.role).unwrap();
        for role in ROLES.iter().take(rank) {
            let refused = ask(&tokens[role]);
            assert_eq!(refused.status, 403, "{role}: {name}: {refused:?}");
            let error = refused.json()["error"].as_str().unwrap().to_owned();
            let expected = format!("has the role {role}, and this takes {}", one.role);
            assert!(error.contains(&expected), "{name}: {error}");
            one.expect(&document, &refused);
        }
        let let_in = ask(&tokens[one.role.as_str()]);
        assert!(
            !matches!(let_in.status, 401 | 405 | 500..),
            "{name}: {let_in:?}"
        );
        for odd in ["there is no such path", "this takes "] {
            assert!(!let_in.text.contains(odd), "{name}: {let_in:?}");
        }
        one.expect(&document, &let_in);
    }
}

/// What the document does not name is not there.
#[test]
fn there_are_no_other_paths_and_methods() {
    let place = Place::open();
    let token = place.token("ann", "admin");
    let document = place.get(&token, "/api/openapi.json").json();
    for odd in [
        "/api/nothing",
        "/api",
        "/api/",
        "/api/queue/",
        "/api//queue",
    ] {
        let answer = place.get(&token, odd);
        assert_eq!(answer.status, 404, "{odd}: {answer:?}");
        assert!(answer.json()["error"].is_string(), "{odd}: {answer:?}");
    }
    let mut methods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in Described::all(&document) {
        methods
            .entry(one.filled())
            .or_default()
            .insert(one.method.clone());
    }
    for (path, known) in methods {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if known.contains(method) {
                continue;
            }
            let answer = place.ask(method, &path, &[bearer(&token)], "");
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert!(answer.json()["error"].is_string(), "{path}: {answer:?}");
            let allowed = answer.header("allow").split(',').map(str::trim);
            let allowed: BTreeSet<String> = allowed
                .filter(|method| *method != "HEAD")
                .map(str::to_owned)
                .collect();
            assert_eq!(allowed, known, "{method} {path}");
        }
    }
}

/// The program has it without a server, too.
#[test]
fn the_program_prints_what_the_server_says() {
    let place = Place::open();
    let token = place.token("ann", "viewer");
    let served = place.get(&token, "/api/openapi.json").json();
    assert_eq!(place.verb(&["openapi"]), Some(served));
}

/// Who did it stands in the log with why, whatever the request said of him.
#[test]
fn a_change_stands_in_the_audit_log() {
    let place = Place::open();
    let token = place.token("ann", "operator");
    let order = r#"{"which":{"selection":{"domain":"example.org"}},"actor":"root","reason":"why"}"#;
    let held = place.post(&token, "/api/holds", order);
    assert_eq!(held.status, 200, "{held:?}");
    assert_eq!(held.json()["actor"], "ann");
    assert_eq!(place.post(&token, "/api/reload", "{}").status, 403);
    let probed = place.verb(&[
        "backend", "probe", "onprem", "--reason", "looking", "--actor", "eve",
    ]);
    assert!(probed.is_some());
    let audit = place.verb(&["audit"]).unwrap();
    let entries = audit["entries"].as_array().unwrap();
    let entry = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
    let holding = entry("/api/holds");
    for (field, expected) in [
        ("who", "ann"),
        ("reason", "why"),
        ("outcome", "done"),
        ("from", "127.0.0.1"),
    ] {
        assert_eq!(holding[field], expected, "{field}");
    }
    assert_eq!(
        holding["arguments"]["which.selection.domain"],
        "example.org"
    );
    assert_eq!(entry("/api/reload")["outcome"], "refused");
    let probe = entry("/api/backends/onprem/probe");
    for (field, expected) in [("who", "eve"), ("reason", "looking"), ("from", "socket")] {
        assert_eq!(probe[field], expected, "{field}");
    }
    let text = audit.to_string();
    assert!(!text.contains(&token) && !text.contains("tdo_"), "{text}");
}

/// Somebody saves the file again between the look and the reload.
#[test]
fn a_reload_takes_the_file_that_was_looked_at() {
    let place = Place::open();
    let token = place.token("ann", "admin");
    let disk = || place.get(&token, "/api/config").json()["disk"].clone();
    let reload = |disk: &Value| {
        let path = format!("/api/reload?mark={}", disk["mark"].as_str().unwrap());
        place.post(&token, &path, "{}").status
    };
    assert_eq!(disk()["state"], "same");
    place.append("tideover.toml", "# by ann\n");
    let first = disk();
    place.append("tideover.toml", "# by eve\n");
    assert_eq!(reload(&first), 422);
    let second = disk();
    assert_ne!(first["mark"], second["mark"]);
    assert_eq!(reload(&second), 200);
    assert_eq!(disk()["state"], "same");
    // The directory's file is read by a reload, too.
    place.append("directory.csv", "zoe@example.org,Zoe,onprem\n");
    let people = disk();
    assert_eq!(
        (&people["state"], &people["directory"]),
        (&json!("same"), &json!(true))
    );
    assert_eq!(reload(&people), 200);
    assert_eq!(disk()["directory"], false);
    // What is not looked at is taken as it is.
    place.append("tideover.toml", "# by ann again\n");
    assert_eq!(place.post(&token, "/api/reload", "{}").status, 200);
}
