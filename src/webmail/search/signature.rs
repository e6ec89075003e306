//! A few bytes that tell of most words that a message does not contain them: a Bloom filter of
//! its trigrams with one hash. What passes is compared with the message itself, so that a wrong
//! guess costs time and nothing else.

use std::collections::{BTreeMap, HashSet};

use crate::mail::SpoolId;

/// Bits for each different trigram: a trigram that is not there passes in a sixth of all cases, a
/// word of five of them in a ten-thousandth.
const BITS: usize = 6;
/// Words of 64 bits of the largest signature: 16 KiB.
const LARGEST: usize = 2_048;

/// The signature of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature(Box<[u64]>);

impl Signature {
    /// Of a text that [`super::query::fold`] has made.
    pub(crate) fn of(folded: &str) -> Self {
        let trigrams: HashSet<[u8; 3]> = trigrams(folded).collect();
        let words = (trigrams.len() * BITS).div_ceil(64).clamp(1, LARGEST);
        let mut bits = vec![0_u64; words];
        for trigram in trigrams {
            let (word, bit) = place(trigram, words);
            if let Some(word) = bits.get_mut(word) {
                *word |= bit;
            }
        }
        Self(bits.into_boxed_slice())
    }

    /// Can the folded text contain this folded word?
    pub(crate) fn may_contain(&self, word: &str) -> bool {
        trigrams(word).all(|trigram| {
            let (word, bit) = place(trigram, self.0.len());
            self.0.get(word).is_some_and(|word| word & bit != 0)
        })
    }

    fn bytes(&self) -> usize {
        // The row of the map, and what the allocator adds.
        self.0.len() * 8 + 48
    }
}

fn trigrams(text: &str) -> impl Iterator<Item = [u8; 3]> {
    let bytes = text.as_bytes().windows(3);
    bytes.filter_map(|three| <[u8; 3]>::try_from(three).ok())
}

fn place([a, b, c]: [u8; 3], words: usize) -> (usize, u64) {
    // Multiplied by the golden ratio (Knuth, TAOCP 3, §6.4): neighbours are far from each other.
    let mixed = u64::from(u32::from_be_bytes([0, a, b, c])).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bits = words.max(1) as u64 * 64;
    let bit = (mixed >> 24) % bits;
    let word = usize::try_from(bit / 64).unwrap_or_default();
    (word, 1 << (bit % 64))
}

/// The signatures of messages that were looked at. When there is no more room, the oldest messages
/// are forgotten, and read again when somebody looks for something in them.
#[derive(Debug)]
pub(crate) struct Signatures {
    of: BTreeMap<SpoolId, Signature>,
    bytes: usize,
    most: usize,
}

impl Signatures {
    /// With room for so many bytes.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            of: BTreeMap::new(),
            bytes: 0,
            most,
        }
    }

    pub(crate) fn get(&self, id: SpoolId) -> Option<&Signature> {
        self.of.get(&id)
    }

    pub(crate) fn insert(&mut self, id: SpoolId, signature: Signature) {
        if self.of.contains_key(&id) {
            return;
        }
        self.bytes += signature.bytes();
        self.of.insert(id, signature);
        while self.bytes > self.most {
            let Some((_, oldest)) = self.of.pop_first() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webmail::search::query::fold;

    proptest::proptest! {
        #[test]
        fn what_is_there_is_never_denied(
            text in "\\PC{0,200}",
            from in 0_usize..200,
            length in 1_usize..20,
        ) {
            let folded = fold(&text);
            let word: String = folded.chars().skip(from).take(length).collect();
            proptest::prop_assert!(Signature::of(&folded).may_contain(&word));
        }
    }

    #[test]
    fn most_of_what_is_not_there_is_denied() {
        let text = "the quick brown fox jumps over the lazy dog and then goes home to sleep";
        let signature = Signature::of(text);
        let absent = (0..1_000).filter(|n| signature.may_contain(&format!("zebra{n}")));
        assert!(absent.count() < 20);
        assert!(signature.may_contain("ox"), "too short to be denied");
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut signatures = Signatures::new(10_000);
        let text = (0..200)
            .map(|n| format!("word{n}"))
            .collect::<Vec<_>>()
            .join(" ");
        let id = |number| SpoolId::from_u64(number);
        for number in (1..100).rev() {
            signatures.insert(id(number), Signature::of(&text));
        }
        assert!(signatures.bytes <= 10_000 && !signatures.of.is_empty());
        assert!(signatures.get(id(99)).is_some() && signatures.get(id(1)).is_none());
        let sum: usize = signatures.of.values().map(Signature::bytes).sum();
        assert_eq!(sum, signatures.bytes);
    }
}
