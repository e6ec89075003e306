//! Files as Windows writes them: UTF-16 with its mark in front becomes UTF-8.

use std::io::{self, Read};

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// Reads a text as UTF-8, also when it is written as UTF-16.
pub(super) struct Decoded<R> {
    input: R,
    /// Which order the bytes of a unit have; `None`: it is no UTF-16.
    order: Option<Order>,
    /// Decoded, and not yet taken; `next` is the first byte of it.
    ready: Vec<u8>,
    next: usize,
    /// The first half of a unit, or of a character of two units.
    rest: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl<R: Read> Decoded<R> {
    /// Looks at the first bytes.
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let mut first = Vec::new();
        input.by_ref().take(2).read_to_end(&mut first)?;
        let order = match first.as_slice() {
            [0xff, 0xfe] => Some(Order::Little),
            [0xfe, 0xff] => Some(Order::Big),
            _ => None,
        };
        if order.is_some() {
            first.clear();
        }
        Ok(Self {
            input,
            order,
            ready: first,
            next: 0,
            rest: Vec::new(),
        })
    }

    fn refill(&mut self, order: Order) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.rest);
        let had = bytes.len();
        bytes.resize(had + PIECE, 0);
        let read = self.input.read(bytes.get_mut(had..).unwrap_or_default())?;
        bytes.truncate(had + read);
        let cut_off = || io::Error::new(io::ErrorKind::InvalidData, "its UTF-16 breaks off");
        if read == 0 {
            return if bytes.is_empty() {
                Ok(())
            } else {
                Err(cut_off())
            };
        }
        let pairs = bytes.chunks_exact(2);
        let odd = pairs.remainder().to_vec();
        let units: Vec<u16> = pairs
            .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
            .map(|pair| match order {
                Order::Little => u16::from_le_bytes(pair),
                Order::Big => u16::from_be_bytes(pair),
            })
            .collect();
        // The first unit of a pair waits for the second one.
        let waits = units
            .last()
            .is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        let whole = units.len() - usize::from(waits);
        let taken = units.get(..whole).unwrap_or_default();
        let text = String::from_utf16(taken);
        let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no UTF-16"))?;
        if waits {
            let begin = whole * 2;
            self.rest = bytes.get(begin..begin + 2).unwrap_or_default().to_vec();
        }
        self.rest.extend(odd);
        self.ready = text.into_bytes();
        self.next = 0;
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.next >= self.ready.len() {
            let Some(order) = self.order else {
                return self.input.read(buffer);
            };
            self.ready.clear();
            self.next = 0;
            self.refill(order)?;
            if self.ready.is_empty() && self.rest.is_empty() {
                return Ok(0);
            }
        }
        let ready = self.ready.get(self.next..).unwrap_or_default();
        let length = ready.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), ready.get(..length)) {
            to.copy_from_slice(from);
        }
        self.next += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives few bytes at once, as a connection may.
    struct Few<'a>(&'a [u8], usize);

    impl Read for Few<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1);
            self.0.read(buffer.get_mut(..length).unwrap())
        }
    }

    fn decoded(bytes: &[u8], at_once: usize) -> io::Result<String> {
        let mut text = String::new();
        Decoded::new(Few(bytes, at_once))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn utf16_becomes_utf8_in_pieces_of_any_size() {
        let text = "a,Müller,日本,😀\r\n".repeat(3);
        let units: Vec<u16> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for at_once in [1, 2, 3, 5, 1000] {
            assert_eq!(decoded(&little, at_once).unwrap(), text);
            assert_eq!(decoded(&big, at_once).unwrap(), text);
            assert_eq!(decoded(text.as_bytes(), at_once).unwrap(), text);
            assert!(decoded(&little[..little.len() - 1], at_once).is_err());
        }
        for short in ["", "a", "ab"] {
            assert_eq!(decoded(short.as_bytes(), 1).unwrap(), short);
        }
    }

    #[test]
    fn what_is_no_utf16_is_refused() {
        // The second half of a character without the first one.
        assert!(decoded(b"\xff\xfe\x00\xdc", 1000).is_err());
        // The first half at the end.
        assert!(decoded(b"\xff\xfe\x00\xd8", 1000).is_err());
    }
}
