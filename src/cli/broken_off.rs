//! What is said when the server goes away in the middle of a verb that goes page by page.

use super::Failure;
use crate::queue::{Deed, Tally};
use crate::terminal::many;

/// What a deed makes of mail.
pub(super) const fn done(deed: Deed) -> &'static str {
    match deed {
        Deed::Hold => "held",
        Deed::Release | Deed::Resume => "released",
        Deed::Retry => "due now",
        Deed::Drop => "dropped",
    }
}

/// A failure, with what was done before it and how the rest is done. The answer to the last page is
/// not known: it may be done, too.
pub(super) fn broken_off(failure: Failure, deed: Deed, tally: &Tally) -> Failure {
    if tally.recipients == 0 {
        return failure;
    }
    let hint = match deed {
        Deed::Release | Deed::Retry | Deed::Drop => "say it again for the rest",
        Deed::Hold | Deed::Resume => "the server goes on with the rest when it runs",
    };
    let recipients = many(tally.recipients, "recipient");
    let messages = many(tally.messages, "message");
    Failure {
        text: format!(
            "{}\n  {recipients} of {messages} {} before that, perhaps some more: {hint}",
            failure.text,
            done(deed)
        ),
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    #[test]
    fn what_was_done_before_is_told_with_how_to_go_on() {
        let failure = || Failure::new(Exit::Unreachable, "tideover does not answer");
        let tally = Tally {
            recipients: 986,
            messages: 1,
            ..Tally::default()
        };
        let told = broken_off(failure(), Deed::Drop, &tally);
        assert_eq!(
            told.text,
            "tideover does not answer\n  986 recipients of 1 message dropped before that, \
             perhaps some more: say it again for the rest"
        );
        assert_eq!(told.exit, Exit::Unreachable);
        let told = broken_off(failure(), Deed::Resume, &tally);
        assert!(told.text.ends_with("when it runs"), "{}", told.text);
        let nothing = broken_off(failure(), Deed::Drop, &Tally::default());
        assert_eq!(nothing.text, "tideover does not answer");
    }
}
