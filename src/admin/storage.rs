//! What is stored, and how far the index is.

use super::{Admin, AdminError, IndexView, SizeView, SpoolNumbers};
use crate::spool::{IndexProgress, SpoolStats};

impl From<&IndexProgress> for IndexView {
    fn from(progress: &IndexProgress) -> Self {
        Self {
            percent: progress.percent(),
            seconds_left: progress.left().map(|left| left.as_secs()),
            text: progress.to_string(),
        }
    }
}

impl Admin {
    /// Why new mail is refused now, if it is.
    pub(super) fn refusing(&self) -> Option<String> {
        self.spool.admission().err().map(|error| error.to_string())
    }

    /// What is stored.
    pub(super) fn storage(&self, stats: SpoolStats) -> SpoolNumbers {
        SpoolNumbers {
            // What cannot be measured now is not shown.
            outlook: self.spool.outlook().ok(),
            index: self.spool.rebuilding().as_ref().map(IndexView::from),
            quarantined: stats.quarantined,
            damaged: stats.damaged,
            missing: self.spool.missing(),
            write_failures: stats.write_failures,
            balance: self.spool.balance(),
            uuid: stats.uuid,
            bytes: stats.bytes,
            free_bytes: stats.free_bytes,
            accepted: stats.accepted,
            delivered: stats.delivered,
        }
    }

    /// The index, if it does not know the whole log, for `/health`.
    pub(super) fn index_problem(&self) -> Option<String> {
        let progress = self.spool.rebuilding()?;
        Some(format!(
            "the index is made from the log, delivery and the webmail wait for it: {progress}"
        ))
    }

    /// Damage that was found and set aside, for `/health`.
    pub(super) fn damage_problem(&self) -> Option<String> {
        let pieces = self.spool.quarantined();
        (pieces > 0).then(|| format!("damaged pieces of the spool in quarantine: {pieces}"))
    }

    /// Segments that are gone, for `/health`.
    pub(super) fn missing_problem(&self) -> Option<String> {
        let missing = self.spool.missing()?;
        Some(format!(
            "{missing}: bring the files back, docs/operations/damage.md"
        ))
    }

    /// What came in is not what is there, for `/health`.
    pub(super) fn balance_problem(&self) -> Option<String> {
        let balance = self.spool.balance()?;
        let first = balance.named.first()?;
        Some(format!(
            "what came in is not what is there, in {} places, the first is {first}; stop the \
             server and run `tideover spool rebuild`",
            balance.wrong
        ))
    }

    /// The log cannot be written, for `/health`.
    pub(super) fn write_problem(&self) -> Option<String> {
        let failures = self.spool.write_failures();
        failures
            .filter(|failures| failures.lasting)
            .map(|failures| format!("the log cannot be written: {}", failures.what))
    }

    /// `size`. Blocks.
    pub(super) fn size(&self) -> Result<SizeView, AdminError> {
        let stats = self.spool.stats();
        Ok(SizeView {
            bytes: stats.bytes,
            free_bytes: stats.free_bytes,
            refusing: self.refusing(),
            outlook: self.spool.outlook()?,
        })
    }

    /// Seconds until mail is refused when nothing can be delivered; not a number while that is
    /// not known.
    #[expect(clippy::cast_precision_loss, reason = "days that fit into 53 bits")]
    pub(super) fn seconds_in_an_outage(&self) -> f64 {
        let outlook = self.spool.outlook().unwrap_or_default();
        let days = outlook.days_in_an_outage;
        days.map_or(f64::NAN, |days| days as f64 * 86_400.0)
    }

    /// The share of the log that the index knows.
    pub(super) fn index_share(&self) -> f64 {
        let progress = self.spool.rebuilding();
        progress.map_or(1.0, |progress| f64::from(progress.percent()) / 100.0)
    }
}
