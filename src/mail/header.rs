//! Values of header fields as people read them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::{ContentType, MessageParser, MimeHeaders as _};

use super::charset;

/// The text of an unstructured field body (`Subject`, or `From` as a line): unfolded, encoded
/// words decoded (RFC 2047), control characters and marks that turn the text around removed, cut
/// to `limit` characters.
#[must_use]
pub fn decode_text(raw: &[u8], limit: usize) -> String {
    let decoded = if memchr::memmem::find(raw, b"=?").is_some() {
        decode_words(&mended(raw))
    } else {
        None
    };
    let mut text = decoded.unwrap_or_else(|| charset::mixed(raw));
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
    let text = charset::mixed(raw);
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

/// What a header says about the body behind it.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// `multipart/mixed`, in lower case; empty when nothing is said.
    pub kind: String,
    /// Of a multipart.
    pub boundary: String,
    /// The body is in base64 or quoted-printable.
    pub is_encoded: bool,
}

impl Announced {
    /// Reads a header as the parser of messages does.
    pub(super) fn read(header: &[u8]) -> Self {
        let Some(parsed) = MessageParser::default().parse_headers(header) else {
            return Self::default();
        };
        let kind = parsed.content_type();
        let name = |kind: &ContentType<'_>| {
            let subtype = kind.subtype().unwrap_or_default();
            format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase()
        };
        let encoding = parsed.content_transfer_encoding().unwrap_or_default();
        Self {
            kind: kind.map(name).unwrap_or_default(),
            boundary: kind
                .and_then(|kind| kind.attribute("boundary"))
                .unwrap_or_default()
                .to_owned(),
            is_encoded: ["base64", "quoted-printable"]
                .iter()
                .any(|known| encoding.eq_ignore_ascii_case(known)),
        }
    }
}

/// A header that the parser reads right: eight-bit letters that no field declares are UTF-8 now,
/// and so are encoded words (RFC 2047) of charsets that it does not know, and words that were cut
/// in the middle of a letter.
pub(super) fn mended(header: &[u8]) -> Cow<'_, [u8]> {
    let text = match std::str::from_utf8(header) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(charset::mixed(header)),
    };
    match (mended_words(&text), text) {
        (Some(mended), _) => Cow::Owned(mended.into_bytes()),
        (None, Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        (None, Cow::Borrowed(_)) => Cow::Borrowed(header),
    }
}

/// `None`: the words are as good as they can be.
fn mended_words(text: &str) -> Option<String> {
    let (mut mended, mut rest) = (String::new(), text);
    let mut is_changed = false;
    while let Some(at) = rest.find("=?") {
        let (before, words) = rest.split_at_checked(at)?;
        mended.push_str(before);
        let Some(run) = Run::read(words) else {
            mended.push_str("=?");
            rest = words.get(2..)?;
            continue;
        };
        let better = run.better();
        is_changed |= better.is_some();
        mended.push_str(better.as_deref().unwrap_or(run.source));
        rest = run.behind;
    }
    mended.push_str(rest);
    is_changed.then_some(mended)
}

/// Encoded words of one charset with nothing but white space between them.
#[derive(Debug)]
struct Run<'a> {
    label: &'a str,
    words: Vec<Vec<u8>>,
    source: &'a str,
    behind: &'a str,
}

impl<'a> Run<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (label, first, mut behind) = encoded_word(text)?;
        let mut words = vec![first];
        while let Some((next, bytes, after)) = encoded_word(behind.trim_start())
            && next.eq_ignore_ascii_case(label)
        {
            words.push(bytes);
            behind = after;
        }
        let source = text.get(..text.len() - behind.len())?;
        Some(Self {
            label,
            words,
            source,
            behind,
        })
    }

    /// The same as one word in UTF-8, when the parser could not read it as it is.
    fn better(&self) -> Option<String> {
        // The parser reads ASCII as Windows-1252, and what it does not know as UTF-8.
        let is_utf8 = charset::is_vague(self.label) && !charset::is_ascii(self.label);
        let is_sound = |word: &Vec<u8>| {
            charset::is_plain(word) || is_utf8 && std::str::from_utf8(word).is_ok()
        };
        if self.words.iter().all(is_sound) {
            return None;
        }
        let text = charset::decode(&self.words.concat(), Some(self.label));
        Some(format!("=?utf-8?B?{}?=", STANDARD.encode(text)))
    }
}

/// The charset and the bytes of the encoded word that a text begins with, and what is behind it.
fn encoded_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (label, rest) = text.strip_prefix("=?")?.split_once('?')?;
    // RFC 2231 §5: a language may stand behind the charset.
    let label = label.split('*').next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_graphic();
    if label.is_empty() || label.len() > 45 || !label.chars().all(is_name) {
        return None;
    }
    let (encoding, rest) = rest.split_once('?')?;
    let (data, behind) = rest.split_once("?=")?;
    if data.contains(['\r', '\n', '?']) {
        return None;
    }
    let bytes = match encoding {
        "b" | "B" => base64_decode(data.as_bytes())?,
        "q" | "Q" => unquoted(data),
        _ => return None,
    };
    Some((label, bytes, behind))
}

/// RFC 2047 §4.2.
fn unquoted(data: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(data.len()), data.as_bytes());
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (*first, behind) {
            (b'_', _) => bytes.push(b' '),
            (b'=', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.extend(u8::try_from(high * 16 + low));
                    rest = after;
                }
                _ => bytes.push(b'='),
            },
            (byte, _) => bytes.push(byte),
        }
    }
    bytes
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
            (b"\x84Gr\xfc\xdfe\x93 5 \x80", "„Grüße“ 5 €"),
            (b"Gr\xfc\xdfe =?utf-8?q?und_=C3=BC?=", "Grüße und ü"),
            (b"=?cp437?Q?Gr=81=E1e?=", "Grüße"),
            (b"=?iso-2022-kr?B?GyQpQw5HUTFbDw==?=", "한글"),
            (b"=?utf-8?Q?Gr=FC=DFe?=", "Grüße"),
            (b"=?us-ascii?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            // Cut in the middle of a letter, as some programs do it.
            (
                b"=?utf-8?B?R3LD?=\r\n =?utf-8?B?vMOf?= =?UTF-8?Q?e?=",
                "Grüße",
            ),
            (b"=?big5?B?pKQ=?= =?big5?B?pA==?= =?big5?B?5Q==?=", "中文"),
            (b"=?none?Q?no?= =?utf-8?Q?a?", "no =?utf-8?Q?a?"),
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
