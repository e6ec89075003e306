//! `[writeback]`: what becomes of sent mail when a backend offers no IMAP.

use super::reader::Section;
use crate::writeback::{Options, WithoutImap};

/// Longest mark in front of a subject.
const MARK: usize = 100;

pub(super) fn writeback(root: &Section<'_>) -> Options {
    let mut options = Options::default();
    if let Some(section) = root.section("writeback") {
        if let Some(wish) = section.text("without_imap", wish) {
            options.without_imap = wish.value;
        }
        if let Some(mark) = section.text("subject_mark", mark) {
            options.subject_mark = mark.value;
        }
        section.finish();
    }
    options
}

fn wish(text: &str) -> Result<WithoutImap, String> {
    match text {
        "tell" => Ok(WithoutImap::Tell),
        "copy" => Ok(WithoutImap::Copy),
        other => Err(format!(
            "\"{other}\" is no way without IMAP, expected \"tell\" or \"copy\""
        )),
    }
}

/// It stands in a header as it is.
fn mark(text: &str) -> Result<String, String> {
    let is_plain = text.chars().all(|c| matches!(c, ' '..='~'));
    if is_plain && !text.trim().is_empty() && text.len() <= MARK {
        return Ok(format!("{} ", text.trim()));
    }
    Err(format!(
        "\"{text}\" is no mark, expected up to {MARK} ASCII characters, for example \"[Sent]\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_fit_into_a_header() {
        assert_eq!(mark(" [Sent]"), Ok("[Sent] ".to_owned()));
        for odd in ["", "  ", "a\r\nBcc: x", "für", &"x".repeat(101)] {
            assert!(mark(odd).is_err(), "{odd}");
        }
        assert_eq!(wish("copy"), Ok(WithoutImap::Copy));
        assert!(wish("move").unwrap_err().contains("\"tell\""));
    }
}
