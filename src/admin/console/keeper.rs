//! Takes the samples of the plots, and writes them to a file (`kept`) now and then, from which they
//! go on after a restart. A disk that does not answer keeps nobody from a stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::kept::Keep;
use super::reading::Reading;
use super::samples::{QUICK, Samples};
use crate::admin::Admin;
use crate::base::{Clock, Shutdown, Timestamp};

/// From one writing to the file to the next: so much of the plots a crash takes.
const WRITE: Duration = Duration::from_secs(300);
/// A stop waits so long for the last writing. Beyond: the file stays as it was written before.
const LAST: Duration = Duration::from_secs(2);

/// Takes a sample now and then, until the stop is asked for. With a `data_dir` they are written
/// there every few minutes and at the stop, and go on from what is there.
pub async fn keep_samples(
    admin: Arc<Admin>,
    (samples, data_dir): (Samples, Option<PathBuf>),
    shutdown: Shutdown,
) {
    let uuid = admin.spool.uuid();
    let file = data_dir.map(|folder| Keep::of(&folder, uuid.to_owned()));
    let read = || {
        let waiting = admin.spool.count_waiting();
        Reading::of(&admin.metrics.render(), waiting)
    };
    let keeper = Keeper::of(file, samples);
    keeper.go_on((&admin.clock, read), &shutdown).await;
}

/// The file of the samples, if there is one, beside the async threads.
struct Keeper {
    file: Option<Keep>,
    samples: Samples,
    written: Timestamp,
    /// It was told that it cannot be written.
    is_told: bool,
}

impl Keeper {
    fn of(file: Option<Keep>, samples: Samples) -> Self {
        Self {
            file,
            samples,
            written: Timestamp::EPOCH,
            is_told: false,
        }
    }

    async fn go_on(mut self, (clock, read): (&Clock, impl Fn() -> Reading), shutdown: &Shutdown) {
        tokio::select! {
            biased;
            () = shutdown.stopping() => return,
            () = self.read(clock.now()) => {}
        }
        let mut ticks = tokio::time::interval(QUICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => {
                    tokio::time::timeout(LAST, self.write()).await.ok();
                    return;
                }
                _ = ticks.tick() => {}
            }
            let reading = read();
            let now = clock.now();
            self.samples.take(now, &reading);
            tokio::select! {
                biased;
                () = self.write_at(now) => {}
                // It goes on by itself, if the disk lets it.
                () = shutdown.stopping() => return,
            }
        }
    }

    async fn read(&mut self, now: Timestamp) {
        self.written = now;
        let (Some(file), samples) = (self.file.clone(), self.samples.clone()) else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || file.read(&samples, now));
        // Without it they begin anew.
        read.await.ok();
    }

    /// When the time has come; also after the clock was put back.
    async fn write_at(&mut self, now: Timestamp) {
        if now < self.written || now.since(self.written) >= WRITE {
            self.written = now;
            self.write().await;
        }
    }

    async fn write(&mut self) {
        let (Some(file), samples) = (self.file.clone(), self.samples.clone()) else {
            return;
        };
        let written = tokio::task::spawn_blocking(move || file.write(&samples)).await;
        let written = written.map_err(std::io::Error::other).flatten();
        if let Err(error) = &written
            && !self.is_told
        {
            tracing::warn!(%error, "the plots of the console are not kept for the next start");
        }
        self.is_told = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::process::Command;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::base::TimeSource;

    /// Goes so many milliseconds further each time somebody looks.
    #[derive(Debug)]
    struct Jumps(AtomicU64, u64);

    impl TimeSource for Jumps {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.fetch_add(self.1, Ordering::Relaxed))
        }
    }

    /// While it is written, and when it is written for the last time.
    #[tokio::test]
    async fn a_disk_that_hangs_keeps_nobody_from_a_stop() {
        hangs_and_stops(600_000).await;
        hangs_and_stops(0).await;
    }

    async fn hangs_and_stops(jump: u64) {
        let folder = tempfile::tempdir().unwrap();
        // Who opens it to write waits for somebody who reads.
        let pipe = folder.path().join("console.new");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let file = Keep::of(folder.path(), "u1".to_owned());
        let keeper = Keeper::of(Some(file), Samples::default());
        let clock = Clock::new(Jumps(AtomicU64::new(1_800_000_000_000), jump));
        let taken = Arc::new(AtomicU64::new(0));
        let (shutdown, count) = (Shutdown::new(), Arc::clone(&taken));
        let stop = shutdown.clone();
        let task = shutdown.spawn("samples", async move {
            let read = || {
                count.fetch_add(1, Ordering::Relaxed);
                Reading::default()
            };
            keeper.go_on((&clock, read), &stop).await;
        });
        while taken.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        shutdown.signal();
        let ended = tokio::time::timeout(Duration::from_secs(30), task).await;
        // Who waits for a reader is let go.
        let mut both = OpenOptions::new();
        let reader = both.read(true).write(true).open(&pipe);
        assert!(ended.is_ok(), "a jump of {jump}");
        drop(reader.unwrap());
    }
    /// Ten seconds further each time somebody looks; at one look it is put back by a day.
    #[derive(Debug, Default)]
    struct PutBack(AtomicU64);

    impl TimeSource for PutBack {
        fn now(&self) -> Timestamp {
            let look = self.0.fetch_add(1, Ordering::Relaxed);
            let back = if look >= 50 { 86_400 } else { 0 };
            Timestamp::from_millis((1_800_000_000 + look * 10 - back) * 1_000)
        }
    }

    /// What is measured is on the disk after five minutes, and a clock that is put back is no
    /// reason to wait for a day.
    #[tokio::test(start_paused = true)]
    async fn samples_are_written_every_five_minutes_and_at_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let keep = || Keep::of(folder.path(), "u1".to_owned());
        let file = folder.path().join("console.samples");
        let keeper = Keeper::of(Some(keep()), Samples::default());
        let clock = Clock::new(PutBack::default());
        let shutdown = Shutdown::new();
        let (looks, seen) = (AtomicU64::new(0), std::cell::RefCell::new(Vec::new()));
        let read = || {
            let look = looks.fetch_add(1, Ordering::Relaxed) + 1;
            // What was written is seen at the look behind it.
            if file.exists() {
                seen.borrow_mut().push(look);
                std::fs::remove_file(&file).unwrap();
            }
            if look == 100 {
                shutdown.signal();
            }
            Reading::default()
        };
        keeper.go_on((&clock, read), &shutdown).await;
        assert_eq!(*seen.borrow(), [31, 51, 81]);
        let kept = Samples::default();
        keep().read(&kept, Timestamp::from_millis(1_800_000_000_000));
        let samples = kept.look(|rings| rings.quick.samples.len());
        assert!(samples > 40, "{samples} at the stop");
    }
}
