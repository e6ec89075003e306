//! Values of header fields as people read them.

use mail_parser::MessageParser;

/// The text of an unstructured field body (`Subject`, or `From` as a line): unfolded, encoded
/// words decoded (RFC 2047), control characters and marks that turn the text around removed, cut
/// to `limit` characters.
#[must_use]
pub fn decode_text(raw: &[u8], limit: usize) -> String {
    let decoded = if memchr::memmem::find(raw, b"=?").is_some() {
        decode_words(raw)
    } else {
        None
    };
    let mut text = decoded.unwrap_or_else(|| utf8_or_latin1(raw));
    text.retain(|c| !turns_text(c));
    let mut clean = String::with_capacity(text.len().min(limit * 4));
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
    }
    if let Some((end, _)) = clean.char_indices().nth(limit) {
        clean.truncate(end);
    }
    clean
}

/// Does this mark turn the direction of the text around it? Such marks make `exe.gpj` look like
/// `jpg.exe`, and one sender like another.
pub(super) const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The identifier of a `Message-ID` field body, without angle brackets. Wrong ones are kept as
/// far as they can be: people search for what they see.
#[must_use]
pub fn message_id(raw: &[u8]) -> Option<String> {
    let text = utf8_or_latin1(raw);
    let inner = text.split_once('<').map_or(text.as_str(), |(_, rest)| {
        rest.split('>').next().unwrap_or(rest)
    });
    let id: String = inner
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .take(998)
        .collect();
    (!id.is_empty()).then_some(id)
}

fn decode_words(raw: &[u8]) -> Option<String> {
    let field = [b"Subject: ".as_slice(), raw, b"\r\n\r\n"].concat();
    let message = MessageParser::new().parse_headers(&field)?;
    message.subject().map(str::to_owned)
}

/// Old programs put bytes of some eight-bit charset into headers; Latin-1 is the usual one.
fn utf8_or_latin1(raw: &[u8]) -> String {
    std::str::from_utf8(raw).map_or_else(
        |_| raw.iter().copied().map(char::from).collect(),
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_what_people_read() {
        for (raw, text) in [
            (b" Hello\r\n  world \r\n".as_slice(), "Hello world"),
            (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle", "Grüße an alle"),
            (b"=?ISO-8859-1?B?R3L832U=?=\r\n =?utf-8?q?_!?=", "Grüße !"),
            ("Grüße".as_bytes(), "Grüße"),
            (b"Gr\xfc\xdfe", "Grüße"),
            (b"a\x1b[2J\0b", "a [2J b"),
            ("\u{202e}gnp.exe\u{202c} \u{2066}x".as_bytes(), "gnp.exe x"),
            (b"=?utf-8?q?=E2=80=AEgnp=2Eexe?=", "gnp.exe"),
            (
                b"=?utf-8?q?J=C3=B6rg?= <joerg@example.org>",
                "Jörg <joerg@example.org>",
            ),
        ] {
            assert_eq!(decode_text(raw, 200), text);
        }
        assert_eq!(decode_text("äöüß".as_bytes(), 3), "äöü");
    }

    #[test]
    fn finds_the_message_id() {
        assert_eq!(message_id(b" <a@b>\r\n").as_deref(), Some("a@b"));
        assert_eq!(message_id(b"\r\n\t<a@b> (comment)").as_deref(), Some("a@b"));
        assert_eq!(message_id(b" a@b\r\n").as_deref(), Some("a@b"));
        assert_eq!(message_id(b" <>").as_deref(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(
            raw: Vec<u8>,
            word in "=\\?[a-z0-9-]{0,12}\\?[bBqQ]?\\?[ -~]{0,20}\\?=",
        ) {
            let raw = [raw.as_slice(), word.as_bytes(), &raw].concat();
            prop_assert!(decode_text(&raw, 20).chars().count() <= 20);
            prop_assert!(message_id(&raw).is_none_or(|id| !id.contains(char::is_whitespace)));
        }
    }
}
