//! Which recipients an operator means: for the verbs of the queue and for rules that hold mail.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::HoldRule;
use crate::base::Timestamp;
use crate::mail::{BackendId, HoldReason, Recipient, RecipientState, SpoolId};
use crate::smtp::{Domain, Mailbox, ReversePath};

/// An address, everybody at a domain (`@example.org`), or the null path (`<>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One address, as [`Mailbox::key`] has it.
    Address(String),
    /// All addresses of one domain, as [`Domain::key`] has it.
    Domain(String),
    /// The null path.
    Null,
}

impl Pattern {
    /// Does it name this address?
    #[must_use]
    pub fn names(&self, address: &Mailbox) -> bool {
        match self {
            Self::Address(key) => address.key() == *key,
            Self::Domain(key) => address.domain().key() == *key,
            Self::Null => false,
        }
    }

    /// Does it name this sender?
    #[must_use]
    pub fn names_sender(&self, sender: &ReversePath) -> bool {
        match sender.mailbox() {
            Some(address) => self.names(address),
            None => *self == Self::Null,
        }
    }

    /// Does it name everything that `other` names?
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Domain(domain), Self::Address(address)) => {
                address.rsplit_once('@').is_some_and(|(_, of)| of == domain)
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(key) => f.write_str(&Mailbox::written_key(key)),
            Self::Domain(key) => write!(f, "@{key}"),
            Self::Null => f.write_str("<>"),
        }
    }
}

/// What is neither an address nor `@domain`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no address: expected for example ann@example.org, or @example.org for all of it"
)]
pub struct NoPattern(String);

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let wrong = || NoPattern(text.to_owned());
        if text == "<>" {
            return Ok(Self::Null);
        }
        if let Some(domain) = text.strip_prefix('@') {
            let domain: Domain = domain.parse().map_err(|_| wrong())?;
            return Ok(Self::Domain(domain.key()));
        }
        let address: Mailbox = text.parse().map_err(|_| wrong())?;
        Ok(Self::Address(address.key()))
    }
}

/// As it is written.
impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed: Result<Self, NoPattern> = text.parse();
        // Earlier versions wrote keys without the quotes that an address needs.
        let parsed = parsed.or_else(|wrong| Mailbox::written_key(&text).parse().map_err(|_| wrong));
        parsed.map_err(serde::de::Error::custom)
    }
}

/// What a recipient must be like. All that is given must hold; with nothing given it names
/// everything, which a verb refuses unless it is told so. A name that is misspelt is no name, or it
/// would name more than was meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<SpoolId>,
    /// With this address, or of this mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Pattern>,
    /// From this sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Pattern>,
    /// With an address of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whose home this backend is, or whom it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendId>,
    /// Held for a reason of this kind, see [`HoldReason::kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_kind: Option<String>,
    /// Held by the rule of this name, or, with `@domain`, by a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Accepted before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_before: Option<Timestamp>,
}

/// Mail that a rule may name: what is known of it when its route is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The message; not known when somebody asks about an address.
    pub(super) message: Option<SpoolId>,
    /// Its sender; not known then either.
    pub(super) from: Option<&'a ReversePath>,
    /// To whom.
    pub(super) address: &'a Mailbox,
    /// The key of the directory's entry.
    pub(super) mailbox: Option<&'a str>,
    /// The home of that mailbox.
    pub(super) home: Option<&'a BackendId>,
    /// When it was released past the rules of that time.
    pub(super) exempt: Option<Timestamp>,
}

/// A recipient that may be meant.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its message.
    pub id: SpoolId,
    /// Its number in the envelope.
    pub number: u16,
    /// From whom.
    pub from: &'a ReversePath,
    /// To whom.
    pub recipient: &'a Recipient,
    /// Where it stands.
    pub state: &'a RecipientState,
}

impl Candidate<'_> {
    /// Why it is held one by one, if it is.
    #[must_use]
    pub const fn hold_reason(&self) -> Option<&HoldReason> {
        hold_reason(self.state)
    }
}

const fn hold_reason(state: &RecipientState) -> Option<&HoldReason> {
    match state {
        RecipientState::Held { reason, .. } => Some(reason),
        RecipientState::Queued { .. }
        | RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => None,
    }
}

