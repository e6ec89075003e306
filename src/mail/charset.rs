//! Bytes as letters: by the charset that is named, and when none is, or one that nobody knows, by
//! what the bytes look like. Never fails; only what a named charset has no letter for is lost.

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE,
    WINDOWS_1252,
};

use super::codepages::{mac, page};

/// The beginning of an HTML text in which it names its charset. Browsers look at 1024 bytes; mail
/// programs write long heads.
const HEAD: usize = 8 * 1024;
/// Shift out and in, ISO/IEC 2022: between them a byte is half a letter.
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;
const ESCAPE: u8 = 0x1b;

/// How a charset is read.
#[derive(Debug, Clone, Copy)]
enum Charset {
    Known(&'static Encoding),
    /// One byte for each letter; these are the ones from 128 on.
    Page(&'static str),
    /// RFC 1557 (Korean) and RFC 1922 (Chinese): the letters of this charset in seven bits.
    Shifted(&'static Encoding),
    /// RFC 1843.
    Hz,
    /// RFC 2152.
    Utf7,
    /// RFC 2781, in the order of bytes that a mark says, or that they seem to have.
    Utf16,
    /// Four bytes for each letter, in the order that a mark says, or that they seem to have.
    Utf32(Option<Order>),
    /// Nothing can be relied on.
    Vague,
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

/// The text of bytes whose charset is called `label`.
pub(super) fn decode(bytes: &[u8], label: Option<&str>) -> String {
    match label.map_or(Charset::Vague, named) {
        Charset::Known(encoding) => encoding.decode(bytes).0.into_owned(),
        Charset::Page(letters) => in_page(bytes, letters),
        Charset::Shifted(encoding) => encoding.decode(&unshifted(bytes)).0.into_owned(),
        Charset::Hz => GBK.decode(&unfolded(bytes)).0.into_owned(),
        Charset::Utf7 => from_utf7(bytes),
        Charset::Utf16 => {
            let zeros = |from: usize| {
                let every_other = bytes.iter().skip(from).step_by(2);
                every_other.filter(|byte| **byte == 0).count()
            };
            let order = if zeros(0) > zeros(1) {
                UTF_16BE
            } else {
                UTF_16LE
            };
            order.decode(bytes).0.into_owned()
        }
        Charset::Utf32(order) => from_utf32(bytes, order),
        Charset::Vague => guess(bytes),
    }
}

/// Is the name of a charset as good as none: unknown, UTF-8, or ASCII? What has such a name is
/// often something else.
pub(super) fn is_vague(label: &str) -> bool {
    matches!(named(label), Charset::Vague)
}

/// Is it a name of ASCII?
pub(super) fn is_ascii(label: &str) -> bool {
    let label = label.trim().replace('_', "-");
    ["us-ascii", "ascii", "ansi-x3.4-1968"]
        .iter()
        .any(|known| label.eq_ignore_ascii_case(known))
}

/// Bytes that are the same text in every charset that is not shifted or in two bytes throughout.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let is_shift = |byte: &u8| matches!(*byte, 0 | ESCAPE | SHIFT_OUT | b'~' | b'+');
    text.is_ascii() && !text.iter().any(is_shift)
}

/// The text of bytes that are UTF-8, as far as they are; a byte that is not is one of Windows-1252,
/// which is what old programs in the West mean when they say nothing.
pub(super) fn mixed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let (letters, _) = WINDOWS_1252.decode_without_bom_handling(chunk.invalid());
        text.push_str(&letters);
    }
    text
}

/// The charset that an HTML text names in its head (HTML, "prescan a byte stream").
pub(super) fn named_in_html(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let head = mixed(head).to_ascii_lowercase();
    head.split("<meta")
        .skip(1)
        .filter_map(|tag| tag.split('>').next())
        .find_map(label_in_meta)
}

fn label_in_meta(tag: &str) -> Option<String> {
    let (_, rest) = tag.split_once("charset")?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    let value = value.trim_start_matches(['"', '\'']);
    let ends = |c: char| c.is_ascii_whitespace() || "\"';,/".contains(c);
    let label = value.split(ends).next().unwrap_or_default();
    match Encoding::for_label(label.as_bytes()) {
        // What can be read up to here is not in UTF-16.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Some("utf-8".to_owned()),
        _ => Some(label.to_owned()).filter(|label| !label.is_empty()),
    }
}

fn named(label: &str) -> Charset {
    let label = label.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    let label = label.replace('_', "-");
    if is_ascii(&label) {
        return Charset::Vague;
    }
    match label.as_str() {
        "iso-2022-kr" | "csiso2022kr" => return Charset::Shifted(EUC_KR),
        "iso-2022-cn" | "iso-2022-cn-ext" => return Charset::Shifted(GBK),
        "hz-gb-2312" | "hz" => return Charset::Hz,
        "utf-7" | "csutf7" | "unicode-1-1-utf-7" | "x-unicode-2-0-utf-7" => return Charset::Utf7,
        "utf-32" | "csutf32" | "ucs-4" | "csucs4" | "iso-10646-ucs-4" => {
            return Charset::Utf32(None);
        }
        "utf-32be" | "csutf32be" | "ucs-4be" => return Charset::Utf32(Some(Order::Big)),
        "utf-32le" | "csutf32le" | "ucs-4le" => return Charset::Utf32(Some(Order::Little)),
        "utf-16" | "csutf16" | "ucs-2" | "iso-10646-ucs-2" | "unicode" => return Charset::Utf16,
        _ => {}
    }
    if let Some(letters) = numbered(&label).and_then(page).or_else(|| mac(&label)) {
        return Charset::Page(letters);
    }
    let known = Encoding::for_label(label.as_bytes()).or_else(|| alias(&label));
    match known {
        Some(encoding) if encoding != UTF_8 && encoding.name() != "replacement" => {
            Charset::Known(encoding)
        }
        _ => Charset::Vague,
    }
}

/// 437 of `cp437`, `IBM437`, `437` and `dos-437`.
fn numbered(label: &str) -> Option<u16> {
    let digits = label.trim_start_matches(|c: char| !c.is_ascii_digit());
    let before = label.strip_suffix(digits)?;
    let is_page = [
        "", "cp", "cp-", "ibm", "ibm-", "dos-", "oem", "pc", "csibm", "cspc",
    ];
    let number = || digits.parse().ok();
    match label {
        "cspc8codepage437" => Some(437),
        "cspc850multilingual" => Some(850),
        "cspcp852" => Some(852),
        _ if is_page.contains(&before) => number(),
        _ => None,
    }
}

/// Names that mail has and the web has not.
fn alias(label: &str) -> Option<&'static Encoding> {
    let is_japanese = label.starts_with("iso-2022-jp") || label.starts_with("cp5022");
    match label {
        _ if is_japanese => Some(ISO_2022_JP),
        "cp932" | "windows-932" | "x-ms-cp932" | "cp943" => Some(SHIFT_JIS),
        "cp936" | "windows-936" | "euc-cn" | "gb-2312" | "gb18030-2000" => Some(GB18030),
        "cp949" | "uhc" | "euckr" | "x-windows-949" | "ks-c-5601" => Some(EUC_KR),
        "cp950" | "windows-950" | "big-5" => Some(BIG5),
        // `iso_8859_1`, `windows1252`, `win-1251`.
        _ => {
            let number = label.trim_start_matches(|c: char| !c.is_ascii_digit());
            let proper = match label.strip_suffix(number)? {
                "windows" | "win" | "win-" | "ms" | "windows-cp" => format!("windows-{number}"),
                "iso" | "iso-" | "isolatin" | "8859-" => {
                    let part = number.trim_start_matches("8859").trim_start_matches('-');
                    format!("iso-8859-{part}")
                }
                "cp" if number == "874" => "windows-874".to_owned(),
                _ => return None,
            };
            Encoding::for_label(proper.as_bytes())
        }
    }
}

