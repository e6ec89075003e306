//! The header section as signatures see it: fields in their order, byte for byte.

use memchr::memchr;

/// A field, with its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'h> {
    /// Without the blanks before the colon.
    pub(super) name: &'h [u8],
    /// All of it: name, colon, value, CRLF.
    pub(super) raw: &'h [u8],
}

impl<'h> Field<'h> {
    /// Is it called this?
    pub(super) const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What stands behind the colon, folded as it came.
    pub(super) fn value(&self) -> &'h [u8] {
        let colon = memchr(b':', self.raw);
        let value = colon.and_then(|at| self.raw.get(at + 1..));
        value.unwrap_or_default()
    }

    /// The same as text; what is no UTF-8 does not get lost, and matches nothing.
    pub(super) fn text(&self) -> String {
        let strange = |byte: &u8| match byte {
            byte if byte.is_ascii() => char::from(*byte),
            _ => char::REPLACEMENT_CHARACTER,
        };
        let value = self.value();
        std::str::from_utf8(value)
            .map_or_else(|_| value.iter().map(strange).collect(), str::to_owned)
    }
}

/// Cuts a header section, without the empty line behind it. Lines that are no field (the mbox
/// `From ` line, garbage) have an empty name.
pub(super) fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let mut end = line_end(rest);
        while let Some(b' ' | b'\t') = rest.get(end) {
            end += line_end(rest.get(end..).unwrap_or_default());
        }
        let (raw, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let colon = memchr(b':', raw);
        let name = colon.and_then(|at| raw.get(..at)).unwrap_or_default();
        let name = name.trim_ascii_end();
        let legal = name.iter().all(|byte| matches!(byte, b'!'..=b'~'));
        fields.push(Field {
            name: if legal { name } else { &[] },
            raw,
        });
        rest = behind;
    }
    fields
}

/// Where the first line ends, its LF included.
fn line_end(text: &[u8]) -> usize {
    memchr(b'\n', text).map_or(text.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_bytes() {
        let header = b"From x\r\nA : 1\r\n 2\r\n\t3\r\nb:\r\ngarbage\r\nC:x:y";
        let cut = fields(header);
        let names: Vec<_> = cut.iter().map(|it| it.name).collect();
        assert_eq!(names, [b"".as_slice(), b"A", b"b", b"", b"C"]);
        let raw: Vec<u8> = cut.iter().flat_map(|it| it.raw).copied().collect();
        assert_eq!(raw, header);
        assert_eq!(cut[1].value(), b" 1\r\n 2\r\n\t3\r\n");
        assert!(cut[1].is("a") && !cut[1].is("ab"));
        assert_eq!(cut[4].text(), "x:y");
        assert_eq!(fields(b""), []);
    }
}
