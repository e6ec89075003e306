//! A letter that a user writes in the webmail: a fact of the log, by account and token.

use serde::{Deserialize, Serialize};

use super::SpoolId;
use crate::base::Timestamp;

/// The room of these facts; their keys are `ACCOUNT/TOKEN`.
pub const DRAFTS: &str = "draft";
/// The room of letters on their way out; their keys are `ACCOUNT/TOKEN`.
pub const OUTBOX: &str = "outbox";
/// The room of the addresses from which accounts wrote; their keys are those of [`sent_as_key`].
pub const SENT_AS: &str = "sent-as";
/// Characters of the recipients that the list shows.
const SHOWN: usize = 200;

/// The key in [`SENT_AS`] of an account and an address from which it wrote. A
/// domain has no slash, so that no account's keys begin like another's.
#[must_use]
pub fn sent_as_key(account: &str, from: &str) -> String {
    format!("{account}/{from}")
}

/// A letter that is being written, as its writer left it: nothing in it is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnsentLetter {
    /// The address that it is sent as; empty: the account's.
    pub from: String,
    /// As it was typed.
    pub to: String,
    /// As it was typed.
    pub cc: String,
    /// As it was typed.
    pub bcc: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The text with its formatting, narrowed by the webmail; empty: plain text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub html: String,
    /// The message that is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<SpoolId>,
    /// Its thread, oldest first; filled in when the letter is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// Its files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<UnsentFile>,
    /// The answer to an invitation that it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// The page of the webmail from which it was written last; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub page: String,
    /// The last change.
    pub changed: Timestamp,
    /// It was sent, and came back because somebody in it cannot get mail any more.
    pub came_back: bool,
}

/// A file of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentFile {
    /// Where its content is.
    pub id: SpoolId,
    /// Its name.
    pub name: String,
    /// Its type, as the browser said.
    pub content_type: String,
    /// Its bytes.
    pub size: u64,
}

/// What the list of drafts shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LetterTitle {
    /// Its subject.
    pub subject: String,
    /// To whom it goes.
    pub to: String,
    /// The last change.
    pub changed: Timestamp,
    /// Has it files?
    pub has_files: bool,
    /// It was sent, and came back.
    pub came_back: bool,
}

/// The fact itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct StoredLetter {
    /// What the list shows.
    pub title: LetterTitle,
    /// The letter, when it is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<UnsentLetter>,
    /// The letter is the body of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<SpoolId>,
}

impl UnsentLetter {
    /// What the list shows of it.
    #[must_use]
    pub fn title(&self) -> LetterTitle {
        LetterTitle {
            subject: self.subject.chars().take(SHOWN).collect(),
            to: self.to.chars().take(SHOWN).collect(),
            changed: self.changed,
            has_files: !self.files.is_empty(),
            came_back: self.came_back,
        }
    }

    /// The letter as a page of its own, if it has formatting; the lines of `front` come first.
    #[must_use]
    pub fn page(&self, front: &str) -> Option<String> {
        if self.html.is_empty() {
            return None;
        }
        let escaped = front.replace('&', "&amp;").replace('<', "&lt;");
        let lines: String = escaped
            .lines()
            .map(|line| [line, "<br>"].concat())
            .collect();
        Some(format!(
            "<!doctype html>\n<html><head><meta charset=\"utf-8\"></head>\n\
             <body><div dir=\"auto\">{lines}{}</div></body></html>\n",
            self.html
        ))
    }

    /// Is there nothing in it that would be a loss?
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let texts = [&self.to, &self.cc, &self.bcc, &self.subject, &self.text];
        texts.iter().all(|text| text.trim().is_empty()) && self.files.is_empty()
    }
}
