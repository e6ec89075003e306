//! As much of CBOR (RFC 8949) as authenticators write: whole numbers, bytes and texts, lists and
//! maps of a known length (CTAP2 canonical CBOR).

/// Lists and maps inside of each other. Beyond: it is none of ours.
const DEPTH: usize = 4;

/// Reads from the front of some bytes. Every answer is `None` when they are no such thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// A value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

/// What the head of an item says it is (RFC 8949 §3.1).
#[derive(Clone, Copy)]
enum Kind {
    Unsigned,
    Negative,
    Bytes,
    Text,
    List,
    Map,
    Tag,
    Simple,
}

impl<'a> Reader<'a> {
    /// The next bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next bytes, as many as fit.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The number of pairs of a map.
    pub(super) fn map(&mut self) -> Option<u64> {
        match self.head()? {
            (Kind::Map, count) => Some(count),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self) -> Option<i64> {
        match self.value()? {
            Value::Number(number) => Some(number),
            Value::Bytes(_) => None,
        }
    }

    /// A whole number or bytes.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        match self.head()? {
            (Kind::Unsigned, number) => Some(Value::Number(i64::try_from(number).ok()?)),
            // RFC 8949 §3.1: -1 minus the argument.
            (Kind::Negative, number) => Some(Value::Number(-1 - i64::try_from(number).ok()?)),
            (Kind::Bytes, length) => Some(Value::Bytes(self.take(usize::try_from(length).ok()?)?)),
            _ => None,
        }
    }

    /// Passes over a map, whatever is in it.
    pub(super) fn skip_map(&mut self) -> Option<()> {
        let is_map = matches!(self.clone().head()?, (Kind::Map, _));
        is_map.then_some(())?;
        self.skip(DEPTH)
    }

    fn skip(&mut self, depth: usize) -> Option<()> {
        let (kind, argument) = self.head()?;
        let inside = match kind {
            Kind::Unsigned | Kind::Negative | Kind::Simple => return Some(()),
            Kind::Bytes | Kind::Text => {
                self.take(usize::try_from(argument).ok()?)?;
                return Some(());
            }
            // CTAP2 §8: no tags.
            Kind::Tag => return None,
            Kind::List => argument,
            Kind::Map => argument.checked_mul(2)?,
        };
        let depth = depth.checked_sub(1)?;
        // Each item takes a byte at least, so this ends where the bytes do.
        for _ in 0..inside {
            self.skip(depth)?;
        }
        Some(())
    }

    fn head(&mut self) -> Option<(Kind, u64)> {
        let [first] = self.array()?;
        let kind = match first >> 5 {
            0 => Kind::Unsigned,
            1 => Kind::Negative,
            2 => Kind::Bytes,
            3 => Kind::Text,
            4 => Kind::List,
            5 => Kind::Map,
            6 => Kind::Tag,
            _ => Kind::Simple,
        };
        let argument = match first & 0x1f {
            small @ 0..24 => u64::from(small),
            24 => u64::from(u8::from_be_bytes(self.array()?)),
            25 => u64::from(u16::from_be_bytes(self.array()?)),
            26 => u64::from(u32::from_be_bytes(self.array()?)),
            27 => u64::from_be_bytes(self.array()?),
            // CTAP2 §8: no lengths that are told at the end only.
            _ => return None,
        };
        Some((kind, argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8949 appendix A.
    #[test]
    fn items_are_those_of_the_standard() {
        for (bytes, value) in [
            (&[0x00][..], Value::Number(0)),
            (&[0x17], Value::Number(23)),
            (&[0x18, 0x64], Value::Number(100)),
            (&[0x19, 0x03, 0xe8], Value::Number(1000)),
            (&[0x1a, 0, 0x0f, 0x42, 0x40], Value::Number(1_000_000)),
            (&[0x20], Value::Number(-1)),
            (&[0x39, 0x03, 0xe7], Value::Number(-1000)),
            (&[0x44, 1, 2, 3, 4], Value::Bytes(&[1, 2, 3, 4])),
        ] {
            let mut reader = Reader(bytes);
            assert_eq!(reader.value(), Some(value), "{bytes:x?}");
            assert!(reader.0.is_empty());
            let cut = bytes.len() - 1;
            assert_eq!(Reader(&bytes[..cut]).value(), None, "{bytes:x?}");
        }
        // Texts, lists, simple values, an endless string, a number that is none of 64 bits.
        for bytes in [
            &[0x61, b'a'][..],
            &[0x80],
            &[0xf5],
            &[0x5f, 0x41, 1, 0xff],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(Reader(bytes).value(), None, "{bytes:x?}");
        }
    }

    #[test]
    fn a_map_is_passed_over_and_nothing_else_is() {
        // {"credProtect": 2, "x": [h'00', true, {}]} and one byte behind it.
        let mut bytes = vec![0xa2, 0x6b];
        bytes.extend_from_slice(b"credProtect");
        bytes.extend_from_slice(&[0x02, 0x61, b'x', 0x83, 0x41, 0, 0xf5, 0xa0, 0x99]);
        let mut reader = Reader(&bytes);
        assert_eq!(reader.skip_map(), Some(()));
        assert_eq!(reader.0, [0x99]);
        for cut in 0..bytes.len() - 1 {
            assert_eq!(Reader(&bytes[..cut]).skip_map(), None, "{cut}");
        }
        let deep = [0xa1, 0x00, 0x81, 0x81, 0x81, 0x81, 0x00];
        let endless = [0xbf, 0xff];
        let vast = [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
        for bytes in [&deep[..], &endless, &vast, &[0xc0, 0x00], &[0x00]] {
            assert_eq!(Reader(bytes).skip_map(), None, "{bytes:x?}");
        }
    }
}
