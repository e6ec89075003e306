//! What the config does with automatic answers, as it was decided for a message when it came in.
//! Part of the envelope, so as durable as the message: who is dropped is so from the beginning,
//! and what is taken off is taken off at every delivery, also of a replay.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of automatic answer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AutomaticKind {
    /// Somebody is absent.
    OutOfOffice,
    /// Any other answer that nobody wrote.
    AutoReply,
    /// Mail that a rule or a mailbox passes on.
    AutoForward,
    /// A report of success, delay or relaying (RFC 3464).
    DeliveryReport,
    /// A report that it was read, or deleted unread (RFC 8098).
    ReadReceipt,
    /// A report of failure (RFC 3464).
    Ndr,
}

/// Where a message comes from and where it goes, for one recipient.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AutomaticWay {
    /// Between people of ours with one home.
    Internal,
    /// Between people of ours with different homes.
    Platforms,
    /// From a partner who proved to be one, to us.
    FromPartner,
    /// From us to a partner.
    ToPartner,
    /// From anybody else to us.
    FromInternet,
    /// To anybody else.
    ToInternet,
}

/// What is done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AutomaticDeed {
    /// Nothing.
    #[default]
    Allow,
    /// The wish for such a report is taken off the message.
    Strip,
    /// It is held.
    Hold,
    /// It is taken with 250 and goes nowhere.
    Drop,
}

/// What was decided for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Automatic {
    /// What it is; `None`: no automatic answer that could be told surely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AutomaticKind>,
    /// By what it was recognised.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sign: String,
    /// What was decided, alike recipients together.
    pub rulings: Vec<AutomaticRuling>,
}

/// What was decided for some recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutomaticRuling {
    /// Their numbers, in order.
    pub recipients: Vec<u16>,
    /// Where it comes from and goes.
    pub way: AutomaticWay,
    /// What is done.
    pub deed: AutomaticDeed,
    /// The keys of the config that say so: `automatic.ndr.to_internet`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Fields that are taken off the header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stripped: Vec<String>,
    /// Was NOTIFY=SUCCESS (RFC 3461) taken off the envelope?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notify: bool,
    /// Fields that stay although the config has them taken off, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

impl AutomaticKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::OutOfOffice,
        Self::AutoReply,
        Self::AutoForward,
        Self::DeliveryReport,
        Self::ReadReceipt,
        Self::Ndr,
    ];

    /// The word, also in the config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfOffice => "out_of_office",
            Self::AutoReply => "auto_reply",
            Self::AutoForward => "auto_forward",
            Self::DeliveryReport => "delivery_report",
            Self::ReadReceipt => "read_receipt",
            Self::Ndr => "ndr",
        }
    }
}

impl AutomaticWay {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Internal,
        Self::Platforms,
        Self::FromPartner,
        Self::ToPartner,
        Self::FromInternet,
        Self::ToInternet,
    ];

    /// The word, also in the config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Platforms => "platforms",
            Self::FromPartner => "from_partner",
            Self::ToPartner => "to_partner",
            Self::FromInternet => "from_internet",
            Self::ToInternet => "to_internet",
        }
    }
}

impl AutomaticDeed {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Strip, Self::Hold, Self::Drop];

    /// The word, also in the config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Strip => "strip",
            Self::Hold => "hold",
            Self::Drop => "drop",
        }
    }
}

impl fmt::Display for AutomaticKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AutomaticWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AutomaticDeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Automatic {
    /// What was decided for a recipient.
    #[must_use]
    pub fn of(&self, number: u16) -> Option<&AutomaticRuling> {
        let mut rulings = self.rulings.iter();
        rulings.find(|ruling| ruling.recipients.binary_search(&number).is_ok())
    }

    /// The rule by which a recipient is dropped.
    #[must_use]
    pub fn dropped(&self, number: u16) -> Option<String> {
        let ruling = self.of(number)?;
        (ruling.deed == AutomaticDeed::Drop).then(|| ruling.rules.join(", "))
    }

    /// Fields that a recipient does not get.
    #[must_use]
    pub fn stripped(&self, number: u16) -> &[String] {
        self.of(number).map_or(&[], |ruling| &ruling.stripped)
    }

    /// Who is held for another reason is not dropped: somebody looks at it in any case.
    pub fn spare(&mut self, held: impl Iterator<Item = u16>) {
        let held: BTreeSet<u16> = held.collect();
        for ruling in &mut self.rulings {
            if ruling.deed == AutomaticDeed::Drop {
                ruling.recipients.retain(|number| !held.contains(number));
            }
        }
        self.rulings.retain(|ruling| !ruling.recipients.is_empty());
    }

