//! Cuts the header of a message into fields as its bytes come. Pure.

use crate::limits;

/// A field: its name, and what stands behind the colon, folded with LF and without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// Cuts.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// The line that is not whole yet, as far as it is kept.
    line: Vec<u8>,
    /// The field that may go on.
    field: Option<Field>,
    /// Bytes of whole lines so far.
    read: u64,
    /// Bytes of the line so far, also those that are not kept.
    length: u64,
}

/// Where the header ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The first byte of the body.
    pub(super) body: u64,
}

impl Cutter {
    /// The next bytes: fields that are whole go to `found`; the end, once it is seen.
    pub(super) fn push(&mut self, bytes: &[u8], found: &mut Vec<Field>) -> Option<End> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.length += part.len() as u64;
            let room = limits::FILTER_FIELD.saturating_sub(self.line.len());
            self.line
                .extend_from_slice(part.get(..room).unwrap_or(part));
            if !part.ends_with(b"\n") {
                break;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.read += self.length;
            self.length = 0;
            if line.is_empty() {
                found.extend(self.field.take());
                return Some(End { body: self.read });
            }
            self.take(line, found);
        }
        None
    }

    /// The message ends here: so does its header.
    pub(super) fn finish(mut self, found: &mut Vec<Field>) -> End {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take(&line, found);
        }
        found.extend(self.field.take());
        End {
            body: self.read + self.length,
        }
    }

    /// A whole line that is not empty. What is no field is passed over: platforms read on behind
    /// it, so nobody may hide a header by it.
    fn take(&mut self, line: &[u8], found: &mut Vec<Field>) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let Some(field) = &mut self.field else {
                return;
            };
            let taken = field.name.len() + field.value.len() + 1;
            let room = limits::FILTER_FIELD.saturating_sub(taken);
            if room > 0 {
                field.value.push(b'\n');
                field
                    .value
                    .extend_from_slice(line.get(..room).unwrap_or(line));
            }
            return;
        }
        found.extend(self.field.take());
        let Some(colon) = memchr::memchr(b':', line) else {
            return;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return;
        }
        self.field = Some(Field {
            name: name.to_vec(),
            value: value.get(1..).unwrap_or_default().to_vec(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(message: &[u8], size: usize) -> (Vec<(String, String)>, u64) {
        let (mut cutter, mut found) = (Cutter::default(), Vec::new());
        let mut pieces = message.chunks(size);
        let end = pieces.find_map(|piece| cutter.push(piece, &mut found));
        let end = end.unwrap_or_else(|| cutter.finish(&mut found));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let found = found.into_iter().map(|it| (text(it.name), text(it.value)));
        (found.collect(), end.body)
    }

    #[test]
    fn a_header_is_cut_the_same_however_it_comes() {
        let pairs = |all: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            all.iter().map(own).collect::<Vec<_>>()
        };
        for (message, fields, body) in [
            (
                "A: b\r\nC:d\r\n e\r\n\tf\r\n\r\nbody\r\n",
                pairs(&[("A", " b"), ("C", "d\n e\n\tf")]),
                "body\r\n",
            ),
            ("\r\nA: b\r\n", vec![], "A: b\r\n"),
            // Nobody hides a header behind a line that is no field.
            ("From x\r\nA: b\r\n\r\nc", pairs(&[("A", " b")]), "c"),
            (
                "A: b\r\nno field\r\n folded\r\nC: d\r\n\r\ne",
                pairs(&[("A", " b"), ("C", " d")]),
                "e",
            ),
            ("A: b\r\n:c\r\n", pairs(&[("A", " b")]), ""),
            (" a\r\n\r\n", vec![], ""),
            ("A : b\r\n", pairs(&[("A", " b")]), ""),
            ("A: b", pairs(&[("A", " b")]), ""),
            ("A: b\r\nc", pairs(&[("A", " b")]), ""),
            ("", vec![], ""),
        ] {
            for size in 1..=message.len().max(1) {
                let (found, at) = cut(message.as_bytes(), size);
                assert_eq!(found, fields, "{message:?} {size}");
                let rest = message.as_bytes().get(usize::try_from(at).unwrap()..);
                assert_eq!(rest, Some(body.as_bytes()), "{message:?} {size}");
            }
        }
    }

    #[test]
    fn what_is_kept_of_a_field_is_bounded() {
        let long = "x".repeat(limits::FILTER_FIELD * 2);
        let folded = " y\r\n".repeat(limits::FILTER_FIELD);
        let message = format!("A: {long}\r\nB: c\r\n{folded}D: e\r\n\r\nbody");
        for size in [1, 7, 4096, message.len()] {
            let (found, at) = cut(message.as_bytes(), size);
            let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["A", "B", "D"]);
            let longest = found.iter().map(|(_, value)| value.len()).max();
            assert!(longest.unwrap() <= limits::FILTER_FIELD, "{longest:?}");
            assert_eq!(usize::try_from(at).unwrap(), message.len() - 4);
        }
    }
}
