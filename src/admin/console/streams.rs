//! How many pages are kept up to date at one time: of one operator, and in all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits;

/// Who has how many; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams(Arc<Mutex<BTreeMap<String, usize>>>);

/// Why there is no room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// He has as many as one operator may have.
    Own,
    /// All together have as many as there may be.
    All,
}

/// Room for one page; another may have it when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    streams: Streams,
    whose: String,
}

impl Streams {
    /// Room for one more of this operator.
    pub(super) fn take(&self, whose: &str) -> Result<Room, Full> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(whose).copied().unwrap_or_default();
        if own >= limits::OPERATOR_STREAMS {
            return Err(Full::Own);
        }
        if open.values().sum::<usize>() >= limits::CONSOLE_STREAMS {
            return Err(Full::All);
        }
        open.insert(whose.to_owned(), own + 1);
        Ok(Room {
            streams: self.clone(),
            whose: whose.to_owned(),
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut open = self
            .streams
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = open.remove(&self.whose).unwrap_or_default();
        if own > 1 {
            open.insert(self.whose.clone(), own - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_counted_until_it_is_closed() {
        let streams = Streams::default();
        let take = || streams.take("olga");
        let mut open: Vec<Room> = (0..limits::OPERATOR_STREAMS)
            .map(|_| take().unwrap())
            .collect();
        assert_eq!(take().err(), Some(Full::Own));
        open.pop();
        open.push(take().unwrap());
        assert_eq!(take().err(), Some(Full::Own), "only one was closed");
        drop(open);
        assert!(streams.0.lock().unwrap().is_empty(), "nobody is kept");
    }
}
