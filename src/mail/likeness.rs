//! Which refusals are alike: the text of a reply without its variable parts, and the case that it
//! makes together with the backend and the codes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{BackendId, Failure, HoldReason, RecipientState};
use crate::limits;
use crate::smtp::EnhancedStatus;

/// How refusals begin that are ours: the backend would have to refuse, and was not asked.
pub const NOT_SENT: &str = "Not sent: ";
/// Stands for what differs from reply to reply.
const VARIABLE: &str = "*";

/// What became of the recipients of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseKind {
    /// They are held (5xx amnesty).
    Open,
    /// They were refused for good.
    Final,
}

/// Refusals that have one cause, as far as the replies tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseKey {
    /// Who refused.
    pub backend: BackendId,
    /// The reply's code; 0 when there was no reply.
    pub code: u16,
    /// The reply's enhanced code.
    pub enhanced: Option<EnhancedStatus>,
    /// The reply's text without addresses, ids, hosts and numbers.
    pub text: String,
}

impl CaseKey {
    /// The case of a failure at a backend.
    #[must_use]
    pub fn of(backend: &BackendId, failure: &Failure) -> Self {
        let reply = failure.reply.as_ref();
        Self {
            backend: backend.clone(),
            code: reply.map_or(0, |reply| reply.code),
            enhanced: reply.and_then(|reply| reply.enhanced),
            text: alike(reply.map_or(failure.what.as_str(), |reply| &reply.text)),
        }
    }

    /// The case of mail that a backend sent back: two routes fight. RFC 3463 §3.5: X.4.6, a loop.
    fn of_loop(given_to: &BackendId, home: &BackendId) -> Self {
        Self {
            backend: given_to.clone(),
            code: 0,
            enhanced: Some(EnhancedStatus {
                class: 5,
                subject: 4,
                detail: 6,
            }),
            text: format!("Loop: it sent the mail back to us, and our route leads to {home}"),
        }
    }

    /// The case that a recipient in this state belongs to.
    #[must_use]
    pub fn of_state(state: &RecipientState) -> Option<(CaseKind, Self)> {
        match state {
            RecipientState::Held {
                reason: HoldReason::Refused { backend, failure },
                ..
            } => Some((CaseKind::Open, Self::of(backend, failure))),
            RecipientState::Held {
                reason: HoldReason::Loop { given_to, home, .. },
                ..
            } => Some((CaseKind::Open, Self::of_loop(given_to, home))),
            RecipientState::Bounced {
                backend: Some(backend),
                failure,
                ..
            } => Some((CaseKind::Final, Self::of(backend, failure))),
            RecipientState::Held { .. }
            | RecipientState::Queued { .. }
            | RecipientState::Delivered { .. }
            | RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => None,
        }
    }

    /// Its id: the same for the same case, on every node and after every restart.
    #[must_use]
    pub fn id(&self) -> CaseId {
        let name = format!("{}\0{}\0{}", self.backend, self.said(), self.text);
        CaseId::of(name.as_bytes())
    }

    /// Who said what, for people: `cloud says 550 5.4.1 Access denied`.
    #[must_use]
    pub fn told(&self) -> String {
        told(&self.backend, &self.said(), &self.text)
    }

    /// `550 5.4.1`.
    #[must_use]
    pub fn said(&self) -> String {
        match self.enhanced {
            Some(enhanced) => format!("{} {enhanced}", self.code),
            None => self.code.to_string(),
        }
    }
}

/// `cloud says 550 5.4.1 Recipient address rejected: Access denied. *`.
impl fmt::Display for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told())
    }
}

/// Who said what, for people. What a backend never said stands there without codes: what it would
/// have refused and was not given, and mail that it sent back.
#[must_use]
pub fn told(backend: &BackendId, said: &str, text: &str) -> String {
    match wording(said, text) {
        (None, text) => format!("{backend}: {text}"),
        (Some(said), text) => format!("{backend} says {said} {text}"),
    }
}

/// The codes that a backend said, if it said any, and the text.
#[must_use]
pub fn wording<'a>(said: &'a str, text: &'a str) -> (Option<&'a str>, &'a str) {
    let is_ours = text.starts_with(NOT_SENT) || said == "0" || said.starts_with("0 ");
    ((!is_ours).then_some(said), text)
}

/// The name of a case: twelve hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(u64);

impl CaseId {
    const BITS: u32 = 48;

    /// FNV-1a: stays the same between versions.
    fn of(bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self((hash >> Self::BITS) ^ (hash & ((1 << Self::BITS) - 1)))
    }

    /// As a number, for keys.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// From a number that [`Self::as_u64`] made.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number & ((1 << Self::BITS) - 1))
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:012x}", self.0))
    }
}

/// Not the name of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the twelve letters and digits of a case, as `tideover cases` shows them")]
pub struct NotACase;

impl FromStr for CaseId {
    type Err = NotACase;

    fn from_str(text: &str) -> Result<Self, NotACase> {
        let is_hex = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(NotACase)
    }
}

