use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

/// A message with these words, and what can be searched of it.
fn texts(words: &Words) -> Texts {
    let encoded = |text: &str| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        format!("=?utf-8?B?{text}?=")
    };
    let body = String::from_utf8(crate::mail::base64_lines(words.text.as_bytes())).unwrap();
    let raw = format!(
        "From: {} <john@x.example>\r\nTo: {} <ann@example.org>\r\nCc: carla@y.example\r\n\
         Subject: {}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\
         \r\n{body}\r\n--b\r\nContent-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=\"{}\"\r\n\r\n%PDF\r\n--b--\r\n",
        encoded(&words.from),
        encoded(&words.to),
        encoded(&words.subject),
        encoded(&words.file),
    );
    Texts::of(&ParsedMessage::parse(raw.as_bytes()).unwrap())
}

#[derive(Debug, Clone)]
struct Words {
    from: String,
    to: String,
    subject: String,
    file: String,
    text: String,
}

fn words() -> impl Strategy<Value = Words> {
    // Letters, accents apart from theirs, words that mean something to a query, and no quotes.
    let word = || {
        proptest::string::string_regex(
            "([a-zA-ZäßЖ日]|a\u{308}|İ|Σ|from:|has:file|before:x|to:|:){1,12}",
        )
        .unwrap()
    };
    let text = proptest::collection::vec(word(), 1..40).prop_map(|words| words.join(" \r\n"));
    (word(), word(), word(), word(), text).prop_map(|(from, to, subject, file, text)| Words {
        from,
        to,
        subject,
        file,
        text,
    })
}

fn query(text: &str) -> Query {
    Query::read(text, &TimeZone::UTC)
}

/// A piece of a text: so many letters from there.
fn piece(text: &str, (from, length): (usize, usize)) -> String {
    // Nobody marks half a letter.
    let text = icu_normalizer::ComposingNormalizerBorrowed::new_nfc().normalize(text);
    let count = text.chars().count();
    text.chars().skip(from % count).take(length).collect()
}

proptest! {
    /// What somebody copies out of a message and puts in quotes finds the message; so does where
    /// it stands in front of it. The signature never says no to what is there.
    #[test]
    fn what_is_quoted_is_found(words in words(), cut in (0..200_usize, 1..60_usize)) {
        let texts = texts(&words);
        let signature = texts.signature();
        for (name, text) in [
            ("", &words.text),
            ("", &words.subject),
            ("from:", &words.from),
            ("TO:", &words.to),
            ("subject:", &words.subject),
            ("file:", &words.file),
        ] {
            let piece = piece(text, cut);
            let query = query(&format!("{name}\"{piece}\""));
            prop_assert!(query.wrong.is_empty() && !query.with_files);
            prop_assert!(texts.matches(&query), "{} {:?} {:?}", piece, query, texts);
            let mut asked = query.words.iter();
            prop_assert!(asked.all(|(_, word)| signature.may_contain(word)), "{:?}", piece);
        }
    }

    /// What a message does not contain does not find it, wherever it is looked for.
    #[test]
    fn what_is_not_there_is_not_found(words in words()) {
        let texts = texts(&words);
        for name in ["", "from:", "to:", "subject:", "file:"] {
            let asked = format!("{name}zebra");
            let also = format!("{asked} \"{}\"", words.from);
            prop_assert!(!texts.matches(&query(&asked)) && !texts.matches(&query(&also)));
        }
        // In another place than it stands.
        prop_assert!(!texts.matches(&query("subject:john@x.example")));
        prop_assert!(texts.matches(&query("from:JOHN@x.example to:ann@ to:carla file:")));
    }
}

/// Of a letter in HTML with a footer in plain text both are found.
#[test]
fn html_beside_plain_text_is_searched() {
    let raw = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>The <b>plan</b></p>\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nThe footer\r\n--b--\r\n";
    let texts = Texts::of(&ParsedMessage::parse(raw.as_bytes()).unwrap());
    assert!(texts.matches(&query("plan footer")), "{texts:?}");
}
