//! The last look at what goes to people: whatever was forgotten before does nothing to a terminal.

use super::visible;

/// `text` with its lines and our colours, and without anything else that does something to a
/// terminal, turns text around or cannot be seen, as [`visible`] has it.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let colour = colour(rest);
        let length = colour.map_or(character.len_utf8(), str::len);
        let (part, behind) = rest.split_at(length);
        if colour.is_some() || matches!(character, '\n' | '\t' | ' '..='~') {
            shown.push_str(part);
        } else {
            shown.push_str(&visible(part));
        }
        rest = behind;
    }
    shown
}

/// The change of a colour at the beginning of `text` (ECMA-48 SGR).
fn colour(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("\u{1b}[")?;
    let end = inner.find(|it: char| !it.is_ascii_digit() && it != ';')?;
    let is_colour = inner.get(end..)?.starts_with('m');
    text.get(.."\u{1b}[".len() + end + 1).filter(|_| is_colour)
}

/// The first lines of `text`, at most `most` with the one that says how many there are more. Says
/// how many lines that is, too.
#[must_use]
pub fn beginning(text: &str, most: usize) -> (String, usize) {
    let lines = text.lines().count();
    if lines <= most {
        return (text.to_owned(), lines);
    }
    let shown = most.saturating_sub(1);
    let mut first: String = text.split_inclusive('\n').take(shown).collect();
    if most > 0 {
        let left = lines - shown;
        // Colours of a line end with it.
        let more = format!("… {left} more lines: without --watch all are shown\n");
        first.push_str(&more);
    }
    (first, most)
}

/// Lines of the terminal at stdout; none when it is no terminal, or does not say.
#[must_use]
pub fn height() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|lines| *lines > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_does_nothing_to_a_terminal() {
        for (text, shown) in [
            ("a\u{202e}b\u{2066}c\u{200b}d\n", "a?b?c?d\n"),
            (
                "\u{1b}[1;31mred\u{1b}[0m\tö\n",
                "\u{1b}[1;31mred\u{1b}[0m\tö\n",
            ),
            ("\u{1b}[2J\u{1b}]0;x\u{7}\u{1b}[", "?[2J?]0;x??["),
            ("\u{1b}[3", "?[3"),
            ("a\rb\u{9b}31m", "a?b?31m"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn a_frame_has_the_beginning_and_says_how_much_is_left() {
        let text = "one\ntwo\nthree\nfour\n";
        assert_eq!(beginning(text, 4), (text.to_owned(), 4));
        let (first, lines) = beginning(text, 3);
        assert_eq!(lines, 3);
        assert_eq!(
            first,
            "one\ntwo\n… 2 more lines: without --watch all are shown\n"
        );
        assert_eq!(beginning(text, 0), (String::new(), 0));
        assert_eq!(beginning("", 0), (String::new(), 0));
    }
}
