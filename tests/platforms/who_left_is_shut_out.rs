//! Ann leaves, and her address becomes an alias of Bob, who takes over: the administrator shuts
//! out Ann, and not Bob.

use std::fs;

use serde_json::Value;

use crate::harness::{Lab, Tideover, Webmail};

const BEFORE: &str = "address,home,aliases\nc0@intl.example,onprem,\n\
    ann@example.org,onprem,\nbob@example.org,onprem,\n";
const AFTER: &str =
    "address,home,aliases\nc0@intl.example,onprem,\nbob@example.org,onprem,ann@example.org\n";

fn state(tideover: &Tideover, address: &str) -> String {
    let users = tideover.json(&["user", "list"]);
    let of = |user: &&Value| user["address"] == address;
    let found = users.as_array().unwrap().iter().find(of);
    found.unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_account_of_exactly_this_address_is_meant() {
    let lab = Lab::new();
    let tideover = Tideover::start(lab.settings(), BEFORE);
    Webmail::enrol(&tideover, "ann@example.org");
    Webmail::enrol(&tideover, "bob@example.org");
    let file = lab.path("tideover").join("directory.csv");
    fs::write(file, AFTER).unwrap();
    tideover.json(&["reload"]);
    tideover.json(&["user", "disable", "ann@example.org"]);
    assert_eq!(state(&tideover, "ann@example.org"), "disabled");
    assert_eq!(state(&tideover, "bob@example.org"), "active");
    tideover.json(&["user", "reset", "bob@example.org"]);
    assert_eq!(state(&tideover, "ann@example.org"), "disabled");
}