/// As it is written.
impl JsonSchema for CaseId {
    fn schema_name() -> Cow<'static, str> {
        "CaseId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Serialize for CaseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CaseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A reply's text with `*` for addresses, ids, hosts, IP addresses, numbers, URLs and dates, so
/// that equal refusals are equal. Bounded, and the same when done twice.
#[must_use]
pub fn alike(text: &str) -> String {
    let mut result = String::new();
    let mut variable_before = false;
    for word in text.split_whitespace() {
        let is_variable = is_variable(word);
        if is_variable && variable_before {
            continue;
        }
        variable_before = is_variable;
        let word = if is_variable { VARIABLE } else { word };
        // Whole words only: half of one could look like something else.
        if result.len() + 1 + word.len() > limits::CASE_TEXT {
            break;
        }
        if !result.is_empty() {
            result.push(' ');
        }
        result.push_str(word);
    }
    result
}

/// Longer words are ids.
const LONGEST_WORD: usize = 40;

fn is_variable(word: &str) -> bool {
    let core = word.trim_matches(|c: char| !c.is_alphanumeric());
    let is_quoted = |open, close| {
        let rest = word.split_once(open).map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.contains(close))
    };
    word.len() > LONGEST_WORD
        || word.contains(['@', '*'])
        || word.contains("://")
        || word.contains("::")
        // `ann... User unknown`, as Sendmail says.
        || (word.ends_with("...") && !core.is_empty())
        || word.chars().any(char::is_numeric)
        || is_quoted('<', '>')
        || is_quoted('[', ']')
        || is_quoted('\'', '\'')
        || is_quoted('"', '"')
        || is_host(core)
        || is_of_a_date(core)
}

/// Letters on both sides of a dot: `mail.example.org`, also when a sentence begins without a
/// space.
fn is_host(core: &str) -> bool {
    core.split('.').filter(|label| !label.is_empty()).count() > 1
}

fn is_of_a_date(core: &str) -> bool {
    const NAMES: [&str; 19] = [
        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun",
        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    NAMES.contains(&core)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::Blame;
    use crate::smtp::Reply;

    #[test]
    fn variable_parts_are_removed() {
        for (text, expected) in [
            (
                "Recipient address rejected: Access denied. AS(201806281) \
                 [AM6EUR05FT012.eop-eur05.prod.protection.outlook.com \
                 2026-01-02T10:02:00.123Z 08DE]",
                "Recipient address rejected: Access denied. *",
            ),
            (
                "<ann@example.org>: Recipient address rejected: User unknown",
                "* Recipient address rejected: User unknown",
            ),
            ("<ann>... User unknown", "* User unknown"),
            ("ann... User unknown", "* User unknown"),
            ("User 'ann' is unknown", "User * is unknown"),
            (
                "The account does not exist.\nPlease see\n\
                 https://support.example.com/?p=NoSuchUser \
                 d9443c01a7336-2a8f - gsmtp",
                "The account does not exist. Please see * - gsmtp",
            ),
            (
                "Client host [192.0.2.1] blocked using zen.spamhaus.org",
                "Client host * blocked using *",
            ),
            (
                "Quota exceeded (12345 of 12000 bytes), Sat, 3 Jan",
                "Quota exceeded * of * bytes), *",
            ),
            ("", ""),
        ] {
            assert_eq!(alike(text), expected);
        }
    }

    #[test]
    fn many_equal_refusals_make_one_case() {
        let cloud = BackendId::new("cloud");
        let case = |line: &str| {
            let reply = Reply::parse(&[line]).unwrap();
            CaseKey::of(&cloud, &Failure::replied(Blame::Recipient, reply))
        };
        let first = case("550 5.4.1 [u0@example.org]: Access denied. AS(1) [HOST0.example 08DE00]");
        for number in 1..412 {
            let line = format!(
                "550 5.4.1 [u{number}@example.org]: Access denied. AS({number}) \
                 [HOST{number}.example 08DE{number:02X}]"
            );
            assert_eq!(case(&line).id(), first.id(), "{line}");
        }
        assert_eq!(first.to_string(), "cloud says 550 5.4.1 * Access denied. *");
        let others = [
            case("550 5.1.1 [u0@example.org]: Access denied. AS(1)"),
            case("554 5.4.1 [u0@example.org]: Access denied. AS(1)"),
            case("550 5.4.1 [u0@example.org]: No such user"),
            CaseKey {
                backend: BackendId::new("onprem"),
                ..first.clone()
            },
        ];
        for other in others {
            assert_ne!(other.id(), first.id());
        }
        let id = first.id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(CaseId::from_u64(id.as_u64()), id);
        assert!("x".parse::<CaseId>().is_err());
        // Pinned: scripts and facts keep it.
        assert_eq!(id.to_string(), "f993269bb666");
    }

    proptest! {
        #[test]
        fn twice_is_once_and_bounded(text in "(\\PC|[ .<>\\[\\]'\"@*:/a-z0-9\n]){0,300}") {
            let once = alike(&text);
            prop_assert!(once.len() <= limits::CASE_TEXT);
            prop_assert_eq!(alike(&once), once.clone());
            prop_assert!(!once.chars().any(char::is_numeric));
        }
    }
}
