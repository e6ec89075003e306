//! The list of what waits knows each filter of the acts.

use serde_json::Value;

use crate::client::Client;
use crate::place::{Place, free_address};

/// Whom the list names, in the order of their addresses.
fn listed(place: &Place, filter: &[&str]) -> Vec<String> {
    let verb = [&["--json", "queue", "list"], filter].concat();
    let output = place.verb(&verb);
    assert!(output.status.success(), "{filter:?}: {output:?}");
    let items: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let named = items.iter().map(|item| item["recipient"].as_str().unwrap());
    let mut named: Vec<String> = named.map(str::to_owned).collect();
    named.sort();
    named
}

#[test]
fn what_waits_is_listed_by_each_filter_of_the_acts() {
    let place = Place::new(free_address(), "");
    let mut program = place.start();
    let mut client = Client::connect(place.smtp).unwrap();
    let id = client.send("ann@example.org", "one").unwrap();
    client.send("bert@example.org", "two").unwrap();
    let hold = [
        "--json",
        "queue",
        "hold",
        "--recipient",
        "ann@example.org",
        "--reason",
        "a test",
    ];
    let done = place.verb(&hold);
    assert!(done.status.success(), "{done:?}");
    let holds = place.verb(&["--json", "queue", "holds"]);
    let holds: Value = serde_json::from_slice(&holds.stdout).unwrap();
    let name = holds[0]["name"].as_str().unwrap();

    let (ann, bert) = ("ann@example.org", "bert@example.org");
    let both: &[&str] = &[ann, bert];
    let cases: &[(&[&str], &[&str])] = &[
        (&[], both),
        (&[&id], &[ann]),
        (&["--recipient", bert], &[bert]),
        (&["--recipient", "@example.org"], both),
        (&["--sender", "sender@client.example"], both),
        (&["--sender", "<>"], &[]),
        (&["--domain", "Example.ORG"], both),
        (&["--backend", "onprem"], both),
        (&["--reason-kind", "operator"], &[ann]),
        (&["--hold", name], &[ann]),
        (&["--hold", "another"], &[]),
        (&["--older", "1h"], &[]),
        (&["--sender", "@client.example", "--recipient", ann], &[ann]),
        (&["--domain", "example.org", "--skip", "2"], &[]),
        (&["--recipient", bert, "--limit", "1"], &[bert]),
        (&["--reason-kind", "operator", "--state", "queued"], &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&place, filter), *expected, "{filter:?}");
    }
    assert_eq!(
        listed(&place, &["--domain", "example.org", "--skip", "1"]).len(),
        1
    );
    for wrong in [
        ["--backend", "nowhere"],
        ["--reason-kind", "whim"],
        ["--older", "soon"],
    ] {
        let verb = [&["queue", "list"][..], &wrong].concat();
        assert!(!place.verb(&verb).status.success(), "{wrong:?}");
    }
    program.stop();
}
