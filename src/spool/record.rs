//! Framing of the log: a header of 40 bytes, a line of JSON, the body; see docs/spool-format.md.

use bytes::Bytes;

/// `TDR1` in the file.
const MAGIC: [u8; 4] = *b"TDR1";
/// The version of the framing and of the JSON.
pub(crate) const VERSION: u8 = 1;
/// Length of a record header.
pub(crate) const HEADER: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;
/// Largest JSON line: an envelope of 1,000 recipients has room.
pub(crate) const MAX_META: u32 = 4 * 1024 * 1024;

/// What a record holds; tells a reader which lines of JSON it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// First record of a segment.
    Segment,
    /// A message; the body follows, or stands in a file of its own.
    Message,
    /// What happened to recipients of a message.
    Event,
    /// A fact of a room.
    Fact,
    /// Written by a later version: skipped, kept.
    Unknown(u8),
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::Message => 2,
            Self::Event => 3,
            Self::Fact => 4,
            Self::Unknown(code) => code,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Segment,
            2 => Self::Message,
            3 => Self::Event,
            4 => Self::Fact,
            other => Self::Unknown(other),
        }
    }
}

/// A record before it has a place in the log. Checksums are made by the caller's task, so that
/// the one writer has little to do.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    meta: Vec<u8>,
    body: Bytes,
    meta_crc: u32,
    body_crc: u32,
}

impl Record {
    /// A record with one line of JSON (without line end) and a body.
    pub(crate) fn new(kind: Kind, mut meta: Vec<u8>, body: Bytes) -> Self {
        // The line end makes the log readable with grep and less.
        meta.push(b'\n');
        Self {
            kind,
            meta_crc: crc32c::crc32c(&meta),
            body_crc: crc32c::crc32c(&body),
            meta,
            body,
        }
    }

    /// Bytes that it takes in the log.
    pub(crate) const fn len(&self) -> usize {
        padded(HEADER + self.meta.len() + self.body.len())
    }

    /// Puts the record at the end of `buffer`, whose length is a multiple of [`ALIGNMENT`].
    pub(crate) fn write(&self, place: &Place, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        let length = |part: usize| u32::try_from(part).unwrap_or(u32::MAX).to_le_bytes();
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&[self.kind.code(), VERSION, 0, 0]);
        buffer.extend_from_slice(&place.spool.to_le_bytes());
        buffer.extend_from_slice(&place.segment.to_le_bytes());
        buffer.extend_from_slice(&place.batch.to_le_bytes());
        buffer.extend_from_slice(&length(self.meta.len()));
        buffer.extend_from_slice(&length(self.body.len()));
        buffer.extend_from_slice(&self.meta_crc.to_le_bytes());
        buffer.extend_from_slice(&self.body_crc.to_le_bytes());
        let header_crc = crc32c::crc32c(buffer.get(start..).unwrap_or_default());
        buffer.extend_from_slice(&header_crc.to_le_bytes());
        buffer.extend_from_slice(&self.meta);
        buffer.extend_from_slice(&self.body);
        buffer.resize(padded(buffer.len()), 0);
    }
}

/// What binds a record to its place: a stale record in a recycled block does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// First 32 bits of the spool's UUID.
    pub(crate) spool: u32,
    /// Number of the segment.
    pub(crate) segment: u32,
    /// Counts the fdatasyncs within the segment: only records of the last batch can be torn.
    pub(crate) batch: u32,
}

/// A record header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) version: u8,
    pub(crate) place: Place,
    pub(crate) meta_len: u32,
    pub(crate) body_len: u32,
    pub(crate) meta_crc: u32,
    pub(crate) body_crc: u32,
}

impl Header {
    /// Reads a header; `None` when these bytes are none (all zero: never written).
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<36>()?;
        let (crc, _) = rest.split_first_chunk::<4>()?;
        let word = |at: usize| {
            let word = head.get(at..at + 4)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*word))
        };
        if head.first_chunk() != Some(&MAGIC) || crc32c::crc32c(head) != u32::from_le_bytes(*crc) {
            return None;
        }
        let header = Self {
            kind: Kind::from_code(*head.get(4)?),
            version: *head.get(5)?,
            place: Place {
                spool: word(8)?,
                segment: word(12)?,
                batch: word(16)?,
            },
            meta_len: word(20)?,
            body_len: word(24)?,
            meta_crc: word(28)?,
            body_crc: word(32)?,
        };
        (header.meta_len <= MAX_META).then_some(header)
    }

    /// Bytes that the record takes in the log.
    pub(crate) const fn record_len(&self) -> usize {
        padded(HEADER + self.meta_len as usize + self.body_len as usize)
    }
}

/// Rounds up to [`ALIGNMENT`].
pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place {
        spool: 7,
        segment: 3,
        batch: 9,
    };

    proptest! {
        #[test]
        fn a_header_is_read_back(meta in "[ -~]{0,200}", body: Vec<u8>) {
            let record = Record::new(Kind::Event, meta.into_bytes(), body.into());
            let mut buffer = Vec::new();
            record.write(&PLACE, &mut buffer);
            prop_assert_eq!(buffer.len(), record.len());
            let header = Header::read(&buffer).unwrap();
            prop_assert_eq!(header.place, PLACE);
            prop_assert_eq!(header.kind, Kind::Event);
            prop_assert_eq!(header.record_len(), record.len());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            Header::read(&bytes);
        }

        #[test]
        fn every_flipped_bit_is_seen(bit in 0..HEADER * 8) {
            let mut buffer = Vec::new();
            Record::new(Kind::Fact, b"{}".to_vec(), Bytes::new()).write(&PLACE, &mut buffer);
            buffer[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Header::read(&buffer), None);
        }
    }
}
