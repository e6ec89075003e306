//! Invitations to be printed and handed out: a page, or plain text. In every language at once,
//! since nobody knows yet which one their readers speak.

use std::fmt::Write as _;

use askama::Template;

use super::texts::{ALL, Texts, fill};
use crate::credential::picture;

/// One invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// The user's name; may be empty.
    pub name: String,
    /// His address.
    pub address: String,
    /// The link.
    pub link: String,
    /// The same to be typed.
    pub code: String,
    /// Until when it is good, for people.
    pub until: String,
}

impl Slip {
    /// Where the code is typed.
    fn page(&self) -> &str {
        self.link.rsplit_once('/').map_or("", |(page, _)| page)
    }

    fn picture(&self) -> Option<(String, usize)> {
        picture(&self.link)
    }
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet<'a> {
    slips: &'a [Slip],
    languages: &'a [&'static Texts],
}

impl Sheet<'_> {
    /// A sentence of a language about a slip.
    fn said(text: &str, slip: &Slip) -> String {
        let values = [("page", slip.page()), ("until", slip.until.as_str())];
        fill(text, &values)
    }
}

/// The page.
///
/// # Errors
/// Never on a memory buffer.
pub fn sheet_page(slips: &[Slip]) -> Result<String, askama::Error> {
    let languages = &ALL;
    Sheet { slips, languages }.render()
}

/// The same as plain text.
#[must_use]
pub fn sheet_text(slips: &[Slip]) -> String {
    let mut text = String::new();
    for slip in slips {
        // Writing to a String cannot fail.
        writeln!(text, "{} {}\n", slip.name, slip.address).ok();
        for texts in ALL {
            writeln!(text, "{}", Sheet::said(texts.sheet_how, slip)).ok();
        }
        let line = "-".repeat(70);
        writeln!(text, "\n    {}\n    {}\n\n{line}\n", slip.code, slip.link).ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slip_has_its_code_and_nothing_of_a_name_is_markup() {
        let slips = ["<b>Ann</b>", "Bob"].map(|name| Slip {
            name: name.to_owned(),
            address: format!("{}@example.org", name.len()),
            link: format!("https://mail.example.org/invite/{}", "a".repeat(64)),
            code: format!("CODE-{}", name.len()),
            until: "1 May".to_owned(),
        });
        let page = sheet_page(&slips).unwrap();
        assert!(!page.contains("<b>Ann") && page.contains("Ann"));
        let text = sheet_text(&slips);
        for shown in [&page, &text] {
            for slip in &slips {
                assert_eq!(shown.matches(&slip.code).count(), 1, "{shown}");
            }
            assert!(shown.contains("https://mail.example.org/invite"), "{shown}");
            assert!(
                shown.contains("until 1 May") && shown.contains("bis 1 May"),
                "{shown}"
            );
        }
        assert_eq!(page.matches("<svg").count(), 2);
    }
}