fn waits_for(state: &RecipientState, backend: &BackendId) -> bool {
    let lane = match state {
        RecipientState::Queued { lane, .. } | RecipientState::Held { lane, .. } => lane,
        RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => return false,
    };
    let refused_by = match hold_reason(state) {
        Some(HoldReason::Refused { backend, .. }) => Some(backend),
        Some(_) | None => None,
    };
    lane == backend.as_str() || refused_by == Some(backend)
}

impl Selection {
    /// Does it name everything?
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Is this recipient meant?
    #[must_use]
    pub fn matches(&self, one: &Candidate<'_>) -> bool {
        let subject = Subject {
            message: Some(one.id),
            from: Some(one.from),
            address: &one.recipient.address,
            mailbox: one.recipient.mailbox.as_deref(),
            home: None,
            exempt: None,
        };
        self.names_mail(&subject) && self.suits(one.state)
    }

    /// Must the envelope be known to say who is meant?
    #[must_use]
    pub const fn asks_envelope(&self) -> bool {
        self.recipient.is_some() || self.sender.is_some() || self.domain.is_some()
    }

    /// Can a recipient of this message in this state be meant, whatever its envelope says?
    #[must_use]
    pub fn may_mean(&self, id: SpoolId, state: &RecipientState) -> bool {
        holds(self.message, |message| message == id)
            && holds(self.accepted_before, |before| id.timestamp() < before)
            && self.suits(state)
    }

    /// The part of it that is about the state.
    fn suits(&self, state: &RecipientState) -> bool {
        let reason = hold_reason(state);
        holds(self.backend.as_ref(), |backend| waits_for(state, backend))
            && holds(self.reason_kind.as_ref(), |wanted| {
                reason.map(HoldReason::kind) == Some(wanted.as_str())
            })
            && holds(self.hold.as_ref(), |wanted| match reason {
                Some(HoldReason::Operator { hold, .. }) => hold == wanted,
                Some(HoldReason::Move { domain, .. }) => {
                    wanted.strip_prefix('@') == Some(domain.as_str())
                }
                Some(
                    HoldReason::Refused { .. }
                    | HoldReason::NoRoute { .. }
                    | HoldReason::Loop { .. }
                    | HoldReason::Damaged { .. }
                    | HoldReason::Dmarc { .. }
                    | HoldReason::Filter { .. }
                    | HoldReason::Automatic { .. },
                )
                | None => false,
            })
    }

    /// Does a rule with this selection name the mail?
    pub(super) fn names(&self, one: &Subject<'_>) -> bool {
        self.names_mail(one) && holds(self.backend.as_ref(), |backend| one.home == Some(backend))
    }

    /// Does it name everything that the rule holds?
    pub(super) fn covers(&self, rule: &HoldRule) -> bool {
        fn same<T: PartialEq>(ours: Option<&T>, theirs: Option<&T>) -> bool {
            ours.is_none() || ours == theirs
        }
        let pattern = |ours: &Option<Pattern>, theirs: &Option<Pattern>| match (ours, theirs) {
            (None, _) => true,
            (Some(ours), Some(theirs)) => ours.covers(theirs),
            (Some(_), None) => false,
        };
        let held = &rule.selection;
        same(self.message.as_ref(), held.message.as_ref())
            && pattern(&self.recipient, &held.recipient)
            && pattern(&self.sender, &held.sender)
            && same(self.domain.as_ref(), held.domain.as_ref())
            && same(self.backend.as_ref(), held.backend.as_ref())
            && holds(self.reason_kind.as_ref(), |kind| {
                kind == rule.hold_reason().kind()
            })
            && holds(self.hold.as_ref(), |name| *name == rule.name)
            && same(self.accepted_before.as_ref(), held.accepted_before.as_ref())
    }

    /// The part of it that does not change while the recipient waits.
    fn names_mail(&self, one: &Subject<'_>) -> bool {
        let is_mailbox = |pattern: &Pattern| {
            let key = one.mailbox.map(|key| Pattern::Address(key.to_owned()));
            key.is_some_and(|key| pattern.covers(&key))
        };
        holds(self.message, |message| one.message == Some(message))
            && holds(self.recipient.as_ref(), |pattern| {
                pattern.names(one.address) || is_mailbox(pattern)
            })
            && holds(self.sender.as_ref(), |pattern| {
                one.from.is_some_and(|from| pattern.names_sender(from))
            })
            && holds(self.domain.as_ref(), |domain| {
                one.address.domain().key() == *domain
            })
            && holds(self.accepted_before, |before| {
                one.message.is_some_and(|id| id.timestamp() < before)
            })
    }
}

