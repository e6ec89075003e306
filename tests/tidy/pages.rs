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

/// A row of the page about a whole standard: number, title, how far, where.
struct Standard<'a> {
    number: u32,
    is_refused: bool,
    /// Names in the last cell that could be files or folders of `src`.
    places: Vec<&'a str>,
}

/// The rows of whole standards; complaints about those that say nothing of how far.
fn standards<'a>(page: &'a str, complaints: &mut Complaints) -> Vec<Standard<'a>> {
    let mut found = Vec::new();
    for line in page.lines() {
        let Some(number) = row(line) else { continue };
        let line = line.trim().trim_matches('|');
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [_, _, word, place] = cells[..] else {
            complaints.push(format!("RFC {number} in {RFC_PAGE}: {} cells", cells.len()));
            continue;
        };
        if !["done", "partly", "no"].contains(&word) {
            complaints.push(format!("RFC {number} in {RFC_PAGE}: {word:?} is no state"));
        }
        found.push(Standard {
            number,
            is_refused: word == "no",
            places: names(place).collect(),
        });
    }
    found
}

/// What stands in backticks and could be a file or folder of `src`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/".contains(c);
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(move |name| !name.is_empty() && name.chars().all(is_name))
}

/// The files that a name of the page means.
fn files_of<'t>(tree: &'t Tree, name: &str) -> Vec<&'t str> {
    let (file, folder) = (format!("src/{name}.rs"), format!("src/{name}/"));
    let all = tree.files();
    all.filter(|(path, _)| *path == file || path.starts_with(&folder))
        .map(|(_, text)| text)
        .collect()
}

/// Each place that the page names is there; a standard that is kept has one that names it back.
fn rfc_places(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    let Some(page) = tree.text(RFC_PAGE) else {
        return complaints;
    };
    let paths = names(page).filter(|name| name.contains('/') && *name != "tests/scripts");
    for name in paths.filter(|name| files_of(tree, name).is_empty()) {
        complaints.push(format!("{RFC_PAGE}: {name} is not in src"));
    }
    for standard in standards(page, &mut complaints) {
        let number = standard.number;
        let places = standard.places.iter();
        let cites = |text: &&str| text.lines().flat_map(citations).any(|it| it == number);
        let is_cited = places
            .flat_map(|name| files_of(tree, name))
            .any(|it| cites(&it));
        if !standard.is_refused && !is_cited {
            let what = "names no file that cites it";
            complaints.push(format!("RFC {number} in {RFC_PAGE} {what}"));
        }
    }
    complaints
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
fn the_page_of_rfcs_leads_to_the_code_and_back() {
    assert_clean(rfc_places);
    let code = ("src/smtp/data.rs", "// RFC 5321 \u{a7}4.5.2: dots\n");
    let page = |row: &str| format!("| RFC | |\n| --- | --- |\n{row}\n");
    let complains = |row: &str, about: &str| {
        let page = page(row);
        assert_complains(rfc_places, &[("docs/rfc.md", &page), code], about);
    };
    for fine in [
        "| 5321 | mail | done | dots: `smtp/data` |",
        "| 5321 | mail | partly | `smtp` |",
        "| 6409 | submission | no | |",
    ] {
        let page = page(fine);
        assert_content(rfc_places, &[("docs/rfc.md", &page), code]);
    }
    complains(
        "| 5321 | mail | done | `smtp/data`, `smtp/gone` |",
        "smtp/gone is not",
    );
    complains("| 5321 | mail | done | somewhere |", "names no file");
    complains("| 3030 | chunks | done | `smtp/data` |", "names no file");
    complains("| 5321 | mail | mostly | `smtp/data` |", "is no state");
    complains("| 5321 | mail | `smtp/data` |", "3 cells");
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
