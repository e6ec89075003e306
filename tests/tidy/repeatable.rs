//! A seed of the simulation repeats a run: nothing in the rooms that it runs is left to chance
//! that is not an argument.

use crate::code::code_of;
use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

/// Rooms that the simulation runs.
const ROOMS: [&str; 4] = ["src/spool/", "src/backend/", "src/route/", "src/queue/"];

/// Who asks the system itself: those who put the rooms together.
const MAKERS: [&str; 5] = [
    "src/base/",
    "src/daemon/",
    "src/demo/",
    "src/cli/",
    "src/spool/open.rs",
];

/// `select!` takes any branch that is ready, unless it says `biased`.
fn choices(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in ROOMS.into_iter().flat_map(|room| tree.rust(room)) {
        let code = code_of(text);
        for (at, _) in code.match_indices("select!") {
            let inside = code[at..].split_once('{').map(|(_, inside)| inside);
            if !inside.is_some_and(|inside| inside.trim_start().starts_with("biased;")) {
                let line = code[..at].lines().count();
                complaints.push(format!("{path}:{line}: select! without biased"));
            }
        }
    }
    complaints
}

#[test]
fn choices_are_made_in_order() {
    let loose = "async fn f() {\n    tokio::select! {\n        () = a() => {}\n    }\n}\n";
    let firm =
        "async fn f() {\n    tokio::select! {\n        biased;\n        () = a() => {}\n    }\n}\n";
    assert_complains(choices, &[("src/queue/x.rs", loose)], "src/queue/x.rs:2");
    assert_content(
        choices,
        &[("src/queue/x.rs", firm), ("src/demo/x.rs", loose)],
    );
    assert_clean(choices);
}

/// Time and chance are arguments in all rooms, but in their tests.
fn sources(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in tree.rust("src/") {
        if path.contains("tests") || MAKERS.iter().any(|maker| path.starts_with(maker)) {
            continue;
        }
        let code = code_of(text);
        let own = code.split("mod tests {").next().unwrap();
        for source in ["Clock::system()", "Entropy::system()"] {
            if let Some(at) = own.find(source) {
                let line = own[..at].lines().count();
                complaints.push(format!("{path}:{line}: {source} is no argument"));
            }
        }
    }
    complaints
}

#[test]
fn time_and_chance_are_arguments() {
    let asks = "fn f() {\n    g(&Entropy::system());\n}\n";
    let tests = "fn f() {}\n\nmod tests {\n    fn g() {\n        Clock::system();\n    }\n}\n";
    assert_complains(sources, &[("src/admin/x.rs", asks)], "src/admin/x.rs:2");
    assert_content(
        sources,
        &[
            ("src/cli/x.rs", asks),
            ("src/admin/x_tests.rs", asks),
            ("src/admin/x.rs", tests),
        ],
    );
    assert_clean(sources);
}
