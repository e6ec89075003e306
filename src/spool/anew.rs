//! Makes the index of a spool that is not in use anew, as a start without it would.

use std::sync::Arc;

use serde::Serialize;

use super::SpoolError;
use super::log::LogWriter;
use super::offline::{Offline, Progress};
use super::quarantine::Quarantine;
use super::recover::Recover;

/// What `rebuild` found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rebuilt {
    /// Records that the index is made from.
    pub records: u64,
    /// Damaged parts of the log, now in quarantine, for people. Messages whose envelope is whole
    /// are in the index, held; what else stood there is not.
    pub damaged: Vec<String>,
}

impl Offline {
    /// Makes the index anew from the log. The progress is in bytes of the log.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn rebuild(&self, progress: Progress<'_>) -> Result<Rebuilt, SpoolError> {
        let index = Arc::new(self.store(&self.options.dir.join("index"))?);
        index.clear()?;
        let quarantine = Quarantine {
            disk: Arc::clone(&self.world.disk),
            dir: self.options.dir.join("quarantine"),
        };
        let mut recover = Recover::new(self.log.clone(), quarantine, Arc::clone(&index));
        let mut gap = recover.gap()?;
        let (mut read, total) = (0, gap.bytes);
        recover.catch_up(&mut gap, &mut |bytes| {
            read += bytes;
            progress(read.min(total), total);
            Ok(())
        })?;
        if !recover.maimed.is_empty() {
            let clock = self.world.clock.clone();
            let disk = Arc::clone(&self.world.disk);
            let mut log = LogWriter::new(self.log.clone(), disk, clock, gap.end.segment);
            recover.hold_maimed(&mut log, self.world.clock.now())?;
            log.seal()?;
        }
        index.flush(&self.log.uuid)?;
        Ok(Rebuilt {
            records: recover.found.replayed,
            damaged: recover.damage,
        })
    }
}
