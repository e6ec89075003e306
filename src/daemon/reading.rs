//! The config and the files that it names, read beside everything else: their disk may not answer.

use std::sync::Arc;
use std::time::Duration;

use crate::limits;

/// One reader at a time, and nobody waits for him for ever: a file on a disk that hangs keeps its
/// reader until it answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading(Arc<tokio::sync::Mutex<()>>);

impl Reading {
    /// What `read` finds.
    ///
    /// # Errors
    /// When there is no answer in time, for people.
    pub(super) async fn off<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        self.within(limits::CONFIG_READ, read).await
    }

    async fn within<T: Send + 'static>(
        &self,
        patience: Duration,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let late = |_| {
            format!(
                "the config or a file that it names could not be read in {} s: does its disk \
                 answer? What runs goes on",
                patience.as_secs()
            )
        };
        let done = async {
            let turn = Arc::clone(&self.0).lock_owned().await;
            let reading = tokio::task::spawn_blocking(move || {
                // Until it is done, also when nobody waits for it any more.
                let _turn = turn;
                read()
            });
            reading.await.map_err(|error| error.to_string())
        };
        tokio::time::timeout(patience, done).await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_never_read_keeps_others_for_a_while_only() {
        let reading = Reading::default();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let short = Duration::from_millis(50);
        let stuck = reading.within(short, move || wait.recv().ok()).await;
        assert!(stuck.unwrap_err().contains("does its disk answer"));
        assert!(reading.within(short, || 1).await.is_err(), "one at a time");
        drop(go_on);
        assert_eq!(reading.off(|| 1).await, Ok(1));
    }
}