    /// The same for a message that goes to the people of one of its recipients: they get what he
    /// would have got.
    #[must_use]
    pub fn for_people_of(&self, number: u16, people: usize) -> Option<Self> {
        let ruling = self.of(number)?;
        let people = u16::try_from(people).unwrap_or(u16::MAX);
        (!ruling.stripped.is_empty()).then(|| Self {
            kind: self.kind,
            sign: self.sign.clone(),
            rulings: vec![AutomaticRuling {
                recipients: (0..people).collect(),
                deed: AutomaticDeed::Strip,
                ..ruling.clone()
            }],
        })
    }

    /// What was decided for a recipient, for people.
    #[must_use]
    pub fn told(&self, number: u16) -> Option<String> {
        let ruling = self.of(number)?;
        let mut parts = Vec::new();
        if let Some(kind) = self.kind {
            parts.push(format!("{kind} ({}), {}", self.sign, ruling.way));
        } else {
            parts.push(ruling.way.to_string());
        }
        let by = ruling.rules.join(", ");
        match ruling.deed {
            AutomaticDeed::Drop => parts.push(format!("dropped by {by}")),
            AutomaticDeed::Hold => parts.push(format!("held by {by}")),
            AutomaticDeed::Strip if !ruling.stripped.is_empty() || ruling.notify => {
                let fields = ruling.stripped.iter().map(String::as_str);
                let notify = ruling.notify.then_some("NOTIFY=SUCCESS");
                let off: Vec<&str> = fields.chain(notify).collect();
                parts.push(format!("without {}, by {by}", off.join(", ")));
            }
            AutomaticDeed::Strip | AutomaticDeed::Allow => {}
        }
        parts.extend(ruling.left.iter().cloned());
        Some(parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Automatic {
        let ruling = |recipients: &[u16], deed, rule: &str| AutomaticRuling {
            recipients: recipients.to_vec(),
            way: AutomaticWay::ToInternet,
            deed,
            rules: vec![rule.to_owned()],
            stripped: Vec::new(),
            notify: false,
            left: Vec::new(),
        };
        let strip = AutomaticRuling {
            stripped: vec!["Disposition-Notification-To".to_owned()],
            left: vec!["Return-Receipt-To stays".to_owned()],
            notify: true,
            ..ruling(
                &[3],
                AutomaticDeed::Strip,
                "automatic.read_receipt.to_internet",
            )
        };
        Automatic {
            kind: Some(AutomaticKind::Ndr),
            sign: "Action: failed".to_owned(),
            rulings: vec![
                ruling(&[0, 1], AutomaticDeed::Drop, "automatic.ndr.to_internet"),
                ruling(&[2], AutomaticDeed::Hold, "automatic.ndr.to_internet"),
                strip,
            ],
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let text = serde_json::to_string(&sample()).unwrap();
        assert!(text.starts_with(r#"{"kind":"ndr","sign":"Action: failed","rulings":[{"#));
        assert!(
            text.contains(r#""way":"to_internet","deed":"drop""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Automatic>(&text).unwrap(), sample());
        for kind in AutomaticKind::ALL {
            let json = serde_json::to_value(kind).unwrap();
            assert_eq!(json, kind.as_str());
        }
        for way in AutomaticWay::ALL {
            assert_eq!(serde_json::to_value(way).unwrap(), way.as_str());
        }
        for deed in AutomaticDeed::ALL {
            assert_eq!(serde_json::to_value(deed).unwrap(), deed.as_str());
        }
    }

    #[test]
    fn who_is_held_is_not_dropped() {
        let mut automatic = sample();
        automatic.spare([1, 2].into_iter());
        assert_eq!(
            automatic.dropped(0).as_deref(),
            Some("automatic.ndr.to_internet")
        );
        assert_eq!(automatic.dropped(1), None);
        assert!(automatic.of(2).is_some(), "a hold stays");
        automatic.spare([0].into_iter());
        assert_eq!(automatic.rulings.len(), 2);
    }

    #[test]
    fn people_get_what_their_group_would_have_got() {
        let people = sample().for_people_of(3, 5).unwrap();
        assert_eq!(people.stripped(4), ["Disposition-Notification-To"]);
        assert!(people.stripped(5).is_empty());
        assert_eq!(sample().for_people_of(0, 5), None);
    }

    #[test]
    fn it_says_which_rule_did_it() {
        let told = |number| sample().told(number).unwrap();
        assert_eq!(
            told(1),
            "ndr (Action: failed), to_internet; dropped by automatic.ndr.to_internet"
        );
        assert!(told(2).ends_with("held by automatic.ndr.to_internet"));
        assert!(told(3).contains(
            "without Disposition-Notification-To, NOTIFY=SUCCESS, by \
             automatic.read_receipt.to_internet; Return-Receipt-To stays"
        ));
        assert_eq!(sample().told(4), None);
    }
}
