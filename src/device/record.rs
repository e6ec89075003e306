//! A device, as it is kept.

use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AddressRule;
use crate::base::Timestamp;
use crate::net::Network;

/// How a device hands its mail in, from the least dangerous way to the most dangerous one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It logs in with a name and a password, over TLS.
    Login,
    /// It comes from its address, and sends to our own people only.
    Internal,
    /// It comes from its address, and sends to some strangers too: until a day, so many a day.
    Listed,
}

impl Way {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Internal => "internal",
            Self::Listed => "listed",
        }
    }
}

/// Something that is kept and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

/// A device, as it is kept: a fact under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What it is called, in the log and in the ledger as well.
    pub name: String,
    /// How it hands its mail in.
    pub way: Way,
    /// Who it may write as, in MAIL FROM and in `From`.
    pub senders: Vec<AddressRule>,
    /// Where it comes from, as it was said.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The strangers to whom it may send.
    #[serde(default)]
    pub recipients: Vec<AddressRule>,
    /// From then on nothing of it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Recipients of a day, all its messages together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_recipients: Option<u32>,
    /// With what it logs in, as a PHC string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Made when.
    pub made: Timestamp,
    /// Who made it.
    #[serde(default)]
    pub by: String,
    /// What for.
    #[serde(default)]
    pub reason: String,
}

impl Device {
    /// Where it comes from. What cannot be read is nowhere.
    pub(super) fn networks(&self) -> impl Iterator<Item = Network> {
        self.networks.iter().filter_map(|text| text.parse().ok())
    }

    /// How exactly its networks name an address: the length of the longest prefix that does.
    pub(super) fn nearness(&self, address: IpAddr) -> Option<u8> {
        let named = self.networks().filter(|network| network.contains(address));
        named.map(|network| network.prefix()).max()
    }

    /// May it log in from there?
    pub(super) fn logs_in_from(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.nearness(address).is_some()
    }

    /// Is it over?
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}
