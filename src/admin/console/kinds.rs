//! What is done to mail that waits, as the pages call it.

use super::asker::{Asker, Fields};
use super::fault::Fault;
use crate::admin::Role;
use crate::queue::Deed;

/// What is done, as the pages call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    pub(super) deed: Deed,
    pub(super) role: Role,
    /// What it means, before it is done.
    pub(super) meaning: &'static str,
    /// What was done.
    pub(super) done: &'static str,
}

const KINDS: [Kind; 5] = [
    Kind {
        word: "retry",
        name: "Retry",
        deed: Deed::Retry,
        role: Role::Operator,
        meaning: "Mail that waits for its next attempt is tried now. What is held stays held, \
                  and what waits for a backend that takes no mail goes when it does.",
        done: "due now",
    },
    Kind {
        word: "release",
        name: "Release",
        deed: Deed::Release,
        role: Role::Operator,
        meaning: "Mail that is held goes into the queue again and is tried now, but for domains on \
                  the move. Holds and moves stay in force for what comes later; what waits for a \
                  backend goes when it is up.",
        done: "released",
    },
    Kind {
        word: "resume",
        name: "Let go",
        deed: Deed::Resume,
        role: Role::Operator,
        meaning: "Mail whose hold has ended goes into the queue again; other holds still count.",
        done: "in the queue again",
    },
    Kind {
        word: "hold",
        name: "Hold",
        deed: Deed::Hold,
        role: Role::Operator,
        meaning: "A rule is made that holds this mail and all that comes later and matches, until \
                  the hold is ended.",
        done: "held",
    },
    Kind {
        word: "drop",
        name: "Drop",
        deed: Deed::Drop,
        role: Role::Admin,
        meaning: "This mail is taken out for good: nobody gets it, and nobody is told. It cannot \
                  be undone. tideover queue export keeps a copy before.",
        done: "dropped",
    },
];

/// The kind that the fields name.
pub(super) fn kind(fields: &Fields) -> Result<Kind, Fault> {
    let word = fields.text("deed");
    let known = KINDS.into_iter().find(|kind| kind.word == word);
    known.ok_or_else(|| {
        Fault::asked(
            format!("\"{word}\" is nothing that can be done"),
            "Expected retry, release, hold or drop.",
        )
    })
}

/// What he may do to mail that waits. Whoever ends a hold lets go what it held: that is not
/// offered apart.
pub(super) fn offered(asker: &Asker) -> impl Iterator<Item = Kind> {
    let all = KINDS.into_iter();
    all.filter(|kind| kind.deed != Deed::Resume && asker.may(kind.role))
}
