//! Codes that are read from paper or from the telephone, and typed.

/// `ABCD-EFGH-…`, so that it can be read and typed.
pub(crate) fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let groups = letters
        .chunks(4)
        .map(|four| four.iter().collect::<String>());
    groups.collect::<Vec<_>>().join("-")
}

/// The letters that are meant by what people type: small ones, no dashes, 0 for O, 1 for I, 8 for
/// B, which no code in base32 has.
pub(crate) fn letters_of(typed: &str) -> String {
    let letter = |c: char| match c.to_ascii_uppercase() {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        other => other,
    };
    let typed = typed.chars().filter(char::is_ascii_alphanumeric);
    typed.map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_shown_in_groups_and_read_as_they_are_typed() {
        assert_eq!(grouped("ABCDEFGH"), "ABCD-EFGH");
        assert_eq!(letters_of(" 018d efgh"), "OIBDEFGH");
    }
}
