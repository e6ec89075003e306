//! Enhanced status codes, RFC 3463 and the IANA registry of RFC 5248.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `class.subject.detail`, for example `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedStatus {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What the code is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content,
    /// 7 security.
    pub subject: u16,
    /// The case within the subject.
    pub detail: u16,
}

impl EnhancedStatus {
    /// A code from its three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// The code at the start of a reply text, and the text behind it.
    #[must_use]
    pub fn split(text: &str) -> (Option<Self>, &str) {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        first
            .parse()
            .map_or((None, text), |code| (Some(code), rest))
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Not of the form `class.subject.detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an enhanced status code (RFC 3463 §2), expected for example 5.1.1")]
pub struct NotAStatus;

impl FromStr for EnhancedStatus {
    type Err = NotAStatus;

    /// RFC 3463 §2: class 2, 4 or 5; subject and detail of one to three digits.
    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        let number = |part: Option<&str>| {
            part.filter(|digits| {
                (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
            })
            .and_then(|digits| digits.parse::<u16>().ok())
            .ok_or(NotAStatus)
        };
        let mut parts = text.split('.');
        let class = number(parts.next())?;
        let status = Self {
            class: u8::try_from(class).map_err(|_| NotAStatus)?,
            subject: number(parts.next())?,
            detail: number(parts.next())?,
        };
        if parts.next().is_some() || !matches!(status.class, 2 | 4 | 5) {
            return Err(NotAStatus);
        }
        Ok(status)
    }
}

/// As it is written.
impl JsonSchema for EnhancedStatus {
    fn schema_name() -> Cow<'static, str> {
        "EnhancedStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Serialize for EnhancedStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnhancedStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_reply_text() {
        assert_eq!(
            EnhancedStatus::split("5.1.1 No such user"),
            (Some(EnhancedStatus::new(5, 1, 1)), "No such user")
        );
        assert_eq!(
            EnhancedStatus::split("No such user"),
            (None, "No such user")
        );
        assert_eq!(EnhancedStatus::split("3.1.1 x"), (None, "3.1.1 x"));
        assert_eq!(EnhancedStatus::split("5.1.1.1 x").0, None);
    }
}
