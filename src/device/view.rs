//! A device, as it is shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AddressRule, Device, Usage, Way};
use crate::base::Timestamp;

/// Can it send?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// It can.
    Active,
    /// It has sent what it may send today.
    Full,
    /// Its time is over.
    Expired,
}

impl DeviceState {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Full => "full",
            Self::Expired => "expired",
        }
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceView {
    /// What it is called, in the log and in the ledger as well.
    pub name: String,
    /// How it hands its mail in.
    pub way: Way,
    /// Can it send?
    pub state: DeviceState,
    /// Who it may write as, in MAIL FROM and in `From`.
    pub senders: Vec<AddressRule>,
    /// Where it comes from.
    pub networks: Vec<String>,
    /// The strangers to whom it may send.
    pub recipients: Vec<AddressRule>,
    /// From then on nothing of it is taken.
    pub expires: Option<Timestamp>,
    /// Recipients of a day, all its messages together.
    pub daily_recipients: Option<u32>,
    /// Recipients of today, in UTC.
    pub today: u64,
    /// Its last message was taken then.
    pub last_seen: Option<Timestamp>,
    /// Who that message said that it is from.
    pub last_sender: Option<String>,
    /// What was refused last.
    pub last_refusal: Option<RefusalView>,
    /// Made when.
    pub made: Timestamp,
    /// Who made it.
    pub by: String,
    /// What for.
    pub reason: String,
}

/// What a device was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusalView {
    /// When.
    pub at: Timestamp,
    /// What it was told.
    pub reply: String,
}

/// From this part of a day's recipients on somebody should know.
const NEAR_PERCENT: u64 = 90;

impl DeviceView {
    /// Has it had nearly all recipients of today?
    #[must_use]
    pub fn is_near_limit(&self) -> bool {
        let near = |most: u32| self.today.saturating_mul(100) >= u64::from(most) * NEAR_PERCENT;
        self.daily_recipients.is_some_and(near)
    }

    /// As it is now.
    #[must_use]
    pub fn new(device: &Device, usage: &Usage, now: Timestamp) -> Self {
        let today = usage.today(now);
        let state = if device.is_expired(now) {
            DeviceState::Expired
        } else if device.afford(1, today).is_err() {
            DeviceState::Full
        } else {
            DeviceState::Active
        };
        Self {
            name: device.name.clone(),
            way: device.way,
            state,
            senders: device.senders.clone(),
            networks: device.networks.clone(),
            recipients: device.recipients.clone(),
            expires: device.expires,
            daily_recipients: device.daily_recipients,
            today,
            last_seen: usage.seen,
            last_sender: usage.sender.clone(),
            last_refusal: usage.refused.as_ref().map(|(at, reply)| RefusalView {
                at: *at,
                reply: reply.clone(),
            }),
            made: device.made,
            by: device.by.clone(),
            reason: device.reason.clone(),
        }
    }
}
