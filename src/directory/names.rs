//! What the names of people tell about whether they are the same.

/// The words of a name, small.
fn words(name: &str) -> Vec<String> {
    // What stands in brackets is a department.
    let name = name.split(['(', '[']).next().unwrap_or_default();
    let words = name.split(|one: char| !one.is_alphanumeric());
    let words = words.filter(|word| word.chars().count() > 1);
    words.map(str::to_lowercase).collect()
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
