//! Retention stops before a segment that is missing. Its file may come back: when later ones had
//! gone meanwhile, what is finished in it would go without a line in the ledger, and what waits in
//! it would keep all that is newer.

use super::SpoolError;
use super::handle::Spool;
use super::head;

impl Spool {
    /// How many of these segments, the oldest first, stand before the first one that is missing or
    /// shorter than it was, as far as the last look knows.
    pub(super) fn before_a_gap(&self, all: &[u32]) -> usize {
        let gone = self.0.looks.gone();
        let first = gone.and_then(|gone| gone.missing().named.first().copied());
        first.map_or(all.len(), |first| {
            all.partition_point(|&number| number < first)
        })
    }

    /// Is one missing before, between or right behind the segments that are about to go, or may one
    /// be shorter than it was? Reads their heads, and blocks.
    ///
    /// # Errors
    /// When the folder of the log cannot be listed.
    pub(super) fn is_gap_at(&self, going: &[u32]) -> Result<bool, SpoolError> {
        let Some(&last) = going.last() else {
            return Ok(false);
        };
        let dir = self.0.options.dir.join("log");
        let mut all = head::numbers(&self.0.disk, &dir)?;
        // The one behind them says how long the last one was.
        all.truncate(all.partition_point(|&number| number <= last) + 1);
        let floor = self.0.index.counters().floor;
        Ok(head::are_doubtful(&self.0.disk, &dir, floor, &all))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use crate::base::Clock;
    use crate::spool::retention_tests::{Hands, fill, open, segments};
    use crate::spool::tests::{close, options, read};
    use crate::spool::{Offline, Retired, World};

    const OVER: Duration = Duration::from_secs(31 * 24 * 3600);

    #[tokio::test]
    async fn retention_waits_for_a_segment_that_is_missing_or_shorter_than_it_was() {
        for emptied in [false, true] {
            let dir = TempDir::new().unwrap();
            let hands = Hands::new();
            let (spool, opened) = open(dir.path(), &hands);
            let (finished, waiting) = fill(&spool, dir.path(), 4).await;
            hands.forward(OVER);
            fill(&spool, dir.path(), segments(dir.path()).len()).await;
            // A message may stand in one segment and its events in the next: all are open.
            for id in finished.iter().chain(&waiting) {
                spool.history(*id).unwrap();
            }
            let third = dir.path().join("log/0000000003.seg");
            let away = dir.path().join("away");
            std::fs::rename(&third, &away).unwrap();
            if emptied {
                std::fs::write(&third, "").unwrap();
            }
            // Nobody has looked yet.
            assert_eq!(spool.missing(), None);
            assert_eq!(spool.retire().await.unwrap().segments, 2, "{emptied}");
            assert_eq!(spool.missing().unwrap().named, [3]);
            assert_eq!(spool.retire().await.unwrap(), Retired::default());
            std::fs::rename(&away, &third).unwrap();
            assert_eq!(spool.look_for_missing().await.unwrap(), None);
            assert_eq!(spool.retire().await.unwrap().segments, 2, "{emptied}");
            for id in finished {
                let here = spool.message(id).unwrap().is_some();
                let in_ledger = spool.ledger_find(&id.to_string(), 1).unwrap();
                assert_eq!(in_ledger.len(), usize::from(!here), "{id}");
            }
            for id in waiting {
                assert!(!read(&spool, id).is_empty());
            }
            close(spool, opened).await;
        }
    }

    /// The loss was told; the gap stays in the numbers, and keeps nothing.
    #[tokio::test]
    async fn a_gap_on_which_nothing_counts_keeps_no_old_mail() {
        let dir = TempDir::new().unwrap();
        let hands = Hands::new();
        let (spool, opened) = open(dir.path(), &hands);
        fill(&spool, dir.path(), 3).await;
        close(spool, opened).await;
        std::fs::remove_file(dir.path().join("log/0000000002.seg")).unwrap();
        let world = World {
            clock: Clock::new(hands.clone()),
            ..World::system()
        };
        let offline = Offline::open(options(dir.path()), world).unwrap();
        offline.rebuild(&mut |_, _| {}).unwrap();
        drop(offline);
        hands.forward(OVER);
        let (spool, opened) = open(dir.path(), &hands);
        fill(&spool, dir.path(), segments(dir.path()).len()).await;
        assert_eq!(spool.retire().await.unwrap().segments, 2);
        assert_eq!(spool.missing(), None);
        close(spool, opened).await;
    }
}
