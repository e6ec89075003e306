//! Makes the index of a spool that is not in use anew, as a start without it would.

use std::sync::Arc;

use serde::Serialize;

use super::SpoolError;
use super::log::LogWriter;
use super::lost::Before;
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
        let before = Before::of(&index, &self.log.uuid);
        index.clear()?;
        let quarantine = Quarantine {
            disk: Arc::clone(&self.world.disk),
            dir: self.options.dir.join("quarantine"),
        };
        let mut recover = Recover::new(self.log.clone(), quarantine, Arc::clone(&index));
        let gap = recover.gap()?;
        let (mut read, total) = (0, gap.bytes);
        let mut watch = |bytes| {
            read += bytes;
            progress(read.min(total), total);
            Ok(())
        };
        recover.make_anew(before.as_ref(), gap.end, &mut watch)?;
        let clock = self.world.clock.clone();
        let disk = Arc::clone(&self.world.disk);
        let mut log = LogWriter::new(self.log.clone(), disk, clock, gap.end);
        if let Some(known) = before.map(|before| before.position.segment)
            && known > gap.end.segment
        {
            // Those that are gone find their numbers free when they come back.
            log.skip_to(known)?;
        }
        recover.hold_maimed(&mut log, self.world.clock.now())?;
        log.seal()?;
        index.flush(&self.log.uuid)?;
        Ok(Rebuilt {
            records: recover.found.replayed,
            damaged: recover.damage,
        })
    }
}
