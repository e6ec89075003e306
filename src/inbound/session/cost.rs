//! What a session costs us.

use super::{Session, State};

impl Session {
    /// Bytes of what was said so far that are in memory, about.
    pub(in crate::inbound) fn held(&self) -> usize {
        match &self.state {
            State::Collecting(_, transaction) => transaction.held(),
            State::Ungreeted | State::Ready(_) | State::Chunking(_) | State::Refused(..) => 0,
        }
    }
}
