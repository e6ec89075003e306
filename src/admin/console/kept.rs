//! The samples of the plots in a file of `data_dir`, so that a restart, an upgrade above all,
//! leaves a gap in them and not a blank. It is no record: what is damaged or of another spool is
//! left out.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::reading::Within;
use super::samples::{Ring, Rings, Sample, Samples};
use crate::base::Timestamp;

/// Its name in `data_dir`.
const FILE: &str = "console.samples";
/// What it says that it is.
const FORM: &str = "samples of tideover's console, 1";
/// A larger one is none of ours.
const MOST: u64 = 4 * 1024 * 1024;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    form: String,
    /// Of this spool.
    spool: String,
    since: Option<Timestamp>,
    quick: Vec<KeptSample>,
    slow: Vec<KeptSample>,
}

/// A step.
#[derive(Debug, Serialize, Deserialize)]
struct KeptSample {
    from: Timestamp,
    at: Timestamp,
    accepted: u64,
    delivered: u64,
    waiting: u64,
    /// Bounds in seconds, none for the last one, each with the deliveries up to it; empty when
    /// there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    within: Vec<(Option<f64>, u64)>,
}

impl KeptSample {
    fn of(sample: &Sample) -> Self {
        let within = &sample.within.0;
        let any = within.last().is_some_and(|(_, count)| *count > 0);
        let pairs = within.iter().filter(|_| any);
        Self {
            from: sample.from,
            at: sample.at,
            accepted: sample.accepted,
            delivered: sample.delivered,
            waiting: sample.waiting,
            within: pairs
                .map(|(bound, count)| (Some(*bound).filter(|bound| bound.is_finite()), *count))
                .collect(),
        }
    }

    fn sample(self) -> Sample {
        let within = self.within.into_iter();
        let within = within.map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), count));
        Sample {
            from: self.from,
            at: self.at,
            accepted: self.accepted,
            delivered: self.delivered,
            waiting: self.waiting,
            within: Within(within.collect()),
        }
    }

    /// Could it have been measured?
    fn is_good(&self) -> bool {
        let bound = |(bound, _): &(Option<f64>, u64)| bound.unwrap_or(f64::INFINITY);
        let pairs = self.within.windows(2);
        let mut pairs = pairs.filter_map(|pair| pair.first().zip(pair.last()));
        self.from < self.at
            && pairs.all(|(one, other)| bound(one) < bound(other) && one.1 <= other.1)
    }
}

/// The samples of a ring, if they are such; what lies in the future was measured by another clock.
fn ring(samples: Vec<KeptSample>, ring: &Ring, now: Timestamp) -> Result<VecDeque<Sample>, String> {
    let is_ordered = samples.is_sorted_by_key(|one| one.at);
    if samples.len() > ring.kept || !is_ordered || !samples.iter().all(KeptSample::is_good) {
        return Err("its samples are none".to_owned());
    }
    let past = samples.into_iter().filter(|one| one.at <= now);
    Ok(past.map(KeptSample::sample).collect())
}

impl Samples {
    /// As the file has them.
    fn text(&self, spool: &str) -> String {
        let kept = self.look(|rings| Kept {
            form: FORM.to_owned(),
            spool: spool.to_owned(),
            since: rings.since,
            quick: rings.quick.samples.iter().map(KeptSample::of).collect(),
            slow: rings.slow.samples.iter().map(KeptSample::of).collect(),
        });
        // Plain structs of numbers and texts have a JSON form.
        serde_json::to_string(&kept).unwrap_or_default() + "\n"
    }

    /// Takes over what a file has, before anything is measured.
    fn restore(&self, (text, spool): (&[u8], &str), now: Timestamp) -> Result<(), String> {
        let kept: Kept = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if kept.form != FORM {
            return Err("it is of another version, or of something else".to_owned());
        }
        if kept.spool != spool {
            return Err("it is of another spool".to_owned());
        }
        self.change(|rings: &mut Rings| {
            let quick = ring(kept.quick, &rings.quick, now)?;
            rings.slow.samples = ring(kept.slow, &rings.slow, now)?;
            rings.quick.samples = quick;
            rings.since = kept.since.filter(|since| *since <= now);
            Ok(())
        })
    }
}

/// Where samples are kept, and of which spool they are.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    path: PathBuf,
    spool: String,
}

impl Keep {
    pub(super) fn of(data_dir: &Path, spool: String) -> Self {
        Self {
            path: data_dir.join(FILE),
            spool,
        }
    }

