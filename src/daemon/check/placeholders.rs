//! What a package wrote into its config for somebody to change, and nobody has.

use std::path::Path;

use crate::config::Problem;

/// How a line says that it is to be changed.
const MARK: &str = "<--";

/// Lines that are to be changed, and still name an example (RFC 2606 §3: nobody's domain). Blocks.
pub(super) fn placeholders(file: &Path) -> Vec<Problem> {
    // Whether it can be read is told by whoever reads the config.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| is_placeholder(line))
        .map(|(line, text)| Problem {
            file: file.to_owned(),
            line,
            key: String::new(),
            what: format!(
                "{} is an example still: put in what is yours, and take the mark `{MARK}` away",
                value(text)
            ),
        })
        .collect()
}

/// `hostname = "mx.example.org"` of a line with a mark behind it.
fn value(line: &str) -> &str {
    line.split_once('#').map_or(line, |(value, _)| value).trim()
}

fn is_placeholder(line: &str) -> bool {
    let is_marked = line.split_once('#').is_some_and(|it| it.1.contains(MARK));
    is_marked && value(line).contains("example")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_package_wrote_is_told_until_it_is_changed() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/debian/tideover.toml");
        let told: Vec<_> = placeholders(&package)
            .iter()
            .map(|it| it.what.clone())
            .collect();
        for value in ["hostname = \"mx.example.org\"", "[domain.\"example.org\"]"] {
            assert!(told.iter().any(|it| it.starts_with(value)), "{told:?}");
        }
        assert!(told.len() >= 4, "{told:?}");
        for line in [
            "hostname = \"mx.tideover.test\"  # <-- our name",
            "hostname = \"mx.example.org\"",
            "# uuid = \"example\"  # <--",
            "file = \"directory.csv\"  # <-- who exists",
            "",
        ] {
            assert!(!is_placeholder(line), "{line}");
        }
        assert!(placeholders(Path::new("/nowhere/tideover.toml")).is_empty());
    }
}
