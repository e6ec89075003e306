//! How much an account may store within an hour: nobody fills the spool from a form.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Webmail;
use super::outbox::WINDOW;
use crate::base::Timestamp;
use crate::limits;

/// Bytes that accounts stored; forgotten after the hour, and by a restart.
#[derive(Debug, Default)]
pub(crate) struct Uploaded(Mutex<HashMap<String, Hour>>);

#[derive(Debug, Clone, Copy)]
struct Hour {
    since: Timestamp,
    bytes: u64,
}

impl Uploaded {
    /// Counts bytes, unless that would be more than `most` within the hour.
    fn take(&self, now: Timestamp, (account, bytes): (&str, u64), most: u64) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, hour| now.since(hour.since) < WINDOW);
        let fresh = Hour {
            since: now,
            bytes: 0,
        };
        let hour = all.entry(account.to_owned()).or_insert(fresh);
        let sum = hour.bytes.saturating_add(bytes);
        if sum <= most {
            hour.bytes = sum;
        }
        sum <= most
    }

    /// They were not stored after all.
    fn give_back(&self, account: &str, bytes: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hour) = all.get_mut(account) {
            hour.bytes = hour.bytes.saturating_sub(bytes);
        }
    }
}

impl Webmail {
    /// May this account store so many bytes more? Then they are counted.
    pub(crate) fn may_store(&self, account: &str, bytes: u64) -> bool {
        let now = self.0.world.clock.now();
        let most = self.most_stored();
        self.0.uploaded.take(now, (account, bytes), most)
    }

    /// Bytes that were counted are not stored.
    pub(crate) fn not_stored(&self, account: &str, bytes: u64) {
        self.0.uploaded.give_back(account, bytes);
    }

    /// Bytes that an account may store within an hour.
    pub(crate) fn most_stored(&self) -> u64 {
        let letter = self.0.options.writing.max_attachments;
        letter.saturating_mul(limits::WEB_UPLOADS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_a_bound_for_each_account() {
        let uploaded = Uploaded::default();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        assert!(uploaded.take(at(0), ("ann", 6), 10));
        assert!(
            !uploaded.take(at(1), ("ann", 5), 10),
            "nothing of it counts"
        );
        assert!(uploaded.take(at(2), ("ann", 4), 10));
        assert!(uploaded.take(at(3), ("bob", 10), 10));
        uploaded.give_back("ann", 4);
        assert!(uploaded.take(at(4), ("ann", 3), 10));
        assert!(!uploaded.take(at(3599), ("ann", 2), 10));
        assert!(uploaded.take(at(3600), ("ann", 10), 10));
    }
}