    /// Reads them; one that cannot be used is told of once, and left out. Blocks.
    pub(super) fn read(&self, samples: &Samples, now: Timestamp) {
        let read = match bytes(&self.path) {
            Ok(text) => samples.restore((&text, &self.spool), now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = read {
            let path = self.path.display();
            tracing::warn!(%path, why, "the plots of the console begin anew");
        }
    }

    /// Writes them: the file has the old ones or the new ones, never half of them. Blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn write(&self, samples: &Samples) -> io::Result<()> {
        let unnamed = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unnamed)?;
        file.write_all(samples.text(&self.spool).as_bytes())?;
        file.sync_all()?;
        fs::rename(&unnamed, &self.path)
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = fs::File::open(path)?
        .take(MOST + 1)
        .read_to_end(&mut text)?;
    if read as u64 > MOST {
        return Err(io::Error::other("it is too large"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::console::reading::Reading;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(Duration::from_secs(seconds))
    }

    fn reading(count: u64) -> Reading {
        Reading {
            accepted: count,
            delivered: count / 2,
            waiting: 3,
            within: Within(vec![
                (0.5, count / 4),
                (1.0, count / 2),
                (f64::INFINITY, count / 2),
            ]),
        }
    }

    /// Ten minutes of a process; its counters begin at nothing.
    fn measured(samples: &Samples, begin: u64) {
        for step in 0..=60 {
            samples.take(at(begin + step * 10), &reading(step * 4));
        }
    }

    fn day(samples: &Samples, now: u64) -> Vec<Option<u64>> {
        samples.look(|rings| {
            let parts = rings.slow.parts(at(now), 144);
            let counts = parts
                .iter()
                .map(|part| part.as_ref().map(|one| one.accepted));
            counts.collect()
        })
    }

    #[test]
    fn a_restart_leaves_a_gap_and_no_blank() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::of(folder.path(), "u1".to_owned());
        let before = Samples::default();
        keep.read(&before, at(0));
        measured(&before, 0);
        keep.write(&before).unwrap();

        // Half an hour later.
        let after = Samples::default();
        keep.read(&after, at(2400));
        assert_eq!(day(&after, 600), day(&before, 600), "nothing is lost");
        let latency = |samples: &Samples| {
            samples.look(|rings| rings.quick.minute(at(600)).unwrap().latency())
        };
        assert_eq!(latency(&after), latency(&before));
        assert!(latency(&after).is_some());
        measured(&after, 2400);
        let known = day(&after, 3000);
        // Parts of ten minutes: what was measured before, three without anybody, and now.
        let end = known.len();
        assert!(
            known[end - 1].is_some() && known[end - 5].is_some(),
            "{known:?}"
        );
        assert_eq!(known[end - 4..end - 1], [None; 3], "{known:?}");
        let sum: u64 = known.iter().flatten().sum();
        assert_eq!(sum, 480, "counters that begin anew are not subtracted");
        assert_eq!(after.look(|rings| rings.since), Some(at(0)));
        let names = fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 1, "nothing half written is left");
    }

    #[test]
    fn what_is_damaged_or_foreign_is_left_out() {
        let samples = Samples::default();
        measured(&samples, 0);
        let good = samples.text("u1");
        let restored = |text: &str, spool: &str, now: u64| {
            let samples = Samples::default();
            let read = samples.restore((text.as_bytes(), spool), at(now));
            let count = samples.look(|rings| (rings.quick.samples.len(), rings.slow.samples.len()));
            (read.is_ok(), count)
        };
        assert_eq!(restored(&good, "u1", 600), (true, (60, 10)));
        assert_eq!(restored(&good, "u1", 305), (true, (30, 5)), "no future");
        let nothing = (false, (0, 0));
        let (half, _) = good.split_at(good.len() / 2);
        let first = good.find("\"from\":\"").unwrap() + 8;
        let (front, behind) = good.split_at(first);
        let late = format!("{front}2999{}", behind.split_at(4).1);
        let again = good.replacen("\"slow\":[", "\"slow\":[[],", 1);
        let other = good.replace("console, 1", "console, 9");
        let falling = good.replacen("[0.5,", "[7.5,", 1);
        let changed = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut kept = serde_json::from_str(&good).unwrap();
            change(&mut kept);
            kept.to_string()
        };
        let backwards = changed(&|kept| kept["quick"][3]["from"] = kept["quick"][3]["at"].clone());
        let shrinking = changed(&|kept| kept["quick"][3]["within"][1][1] = 0.into());
        let swapped = changed(&|kept| kept["quick"].as_array_mut().unwrap().swap(3, 4));
        let more = changed(&|kept| {
            let quick = kept["quick"].as_array_mut().unwrap();
            let last = quick.last().unwrap().clone();
            quick.resize(91, last);
        });
        let unborn = changed(&|kept| kept["since"] = "2999-01-01T00:00:00Z".into());
        let fresh = Samples::default();
        let read = fresh.restore((unborn.as_bytes(), "u1"), at(600));
        assert_eq!((read, fresh.look(|rings| rings.since)), (Ok(()), None));
        for (text, spool) in [
            (good.as_str(), "u2"),
            ("", "u1"),
            ("null", "u1"),
            (half, "u1"),
            (&late, "u1"),
            (&again, "u1"),
            (&other, "u1"),
            (&falling, "u1"),
            (&backwards, "u1"),
            (&shrinking, "u1"),
            (&swapped, "u1"),
            (&more, "u1"),
        ] {
            assert_eq!(restored(text, spool, 600), nothing, "{spool} {text:.80}");
        }
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::of(folder.path(), "u1".to_owned());
        fs::write(&keep.path, vec![b' '; 5 * 1024 * 1024]).unwrap();
        assert!(bytes(&keep.path).is_err(), "it is bounded");
        keep.read(&samples, at(600));
        keep.write(&samples).unwrap();
        assert_eq!(fs::read_to_string(&keep.path).unwrap(), good);
    }
}
