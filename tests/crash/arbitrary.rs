//! Arbitrary bytes where the log should be: what the fuzz target `recovery` does, with chance.

use proptest::prelude::*;

#[path = "../../fuzz/recovery.rs"]
mod entry;

#[test]
fn the_corpus_opens_or_says_why_not() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/recovery");
    let mut count = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        entry::recovery(&std::fs::read(file.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 2, "{count}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_open_or_say_why_not(bytes: Vec<u8>) {
        entry::recovery(&[&[0], bytes.as_slice()].concat());
    }

    #[test]
    fn an_edited_segment_opens_or_says_why_not(
        edits in proptest::collection::vec(any::<u8>(), 4..40),
    ) {
        entry::recovery(&[&[1], edits.as_slice()].concat());
    }

    #[test]
    fn a_record_of_anything_opens_or_says_why_not(kind: u8, line in "\\PC{0,200}") {
        entry::recovery(&[&[kind / 3 % 80 * 3 + 2], line.as_bytes()].concat());
    }
}
