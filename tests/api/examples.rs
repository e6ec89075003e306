//! Each example of docs/api.md that begins with curl is run as it stands there.

use std::path::Path;
use std::process::Command;

use crate::place::Place;

/// The commands of the page, lines that go on put together.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in page.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap().replace("\\\n", " ");
        found.extend(block.lines().map(str::to_owned));
    }
    found.retain(|line| line.starts_with("curl "));
    found
}

#[test]
fn the_examples_of_the_manual_work() {
    let place = Place::open();
    let token = place.token("ann", "operator");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let commands = commands(&std::fs::read_to_string(page).unwrap());
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let here = command.replace("127.0.0.1:8081", &place.admin.to_string());
        assert_ne!(here, command);
        let output = Command::new("sh")
            .args(["-c", &here])
            .env("TOKEN", &token)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        let answer: Result<serde_json::Value, _> = serde_json::from_slice(&output.stdout);
        assert!(answer.is_ok(), "{command}: {output:?}");
    }
}
