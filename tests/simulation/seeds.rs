//! The seeds that a scenario lives through.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lives through the seeds of CI, `1` to `count`, or those that the environment names:
/// `TIDEOVER_SEED=7` for one, `TIDEOVER_SEEDS=1000` for the first thousand,
/// `TIDEOVER_SEEDS=1001-2000` for the next. Fails with all that failed, after the last one.
#[expect(clippy::print_stdout, reason = "a seed that fails is to be known")]
pub(crate) fn each_seed(count: u64, mut live: impl FnMut(u64)) {
    let mut failed = Vec::new();
    let mut lived = 0;
    for seed in seeds(count) {
        lived += 1;
        if catch_unwind(AssertUnwindSafe(|| live(seed))).is_err() {
            println!("seed {seed} failed");
            failed.push(seed);
        }
    }
    assert!(lived > 0, "no seeds");
    assert!(failed.is_empty(), "of {lived} seeds failed: {failed:?}");
    println!("{lived} seeds");
}

/// The seeds of CI, or those that the environment names.
pub(crate) fn seeds(count: u64) -> impl Iterator<Item = u64> {
    named("TIDEOVER_SEED", |seed| (seed, seed))
        .or_else(|| named("TIDEOVER_SEEDS", |last| (1, last)))
        .map_or(1..=count, |(first, last)| first..=last)
}

/// One number, or two with a dash between them. What is neither would run other seeds than were
/// meant.
fn named(variable: &str, one: impl Fn(u64) -> (u64, u64)) -> Option<(u64, u64)> {
    let text = std::env::var(variable).ok()?;
    let number = |text: &str| text.trim().parse().ok();
    let range = match text.split_once('-') {
        Some((first, last)) => number(first).zip(number(last)),
        None => number(&text).map(one),
    };
    Some(range.unwrap_or_else(|| panic!("{variable}={text} names no seeds")))
}
