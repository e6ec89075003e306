//! Conversations with a running server: every file of `tests/scripts` is one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod corpus;
mod disk;
mod door;
mod script;

use std::path::Path;

use script::Script;

/// Runs all scripts of `tests/scripts`, side by side, and says which failed where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_script_is_answered_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let script = Script::parse(&std::fs::read_to_string(&path).unwrap());
        if let Err(failure) = script.run().await {
            failures.push(format!("{name}: {failure}"));
        }
        count += 1;
    }
    assert!(count > 20, "only {count} scripts were found");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
