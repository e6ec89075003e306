//! What a reader gets who sees badly, or not at all: names, headings, landmarks, contrast; by
//! checks of our own and by axe.

use serde_json::Value;

use crate::driver::{Browser, Kind};

/// Complains about text with too little contrast (WCAG 2.2, 1.4.3), targets that are too small
/// (2.5.8), pages wider than the window (1.4.10), and a wrong order of headings.
const CHECKS: &str = include_str!("checks.js");

/// axe-core, Deque's checker of accessibility, as its makers publish it (MPL 2.0; the source is at
/// <https://github.com/dequelabs/axe-core>).
const AXE: &str = include_str!("axe.min.js");
/// Runs all its rules, also those for best practice, and says what each found.
const RUN_AXE: &str = "const done = arguments[0]; \
    axe.run(document, { iframes: false, resultTypes: ['violations'] }).then( \
      (found) => done(found.violations.flatMap((one) => one.nodes.map((node) => \
        `${one.id}: ${one.help}: ${node.html} ${node.failureSummary}`))), \
      (error) => done([String(error)]))";

/// Checks the page that is open, and keeps a picture of it.
pub(crate) fn look(browser: &Browser, picture: &str) {
    browser.picture(picture);
    let complaints = browser.run(CHECKS, &[]);
    let complaints: Vec<&str> = complaints
        .as_array()
        .unwrap_or_else(|| panic!("{picture}: the checks did not run: {complaints}"))
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(complaints.is_empty(), "{picture}: {complaints:#?}");
    examine(browser, picture);
    hear(browser, picture);
}

/// axe finds nothing.
pub(crate) fn examine(browser: &Browser, picture: &str) {
    let found = found_by_axe(browser);
    assert!(found.is_empty(), "{picture}: {found:#?}");
}

fn found_by_axe(browser: &Browser) -> Vec<String> {
    browser.run(AXE, &[]);
    let found = browser.run_until_done(RUN_AXE);
    let found = found.as_array().unwrap().iter();
    found.map(ToString::to_string).collect()
}

/// It looks: in a page with faults it finds them.
#[test]
fn axe_finds_what_is_wrong() {
    let browser = Browser::start(Kind::Desktop);
    browser.go("data:text/html,<title>x</title><img src=x><input><p style='color:%23ddd'>pale</p>");
    let found = found_by_axe(&browser).join(" ");
    for rule in ["image-alt:", "label:", "color-contrast:", "html-has-lang:"] {
        assert!(found.contains(rule), "{rule} {found}");
    }
}

/// What a screen reader is told: everything that can be used has a name, there is one title, and
/// one main part.
fn hear(browser: &Browser, picture: &str) {
    let tree = browser.devtools("Accessibility.getFullAXTree", &serde_json::json!({}));
    let nodes = tree["nodes"].as_array().unwrap();
    let shown = nodes.iter().filter(|node| node["ignored"] == false);
    let roles: Vec<(&str, &str)> = shown
        .map(|node| {
            let text = |key: &str| node[key]["value"].as_str().unwrap_or_default();
            (text("role"), text("name"))
        })
        .collect();
    let unnamed = |(role, name): &&(&str, &str)| is_used(role) && name.is_empty();
    let nameless: Vec<_> = roles.iter().filter(unnamed).collect();
    assert!(
        nameless.is_empty(),
        "{picture}: without a name: {nameless:?}"
    );
    let count = |wanted: &str| roles.iter().filter(|(role, _)| *role == wanted).count();
    assert_eq!(count("main"), 1, "{picture}: {roles:?}");
    let title = roles
        .iter()
        .find(|(role, _)| *role == "RootWebArea")
        .unwrap()
        .1;
    let is_named = title.ends_with("Example Mail") || title.ends_with("· Tideover");
    assert!(is_named, "{picture}: title {title:?}");
}

fn is_used(role: &str) -> bool {
    [
        "button",
        "link",
        "textbox",
        "combobox",
        "checkbox",
        "radio",
        "searchbox",
        "img",
        "Iframe",
    ]
    .contains(&role)
}
