//! Whom a device may name: an address, or everybody of a domain.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::smtp::{Domain, Mailbox};

/// `scanner@example.org`, or `@example.org` for each address of the domain, but not of the domains
/// below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressRule {
    /// This address, by its key.
    Address(String),
    /// All addresses of this domain, by its key.
    Domain(String),
}

/// It is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no address and no domain")]
pub struct NoRule(String);

impl AddressRule {
    /// Is it meant?
    #[must_use]
    pub fn matches(&self, address: &Mailbox) -> bool {
        match self {
            Self::Address(key) => *key == address.key(),
            Self::Domain(key) => *key == address.domain().key(),
        }
    }

    /// The key of its domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        match self {
            Self::Address(key) => key.rsplit_once('@').map_or("", |(_, domain)| domain),
            Self::Domain(key) => key,
        }
    }
}

impl fmt::Display for AddressRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(key) => out.write_str(key),
            Self::Domain(key) => write!(out, "@{key}"),
        }
    }
}

impl FromStr for AddressRule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let text = text.trim();
        let wrong = || NoRule(text.to_owned());
        // Nobody means all hosts of a network by the name of a sender or of a receiver.
        let domain = |name: &str| {
            let domain: Domain = name.parse().map_err(|_| wrong())?;
            if domain.is_literal() {
                return Err(wrong());
            }
            Ok(domain.key())
        };
        match text.strip_prefix('@') {
            Some(name) => domain(name).map(Self::Domain),
            None if !text.contains('@') && text.contains('.') => domain(text).map(Self::Domain),
            None => {
                let address: Mailbox = text.parse().map_err(|_| wrong())?;
                // The address is a way to somewhere else.
                if address.is_routed() || address.domain().is_literal() {
                    return Err(wrong());
                }
                Ok(Self::Address(address.key()))
            }
        }
    }
}

impl Serialize for AddressRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for AddressRule {
    fn schema_name() -> Cow<'static, str> {
        "AddressRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An address, or everybody of a domain: `@example.org`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_means_one_address_or_one_domain() {
        let matches = |rule: &str, address: &str| {
            let rule: AddressRule = rule.parse().unwrap();
            let again: AddressRule = rule.to_string().parse().unwrap();
            assert_eq!(rule, again);
            rule.matches(&address.parse().unwrap())
        };
        assert!(matches("Scan@Example.org", "scan@EXAMPLE.org"));
        assert!(!matches("scan@example.org", "scans@example.org"));
        for rule in ["@example.org", "example.org"] {
            assert!(matches(rule, "anybody@example.org"));
            assert!(!matches(rule, "anybody@sub.example.org"));
            assert!(!matches(rule, "anybody@badexample.org"));
        }
        for text in [
            "",
            "@",
            "*",
            "scan",
            "@*",
            "*@example.org@",
            "[192.0.2.1]",
            "scan@[192.0.2.1]",
            "a%b@example.org",
        ] {
            assert!(text.parse::<AddressRule>().is_err(), "{text:?}");
        }
    }
}
