//! What a user looks for: words, and words with a name in front.

use icu_normalizer::ComposingNormalizerBorrowed;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::Timestamp;

/// Characters of a query that are read.
pub(crate) const LONGEST: usize = 300;
/// Words of a query that are read.
const WORDS: usize = 20;

/// Where a word must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    From,
    To,
    Subject,
    File,
}

/// What is asked for: everything in it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Words and where they must stand, folded by [`fold`].
    pub words: Vec<(Place, String)>,
    /// Has attachments.
    pub with_files: bool,
    /// Came in at this moment or later.
    pub after: Option<Timestamp>,
    /// Came in before this moment.
    pub before: Option<Timestamp>,
    /// Words that should be dates and are none.
    pub wrong: Vec<String>,
}

impl Query {
    /// Reads what somebody typed; days begin in `zone`.
    pub(crate) fn read(text: &str, zone: &TimeZone) -> Self {
        let text: String = text.chars().take(LONGEST).collect();
        let mut query = Self::default();
        for word in words(&text).into_iter().take(WORDS) {
            query.take(word, zone);
        }
        query
    }

    /// Asks for nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self
            == Self {
                wrong: self.wrong.clone(),
                ..Self::default()
            }
    }

    /// Does it say anything about what a message contains?
    pub(crate) fn needs_content(&self) -> bool {
        !self.words.is_empty()
    }

    fn take(&mut self, Word { text, bare }: Word, zone: &TimeZone) {
        let word = text.as_str();
        // What is in quotes is looked for as it stands.
        let colon = word.find(':').filter(|at| *at < bare);
        let (name, rest) = colon.map_or(("", word), |at| {
            let (name, rest) = word.split_at(at);
            (name, rest.strip_prefix(':').unwrap_or(rest))
        });
        let place = match name.to_ascii_lowercase().as_str() {
            "from" => Place::From,
            "to" => Place::To,
            "subject" => Place::Subject,
            "file" => Place::File,
            "has" if is_files(rest) => {
                self.with_files = true;
                return;
            }
            name @ ("after" | "before") => {
                match (start_of(rest, zone), name) {
                    (None, _) => self.wrong.push(word.to_owned()),
                    (day, "after") => self.after = day,
                    (day, _) => self.before = day,
                }
                return;
            }
            // A time or an address of a page has a colon, too.
            _ => return self.word(Place::Anywhere, word),
        };
        self.word(place, rest);
    }

    fn word(&mut self, place: Place, text: &str) {
        let text = fold(text);
        if !text.is_empty() {
            self.words.push((place, text));
        }
    }
}

fn is_files(word: &str) -> bool {
    ["attachment", "attachments", "file", "files"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name))
}

fn start_of(day: &str, zone: &TimeZone) -> Option<Timestamp> {
    let day: Date = day.parse().ok()?;
    let start = day.to_zoned(zone.clone()).ok()?.timestamp();
    let millis = u64::try_from(start.as_millisecond()).ok()?;
    Some(Timestamp::from_millis(millis))
}

/// A word of a query, without its quotes.
#[derive(Debug, Default)]
struct Word {
    text: String,
    /// Bytes of it that stand before the first quote.
    bare: usize,
}

/// Words; what is in quotes is one, and the quotes may follow a name: `from:"John Doe"`.
fn words(text: &str) -> Vec<Word> {
    let (mut words, mut word, mut quotes) = (Vec::new(), Word::default(), 0_usize);
    for c in text.chars() {
        match c {
            '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' => quotes += 1,
            c if c.is_whitespace() && quotes % 2 == 0 => {
                words.push(std::mem::take(&mut word));
                quotes = 0;
            }
            c => {
                word.text.push(c);
                if quotes == 0 {
                    word.bare = word.text.len();
                }
            }
        }
    }
    words.push(word);
    words.retain(|word| !word.text.is_empty());
    words
}

/// How texts are compared: in lower case, each run of white space as one space, accents as one
/// letter with what they stand on (some programs write names of files apart).
pub(crate) fn fold(text: &str) -> String {
    let composer = ComposingNormalizerBorrowed::new_nfc();
    let mut folded = String::with_capacity(text.len());
    for c in composer.normalize(text).chars() {
        if !c.is_whitespace() {
            folded.extend(c.to_lowercase());
        } else if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Query {
        Query::read(text, &TimeZone::fixed(jiff::tz::offset(2)))
    }

    #[test]
    fn words_have_places() {
        let query = read("Plan from:\"John  Doe\" SUBJECT:Monday to:ann file:.pdf x:y 10:30");
        let word = |place, text: &str| (place, text.to_owned());
        let expected = [
            word(Place::Anywhere, "plan"),
            word(Place::From, "john doe"),
            word(Place::Subject, "monday"),
            word(Place::To, "ann"),
            word(Place::File, ".pdf"),
            word(Place::Anywhere, "x:y"),
            word(Place::Anywhere, "10:30"),
        ];
        assert_eq!(query.words, expected);
        assert!(!query.with_files && query.needs_content());
        assert!(read("has:attachment").with_files);
        assert_eq!(
            read("\u{201e}zwei Wörter\u{201d}").words[0].1,
            "zwei wörter"
        );
    }

    #[test]
    fn what_is_quoted_has_no_place() {
        let words = |text: &str| read(text).words;
        let anywhere = |text: &str| vec![(Place::Anywhere, text.to_owned())];
        assert_eq!(words("\"from: John\""), anywhere("from: john"));
        assert_eq!(words("\"to:ann\""), anywhere("to:ann"));
        assert_eq!(words("su\"bject:x\""), anywhere("subject:x"));
        assert_eq!(
            words("from:\"to: me\""),
            [(Place::From, "to: me".to_owned())]
        );
        assert!(!read("\"has:files\"").with_files);
        assert_eq!(read("\"before:noon\"").wrong, [""; 0]);
    }

    #[test]
    fn an_accent_is_a_letter_with_its_own() {
        assert_eq!(fold("Pla\u{308}ne"), fold("Pl\u{e4}ne"));
        assert_eq!(fold("A\u{30a}"), "\u{e5}");
    }

    #[test]
    fn days_begin_where_the_reader_is() {
        let query = read("after:2026-05-03 before:2026-05-04");
        let moment = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(query.after, moment("2026-05-02T22:00:00Z"));
        assert_eq!(query.before, moment("2026-05-03T22:00:00Z"));
        assert!(!query.needs_content() && !query.is_empty());
        let query = read("before:yesterday");
        assert_eq!(query.wrong, ["before:yesterday"]);
        assert!(query.is_empty());
    }

    #[test]
    fn nothing_is_asked_for_by_nothing() {
        for text in ["", " \t", "\"\"", "from:", "subject:\" \""] {
            assert!(read(text).is_empty(), "{text:?}");
        }
        let long = "ab ".repeat(1_000);
        assert_eq!(read(&long).words.len(), WORDS);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_query(text in ".{0,400}") {
            let query = read(&text);
            proptest::prop_assert!(query.words.iter().all(|(_, word)| !word.is_empty()));
        }
    }
}
