//! What operators do with the verbs is written down once, whole, with who and why; what is refused
//! leaves nothing.

use std::process::Command;

use serde_json::Value;

use crate::place::{Place, free_address};

/// More than one page of a deed.
const MESSAGES: usize = 250;

/// The entries of the audit log about a path, the newest first.
fn audit(place: &Place, path: &str) -> Vec<Value> {
    let output = place.verb(&["audit", "--json", "--limit", "999"]);
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = page["entries"].as_array().unwrap().clone().into_iter();
    entries.filter(|entry| entry["path"] == path).collect()
}

fn said(place: &Place, verb: &[&str]) -> (Option<i32>, String) {
    let output = place.verb(verb);
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

#[test]
fn keys_are_changed_by_the_server_which_writes_it_down() {
    let place = Place::new(free_address(), "");
    let rsa = place.file("rsa.pem").display().to_string();
    let mut openssl = Command::new("openssl");
    openssl.args(["genrsa", "-out", &rsa, "2048"]);
    assert!(openssl.output().unwrap().status.success());
    let make = ["key", "make", "example.org", "s1"];
    let from_file = ["key", "make", "example.org", "s2", "--rsa", &rsa];
    for verb in [&make[..], &from_file] {
        let (code, told) = said(&place, verb);
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains("is not running"), "{told}");
    }
    assert!(!place.file("data/keys").exists());
    let mut program = place.start();
    let done = |verb: &[&str], why: &str| {
        let because = ["--actor", "ann", "--reason", why];
        let output = place.verb(&[verb, &because].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = done(&make, "the first one");
    assert!(told.contains("s1._domainkey.example.org  TXT"), "{told}");
    let told = done(&from_file, "one that all know");
    assert!(told.contains("v=DKIM1; k=rsa; p="), "{told}");
    done(&["key", "use", "example.org", "s2"], "it is published");
    let told = done(&["key", "retire", "example.org", "s1"], "few know it");
    assert!(told.contains("it signs no more"), "{told}");
    let (code, told) = said(&place, &["key", "use", "example.org", "s9"]);
    assert_eq!(code, Some(1), "{told}");
    for (path, why, selector) in [
        ("/api/keys", "the first one", "s1"),
        ("/api/keys/rsa", "one that all know", "s2"),
        ("/api/keys/retire", "few know it", "s1"),
    ] {
        let entries = audit(&place, path);
        let [entry] = entries.as_slice() else {
            panic!("{path}: {entries:?}");
        };
        assert_eq!(entry["who"], "ann", "{entry}");
        assert_eq!(entry["from"], "socket", "{entry}");
        assert_eq!(entry["reason"], why, "{entry}");
        assert_eq!(entry["outcome"], "done", "{entry}");
        assert_eq!(entry["arguments"]["domain"], "example.org", "{entry}");
        assert_eq!(entry["arguments"]["selector"], selector, "{entry}");
    }
    let outcomes: Vec<Value> = audit(&place, "/api/keys/use")
        .iter()
        .map(|entry| entry["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["refused", "done"]);
    let private = std::fs::read_to_string(&rsa).unwrap();
    let secret = private.lines().nth(1).unwrap();
    let output = place.verb(&["audit", "--json", "--limit", "999"]);
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(!log.contains(secret) && !place.log().contains(secret));
    program.stop();
    // What only shows wants no server.
    let output = place.verb(&["key", "list"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("signing  rsa"), "{told}");
}

#[test]
fn a_deed_of_many_pages_is_one_entry_and_a_refused_export_leaves_nothing() {
    let place = Place::new(free_address(), "");
    let mut program = place.start();
    let hold = ["queue", "hold", "--domain", "example.org"];
    let output = place.verb(&[&hold[..], &["--reason", "a test"]].concat());
    assert!(output.status.success(), "{output:?}");
    for from in (0..MESSAGES).step_by(50) {
        let mut client = place.wait_for_greeting();
        for number in from..from + 50 {
            let subject = format!("number {number}");
            client.send("ann@example.org", &subject).unwrap();
        }
    }
    let out = place.file("out");
    let dir = out.display().to_string();
    for (which, told) in [
        (&["--backend", "moon"][..], "moon"),
        (&["--domain", "a b"], "domain"),
        (&["--reason-kind", "moon"], "moon"),
        (&[], "no mail is selected"),
    ] {
        let (code, text) = said(&place, &[&["queue", "export", &dir], which].concat());
        assert_ne!(code, Some(0), "{which:?}");
        assert!(text.contains(told), "{text}");
        assert!(!out.exists(), "{which:?} left something");
    }
    let export = ["queue", "export", &dir, "--all"];
    assert!(place.verb(&export).status.success());
    let manifest = std::fs::read_to_string(out.join("manifest.jsonl")).unwrap();
    assert_eq!(manifest.lines().count(), MESSAGES);
    let drop = ["queue", "drop", "--domain", "example.org", "--yes"];
    let output = place.verb(&[&drop[..], &["--reason", "it was a test"]].concat());
    assert!(output.status.success(), "{output:?}");
    let entries = audit(&place, "/api/queue/perform");
    let drops: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["arguments"]["deed"] == "drop")
        .collect();
    let [entry] = drops.as_slice() else {
        panic!("{drops:?}");
    };
    let all = format!("recipients: {MESSAGES}, messages: {MESSAGES}");
    assert_eq!(entry["told"], *all, "{entry}");
    assert_eq!(entry["outcome"], "done", "{entry}");
    assert_eq!(entry["reason"], "it was a test", "{entry}");
    program.stop();
    let (code, text) = said(&place, &["queue", "export", "gone", "--all"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(!std::path::Path::new("gone").exists());
}
