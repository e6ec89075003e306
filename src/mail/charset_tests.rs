use super::*;

#[test]
fn names_that_the_web_does_not_know() {
    for (label, bytes, text) in [
        ("cp437", b"Gr\x81\xe1e".as_slice(), "Grüße"),
        ("IBM437", b"\xc9\xcd\xbb", "╔═╗"),
        ("437", b"\x9b", "¢"),
        ("ibm850", b"\x9b", "ø"),
        ("CP850", b"\xd5", "ı"),
        ("cp858", b"\xd5", "€"),
        ("ibm852", b"\x9f\xd8", "čě"),
        ("cp862", b"\x80", "א"),
        ("cspc8codepage437", b"\x80", "Ç"),
        ("x-mac-ce", b"\x8b", "č"),
        ("cp866", b"\x8f\xe0", "Пр"),
        ("cp949", b"\xc7\xd1", "한"),
        ("cp932", b"\x93\xfa", "日"),
        ("cp936", b"\xd6\xd0", "中"),
        ("big-5", b"\xa4\xa4", "中"),
        ("win-1251", b"\xcf\xf0", "Пр"),
        ("windows1250", b"\xe8", "č"),
        ("iso_8859_2", b"\xe8", "č"),
        ("ISO8859-15", b"\xa4", "€"),
        ("iso-2022-jp-2", b"\x1b$BF|K\\\x1b(B", "日本"),
        ("iso-2022-kr", b"\x1b$)C\x0eGQ1[\x0f abc", "한글 abc"),
        ("iso-2022-cn", b"\x1b$)A\x0eVPND\x0f.", "中文."),
        (
            "utf-7",
            b"+ZYeB9FH6ckh5Pg-, 1980+-1 +APw.",
            "文致出版社, 1980+1 ü.",
        ),
        ("unicode-1-1-utf-7", b"Hi +2D3c7g", "Hi 📮"),
        ("utf-16", b"\0a\0\xfc", "aü"),
        ("utf-16", b"a\0\xfc\0", "aü"),
        ("utf-16be", b"\x4e\x2d", "中"),
        ("utf-7", b"a \xc3\xbc+APw-\xfc+", "a üüü+"),
        ("utf-32", b"\0\0\0a\0\x01\xf4\xee", "a📮"),
        ("utf-32", b"a\0\0\0\xfc\0\0\0", "aü"),
        ("utf-32", b"\xff\xfe\0\0a\0\0\0\xfc", "a\u{fffd}"),
        ("UTF-32LE", b"\xee\xf4\x01\0\xff\xff\xff\xff", "📮\u{fffd}"),
        ("utf-32be", b"\0\0\x4e\x2d", "中"),
        ("ucs-4", b"\0\0\xfe\xff\0\0\x4e\x2d", "中"),
        ("hz-gb-2312", b"a ~{VPND~} ~~ b", "a 中文 ~ b"),
    ] {
        assert_eq!(decode(bytes, Some(label)), text, "{label}");
    }
}

#[test]
fn what_says_nothing_is_utf8_or_else_windows_1252() {
    for label in [
        None,
        Some("us-ascii"),
        Some("utf-8"),
        Some("x-unknown"),
        Some(""),
    ] {
        for (bytes, text) in [
            ("Grüße 📮".as_bytes(), "Grüße 📮"),
            (b"Gr\xfc\xdfe \x80 5", "Grüße € 5"),
            (b"\x84so\x93", "„so“"),
            (b"plain", "plain"),
            (b"\xef\xbb\xbfmarked", "marked"),
            (b"\xff\xfea\0\xfc\0", "aü"),
            (b"\xff\xfe\0\0a\0\0\0\xfc\0\0\0", "aü"),
            (b"\x1b$BF|K\\\x1b(B", "日本"),
            // Cut in the middle of a letter.
            (b"Gr\xc3\xbc\xc3\x9fe \xe2\x82", "Grüße â‚"),
        ] {
            assert_eq!(decode(bytes, label), text, "{label:?}");
        }
    }
}

#[test]
fn html_names_its_charset() {
    for (html, label) in [
        ("<html><head><META charset=GBK>", Some("gbk")),
        (
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=koi8-r\">",
            Some("koi8-r"),
        ),
        ("<meta name=a><meta charset = 'cp437' />", Some("cp437")),
        ("<meta charset=utf-16>", Some("utf-8")),
        ("<meta name=charset content=x>", None),
        ("<p>charset=gbk</p>", None),
        ("<meta charset=", None),
    ] {
        assert_eq!(named_in_html(html.as_bytes()).as_deref(), label, "{html}");
    }
    assert_eq!(
        label_of(Some("utf-8"), Some(b"<meta charset=gbk>")).as_deref(),
        Some("utf-8")
    );
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_have_a_text(
            bytes: Vec<u8>,
            label in "[a-z0-9_-]{0,20}|cp[0-9]{1,5}|iso-2022-(kr|cn|jp)|hz|utf-(7|16|32)",
        ) {
            let text = decode(&bytes, Some(&label));
            prop_assert!(text.len() <= bytes.len() * 4 + 8);
            let _none = decode(&bytes, None);
            let _label = named_in_html(&bytes);
        }

        /// UTF-32 in either order, with its mark or without.
        #[test]
        fn utf32_loses_nothing(text: String, is_big: bool, is_marked: bool) {
            let text = text.trim_start_matches('\u{feff}');
            let mark = is_marked.then_some('\u{feff}');
            let letters = mark.into_iter().chain(text.chars()).map(u32::from);
            let (label, bytes): (_, Vec<u8>) = if is_big {
                ("utf-32be", letters.flat_map(u32::to_be_bytes).collect())
            } else {
                ("utf-32le", letters.flat_map(u32::to_le_bytes).collect())
            };
            prop_assert_eq!(decode(&bytes, Some(label)), text);
            if is_marked {
                prop_assert_eq!(decode(&bytes, Some("utf-32")), text);
                prop_assert_eq!(decode(&bytes, None), text);
            }
        }

        /// ASCII is ASCII in every charset that is told from others by its bytes from 128 on.
        #[test]
        fn ascii_stays(text in "[a-zA-Z0-9 .,:;@<>=-]{0,60}") {
            for label in ["cp437", "x-mac-greek", "iso-2022-kr", "koi8-r", "cp949", "utf-7"] {
                prop_assert_eq!(decode(text.as_bytes(), Some(label)), text.clone());
            }
        }

        #[test]
        fn utf8_stays(text: String) {
            let bare = text.trim_start_matches('\u{feff}');
            prop_assume!(!bare.contains('\u{1b}'));
            prop_assert_eq!(decode(bare.as_bytes(), None), bare);
        }
    }
}
