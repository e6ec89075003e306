//! Why somebody does something: a line that people can read later. The one place where reasons are
//! judged, whichever way they come.

use super::AdminError;
use crate::limits;

/// A reason without spaces around it; empty when none was given.
///
/// # Errors
/// When it is too long, or there is something in it that nobody sees.
pub(super) fn readable(text: &str) -> Result<String, AdminError> {
    let refused = |what: String| AdminError::Asked {
        what,
        hint: "a reason is one line for people, of at most 500 characters",
    };
    let reason = text.trim();
    let letters = reason.chars().count();
    if letters > limits::REASON {
        return Err(refused(format!("the reason has {letters} characters")));
    }
    if reason.chars().any(char::is_control) {
        return Err(refused("the reason has control characters".to_owned()));
    }
    if !reason.is_empty() && reason.chars().all(is_blank) {
        return Err(refused(
            "the reason has nothing that can be seen".to_owned(),
        ));
    }
    if reason.chars().any(turns) {
        return Err(refused(
            "the reason has characters that turn text around".to_owned(),
        ));
    }
    Ok(reason.to_owned())
}

/// The name under which somebody says that he acts, cut to what is kept of it.
///
/// # Errors
/// When there is something in it that would look like another name.
pub(super) fn named(text: &str) -> Result<String, AdminError> {
    if text
        .chars()
        .any(|letter| letter.is_control() || turns(letter))
    {
        return Err(AdminError::Asked {
            what: "the name of who asks has control characters, or such that turn text around"
                .to_owned(),
            hint: "give another one with --actor",
        });
    }
    Ok(text.chars().take(limits::ACTOR).collect())
}

/// Does it turn what follows around, so that it is read as something else? Explicit directional
/// formatting (UAX #9); the marks of languages that are written from the right do not.
const fn turns(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A reason that has to be there.
///
/// # Errors
/// When it is not.
pub(super) fn required(text: &str, what: &str) -> Result<(), AdminError> {
    if text.trim().is_empty() {
        return Err(AdminError::Asked {
            what: format!("{what} needs a reason, and there is none"),
            hint: "give one with --reason",
        });
    }
    Ok(())
}

/// Does it take no ink? Spaces, and what Unicode calls default ignorable (UAX #44).
fn is_blank(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_that_can_be_read() {
        assert_eq!(readable("  it burns ").unwrap(), "it burns");
        assert_eq!(readable("").unwrap(), "");
        assert_eq!(readable(" \t\n").unwrap(), "", "as if none had been given");
        assert_eq!(readable("пожар 🔥").unwrap(), "пожар 🔥");
        let longest = "ä".repeat(limits::REASON);
        assert_eq!(readable(&longest).unwrap(), longest);
        let longer = longest + "ä";
        for (text, why) in [
            (longer.as_str(), "501 characters"),
            ("\u{200b}", "nothing that can be seen"),
            ("\u{200b} \u{feff}\u{3164}", "nothing that can be seen"),
            ("\u{0}", "control characters"),
            ("it\u{1b}[2J burns", "control characters"),
            ("it\nburns", "control characters"),
            ("rtl \u{202e} evil", "turn text around"),
            ("a \u{2067}b\u{2069}", "turn text around"),
        ] {
            let error = readable(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_name_looks_like_no_other() {
        assert_eq!(named("Ann O'Hara").unwrap(), "Ann O'Hara");
        assert_eq!(named("").unwrap(), "");
        let long = "ä".repeat(limits::ACTOR + 1);
        assert_eq!(named(&long).unwrap().chars().count(), limits::ACTOR);
        for name in ["ev\u{1b}[31mil", "a\nb", "a\u{202e}b", "a\u{2066}b"] {
            assert!(named(name).is_err(), "{name:?}");
        }
    }
}
