//! Ann leaves, and her address becomes an alias of Bob, who takes over: she is out, and he is not.

use std::fs;

use serde_json::Value;

use crate::harness::{Lab, SHORT, Tideover, Webmail, eventually};

const BEFORE: &str = "address,home,aliases\nc0@intl.example,onprem,\n\
    ann@example.org,onprem,\nbob@example.org,onprem,\n";
const AFTER: &str =
    "address,home,aliases\nc0@intl.example,onprem,\nbob@example.org,onprem,ann@example.org\n";
const RENAMED: &str = "address,home,aliases\nc0@intl.example,onprem,\n\
    ann.lee@example.org,onprem,ann@example.org\nbob@example.org,onprem,\n";

fn user(tideover: &Tideover, address: &str) -> Value {
    let users = tideover.json(&["user", "list"]);
    let of = |user: &&Value| user["address"] == address;
    let found = users.as_array().unwrap().iter().find(of);
    found.unwrap().clone()
}

fn state(tideover: &Tideover, address: &str) -> String {
    user(tideover, address)["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn set(lab: &Lab, rows: &str) {
    fs::write(lab.path("tideover").join("directory.csv"), rows).unwrap();
}

/// To whom the address of Ann's account went, as soon as that is written down.
fn taken(tideover: &Tideover) -> Value {
    eventually(SHORT, "the account is departed", || {
        let taken = user(tideover, "ann@example.org")["directory"]["taken"].clone();
        taken.is_object().then_some(taken)
    })
}

#[test]
fn the_account_of_exactly_this_address_is_meant() {
    let lab = Lab::new();
    let tideover = Tideover::start(lab.settings(), BEFORE);
    Webmail::enrol(&tideover, "ann@example.org");
    Webmail::enrol(&tideover, "bob@example.org");
    set(&lab, AFTER);
    tideover.json(&["reload"]);
    taken(&tideover);
    let refused = tideover.refused(&["user", "reset", "ann@example.org"]);
    assert!(refused.contains("belongs to bob@example.org"), "{refused}");
    tideover.json(&["user", "disable", "ann@example.org"]);
    assert_eq!(state(&tideover, "ann@example.org"), "disabled");
    assert_eq!(state(&tideover, "bob@example.org"), "active");
    tideover.json(&["user", "reset", "bob@example.org"]);
    assert_eq!(state(&tideover, "ann@example.org"), "disabled");
}

#[test]
fn who_left_is_out_by_himself_also_when_it_happened_while_nothing_ran() {
    let lab = Lab::new();
    let mut tideover = Tideover::start(lab.settings(), BEFORE);
    let mut ann = Webmail::enrol(&tideover, "ann@example.org");
    let mut bob = Webmail::enrol(&tideover, "bob@example.org");
    assert!(ann.is_in() && bob.is_in());
    tideover.kill();
    set(&lab, AFTER);
    tideover.start_again();
    assert!(!ann.is_in(), "an open session ends");
    assert!(bob.is_in());
    let to = taken(&tideover);
    assert_eq!(to["by"], "bob@example.org");
    assert!(!ann.logs_in("ann@example.org", "wrong"));
    assert_eq!(tideover.json(&["user", "coverage"])["departed"], 1);
    // Bob gets in with this address, too: it is his.
    assert!(ann.logs_in("ann@example.org", Webmail::PASSWORD));
    tideover.json(&["user", "disable", "bob@example.org"]);
    assert!(!ann.logs_in("ann@example.org", Webmail::PASSWORD));
    // It was a mistake of the file's.
    set(&lab, BEFORE);
    tideover.json(&["reload"]);
    eventually(SHORT, "Ann is in again", || ann.is_in().then_some(()));
    assert!(ann.logs_in("ann@example.org", Webmail::PASSWORD));
}

#[test]
fn who_is_renamed_keeps_the_account_and_counts_once() {
    let lab = Lab::new();
    let tideover = Tideover::start(lab.settings(), BEFORE);
    let mut ann = Webmail::enrol(&tideover, "ann@example.org");
    set(&lab, RENAMED);
    tideover.json(&["reload"]);
    eventually(SHORT, "it is known who she is", || {
        ann.is_in().then_some(())
    });
    assert_eq!(
        user(&tideover, "ann@example.org")["renamed"],
        "ann.lee@example.org"
    );
    assert!(ann.logs_in("ann.lee@example.org", Webmail::PASSWORD));
    let total = tideover.json(&["user", "coverage"])["total"].clone();
    assert_eq!(total["enrolled"], 1, "{total}");
    // An invitation is for the same account.
    tideover.json(&["user", "invite", "ann.lee@example.org"]);
    let users = tideover.json(&["user", "list"]);
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
}
