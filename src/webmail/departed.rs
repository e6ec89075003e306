//! From which page a letter left. Who has another page of it open is told, and what he typed there
//! is not taken for what was sent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::Webmail;
use super::drafts::Name;
use super::error::WebError;

/// Letters that are remembered. Beyond, all are forgotten: a page that is older than so many
/// letters hears that its letter was sent.
const MOST: usize = 10_000;

/// Stands for the name of a page, which a form may make as long as it likes.
type Digest = [u8; 32];

/// The pages of letters that have left since the start.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<HashMap<Name, Digest>>);

fn digest(page: &str) -> Digest {
    Sha256::digest(page.as_bytes()).into()
}

impl Pages {
    /// A letter has left; an empty page is none.
    pub(crate) fn note(&self, name: &Name, page: &str) {
        if page.is_empty() {
            return;
        }
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= MOST {
            pages.clear();
        }
        pages.insert(name.clone(), digest(page));
    }

    fn of(&self, name: &Name) -> Option<Digest> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(name).copied()
    }
}

impl Webmail {
    /// Has a letter left from another page than this one, or is it leaving from there?
    pub(crate) async fn left_elsewhere(&self, name: &Name, page: &str) -> Result<bool, WebError> {
        if page.is_empty() {
            return Ok(false);
        }
        if let Some(from) = self.0.pages.of(name) {
            return Ok(from != digest(page));
        }
        if self.leaving(name).await?.is_none() {
            return Ok(false);
        }
        let from = self.draft(name).await?.unwrap_or_default().page;
        Ok(!from.is_empty() && from != page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_has_an_end() {
        let pages = Pages::default();
        let name = |number: usize| Name::new("ann@example.org".to_owned(), &number.to_string());
        for number in 0..=MOST {
            pages.note(&name(number), "page");
        }
        assert_eq!(pages.of(&name(MOST)), Some(digest("page")));
        assert_eq!(pages.of(&name(0)), None);
        assert_eq!(pages.0.lock().unwrap().len(), 1);
        // A form says what its page is called: that takes no more room than a name of ours.
        pages.note(&name(7), &"x".repeat(1 << 20));
        pages.note(&name(8), "");
        let pages = pages.0.lock().unwrap();
        assert_eq!(pages.len(), 2, "an empty page is none");
        let bytes: usize = pages.values().map(|page| page.len()).sum();
        assert!(bytes <= 64, "{bytes} bytes for two pages");
    }
}
