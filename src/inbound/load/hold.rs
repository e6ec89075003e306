//! What one client holds of the memory that all of them have together.

use std::sync::atomic::Ordering;

use super::Load;

/// The bytes of one connection, or of one message on its way in; given back when dropped.
#[derive(Debug)]
pub(in crate::inbound) struct Hold {
    load: Load,
    bytes: u64,
}

impl Load {
    /// So much for somebody who has just come.
    pub(in crate::inbound) fn hold(&self, bytes: usize) -> Hold {
        let mut hold = Hold {
            load: self.clone(),
            bytes: 0,
        };
        hold.resize(bytes);
        hold
    }
}

impl Hold {
    /// It is so large now. Is all together within the bound? Otherwise it must not grow any more.
    pub(in crate::inbound) fn resize(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes == self.bytes {
            return self.load.has_room();
        }
        let held = &self.load.0.held;
        held.fetch_add(bytes, Ordering::Relaxed);
        held.fetch_sub(self.bytes, Ordering::Relaxed);
        let grows = bytes > self.bytes;
        self.bytes = bytes;
        if grows {
            self.load.grew();
        }
        self.load.has_room()
    }

    /// Its bytes.
    pub(in crate::inbound) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.load.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