/// What is not given holds.
fn holds<T>(given: Option<T>, test: impl FnOnce(T) -> bool) -> bool {
    given.is_none_or(test)
}

/// `message 06J8Z4K2M0001`, `domain example.org and sender <>`, `all mail`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
        let parts = [
            text("message", self.message.map(|id| id.to_string())),
            text("recipient", self.recipient.as_ref().map(Pattern::to_string)),
            text("sender", self.sender.as_ref().map(Pattern::to_string)),
            text("domain", self.domain.clone()),
            text("backend", self.backend.as_ref().map(BackendId::to_string)),
            text("reason", self.reason_kind.clone()),
            text("hold", self.hold.clone()),
            text(
                "accepted before",
                self.accepted_before.map(|at| at.to_string()),
            ),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() {
            return f.write_str("all mail");
        }
        f.write_str(&parts.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Blame, Failure};
    use crate::smtp::RcptParameters;

    const ID: SpoolId = SpoolId::from_u64(7);

    fn selection(json: &str) -> Selection {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let from: ReversePath = "Eve@example.net".parse().unwrap();
        let recipient = Recipient {
            address: "A.Nn@Alias.example".parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: Some("ann@example.org".to_owned()),
        };
        let state = RecipientState::Held {
            reason: HoldReason::Refused {
                backend: BackendId::new("cloud"),
                failure: Failure::without_reply(Blame::Recipient, "no"),
            },
            since: Timestamp::EPOCH,
            lane: "onprem".to_owned(),
            attempts: 1,
            uncertain: false,
            on_hold: 0,
            exempt: None,
        };
        let one = Candidate {
            id: ID,
            number: 0,
            from: &from,
            recipient: &recipient,
            state: &state,
        };
        for (json, expected) in [
            ("{}", true),
            (r#"{"recipient":"a.nn@alias.example"}"#, true),
            (r#"{"recipient":"Ann@Example.org"}"#, true),
            (r#"{"recipient":"@alias.example"}"#, true),
            (r#"{"recipient":"@example.org"}"#, true),
            (r#"{"recipient":"bob@example.org"}"#, false),
            (r#"{"sender":"eve@example.net"}"#, true),
            (
                r#"{"sender":"@example.net","domain":"alias.example"}"#,
                true,
            ),
            (r#"{"sender":"<>"}"#, false),
            (r#"{"domain":"example.org"}"#, false),
            (r#"{"backend":"onprem"}"#, true),
            (r#"{"backend":"cloud"}"#, true),
            (r#"{"backend":"other"}"#, false),
            (r#"{"reason_kind":"refused"}"#, true),
            (r#"{"reason_kind":"no-route"}"#, false),
            (r#"{"message":"0000000000007"}"#, true),
            (r#"{"message":"0000000000008"}"#, false),
            (r#"{"accepted_before":"2020-01-01T00:00:01Z"}"#, true),
            (r#"{"accepted_before":"2020-01-01T00:00:00Z"}"#, false),
        ] {
            assert_eq!(selection(json).matches(&one), expected, "{json}");
        }
    }

    #[test]
    fn it_is_told_in_words_and_refuses_nonsense() {
        let told = selection(r#"{"sender":"<>","domain":"example.org"}"#);
        assert_eq!(told.to_string(), "sender <> and domain example.org");
        assert!(Selection::default().is_all());
        assert_eq!(Selection::default().to_string(), "all mail");
        for text in ["", "ann", "@", "ann@", "@a b", "a b@example.org"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        for text in [
            r#""a b"@example.net"#,
            r#""a\"b\\c"@example.net"#,
            r#""a@b"@example.net"#,
            r#""\"a\""@example.net"#,
            r#"""@example.net"#,
            "Ann@Example.net",
            "@example.net",
            "<>",
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.to_string().parse(), Ok(pattern.clone()), "{text}");
            let written = serde_json::to_string(&pattern).unwrap();
            let read: Pattern = serde_json::from_str(&written).unwrap();
            assert_eq!(read, pattern, "{text}");
        }
        // As earlier versions wrote it.
        let old = selection(r#"{"sender":"a b@example.net"}"#);
        assert_eq!(old, selection(r#"{"sender":"\"a b\"@example.net"}"#));
    }
}
