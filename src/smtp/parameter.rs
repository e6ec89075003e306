//! Parameters of MAIL and RCPT: what the envelope says beyond the addresses.

use serde::{Deserialize, Serialize};

/// `BODY=` of MAIL, RFC 6152 and RFC 3030.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// `7BIT`, the default.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// `RET=` of MAIL, RFC 3461 §4.3: how much of the message a failure report carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ret {
    /// The whole message.
    Full,
    /// The headers.
    Hdrs,
}

/// `NOTIFY=` of RCPT, RFC 3461 §4.1: which reports the sender wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the three words of RFC 3461 §4.1"
)]
pub struct Notify {
    /// `NOTIFY=NEVER`: no report of any kind; excludes the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never: bool,
    /// `SUCCESS`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub success: bool,
    /// `FAILURE`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failure: bool,
    /// `DELAY`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delay: bool,
}

/// Parameters of MAIL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MailParameters {
    /// `SIZE=` in bytes, RFC 1870.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `BODY=`.
    #[serde(default)]
    pub body: BodyKind,
    /// `SMTPUTF8`, RFC 6531.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub smtputf8: bool,
    /// `RET=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<Ret>,
    /// `ENVID=`, decoded from xtext, RFC 3461 §4.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
}

/// Parameters of RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RcptParameters {
    /// `NOTIFY=`; `None` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// `ORCPT=` as given (`rfc822;ann@example.org`, still in xtext), RFC 3461 §4.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<String>,
}
