//! The README's first command, as a new user runs it.

use std::process::Command;

/// It goes through its whole story by itself, and says that nothing was lost only when that is so:
/// otherwise it ends with an error.
#[test]
fn the_demo_tells_its_story_and_loses_nothing() {
    let program = env!("CARGO_BIN_EXE_tideover");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(["demo", "--once"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = shown.split_whitespace().collect();
    let words = words.join(" ");
    let errors = output.stderr.escape_ascii();
    assert!(output.status.success(), "{shown}\n{errors}");
    for chapter in 1..=6 {
        assert!(shown.contains(&format!("\n{chapter}. ")), "{shown}");
    }
    assert!(shown.contains("onprem is down: "), "{shown}");
    assert!(
        words.contains("19 of 19 deliveries arrived exactly once"),
        "{shown}"
    );
    assert!(
        words.contains("0 missing, 0 twice, 0 changed, 0 misdirected"),
        "{shown}"
    );
    let left = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(left.count(), 0, "it leaves nothing behind");
}