/// By what the bytes look like.
fn guess(bytes: &[u8]) -> String {
    // The mark of UTF-16 is the beginning of this one.
    if UTF32_MARKS.iter().any(|(mark, _)| bytes.starts_with(mark)) {
        return from_utf32(bytes, None);
    }
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_with_bom_removal(bytes);
        let is_utf8 = encoding == UTF_8;
        return if is_utf8 {
            mixed(bytes.get(3..).unwrap_or_default())
        } else {
            text.into_owned()
        };
    }
    let marks: [&[u8]; 3] = [b"\x1b$B", b"\x1b$@", b"\x1b(J"];
    let has_mark = |mark: &&[u8]| memchr::memmem::find(bytes, mark).is_some();
    if bytes.is_ascii() && marks.iter().any(has_mark) {
        return ISO_2022_JP.decode(bytes).0.into_owned();
    }
    mixed(bytes)
}

fn in_page(bytes: &[u8], letters: &str) -> String {
    let letters: Vec<char> = letters.chars().collect();
    let letter = |byte: &u8| match byte.checked_sub(128) {
        None => char::from(*byte),
        Some(at) => letters.get(usize::from(at)).copied().unwrap_or('\u{fffd}'),
    };
    bytes.iter().map(letter).collect()
}

/// With the eighth bit where a letter is shifted out, and without the escapes that say which
/// letters these are: `ESC $ ) C` and the like.
fn unshifted(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut rest, mut is_out) = (bytes, false);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match *byte {
            ESCAPE if behind.starts_with(b"$)") => rest = behind.get(3..).unwrap_or_default(),
            SHIFT_OUT => is_out = true,
            SHIFT_IN => is_out = false,
            // A line begins unshifted, whatever was before.
            b'\n' => {
                is_out = false;
                plain.push(b'\n');
            }
            byte if is_out && byte > b' ' => plain.push(byte | 0x80),
            byte => plain.push(byte),
        }
    }
    plain
}

