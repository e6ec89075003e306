//! Values as shells and files take them, whatever is in them.

/// A literal of PowerShell. It takes the typographic marks for quotes, too.
pub(super) fn powershell(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in one_line(text).chars() {
        if matches!(character, '\'' | '\u{2018}'..='\u{201b}') {
            quoted.push(character);
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

/// A list of literals of PowerShell.
pub(super) fn powershell_list(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| powershell(text)).collect();
    quoted.join(",")
}

/// One word of a POSIX shell.
pub(super) fn shell(text: &str) -> String {
    format!("'{}'", one_line(text).replace('\'', r"'\''"))
}

/// A value within main.cf: what looks like a parameter is none.
pub(super) fn postfix(text: &str) -> String {
    one_line(text).replace('$', "$$")
}

/// A comment, or part of one line, has one line.
pub(super) fn one_line(text: &str) -> String {
    let one = |character: char| {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            ' '
        } else {
            character
        }
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stay_inside() {
        for (text, power, word) in [
            ("plain", "'plain'", "'plain'"),
            ("Ann's mail", "'Ann''s mail'", r"'Ann'\''s mail'"),
            (
                "x'; Remove-Mailbox *; '",
                "'x''; Remove-Mailbox *; '''",
                r"'x'\''; Remove-Mailbox *; '\'''",
            ),
            ("Ann\u{2019}s", "'Ann\u{2019}\u{2019}s'", "'Ann\u{2019}s'"),
            ("$(id) `id`", "'$(id) `id`'", "'$(id) `id`'"),
            ("two\nlines\r", "'two lines '", "'two lines '"),
        ] {
            assert_eq!(powershell(text), power);
            assert_eq!(shell(text), word);
            // A shell takes it for what it is.
            let printed = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", shell(text))])
                .output()
                .unwrap();
            assert_eq!(printed.stdout, one_line(text).as_bytes());
        }
        let list = ["a".to_owned(), "b'c".to_owned()];
        assert_eq!(powershell_list(&list), "'a','b''c'");
        assert_eq!(postfix("$myhostname\n"), "$$myhostname ");
    }
}
