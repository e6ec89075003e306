//! What a filter has come to about a message.

use crate::limits;
use crate::mail::FilterVerdict;

/// Which of the words of the config it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing was found.
    Clean,
    /// It would refuse it.
    Bad,
    /// It would have it vanish, or put aside, without a word to the sender.
    Aside,
    /// It would mark it.
    Suspicious,
    /// It would have it sent again, later.
    Later,
    /// It is too large to be looked at.
    TooLarge,
    /// It was not looked at.
    Failed,
}

impl Finding {
    /// Must it have seen all to say so?
    pub(super) const fn needs_all(self) -> bool {
        matches!(self, Self::Clean | Self::Suspicious | Self::Later)
    }

    /// How it is counted and recorded.
    pub(super) const fn verdict(self) -> FilterVerdict {
        match self {
            Self::Clean => FilterVerdict::Clean,
            Self::Bad | Self::Aside => FilterVerdict::Bad,
            Self::Suspicious | Self::Later => FilterVerdict::Suspicious,
            Self::TooLarge | Self::Failed => FilterVerdict::Unchecked,
        }
    }
}

/// What a filter has come to about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// What it is about.
    pub(super) finding: Finding,
    /// In its words, or why it was not asked; for the record.
    pub(super) said: String,
    /// What a sender is told who is refused: no list of what he should do better.
    pub(super) told: String,
    /// Only these of the recipients whom it was asked for; none: all of them.
    pub(super) only: Option<Vec<u16>>,
    /// Those of whom it would hear later, beside others whom it refuses.
    pub(super) later: Vec<u16>,
    /// Fields that it adds, as they stand in a message.
    pub(super) fields: String,
}

impl Heard {
    /// The same words for everybody.
    pub(super) fn new(finding: Finding, said: &[u8]) -> Self {
        Self {
            finding,
            said: printable(said),
            told: printable(said),
            only: None,
            later: Vec::new(),
            fields: String::new(),
        }
    }

    /// What is said of a message that is too large.
    pub(super) fn too_large() -> Self {
        Self::new(Finding::TooLarge, b"too large to be checked")
    }

    /// Other words for the sender.
    pub(super) fn telling(self, told: &[u8]) -> Self {
        Self {
            told: printable(told),
            ..self
        }
    }
}

/// No answer in this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// Longer than any answer.
    #[error("its answer is too long")]
    TooLong,
    /// More than one.
    #[error("there is more behind its answer")]
    More,
    /// Other words.
    #[error("its answer is none of this protocol")]
    Unknown,
}

/// What a filter says goes into fields, replies and lists: ASCII that can be seen, without quotes
/// and backslashes, and not too much of it.
pub(super) fn printable(said: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        b'"' | b'\\' => '\'',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    let text: String = said
        .trim_ascii()
        .iter()
        .take(limits::FILTER_SAID)
        .map(shown)
        .collect();
    text.trim_end().to_owned()
}
