//! The spool is looked through while it is in use, and what was found is told.

use std::fs;

use crate::place::{Place, free_address};

fn told(place: &Place, verb: &[&str]) -> (bool, String) {
    let output = place.verb(verb);
    let success = output.status.success();
    let text = String::from_utf8(output.stdout).unwrap();
    (success, text)
}

#[test]
fn verify_asks_the_server_that_runs_and_its_findings_stay() {
    let place = Place::new(free_address(), "");
    let mut program = place.start();
    let hold = [
        "queue",
        "hold",
        "--domain",
        "example.org",
        "--reason",
        "a test",
    ];
    assert!(place.verb(&hold).status.success());
    let mut client = place.wait_for_greeting();
    client.send("ann@example.org", "torn").unwrap();
    drop(client);
    let (is_whole, said) = told(&place, &["spool", "verify"]);
    assert!(is_whole, "{said}");
    assert!(said.contains("by the server that runs"), "{said}");
    // The segment that is being written is left out, and said to be.
    assert!(
        said.contains("0 segments; 0 damaged, 0 in quarantine"),
        "{said}"
    );
    assert!(
        said.contains("not looked at: what is being written"),
        "{said}"
    );
    program.stop();
    let mut program = place.start();
    let (is_whole, said) = told(&place, &["spool", "verify"]);
    assert!(is_whole && said.contains("1 segment; 0 damaged"), "{said}");
    program.stop();

    let segment = place.file("data/log/0000000001.seg");
    let good = fs::read(&segment).unwrap();
    let words = b"The body of torn";
    let at = good.windows(words.len()).position(|window| window == words);
    let mut bad = good;
    bad[at.unwrap()] ^= 1;
    fs::write(&segment, &bad).unwrap();
    let mut program = place.start();
    let (is_whole, said) = told(&place, &["spool", "verify", "--json"]);
    assert!(!is_whole, "{said}");
    let view: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(view["last"]["damaged"], 1, "{said}");
    assert_eq!(view["quarantined"], 1, "{said}");
    let (_, status) = told(&place, &["status"]);
    assert!(status.contains("1 damaged piece in quarantine"), "{status}");
    program.stop();

    // At rest everything is looked at, and word of it is left for the next server.
    let quarantine = place.file("data/quarantine");
    fs::remove_dir_all(&quarantine).unwrap();
    fs::create_dir(&quarantine).unwrap();
    let (is_whole, said) = told(&place, &["spool", "verify"]);
    assert!(!is_whole, "{said}");
    assert!(said.contains("1 damaged, 0 in quarantine"), "{said}");
    assert!(quarantine.join("verify.found").exists());
    let mut program = place.start();
    let (_, status) = told(&place, &["status"]);
    assert!(status.contains("in quarantine"), "{status}");
    program.stop();
}
