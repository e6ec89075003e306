//! A seed repeats a run to the last bit: else a failure in thousands of seeds could not be looked
//! at again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::week::Week;
use crate::world::{Plan, World};

/// All that can be seen of a run from outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Every attempt as the platforms saw it, with its time.
    pub(crate) story: Vec<String>,
    /// Every file of the disk.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Evidence {
    /// Fails at the first difference.
    fn must_be(&self, other: &Self) {
        assert!(!self.story.is_empty() && !self.files.is_empty());
        for (at, (ours, theirs)) in self.story.iter().zip(&other.story).enumerate() {
            assert_eq!(ours, theirs, "line {at} of the story");
        }
        assert_eq!(self.story.len(), other.story.len());
        for (name, bytes) in &self.files {
            let others = other.files.get(name).map(Vec::as_slice).unwrap_or_default();
            let same = bytes.iter().zip(others).take_while(|(a, b)| a == b).count();
            let same_length = bytes.len() == others.len();
            assert!(
                same == bytes.len() && same_length,
                "{} differs at {same}",
                name.display()
            );
        }
        assert!(self == other);
    }
}

#[test]
fn a_seed_repeats_a_morning_to_the_last_bit() {
    let run = |seed| {
        let mut world = World::new(seed, Plan::bad_morning());
        world.live_through_it();
        world.check();
        world.evidence()
    };
    for seed in 1..=3 {
        run(seed).must_be(&run(seed));
    }
    assert!(run(1) != run(2), "a seed changes nothing");
}

#[test]
fn a_seed_repeats_a_week_to_the_last_bit() {
    let run = || Week::live_through(3);
    run().must_be(&run());
}
