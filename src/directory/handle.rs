//! The present generation, shared.

use std::sync::Arc;

use tokio::sync::watch;

use super::Directory;

/// A shared handle on the present [`Directory`]; cheap to clone. Readers keep the generation that
/// they took; a new one replaces it as a whole.
#[derive(Debug, Clone)]
pub struct DirectoryHandle(Arc<watch::Sender<Arc<Directory>>>);

impl DirectoryHandle {
    /// A handle on `directory`.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(directory))))
    }

    /// The present generation.
    #[must_use]
    pub fn current(&self) -> Arc<Directory> {
        self.0.borrow().clone()
    }

    /// Puts `directory` in the place of the present one and wakes who watches.
    pub fn replace(&self, directory: Directory) {
        self.share(Arc::new(directory));
    }

    pub(super) fn share(&self, directory: Arc<Directory>) {
        self.0.send_replace(directory);
    }

    /// Tells of new generations.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Directory>> {
        self.0.subscribe()
    }
}
