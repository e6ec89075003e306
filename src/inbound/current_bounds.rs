//! The bounds that hold now: new connections get them, connections that are there keep theirs.

use std::sync::{Arc, PoisonError, RwLock};

use super::Bounds;

/// The bounds of all listeners; cheap to clone.
#[derive(Debug, Clone)]
pub struct CurrentBounds(Arc<RwLock<Arc<Bounds>>>);

impl CurrentBounds {
    /// With these.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(bounds))))
    }

    /// Takes others over: they hold for connections that come in from now on.
    pub fn configure(&self, bounds: Bounds) {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *present = Arc::new(bounds);
    }

    /// The present ones.
    #[must_use]
    pub fn present(&self) -> Arc<Bounds> {
        let present = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }
}
