//! Pages that say what the code says.

use std::collections::BTreeSet;

use crate::code::words;
use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

const RFC_PAGE: &str = "docs/rfc.md";
const METRICS_PAGE: &str = "docs/metrics.md";
const METRICS: &str = "src/telemetry/names.rs";

/// Each RFC cited in the code has a line in the page; each line that does not say `no` is cited.
fn rfcs(tree: &Tree) -> Complaints {
    let Some(page) = tree.text(RFC_PAGE) else {
        return Complaints::new();
    };
    let mut cited = BTreeSet::new();
    for (_, text) in tree.rust("src/") {
        cited.extend(text.lines().flat_map(citations));
    }
    let listed: BTreeSet<u32> = page.lines().filter_map(row).collect();
    let refused: BTreeSet<u32> = page
        .lines()
        .filter(|line| line.split('|').any(|cell| cell.trim() == "no"))
        .filter_map(row)
        .collect();
    let unlisted = cited
        .difference(&listed)
        .map(|number| format!("RFC {number} is cited in src and not in {RFC_PAGE}"));
    let uncited = listed
        .difference(&cited)
        .filter(|number| !refused.contains(number))
        .map(|number| format!("RFC {number} is in {RFC_PAGE} and cited nowhere in src"));
    unlisted.chain(uncited).collect()
}

/// The number that a row of the page begins with.
fn row(line: &str) -> Option<u32> {
    line.strip_prefix('|')?
        .split('|')
        .next()?
        .trim()
        .parse()
        .ok()
}

/// The numbers after `RFC`.
fn citations(line: &str) -> Vec<u32> {
    line.match_indices("RFC ")
        .filter_map(|(at, mark)| {
            let digits: String = line[at + mark.len()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().ok()
        })
        .collect()
}

/// Each metric has a line in the page, and the page has no other.
fn metrics(tree: &Tree) -> Complaints {
    let (Some(page), Some(code)) = (tree.text(METRICS_PAGE), tree.text(METRICS)) else {
        return Complaints::new();
    };
    let names = |text: &str| -> BTreeSet<String> {
        words(text)
            .filter(|word| word.starts_with("tideover_") && !word.ends_with('_'))
            .map(str::to_owned)
            .collect()
    };
    let (known, described) = (names(code), names(page));
    let missing = known
        .difference(&described)
        .map(|name| format!("{name} is not in {METRICS_PAGE}"));
    let stale = described
        .difference(&known)
        .map(|name| format!("{name} is in {METRICS_PAGE} and not in {METRICS}"));
    missing.chain(stale).collect()
}

#[test]
fn the_page_of_rfcs_agrees_with_the_code() {
    assert_clean(rfcs);
    let page = (
        "docs/rfc.md",
        "RFC 1\n| 5321 | mail | done |\n| 4468 | x | no |\n",
    );
    let code = ("src/smtp/mod.rs", "// RFC 5321 \u{a7}4.5.2: dots\n");
    assert_content(rfcs, &[page, code]);
    assert_complains(
        rfcs,
        &[page, code, ("src/a.rs", "/// RFC 3464")],
        "RFC 3464 is cited",
    );
    assert_complains(rfcs, &[page], "RFC 5321 is in docs/rfc.md");
}

#[test]
fn the_page_of_metrics_agrees_with_the_code() {
    assert_clean(metrics);
    let page = ("docs/metrics.md", "| `tideover_queued` | gauge |");
    let one = (METRICS, "QUEUED = \"tideover_queued\"");
    let two = (METRICS, "\"tideover_queued\" \"tideover_held\"");
    assert_content(metrics, &[page, one]);
    assert_complains(metrics, &[page, two], "tideover_held is not in");
    assert_complains(metrics, &[page, (METRICS, "")], "tideover_queued is in");
}
