//! The hash chain over the log and the ledger: each link has the digest of a part, and one of
//! itself and the link before it. Who changes a part, or takes it away, must make all links behind
//! it anew, and then the newest is not the one that somebody wrote down: an [`Anchor`].

use std::fmt::Write as _;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base::{Timestamp, hex};

/// Room of the facts in which the links stand.
pub(super) const ROOM: &str = "chain";
/// Hexadecimal digits of SHA-256.
const DIGITS: usize = 64;

/// A link, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// When it was made.
    pub(crate) at: Timestamp,
    /// Of what.
    #[serde(flatten)]
    pub(crate) of: Part,
    /// SHA-256 of this link and the digest of the one before it, in hexadecimal digits.
    pub(crate) chain: String,
}

/// What a link is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// Bytes of a segment.
    Log {
        segment: u32,
        from: u64,
        to: u64,
        /// `None`: the disk did not give them.
        sha256: Option<String>,
    },
    /// A segment went; its messages stand in the ledger.
    Retired {
        segment: u32,
        /// `None`: no message went with it.
        ledger: Option<LedgerDigest>,
    },
    /// The time of a ledger file is over.
    Expired { segment: u32 },
    /// Somebody knows what is wrong, and has looked after it.
    Known(Known),
}

/// What somebody knows to be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Known {
    /// Who.
    pub actor: String,
    /// Why it is so.
    pub reason: String,
    /// As the check said it.
    pub problems: Vec<String>,
}

impl Known {
    /// SHA-256 of the actor, the reason and the problems, each with a line end behind it.
    fn digest(&self) -> String {
        let mut text = String::new();
        for line in [&self.actor, &self.reason]
            .into_iter()
            .chain(&self.problems)
        {
            text.extend([line, "\n"]);
        }
        hex(&Sha256::digest(text.as_bytes()))
    }
}

/// A file of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgerDigest {
    /// `None`: the disk did not give it.
    pub(crate) sha256: Option<String>,
    /// The latest end of a message in it: from then on it is kept for `spool.ledger_retain`.
    pub(crate) newest: Timestamp,
}

impl Part {
    /// Does it say that this segment went?
    pub(crate) fn is_end_of(&self, gone: u32) -> bool {
        matches!(self, Self::Retired { segment, .. } if *segment == gone)
    }

    /// Does it say so of messages that stand in the ledger?
    pub(crate) const fn has_ledger(&self) -> bool {
        matches!(
            self,
            Self::Retired {
                ledger: Some(_),
                ..
            }
        )
    }
}

impl Link {
    /// The link number `number` behind the digest `before`.
    pub(crate) fn new(number: u64, before: &str, at: Timestamp, of: Part) -> Self {
        let chain = digest_of(number, before, at, &of);
        Self { at, of, chain }
    }

    /// Does it stand at this place of the chain?
    pub(crate) fn follows(&self, number: u64, before: &str) -> bool {
        self.chain == digest_of(number, before, self.at, &self.of)
    }
}

/// `BEFORE NUMBER TIME log SEGMENT FROM TO SHA256`, `… retired SEGMENT [SHA256 NEWEST]`,
/// `… expired SEGMENT` or `… known SHA256`, so that `sha256sum` can check it.
fn digest_of(number: u64, before: &str, at: Timestamp, of: &Part) -> String {
    let digest = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "-".to_owned());
    let mut line = format!("{before} {number} {at} ");
    let written = match of {
        Part::Log {
            segment,
            from,
            to,
            sha256,
        } => write!(line, "log {segment} {from} {to} {}", digest(sha256)),
        Part::Retired {
            segment,
            ledger: None,
        } => write!(line, "retired {segment}"),
        Part::Retired {
            segment,
            ledger: Some(ledger),
        } => {
            let sha256 = digest(&ledger.sha256);
            write!(line, "retired {segment} {sha256} {}", ledger.newest)
        }
        Part::Expired { segment } => write!(line, "expired {segment}"),
        Part::Known(known) => write!(line, "known {}", known.digest()),
    };
    debug_assert!(written.is_ok(), "a text takes everything");
    hex(&Sha256::digest(line.as_bytes()))
}

