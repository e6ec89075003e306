//! A room imports strictly lower floors only.

use crate::code::code_of;
use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

/// The rooms of `src/`, lowest floor first; `limits` is the ground under all.
const FLOORS: [&[&str]; 10] = [
    &["limits"],
    &["smtp", "base", "telemetry"],
    &["mail", "net", "terminal", "credential", "frame"],
    &[
        "spool",
        "acme",
        "auth",
        "automatic",
        "filter",
        "ldap",
        "imap",
        "oidc",
    ],
    &["directory", "device", "backend", "notice"],
    &["route", "report", "activation", "person"],
    &["inbound", "queue", "outbound", "drill", "writeback"],
    &["cutover"],
    &["webmail", "admin"],
    &["config", "daemon", "cli", "demo"],
];
/// On the top floor the rooms see each other in this order: an earlier one is lower.
const TOP_ORDER: [&str; 4] = ["config", "daemon", "demo", "cli"];

fn floors(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in tree.rust("src/") {
        let Some(room) = room_of(path) else {
            continue;
        };
        if height(room).is_none() {
            complaints.push(format!("{path}: the room `{room}` is on no floor"));
            continue;
        }
        for (line, import) in imports(path, &code_of(text)) {
            if import != room && !may_import(room, &import) {
                complaints.push(format!(
                    "{path}:{line}: `{room}` must not import `{import}`: not on a lower floor"
                ));
            }
        }
    }
    complaints
}

fn may_import(room: &str, import: &str) -> bool {
    match (height(room), height(import)) {
        (Some(here), Some(there)) if here == there && here + 1 == FLOORS.len() => {
            let order = |name| TOP_ORDER.iter().position(|found| *found == name);
            order(import) < order(room)
        }
        (Some(here), Some(there)) => there < here,
        _ => false,
    }
}

fn height(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// `None` for the crate's root files.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside
        .split_once('/')
        .map_or_else(|| inside.strip_suffix(".rs"), |(room, _)| Some(room))?;
    (room != "lib" && room != "main").then_some(room)
}

/// Rooms named by `crate::…` or by as many `super::` as lead to the root, with their lines.
fn imports(path: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = code[at..].find("crate::") {
        let start = at + next;
        at = start + "crate::".len();
        let whole = !code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let macro_path = code[..start].ends_with('$');
        if whole || macro_path {
            let line = code[..start].matches('\n').count() + 1;
            found.extend(heads(&code[at..]).into_iter().map(|head| (line, head)));
        }
    }
    found.extend(climbs(path, code));
    found
}

/// Paths that climb to the root with `super`.
fn climbs(path: &str, code: &str) -> Vec<(usize, String)> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let file_depth = inside.trim_end_matches("/mod").split('/').count();
    let mut found = Vec::new();
    // Modules inside of the file add to the depth: by braces of `mod name {`.
    let mut depth = 0_usize;
    let mut modules: Vec<usize> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let supers = line.matches("super::").count();
        if supers >= file_depth + modules.len() && line.contains(&"super::".repeat(supers)) {
            let after = line.rsplit("super::").next().unwrap_or_default();
            found.extend(heads(after).into_iter().map(|head| (number + 1, head)));
        }
        let opens_module = line.contains("mod ") && line.trim_end().ends_with('{');
        if opens_module {
            modules.push(depth);
        }
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
        while modules.last().is_some_and(|start| depth <= *start) {
            modules.pop();
        }
    }
    found
}

/// The first segments of `a::b`, or of each path in `{a::b, c::{d, e}}`.
fn heads(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let mut depth = 0_usize;
    let mut heads = vec![word(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn rooms_import_lower_floors_only() {
    assert_clean(floors);
}

#[test]
fn an_import_upwards_or_sideways_is_seen() {
    let spool = "src/spool/log.rs";
    assert_complains(floors, &[(spool, "use crate::queue::Hold;")], "`queue`");
    assert_complains(floors, &[(spool, "fn f(_: crate::auth::Spf) {}")], "`auth`");
    assert_complains(
        floors,
        &[(spool, "use crate::{mail::Id, route::Decision};")],
        "`route`",
    );
    let nested = "use crate::{\n    mail::{Id, State},\n    admin,\n};";
    assert_complains(floors, &[(spool, nested)], "`admin`");
    assert_complains(
        floors,
        &[("src/inbound/mod.rs", "use crate::queue;")],
        "`queue`",
    );
    assert_complains(
        floors,
        &[("src/config/mod.rs", "use crate::daemon;")],
        "`daemon`",
    );
}

#[test]
fn climbing_to_the_root_is_seen() {
    assert_complains(
        floors,
        &[("src/spool/mod.rs", "use super::queue;")],
        "`queue`",
    );
    assert_complains(
        floors,
        &[("src/spool/log.rs", "use super::super::queue;")],
        "`queue`",
    );
    let test = "mod tests {\n    use super::super::super::queue;\n}";
    assert_complains(floors, &[("src/spool/log.rs", test)], "`queue`");
    let fine = "mod tests {\n    use super::super::index;\n}\nuse super::index;";
    assert_content(floors, &[("src/spool/log.rs", fine)]);
}

#[test]
fn a_room_on_no_floor_is_seen() {
    assert_complains(floors, &[("src/attic/mod.rs", "")], "`attic`");
    assert_complains(
        floors,
        &[("src/spool/mod.rs", "use crate::attic;")],
        "`attic`",
    );
}

#[test]
fn lower_floors_comments_and_the_own_room_are_fine() {
    let text = "use crate::mail::Id;\nuse crate::spool::Log;\n// see crate::queue\n\
                let s = \"crate::queue\";\nuse crate::{base::Clock, limits};\n";
    assert_content(
        floors,
        &[("src/spool/log.rs", text), ("src/lib.rs", "pub mod queue;")],
    );
}