/// HZ: `~{` and `~}` are around letters, `~~` is a tilde, `~` at the end of a line goes on.
fn unfolded(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let (mut rest, mut is_in) = (bytes, false);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (*byte, behind.first()) {
            (b'~', Some(b'{' | b'}' | b'\n')) => {
                is_in = match behind.first() {
                    Some(b'{') => true,
                    Some(b'}') => false,
                    _ => is_in,
                };
                rest = behind.get(1..).unwrap_or_default();
            }
            (b'~', Some(b'~')) if !is_in => {
                plain.push(b'~');
                rest = behind.get(1..).unwrap_or_default();
            }
            (b'\n', _) => {
                is_in = false;
                plain.push(b'\n');
            }
            (byte, _) if is_in && byte > b' ' => plain.push(byte | 0x80),
            (byte, _) => plain.push(byte),
        }
    }
    plain
}

/// UTF-7: between `+` and what is no base64, letters in UTF-16 and base64; `+-` is a plus.
fn from_utf7(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let plus = memchr::memchr(b'+', rest).unwrap_or(rest.len());
        let (plain, coded) = rest.split_at(plus);
        // Eight-bit letters do not belong here.
        text.push_str(&mixed(plain));
        let Some((_, behind)) = coded.split_first() else {
            return text;
        };
        rest = behind;
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        let end = rest.iter().position(|byte| !is_base64(byte));
        let (letters, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.strip_prefix(b"-").unwrap_or(after);
        if letters.is_empty() {
            text.push('+');
            continue;
        }
        let mut units = Vec::with_capacity(letters.len() / 2);
        let (mut bits, mut count) = (0_u32, 0);
        for letter in letters {
            bits = (bits << 6 | u32::from(sextet(*letter))) & 0x3f_ffff;
            count += 6;
            if count >= 16 {
                count -= 16;
                units.extend(u16::try_from(bits >> count & 0xffff));
            }
        }
        let letters = char::decode_utf16(units);
        text.extend(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
}

/// Marks that stand in front of a text, and the order of bytes that they tell.
const UTF32_MARKS: [(&[u8], Order); 2] = [
    (b"\xff\xfe\0\0", Order::Little),
    (b"\0\0\xfe\xff", Order::Big),
];

/// UTF-32: what is no letter is shown as such; bytes behind the last whole letter, too.
fn from_utf32(bytes: &[u8], order: Option<Order>) -> String {
    let marked = UTF32_MARKS.iter().find(|(mark, _)| bytes.starts_with(mark));
    let bytes = marked.map_or(bytes, |(mark, _)| {
        bytes.get(mark.len()..).unwrap_or_default()
    });
    // No letter is above 0x10ffff: its first byte is zero, and often its second.
    let zeros = |from: usize| {
        let every_fourth = bytes.iter().skip(from).step_by(4);
        every_fourth.filter(|byte| **byte == 0).count()
    };
    let order = marked
        .map(|(_, order)| *order)
        .or(order)
        .unwrap_or_else(|| {
            if zeros(0) >= zeros(3) {
                Order::Big
            } else {
                Order::Little
            }
        });
    let (letters, rest) = bytes.as_chunks::<4>();
    let letter = |four: &[u8; 4]| {
        let number = match order {
            Order::Big => u32::from_be_bytes(*four),
            Order::Little => u32::from_le_bytes(*four),
        };
        char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let broken = (!rest.is_empty()).then_some(char::REPLACEMENT_CHARACTER);
    letters.iter().map(letter).chain(broken).collect()
}

const fn sextet(letter: u8) -> u8 {
    match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    }
}

/// The label of a text: the one that its type names, else the one that its HTML names.
pub(super) fn label_of<'a>(declared: Option<&'a str>, html: Option<&[u8]>) -> Option<Cow<'a, str>> {
    let declared = declared.map(str::trim).filter(|label| !label.is_empty());
    match (declared, html) {
        (Some(declared), _) => Some(Cow::Borrowed(declared)),
        (None, Some(html)) => named_in_html(html).map(Cow::Owned),
        (None, None) => None,
    }
}

#[cfg(test)]
#[path = "charset_tests.rs"]
mod tests;
