use super::*;

#[test]
fn values_are_filled_in_once() {
    let text = fill("{a} and {b}{c", &[("a", "{b}"), ("b", "2")]);
    assert_eq!(text, "{b} and 2{c");
}

/// The texts of a language with their names, one a line.
fn lines(texts: &Texts) -> Vec<String> {
    let shown = format!("{texts:#?}");
    shown.lines().map(|line| line.trim().to_owned()).collect()
}

/// The parts in braces of a text, in their order by name.
fn braces(line: &str) -> Vec<&str> {
    let pieces = line.split('{').skip(1);
    let mut names: Vec<&str> = pieces
        .filter_map(|rest| Some(rest.split_once('}')?.0))
        .collect();
    names.sort_unstable();
    names
}

/// Words that are the same in both languages.
const SAME: [&str; 6] = [
    "day_time:",
    "weekday_day:",
    "code:",
    "event_answer_subject:",
    "to_prefix:",
    "and_more:",
];

#[test]
fn every_text_is_there_in_every_language() {
    let (english, german) = (lines(&ENGLISH), lines(&GERMAN));
    assert_eq!(english.len(), german.len());
    for (one, other) in english.iter().zip(&german) {
        let name = one.split(' ').next().unwrap_or_default();
        if name.ends_with(':') {
            assert!(other.starts_with(name), "{name} beside {other}");
        }
        assert_eq!(braces(one), braces(other), "{name}");
        assert!(
            !one.ends_with("\"\",") && !other.ends_with("\"\","),
            "{name} is empty"
        );
        let is_sentence = one.len() > name.len() + 14;
        assert!(
            !is_sentence || one != other || SAME.contains(&name),
            "{name}: {one}"
        );
    }
}

#[test]
fn the_reader_gets_a_language_that_is_there() {
    assert_eq!(for_reader("xx, en-GB;q=0.8").lang, "en");
    assert_eq!(for_reader("").lang, "en");
    assert_eq!(for_reader("de-AT,de;q=0.9,en;q=0.8").lang, "de");
    assert_eq!(for_reader("fr, DE;q=0.5, en;q=0.4").lang, "de");
}
