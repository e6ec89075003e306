//! Addresses, RFC 5321 §4.1.2, with UTF-8 as RFC 6531 §3.3 allows it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::nfc;
use crate::limits;

/// The domain of an address: a name or an address literal such as `[192.0.2.1]`. Kept as written,
/// but for the dot of the root behind a name, which RFC 5321 §4.1.2 does not know: two ways to
/// write a domain would be two domains. Compared without regard to case.
#[derive(Debug, Clone)]
pub struct Domain(String);

impl Domain {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is looked up: lower case, names in their ASCII form (RFC 5891).
    #[must_use]
    pub fn key(&self) -> String {
        if self.0.is_ascii() {
            self.0.to_ascii_lowercase()
        } else {
            let ascii = idna::domain_to_ascii(&self.0);
            let ascii = ascii.unwrap_or_else(|_| nfc(&self.0.to_lowercase()).into_owned());
            // UTS 46 makes other full stops a dot, also the last one.
            ascii.trim_end_matches('.').to_owned()
        }
    }

    /// As people read it: lower case, names in their Unicode form (RFC 5891).
    #[must_use]
    pub fn unicode(&self) -> String {
        idna::domain_to_unicode(&self.0.to_lowercase()).0
    }

    /// `[192.0.2.1]` or `[IPv6:…]`, RFC 5321 §4.1.3.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Domain {}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::recorded(text).and_then(Self::checked)
    }
}

/// An address: local part and domain. Kept as the sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    local: String,
    domain: Domain,
}

impl Mailbox {
    /// The local part as written, quotes included.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The local part without quotes and escapes.
    #[must_use]
    pub fn unquoted_local(&self) -> String {
        let Some(inner) = self
            .local
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        else {
            return self.local.clone();
        };
        let mut plain = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            plain.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        plain
    }

    /// The domain.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form under which the address is looked up and its mail is listed: lower case, without
    /// quotes, each letter with its accent as one character, the domain in ASCII. RFC 5321 §2.4
    /// leaves the case of a local part to its domain; no platform that we serve distinguishes it.
    #[must_use]
    pub fn key(&self) -> String {
        format!(
            "{}@{}",
            nfc(&self.unquoted_local().to_lowercase()),
            self.domain.key()
        )
    }

    /// The same address as hosts of all kinds know it: without quotes where the local part needs
    /// none (RFC 5321 §4.1.2: the least quoting), a letter with its accent as one character, a
    /// domain beyond ASCII in its ASCII form (RFC 5891), whatever letters UTS 46 makes the same of.
    #[must_use]
    pub fn simplest(&self) -> Self {
        let plain = self.unquoted_local();
        // RFC 5321 §4.1.2 Dot-string: between the dots stands something.
        let needs_none = plain
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atext));
        let domain = if self.domain.0.is_ascii() {
            self.domain.clone()
        } else {
            let ascii = Domain::recorded(&self.domain.key());
            ascii.unwrap_or_else(|_| self.domain.clone())
        };
        let local = if needs_none { &plain } else { &self.local };
        Self {
            local: nfc(local).into_owned(),
            domain,
        }
    }

    /// A key as an address is written: what needs quotes has them again.
    #[must_use]
    pub fn written_key(key: &str) -> String {
        let Some((local, domain)) = key.rsplit_once('@') else {
            return key.to_owned();
        };
        if is_local_part(local) && !local.starts_with('"') {
            return key.to_owned();
        }
        let escaped = local.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"@{domain}")
    }

    /// Are all its bytes ASCII, or does it need SMTPUTF8 (RFC 6531)?
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.0.is_ascii()
    }

    /// Is the local part another address, to which a server behind could send it on: with `%`,
    /// `!` or a quoted `@` (RFC 5321 appendix F.2)?
    #[must_use]
    pub fn is_routed(&self) -> bool {
        self.unquoted_local().contains(['%', '!', '@'])
    }

    /// `postmaster`, RFC 5321 §4.5.1, in any case.
    #[must_use]
    pub fn is_postmaster(&self) -> bool {
        self.unquoted_local().eq_ignore_ascii_case("postmaster")
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::recorded(text).and_then(Self::checked)
    }
}

/// What stands in records, and is read by the rules of the versions that took it: a record that
/// cannot be read any more would stop whatever reads the log. What somebody says now has to pass
/// [`Recorded::checked`], too.
trait Recorded: Sized {
    fn recorded(text: &str) -> Result<Self, AddressError>;

    fn checked(self) -> Result<Self, AddressError>;
}

