//! A `data_dir` that an earlier version left behind: mail, ledger, holds, operators, the word of an
//! operator about a backend. The present program goes on with it.
//!
//! `tests/fixtures/data-dir.tar.gz` was made by a program that had no `[log]` yet. Another
//! one, with an older program:
//!
//! ```sh
//! TIDEOVER_OLD=/path/to/tideover cargo test --test service -- --ignored make_a_data_dir
//! ```

use std::path::Path;
use std::process::Command;

use crate::client::Client;
use crate::place::{Place, free_address};
use crate::platform::Platform;
use crate::wait::eventually;

const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/data-dir.tar.gz"
);
/// Not so much later that it would be gone.
const KEEP: &str = "[spool]\nmin_free = \"1MiB\"\nretain = \"5000w\"\nledger_retain = \"5000w\"\n";

fn place_of(platform: std::net::SocketAddr) -> Place {
    let place = Place::new(platform, "");
    let config = place.file("tideover.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[spool]\nmin_free = \"1MiB\"\n", KEEP);
    std::fs::write(config, text).unwrap();
    place
}

fn tar(arguments: &[&str], folder: &Path) {
    let mut tar = Command::new("tar");
    let done = tar.args(arguments).current_dir(folder).status().unwrap();
    assert!(done.success(), "{arguments:?}");
}

#[test]
fn the_data_of_an_earlier_version_is_gone_on_with() {
    let platform = Platform::start();
    let place = place_of(platform.address);
    tar(&["xzf", FIXTURE], place.file("").as_path());
    let mut program = place.start();
    let open = place.line_with(&["the spool is open"]);
    assert!(open.contains("damaged=0"), "{open}");
    let has = |verb: &[&str], parts: &[&str]| {
        eventually(&format!("{parts:?} in {verb:?}"), || {
            let found = place.verb(&[verb, &["--json"]].concat());
            let said = String::from_utf8(found.stdout).unwrap();
            let all = parts.iter().all(|part| said.contains(part));
            all.then_some(())
        });
    };
    has(
        &["operator", "list"],
        &["alice", "\"admin\"", "bob", "\"viewer\""],
    );
    has(&["queue", "holds"], &["ann@example.org", "moves house"]);
    has(&["backend", "show", "onprem"], &["a new machine"]);
    has(
        &["trace", "ann@example.org"],
        &["\"delivered\"", "250 taken"],
    );
    has(&["audit"], &["alice"]);
    has(&["queue", "list"], &["ann@example.org", "bert@example.org"]);
    assert!(platform.subjects().is_empty(), "it is on hold");
    for verb in [
        &["backend", "resume", "onprem", "--reason", "done"][..],
        &["queue", "release", "--recipient", "ann@example.org"],
    ] {
        let done = place.verb(verb);
        assert!(done.status.success(), "{verb:?}: {done:?}");
    }
    eventually("what waited arrives", || {
        let mut subjects = platform.subjects();
        subjects.sort();
        (subjects == ["it is held", "it waits"]).then_some(())
    });
    let mut client = Client::connect(place.smtp).unwrap();
    let id = client.send("ann@example.org", "it is new").unwrap();
    place.line_with(&[" delivered ", &id]);
    program.stop();
    // And a second start of the present program.
    let mut program = place.start();
    has(&["operator", "list"], &["alice"]);
    has(&["trace", &id], &["\"delivered\""]);
    program.stop();
}

#[test]
#[ignore = "makes the fixture anew, by an older program"]
fn make_a_data_dir() {
    let old = std::env::var_os("TIDEOVER_OLD").expect("TIDEOVER_OLD names an older program");
    let address = free_address();
    let platform = Platform::at(address);
    let place = place_of(address);
    let mut command = Command::new(&old);
    let config = place.file("tideover.toml");
    command.arg("serve").arg("-c").arg(&config);
    let mut program = place.start_by(command);
    place.wait_for_greeting();
    let says = |verb: &[&str]| {
        eventually(&format!("{verb:?}"), || {
            let mut command = Command::new(&old);
            let done = command.args(verb).arg("-c").arg(&config).output().unwrap();
            done.status.success().then_some(())
        });
    };
    let send = |to: &str, subject: &str| {
        let mut client = Client::connect(place.smtp).unwrap();
        client.send(to, subject).unwrap();
    };
    send("ann@example.org", "it is delivered");
    eventually("it is", || (!platform.subjects().is_empty()).then_some(()));
    says(&["operator", "add", "alice", "--role", "admin"]);
    says(&["operator", "add", "bob", "--role", "viewer"]);
    let hold = ["queue", "hold", "--recipient", "ann@example.org"];
    says(&[&hold[..], &["--reason", "moves house"]].concat());
    says(&["backend", "hold", "onprem", "--reason", "a new machine"]);
    send("ann@example.org", "it is held");
    send("bert@example.org", "it waits");
    program.stop();
    // A key that anybody can read here is made anew.
    let but = "--exclude=self-signed.*";
    let arguments = ["czf", FIXTURE, "--owner=0", "--group=0", but, "data"];
    tar(&arguments, &place.file(""));
}
