//! Distinguished names (X.501), as far as people and filters are told of them.

use super::der::{OBJECT_IDENTIFIER, SEQUENCE, SET, element, elements, expect};

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// What is told of a name, by the short name that everybody knows.
const TOLD: [([u8; 3], &str); 6] = [
    (COMMON_NAME, "CN"),
    ([0x55, 0x04, 0x06], "C"),
    ([0x55, 0x04, 0x07], "L"),
    ([0x55, 0x04, 0x08], "ST"),
    ([0x55, 0x04, 0x0a], "O"),
    ([0x55, 0x04, 0x0b], "OU"),
];

/// The first common name that is not empty, of the content of a `Name`.
pub(super) fn common_name(name: &[u8]) -> Option<String> {
    let mut all = attributes(name).filter(|(kind, _)| *kind == COMMON_NAME);
    all.find_map(|(_, value)| value)
}

/// The content of a `Name` for people: `CN=Partner CA, O=Partner`.
pub(super) fn text(name: &[u8]) -> String {
    let told = attributes(name).filter_map(|(kind, value)| {
        let (_, short) = TOLD.iter().find(|(it, _)| *it == kind)?;
        Some(format!("{short}={}", value?))
    });
    let told: Vec<_> = told.collect();
    if told.is_empty() {
        return "a name that cannot be read".to_owned();
    }
    told.join(", ")
}

/// The attributes, in their order.
fn attributes(name: &[u8]) -> impl Iterator<Item = (&[u8], Option<String>)> {
    let sets = elements(name).filter(|(tag, _)| *tag == SET);
    let pairs = sets.flat_map(|(_, set)| elements(set));
    pairs.filter_map(|(tag, pair)| {
        let (kind, rest) = expect(pair, OBJECT_IDENTIFIER).filter(|_| tag == SEQUENCE)?;
        let (form, value, _) = element(rest)?;
        Some((kind, string(form, value).filter(|it| !it.is_empty())))
    })
}

/// `DirectoryString` and its like (RFC 5280 §4.1.2.4).
fn string(form: u8, value: &[u8]) -> Option<String> {
    match form {
        // UTF8String, NumericString, PrintableString, IA5String.
        0x0c | 0x12 | 0x13 | 0x16 => String::from_utf8(value.to_vec()).ok(),
        // TeletexString: as everybody reads it.
        0x14 => Some(value.iter().map(|&byte| char::from(byte)).collect()),
        // BMPString.
        0x1e => {
            let units = value.chunks_exact(2).map(|pair| {
                let pair = <[u8; 2]>::try_from(pair).unwrap_or_default();
                u16::from_be_bytes(pair)
            });
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
        let mut der = vec![tag, u8::try_from(value.len()).unwrap()];
        der.extend_from_slice(value);
        der
    }

    fn attribute(kind: [u8; 3], form: u8, value: &[u8]) -> Vec<u8> {
        let pair = [tlv(OBJECT_IDENTIFIER, &kind), tlv(form, value)].concat();
        tlv(SET, &tlv(SEQUENCE, &pair))
    }

    #[test]
    fn names_are_told_in_all_their_forms() {
        for (form, value) in [
            (0x0c, "Grün".as_bytes()),
            (0x14, b"Gr\xfcn"),
            (0x1e, b"\0G\0r\0\xfc\0n"),
        ] {
            let name = attribute(COMMON_NAME, form, value);
            assert_eq!(common_name(&name).as_deref(), Some("Grün"), "{form:#x}");
        }
        let name = [
            attribute([0x55, 0x04, 0x0a], 0x13, b"Partner"),
            attribute([0x55, 0x04, 0x05], 0x13, b"4711"),
            attribute(COMMON_NAME, 0x0c, b""),
            attribute(COMMON_NAME, 0x0c, b"gw"),
            attribute(COMMON_NAME, 0x0c, b"second"),
        ];
        let name = name.concat();
        assert_eq!(text(&name), "O=Partner, CN=gw, CN=second");
        assert_eq!(common_name(&name).as_deref(), Some("gw"));
        for junk in [&b"junk"[..], b"", b"\x31\x02\x30\x00", b"\x31\x7f"] {
            assert_eq!(text(junk), "a name that cannot be read");
            assert_eq!(common_name(junk), None);
        }
        let cut = attribute(COMMON_NAME, 0x1e, b"\xd8\x00");
        assert_eq!(common_name(&cut), None);
    }
}
