//! A wave: a locked list of users who change home together.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::DirectoryError;
use crate::base::{Timestamp, hex};
use crate::mail::BackendId;
use crate::smtp::Mailbox;
use crate::terminal::clamped;

/// Lines that a refusal of a file tells.
const TOLD: usize = 10;
/// Characters of each that are told.
const SAID: usize = 80;

/// Where a wave stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaveState {
    /// Its file is locked; nothing has changed.
    Planned,
    /// It starts by itself at its time.
    Scheduled,
    /// The generation is being made; a restart goes on with it.
    Starting,
    /// Its users have their new home.
    Started,
    /// The generation that takes it back is being made.
    Reverting,
    /// Its users have the homes of before, or it was called off before it started.
    Reverted,
    /// It could not start at its time.
    Refused,
}

impl WaveState {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Scheduled => "scheduled",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for WaveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a start may overlook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Allowed {
    /// What only should not be.
    #[serde(default)]
    pub force: bool,
    /// Users who cannot move are left out.
    #[serde(default)]
    pub skip_blocked: bool,
    /// Drills that are not green.
    #[serde(default)]
    pub despite_drill: bool,
}

/// A step of a wave's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveStep {
    /// When.
    pub at: Timestamp,
    /// Where it stood from then on.
    pub state: WaveState,
    /// Who.
    pub actor: String,
    /// Why, or what stood in the way; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// A wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wave {
    /// `w1`, `w2` …
    pub id: String,
    /// The name of its file.
    pub name: String,
    /// SHA-256 of its file, as hexadecimal digits.
    pub hash: String,
    /// The new home.
    pub to: BackendId,
    /// Lines of the file that name somebody.
    pub users: u64,
    /// Where it stands.
    pub state: WaveState,
    /// When it starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// What its start may overlook.
    #[serde(default)]
    pub allowed: Allowed,
    /// The generation that moved its users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// The generation that took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverted_by: Option<u64>,
    /// Its life, oldest first.
    #[serde(default)]
    pub steps: Vec<WaveStep>,
}

impl Wave {
    /// The reason that its generations carry; it begins with [`Self::mark`].
    pub(super) fn told(&self, what: &str, reason: &str) -> String {
        let mut told = format!("{}{what}", self.mark());
        if !reason.is_empty() {
            told.push_str(": ");
            told.push_str(reason);
        }
        told
    }

    /// How the reason of each of its generations begins.
    pub(super) fn mark(&self) -> String {
        format!("wave {} ({}) ", self.id, self.name)
    }

    /// The number in its id.
    pub(super) fn number(&self) -> u64 {
        self.id.trim_start_matches('w').parse().unwrap_or_default()
    }
}

/// The file of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveFile {
    /// Who, with the line.
    pub users: Vec<(u32, Mailbox)>,
    /// SHA-256 of its bytes, as hexadecimal digits.
    pub hash: String,
}

impl WaveFile {
    /// Reads one address a line; `#` begins a comment.
    ///
    /// # Errors
    /// Every line that is no address, when there is one; or that it names nobody.
    pub fn parse(bytes: &[u8]) -> Result<Self, DirectoryError> {
        let odd = |_| DirectoryError::Asked("the file is no UTF-8 text".to_owned());
        let text = std::str::from_utf8(bytes).map_err(odd)?;
        let text = text.trim_start_matches('\u{feff}');
        let mut users = Vec::new();
        let mut wrong = Vec::new();
        for (number, line) in (1_u32..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            match line.parse::<Mailbox>() {
                Ok(address) => users.push((number, address)),
                Err(error) => {
                    let line = clamped(line, SAID);
                    wrong.push(format!("line {number}: \"{line}\": {error}"));
                }
            }
        }
        if !wrong.is_empty() {
            let more = wrong.len().saturating_sub(TOLD);
            wrong.truncate(TOLD);
            if more > 0 {
                wrong.push(format!("and {more} more"));
            }
            return Err(DirectoryError::Asked(wrong.join("\n")));
        }
        if users.is_empty() {
            let what = "the file names nobody: one address a line, # begins a comment";
            return Err(DirectoryError::Asked(what.to_owned()));
        }
        let hash = hash(bytes);
        Ok(Self { users, hash })
    }
}

/// SHA-256 as hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_long_line_is_short() {
        let error = WaveFile::parse("x".repeat(1_000_000).as_bytes()).unwrap_err();
        let told = error.to_string();
        assert!(
            told.len() < 200 && told.starts_with("line 1: \"xx"),
            "{told}"
        );
    }

    #[test]
    fn a_file_has_one_address_a_line() {
        let text = "\u{feff}# the first floor\r\nann@example.org\r\n\r\n  Bob@Example.org # late\n";
        let file = WaveFile::parse(text.as_bytes()).unwrap();
        let users: Vec<_> = file.users.iter().map(|(n, a)| (*n, a.key())).collect();
        let expected = [(2, "ann@example.org"), (4, "bob@example.org")];
        assert_eq!(users, expected.map(|(n, a)| (n, a.to_owned())));
        assert_eq!(file.hash.len(), 64);
        let other = WaveFile::parse(format!("{text}#").as_bytes()).unwrap();
        assert_ne!(file.hash, other.hash, "every byte counts");
    }

    #[test]
    fn what_is_no_address_is_told_with_its_line() {
        let told = |text: &str| WaveFile::parse(text.as_bytes()).unwrap_err().to_string();
        let wrong = told("ann@example.org\nbob\n\n@example.org\n");
        assert!(wrong.starts_with("line 2: \"bob\""), "{wrong}");
        assert!(wrong.contains("\nline 4: "), "{wrong}");
        assert!(told("x\n".repeat(30).as_str()).ends_with("and 20 more"));
        let odd = WaveFile::parse(b"ann@example.org\n\xe9\n").unwrap_err();
        assert!(odd.to_string().contains("UTF-8"));
        for empty in ["", "# nobody\n", "\n\n"] {
            assert!(told(empty).contains("names nobody"), "{empty:?}");
        }
    }
}
