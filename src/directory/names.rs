//! What the names of people tell about whether they are the same.

/// What stands in names of many people.
const COMMON: [&str; 38] = [
    "dr",
    "prof",
    "professor",
    "mr",
    "mrs",
    "ms",
    "miss",
    "sir",
    "herr",
    "frau",
    "ing",
    "dipl",
    "mag",
    "med",
    "phd",
    "mba",
    "msc",
    "bsc",
    "jr",
    "sr",
    "van",
    "von",
    "der",
    "den",
    "de",
    "del",
    "della",
    "di",
    "da",
    "dos",
    "du",
    "la",
    "le",
    "el",
    "al",
    "bin",
    "ibn",
    "zu",
];

/// The words of a name that tell somebody from others, small.
fn words(name: &str) -> Vec<String> {
    // What stands in brackets is a department.
    let name = name.split(['(', '[']).next().unwrap_or_default();
    let words = name.split(|one: char| !one.is_alphanumeric());
    let words = words.filter(|word| word.chars().count() > 1);
    let words = words.map(str::to_lowercase);
    words
        .filter(|word| !COMMON.contains(&word.as_str()))
        .collect()
}

/// Do two names share a word? After a marriage they do.
#[must_use]
pub fn is_named_alike(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    one.iter().any(|word| other.contains(word))
}

/// Do two names speak for two people? A name that is not known speaks against nobody.
#[must_use]
pub fn is_named_otherwise(one: &str, other: &str) -> bool {
    !words(one).is_empty() && !words(other).is_empty() && !is_named_alike(one, other)
}
