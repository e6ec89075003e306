//! What verbs do with files, as the server does it: the check of the config, the policy on
//! automatic answers, keys.

use serde_json::{Value, json};

use crate::place::Place;

fn key(domain: &str, selector: &str) -> String {
    json!({ "domain": domain, "selector": selector }).to_string()
}

#[test]
fn a_key_is_made_used_and_retired() {
    let place = Place::open();
    let token = place.token("ann", "admin");
    let post = |path: &str, body: &str| place.post(&token, path, body);
    let made = post("/api/keys", &key("example.org", "s1")).json();
    assert_eq!(made["state"], "waiting", "{made}");
    assert_eq!(made["algorithm"], "ed25519");
    assert_eq!(made["name"], "s1._domainkey.example.org");
    assert!(made["record"].as_str().unwrap().starts_with("v=DKIM1"));
    // A key has one name, however it is written.
    for (path, state) in [("use", "signing"), ("retire", "retired")] {
        let turned = post(&format!("/api/keys/{path}"), &key("Example.ORG", "S1"));
        assert_eq!(
            (turned.status, turned.json()["state"].clone()),
            (200, json!(state))
        );
        let all = place.get(&token, "/api/keys").json();
        assert_eq!(
            (all[0]["state"].clone(), all[1].clone()),
            (json!(state), Value::Null)
        );
    }
    let again = post("/api/keys", &key("example.org", "s1"));
    assert_eq!(again.status, 400, "{again:?}");
    let unknown = post("/api/keys/use", &key("example.org", "s2"));
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let odd = post("/api/keys", &key("../example", "s1"));
    assert_eq!(odd.status, 400, "{odd:?}");
}

#[test]
fn the_policy_is_told_and_what_it_does_with_a_message() {
    let place = Place::open();
    let token = place.token("ann", "viewer");
    let policy = place.get(&token, "/api/automatic").json();
    assert!(policy["rules"].is_array() && policy["message"].is_null());
    let letter = "Auto-Submitted: auto-replied\nReturn-Path: <bob@x.example>\n\nAway.\n";
    let judged = |query: &str, letter: &str| {
        let path = format!("/api/automatic{query}");
        place.post(&token, &path, letter)
    };
    let message = judged("", letter).json()["message"].clone();
    assert_eq!(message["from"], "bob@x.example", "{message}");
    assert!(message["kind"].is_string(), "{message}");
    // Who asks knows better whose it is.
    let message = judged("?from=%3C%3E", letter).json()["message"].clone();
    assert_eq!(message["from"], "", "{message}");
    let message = judged("", "Subject: a\n\nAuto-Submitted: auto-replied\n");
    assert!(message.json()["message"]["kind"].is_null());
    for (query, letter) in [("", ""), ("?from=nobody", letter)] {
        let refused = judged(query, letter);
        assert_eq!(refused.status, 400, "{refused:?}");
    }
}

/// The public DNS is asked when that is wanted, and only then.
#[test]
fn the_config_is_checked_as_it_is_now() {
    let place = Place::open();
    let token = place.token("ann", "operator");
    let check = |query: &str| place.get(&token, &format!("/api/check{query}")).json();
    let found = check("");
    assert!(found["ok"] == true && found["dns"].is_null(), "{found}");
    let found = check("?online=true");
    assert_eq!(found["dns"]["waits"], 2, "{found}");
    assert_eq!(found["ok"], true, "what a cutover waits for is not wrong");
    place.append("tideover.toml", "[spool]\n");
    let found = check("");
    let told = found["problems"][0]["told"].as_str().unwrap();
    assert!(
        found["ok"] == false && told.contains("tideover.toml"),
        "{found}"
    );
}
