//! The content of BDAT, RFC 3030 §2: its bytes are counted, so nothing in them ends it and no dot
//! is doubled. What a message may not have is the same as behind DATA.

use super::Violation;
use super::data::{Found, WINDOW, is_suspicious};

/// Looks at the chunks of one message. It changes nothing.
#[derive(Debug, Clone, Default)]
pub struct ChunkCheck {
    /// The byte before the next one. A chunk may end between CR and LF.
    before: u8,
    found: Found,
}

impl ChunkCheck {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for run in bytes.chunks(WINDOW) {
            if is_suspicious(self.before, run) {
                self.found.examine(self.before, run);
            }
            self.found.measure(run);
            self.before = run.last().copied().unwrap_or(self.before);
        }
    }

    /// The end of the message. Its last line may have no end, but not half of one.
    pub fn finish(&mut self) {
        self.found.bare_cr |= self.before == b'\r';
        // As DATA sends it on, it has one.
        if self.before != b'\n' {
            self.found.measure(b"\r\n");
        }
        self.before = 0;
    }

    /// What was not allowed, if anything; of several the one that is named first in
    /// [`Violation`]. The whole truth only after the end.
    #[must_use]
    pub const fn violation(&self) -> Option<Violation> {
        self.found.violation()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits;
    use crate::smtp::{DataDecoder, DataEncoder};

    /// What is found when `message` comes in chunks of these sizes.
    fn check(message: &[u8], sizes: &[usize]) -> Option<Violation> {
        let mut check = ChunkCheck::default();
        let mut rest = message;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(1, |size| *size).min(rest.len());
            check.push(&rest[..size]);
            rest = &rest[size..];
            if size == 0 {
                check.push(&rest[..1]);
                rest = &rest[1..];
            }
        }
        check.finish();
        check.violation()
    }

    #[test]
    fn the_same_is_refused_as_behind_data() {
        for (message, violation) in [
            (b"a\r\n.\r\nb\r\n".as_slice(), None),
            (b".", None),
            (b"", None),
            (b"a\nb", Some(Violation::BareLf)),
            (b"\n", Some(Violation::BareLf)),
            (b"a\rb", Some(Violation::BareCr)),
            (b"a\r", Some(Violation::BareCr)),
            (b"a\r\r\n", Some(Violation::BareCr)),
            (b"a\0b", Some(Violation::Nul)),
        ] {
            for size in [1, 2, 3, 100] {
                assert_eq!(check(message, &[size]), violation, "{message:?} by {size}");
            }
        }
    }

    #[test]
    fn a_line_may_have_64_kib() {
        for (length, violation) in [
            (limits::DATA_LINE - 2, None),
            (limits::DATA_LINE - 1, Some(Violation::LongLine)),
            (limits::DATA_LINE * 3, Some(Violation::LongLine)),
        ] {
            let line = [&vec![b'x'; length], b"\r\n".as_slice()].concat();
            let message = [b"short\r\n", line.as_slice(), b"short"].concat();
            let open = [b"short\r\n", &line[..length]].concat();
            for size in [1, 1000, WINDOW, usize::MAX] {
                assert_eq!(check(&message, &[size]), violation, "{length} by {size}");
                assert_eq!(check(&open, &[size]), violation, "{length} by {size}, open");
            }
        }
    }

    proptest! {
        /// How a message is sent makes no difference, and neither do the chunks.
        #[test]
        fn data_and_chunks_are_judged_alike(
            pieces in proptest::collection::vec(
                prop_oneof![
                    4 => Just(b"\r\n".to_vec()),
                    2 => Just(b".".to_vec()),
                    1 => Just(b"\r".to_vec()),
                    1 => Just(b"\n".to_vec()),
                    1 => Just(b"\0".to_vec()),
                    4 => proptest::collection::vec(any::<u8>(), 0..20),
                ],
                0..30,
            ),
            sizes in proptest::collection::vec(0_usize..50, 1..10),
        ) {
            // DATA cannot carry a message without a line end, nor one that ends in half of one.
            let message = [pieces.concat().as_slice(), b"x\r\n"].concat();
            let mut wire = Vec::new();
            let mut encoder = DataEncoder::new();
            encoder.encode(&message, &mut wire);
            encoder.finish(&mut wire);
            let mut decoder = DataDecoder::new();
            let mut received = Vec::new();
            prop_assert!(decoder.decode(&wire, &mut received).ended);
            prop_assert_eq!(&received, &message);
            prop_assert_eq!(check(&message, &sizes), decoder.violation());
        }
    }
}
