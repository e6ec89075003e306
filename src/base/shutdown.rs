//! One stop signal for all tasks, and a way to wait until they are gone.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// Cheap to clone. Every long-running task is spawned through it, watches [`Shutdown::stopping`],
/// and is waited for by [`Shutdown::stop`].
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A signal that has not been given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns `task`; a panic in it is logged under `name` and does not reach anyone else.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Nothing of the task is looked at after a panic: it is dropped.
        let task = AssertUnwindSafe(task).catch_unwind();
        self.tasks.spawn(async move {
            if let Err(panic) = task.await {
                let what = panic.downcast_ref::<String>().map(String::as_str);
                let what = what.or_else(|| panic.downcast_ref::<&str>().copied());
                tracing::error!(task = name, what, "a task panicked");
            }
        })
    }

    /// Resolves when the stop has been asked for.
    pub fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// Has the stop been asked for?
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Asks all tasks to stop, without waiting.
    pub fn signal(&self) {
        self.token.cancel();
    }

    /// A signal that stops with this one or by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            tasks: TaskTracker::new(),
        }
    }

    /// Asks all tasks to stop and waits until they have.
    pub async fn stop(&self) {
        self.token.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
