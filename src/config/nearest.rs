//! What somebody meant who slipped.

/// The name that was meant, when one is near enough.
pub(super) fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let best = names
        .iter()
        .map(|known| (effort(name, known), *known))
        .min()?;
    (best.0 <= 1 + name.chars().count() / 4).then_some(best.1)
}

/// Letters in the wrong order are one slip of the fingers.
fn effort(left: &str, right: &str) -> usize {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let distance = distance(left, right);
    if distance > 1 && sorted(left) == sorted(right) {
        1
    } else {
        distance
    }
}

/// How many letters must be changed, added or removed (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, letter) in left.chars().enumerate() {
        let mut diagonal = place;
        let mut before = place + 1;
        let mut next = vec![before];
        for (other, above) in right.iter().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(letter != *other)).min(above + 1);
            before = cost.min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(
            nearest("hostnam", &["hostname", "data_dir"]),
            Some("hostname")
        );
        assert_eq!(
            nearest("datadir", &["hostname", "data_dir"]),
            Some("data_dir")
        );
        assert_eq!(nearest("wbe", &["tls", "web"]), Some("web"));
        assert_eq!(nearest("colour", &["hostname", "data_dir"]), None);
    }
}
