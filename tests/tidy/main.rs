//! The house is kept tidy: floors, foreign crates, shapes of files, and pages that agree with the
//! code. Each rule is a function from a tree of files to complaints; it is held against the real
//! tree, and against small false ones on which it must complain.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod code;
mod crates;
mod documents;
mod floors;
mod log_page;
mod pages;
mod reachable;
mod repeatable;
mod shape;
mod spool_page;
mod tree;

use tree::Tree;

/// What a rule says about a tree: one line for each place, empty when all is well.
type Complaints = Vec<String>;

fn assert_clean(rule: fn(&Tree) -> Complaints) {
    let complaints = rule(&Tree::of_this_project());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Panics unless the rule complains about this file, and once only.
fn assert_complains(rule: fn(&Tree) -> Complaints, files: &[(&str, &str)], about: &str) {
    let complaints = rule(&Tree::of(files));
    assert!(
        complaints.len() == 1 && complaints[0].contains(about),
        "expected one complaint about {about}: {complaints:?}"
    );
}

fn assert_content(rule: fn(&Tree) -> Complaints, files: &[(&str, &str)]) {
    let complaints = rule(&Tree::of(files));
    assert!(complaints.is_empty(), "{complaints:?}");
}
