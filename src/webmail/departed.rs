//! From which page a letter left. Who has another page of it open is told, and what he typed there
//! is not taken for what was sent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Webmail;
use super::drafts::Name;
use super::error::WebError;

/// Letters that are remembered. Beyond, all are forgotten: a page that is older than so many
/// letters hears that its letter was sent.
const MOST: usize = 10_000;

/// The pages of letters that have left since the start.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<HashMap<Name, String>>);

impl Pages {
    /// A letter has left; an empty page is none.
    pub(crate) fn note(&self, name: &Name, page: &str) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= MOST {
            pages.clear();
        }
        pages.insert(name.clone(), page.to_owned());
    }

    fn of(&self, name: &Name) -> Option<String> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(name).cloned()
    }
}

impl Webmail {
    /// Has a letter left from another page than this one, or is it leaving from there?
    pub(crate) async fn left_elsewhere(&self, name: &Name, page: &str) -> Result<bool, WebError> {
        if page.is_empty() {
            return Ok(false);
        }
        let from = match self.0.pages.of(name) {
            Some(from) => from,
            None if self.leaving(name).await?.is_some() => {
                self.draft(name).await?.unwrap_or_default().page
            }
            None => return Ok(false),
        };
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
        assert_eq!(pages.of(&name(MOST)), Some("page".to_owned()));
        assert_eq!(pages.of(&name(0)), None);
        assert_eq!(pages.0.lock().unwrap().len(), 1);
    }
}