impl Recorded for Domain {
    fn recorded(text: &str) -> Result<Self, AddressError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let valid = if text.starts_with('[') {
            is_literal(text)
        } else {
            is_domain_name(text)
        };
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(AddressError::Domain)
        }
    }

    /// Of full stops and signs alone no host has a name.
    fn checked(self) -> Result<Self, AddressError> {
        if self.0.chars().any(char::is_alphanumeric) {
            Ok(self)
        } else {
            Err(AddressError::Domain)
        }
    }
}

impl Recorded for Mailbox {
    /// RFC 5321 §4.1.2: `Mailbox = Local-part "@" ( Domain / address-literal )`.
    fn recorded(text: &str) -> Result<Self, AddressError> {
        if text.len() > limits::PATH {
            return Err(AddressError::TooLong);
        }
        let at = at_sign(text).ok_or(AddressError::NoDomain)?;
        let (local, domain) = (text.get(..at), text.get(at + 1..));
        let local = local.filter(|local| is_local_part(local));
        let local = local.ok_or(AddressError::LocalPart)?;
        if local.len() > limits::LOCAL_PART {
            return Err(AddressError::TooLong);
        }
        Ok(Self {
            local: local.to_owned(),
            domain: Domain::recorded(domain.unwrap_or_default())?,
        })
    }

    fn checked(self) -> Result<Self, AddressError> {
        let domain = self.domain.checked()?;
        Ok(Self { domain, ..self })
    }
}

/// Where reports go: the null path `<>` or an address, RFC 5321 §4.5.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`: reports and automatic answers; never answered (I5).
    Null,
    /// A sender.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The sender, unless it is the null path.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

/// Without angle brackets; the null path is the empty text.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mailbox().map_or(Ok(()), |mailbox| mailbox.fmt(f))
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::recorded(text).and_then(Self::checked)
    }
}

impl Recorded for ReversePath {
    fn recorded(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            Ok(Self::Null)
        } else {
            Mailbox::recorded(text).map(Self::Mailbox)
        }
    }

    fn checked(self) -> Result<Self, AddressError> {
        match self {
            Self::Null => Ok(Self::Null),
            Self::Mailbox(mailbox) => mailbox.checked().map(Self::Mailbox),
        }
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than [`limits::PATH`] or [`limits::LOCAL_PART`].
    #[error("the address is too long")]
    TooLong,
    /// No `@`.
    #[error("the address has no domain, expected name@example.org")]
    NoDomain,
    /// The part before the `@` is empty or has characters that need quotes.
    #[error("the part before the @ is not valid")]
    LocalPart,
    /// The part behind the `@`.
    #[error("the domain of the address is not valid")]
    Domain,
}

/// The last `@` outside quotes.
fn at_sign(text: &str) -> Option<usize> {
    if text.starts_with('"') {
        let mut escaped = false;
        let end = text.char_indices().skip(1).find_map(|(at, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at)
        })?;
        return (text.as_bytes().get(end + 1) == Some(&b'@')).then_some(end + 1);
    }
    text.rfind('@')
}

fn is_local_part(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('"') {
        return inner.strip_suffix('"').is_some_and(is_quoted_content);
    }
    // RFC 5321 §4.1.2 Dot-string; consecutive and trailing dots exist in the wild (RFC 5321
    // §4.1.2 says to be liberal in what is accepted for delivery), so only empty is refused.
    !text.is_empty() && text.chars().all(|c| is_atext(c) || c == '.')
}

/// RFC 5322 §3.2.3 atext, and UTF-8 by RFC 6531 §3.3.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

/// RFC 5321 §4.1.2 QcontentSMTP.
fn is_quoted_content(inner: &str) -> bool {
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let plain = if c == '\\' { chars.next() } else { Some(c) };
        let legal = |p: char| !p.is_control() && (c == '\\' || p != '"');
        if !plain.is_some_and(legal) {
            return false;
        }
    }
    true
}

fn is_domain_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || c == '-'
                    || c == '_'
                    || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
            })
    };
    !text.is_empty() && text.len() <= limits::DOMAIN && text.split('.').all(label)
}

fn is_literal(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        inner.strip_prefix("IPv6:").map_or_else(
            || inner.parse::<std::net::Ipv4Addr>().is_ok(),
            |v6| v6.parse::<std::net::Ipv6Addr>().is_ok(),
        )
    })
}

macro_rules! serde_as_text {
    ($($kind:ty),+) => {$(
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string" })
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                Self::recorded(&text).map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_as_text!(Domain, Mailbox, ReversePath);

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
