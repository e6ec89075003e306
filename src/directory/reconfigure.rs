//! A changed config: other rules and another file, which count together or not at all.

use std::path::Path;
use std::sync::Arc;

use super::damage::Base;
use super::feed::read;
use super::files::Opened;
use super::generations::{DirectoryError, GenerationOptions, Generations, Mode, Outcome, beside};
use super::{Cause, Directory, Guard};

impl Generations {
    /// Takes over a changed config: the people of `file`, if it has changed, by other rules. Nobody
    /// sees the one without the other, and nothing has changed when it is refused.
    ///
    /// # Errors
    /// When the file is wrong, would delete too many, or cannot be written.
    pub async fn configure(
        &self,
        options: GenerationOptions,
        file: Option<&Path>,
    ) -> Result<Outcome, DirectoryError> {
        let news = match file {
            Some(file) => self.open_news(file).await?,
            None => None,
        };
        let _one_at_a_time = self.0.writing.lock().await;
        let current = self.current();
        let rules = Arc::new(options.rules.clone());
        let same = Arc::clone(&current);
        let rebuilt = beside(move || {
            let directory = Directory::build(same.people.clone(), rules, None);
            Ok(Arc::new(directory.in_place_of(&same)))
        });
        let rebuilt = rebuilt.await?;
        let Some(opened) = news else {
            self.set_options(options);
            self.0.handle.share(rebuilt);
            return Ok(Outcome::Unchanged);
        };
        let mode = Mode::Commit(Guard::File);
        // Refused while nobody knows what the log says.
        let Base { afresh, .. } = self.base(Cause::File, mode).await?;
        let base = Base {
            current: Arc::clone(&rebuilt),
            afresh,
        };
        let Opened {
            file,
            digest,
            import,
            note,
        } = opened;
        let backends = options.backends.clone();
        let work = move |current: &Directory| Ok(read(current, file, (&import, &backends))?.0);
        let percent = options.max_delete_percent;
        let (outcome, next) = self.make((note, mode), (base, percent), work).await?;
        self.set_options(options);
        self.0.handle.share(next.map_or(rebuilt, Arc::new));
        // Otherwise it is read again and changes nothing.
        if let Err(error) = self.set_last_file(&digest).await {
            tracing::error!(%error, "that directory.file was read is not written down");
        }
        Ok(outcome)
    }
}