/// The key of a link: in the order of the chain.
pub(crate) fn key_of(number: u64) -> String {
    format!("{number:010}")
}

/// The end of the chain at some moment, to be kept elsewhere: `57-SHA256`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
pub struct Anchor {
    /// Number of the link; 0: there is none yet.
    pub number: u64,
    /// Its digest, 64 hexadecimal digits.
    pub chain: String,
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.number, self.chain)
    }
}

impl From<Anchor> for String {
    fn from(anchor: Anchor) -> Self {
        anchor.to_string()
    }
}

impl TryFrom<String> for Anchor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Anchor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            "an anchor is a number, a hyphen, and 64 hexadecimal digits, as a report has it";
        let (number, chain) = text.trim().split_once('-').ok_or(wrong)?;
        let are_digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let is_hex = chain.bytes().all(|byte| byte.is_ascii_hexdigit());
        if chain.len() != DIGITS || !is_hex || !are_digits {
            return Err(wrong);
        }
        let number = number.parse().map_err(|_| wrong)?;
        let chain = chain.to_ascii_lowercase();
        Ok(Self { number, chain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    /// A reader with `sha256sum` comes to the same.
    #[test]
    fn a_link_is_the_digest_of_a_line_that_can_be_written_by_hand() {
        let of = Part::Log {
            segment: 3,
            from: 0,
            to: 4096,
            sha256: Some("ab".repeat(32)),
        };
        let link = Link::new(7, "before", at(0), of);
        let written = format!(
            "before 7 1970-01-01T00:00:00.000Z log 3 0 4096 {}",
            "ab".repeat(32)
        );
        assert_eq!(link.chain, hex(&Sha256::digest(written.as_bytes())));
        assert!(link.follows(7, "before"));
        for (number, before) in [(8, "before"), (7, "after")] {
            assert!(!link.follows(number, before));
        }
        let ledger = LedgerDigest {
            sha256: None,
            newest: at(60),
        };
        let gone = Part::Retired {
            segment: 3,
            ledger: Some(ledger),
        };
        let link = Link::new(8, "b", at(0), gone);
        let written = "b 8 1970-01-01T00:00:00.000Z retired 3 - 1970-01-01T00:01:00.000Z";
        assert_eq!(link.chain, hex(&Sha256::digest(written.as_bytes())));
    }

    #[test]
    fn links_come_back_from_json_and_any_change_shows() {
        let parts = [
            Part::Log {
                segment: 1,
                from: 5,
                to: 9,
                sha256: None,
            },
            Part::Retired {
                segment: 1,
                ledger: None,
            },
            Part::Expired { segment: 1 },
        ];
        for of in parts {
            let link = Link::new(1, "u", at(5), of);
            let json = serde_json::to_string(&link).unwrap();
            let read: Link = serde_json::from_str(&json).unwrap();
            assert_eq!(read, link);
            let changed = json.replace("\"segment\":1", "\"segment\":2");
            let changed: Link = serde_json::from_str(&changed).unwrap();
            assert!(!changed.follows(1, "u"), "{json}");
            let later = Link {
                at: at(6),
                ..link.clone()
            };
            assert!(!later.follows(1, "u"));
        }
    }

    #[test]
    fn anchors_are_read_as_they_are_written() {
        let anchor = Anchor {
            number: 57,
            chain: "0f".repeat(32),
        };
        assert_eq!(anchor.to_string().parse(), Ok(anchor.clone()));
        let upper = format!(" {} ", anchor.to_string().to_ascii_uppercase());
        assert_eq!(upper.parse(), Ok(anchor));
        for wrong in [
            "",
            "57",
            "57-",
            "-ab",
            "57-xyz",
            &format!("x-{}", "0f".repeat(32)),
            &format!("+3-{}", "0f".repeat(32)),
        ] {
            assert!(wrong.parse::<Anchor>().is_err(), "{wrong}");
        }
    }
}
