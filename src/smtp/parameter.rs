//! Parameters of MAIL and RCPT: what the envelope says beyond the addresses.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mailbox, xtext};

/// `BODY=` of MAIL, RFC 6152 and RFC 3030.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// `7BIT`, the default.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// `RET=` of MAIL, RFC 3461 §4.3: how much of the message a failure report carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ret {
    /// The whole message.
    Full,
    /// The headers.
    Hdrs,
}

/// `NOTIFY=` of RCPT, RFC 3461 §4.1: which reports the sender wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// `REQUIRETLS`, RFC 8689: nobody may get it who does not prove who he is and promise the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requiretls: bool,
    /// `AUTH=`, decoded from xtext, RFC 4954 §5: whose message it is, as the client says. Believed
    /// by nobody here, and neither kept nor passed on.
    #[serde(skip)]
    pub auth: Option<String>,
}

/// Parameters of RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RcptParameters {
    /// `NOTIFY=`; `None` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// `ORCPT=` as given (`rfc822;ann@example.org`, still in xtext), RFC 3461 §4.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<String>,
}

/// Why the parameters of a command are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// A parameter that we did not announce: 555 5.5.4, RFC 5321 §4.1.1.11.
    #[error("a parameter is not known here")]
    Unknown,
    /// A known parameter with a wrong value, or twice: 501 5.5.4.
    #[error("the value of {0} is not valid")]
    Invalid(&'static str),
}

/// Longest `ENVID=`, RFC 3461 §4.4.
const ENVID: usize = 100;
/// Longest `AUTH=`, RFC 4954 §5.
const AUTH: usize = 500;
/// Longest `ORCPT=`, RFC 3461 §4.2.
const ORCPT: usize = 500;

impl MailParameters {
    /// Reads what follows the path of MAIL.
    ///
    /// # Errors
    /// See [`ParameterError`].
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        let mut body = None;
        for parameter in text.split_ascii_whitespace() {
            match Keyword::parse(parameter) {
                ("SIZE", value) => once(&mut parameters.size, parse_size(value), "SIZE")?,
                ("BODY", value) => once(&mut body, parse_body(value), "BODY")?,
                ("SMTPUTF8", None) if !parameters.smtputf8 => parameters.smtputf8 = true,
                ("SMTPUTF8", _) => return Err(ParameterError::Invalid("SMTPUTF8")),
                ("REQUIRETLS", None) if !parameters.requiretls => parameters.requiretls = true,
                ("REQUIRETLS", _) => return Err(ParameterError::Invalid("REQUIRETLS")),
                ("RET", value) => once(&mut parameters.ret, parse_ret(value), "RET")?,
                ("AUTH", value) => once(&mut parameters.auth, parse_auth(value), "AUTH")?,
                ("ENVID", value) => once(&mut parameters.envid, parse_envid(value), "ENVID")?,
                _ => return Err(ParameterError::Unknown),
            }
        }
        parameters.body = body.unwrap_or_default();
        Ok(parameters)
    }
}

/// As MAIL carries them, each with a blank in front; without AUTH, which is not passed on.
impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            BodyKind::SevenBit => {}
            BodyKind::EightBitMime => f.write_str(" BODY=8BITMIME")?,
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        match self.ret {
            None => {}
            Some(Ret::Full) => f.write_str(" RET=FULL")?,
            Some(Ret::Hdrs) => f.write_str(" RET=HDRS")?,
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", xtext::encode(envid.as_bytes()))?;
        }
        if self.requiretls {
            f.write_str(" REQUIRETLS")?;
        }
        Ok(())
    }
}

impl RcptParameters {
    /// Reads what follows the path of RCPT.
    ///
    /// # Errors
    /// See [`ParameterError`].
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        let mut parameters = Self::default();
        for parameter in text.split_ascii_whitespace() {
            match Keyword::parse(parameter) {
                ("NOTIFY", value) => once(&mut parameters.notify, parse_notify(value), "NOTIFY")?,
                ("ORCPT", value) => once(&mut parameters.orcpt, parse_orcpt(value), "ORCPT")?,
                _ => return Err(ParameterError::Unknown),
            }
        }
        Ok(parameters)
    }
}

/// As RCPT carries them, each with a blank in front.
impl fmt::Display for RcptParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notify) = self.notify.filter(|notify| *notify != Notify::default()) {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(orcpt) = &self.orcpt {
            write!(f, " ORCPT={orcpt}")?;
        }
        Ok(())
    }
}

/// `NEVER` or the words separated by commas.
impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.never {
            return f.write_str("NEVER");
        }
        let words = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
        ];
        let words = words.iter().filter(|(wanted, _)| *wanted);
        for (number, (_, word)) in words.enumerate() {
            f.write_str(if number > 0 { "," } else { "" })?;
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// The keywords of the parameters that we know.
struct Keyword;

impl Keyword {
    /// The keyword in upper case and the value, if there is one.
    fn parse(parameter: &str) -> (&'static str, Option<&str>) {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter, None),
        };
        let known = [
            "SIZE",
            "BODY",
            "SMTPUTF8",
            "RET",
            "ENVID",
            "REQUIRETLS",
            "AUTH",
            "NOTIFY",
            "ORCPT",
        ];
        let known = known
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(keyword));
        (known.unwrap_or_default(), value)
    }
}

/// RFC 5321 §4.1.1.11: a parameter stands at most once, and must be valid.
fn once<T>(
    slot: &mut Option<T>,
    value: Option<T>,
    name: &'static str,
) -> Result<(), ParameterError> {
    if slot.is_some() || value.is_none() {
        return Err(ParameterError::Invalid(name));
    }
    *slot = value;
    Ok(())
}

/// RFC 1870 §6: up to 20 digits; a number beyond 64 bits is as good as infinite.
fn parse_size(value: Option<&str>) -> Option<u64> {
    let digits = value.filter(|digits| {
        (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })?;
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// RFC 6152 §3. `BINARYMIME` (RFC 3030 §3) is not announced: docs/rfc.md says why.
fn parse_body(value: Option<&str>) -> Option<BodyKind> {
    let value = value?;
    if value.eq_ignore_ascii_case("7BIT") {
        Some(BodyKind::SevenBit)
    } else if value.eq_ignore_ascii_case("8BITMIME") {
        Some(BodyKind::EightBitMime)
    } else {
        None
    }
}

fn parse_ret(value: Option<&str>) -> Option<Ret> {
    let value = value?;
    if value.eq_ignore_ascii_case("FULL") {
        Some(Ret::Full)
    } else if value.eq_ignore_ascii_case("HDRS") {
        Some(Ret::Hdrs)
    } else {
        None
    }
}

/// RFC 3461 §4.4: xtext of printable ASCII and blanks.
fn parse_envid(value: Option<&str>) -> Option<String> {
    let value = value.filter(|value| (1..=ENVID).contains(&value.len()))?;
    let plain = String::from_utf8(xtext::decode(value)?).ok()?;
    let printable = plain.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    printable.then_some(plain)
}

/// RFC 4954 §5: xtext of an address, or `<>`.
fn parse_auth(value: Option<&str>) -> Option<String> {
    let value = value.filter(|value| (1..=AUTH).contains(&value.len()))?;
    let plain = String::from_utf8(xtext::decode(value)?).ok()?;
    let is_known = plain == "<>" || plain.parse::<Mailbox>().is_ok();
    is_known.then_some(plain)
}

/// RFC 3461 §4.1: NEVER stands alone.
fn parse_notify(value: Option<&str>) -> Option<Notify> {
    let mut notify = Notify::default();
    for word in value?.split(',') {
        let flag = match word.to_ascii_uppercase().as_str() {
            "NEVER" => &mut notify.never,
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        *flag = true;
    }
    let others = notify.success || notify.failure || notify.delay;
    (!(notify.never && others)).then_some(notify)
}

/// RFC 3461 §4.2: `type;xtext`; RFC 6533 §3: the type `utf-8` has its own encoding and may have
/// characters beyond ASCII. Kept as given.
fn parse_orcpt(value: Option<&str>) -> Option<String> {
    let value = value.filter(|value| value.len() <= ORCPT)?;
    let (kind, address) = value.split_once(';')?;
    let legal_kind = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if kind.is_empty() || address.is_empty() || !kind.bytes().all(legal_kind) {
        return None;
    }
    let valid = if kind.eq_ignore_ascii_case("utf-8") {
        !address.chars().any(|c| c.is_control() || c.is_whitespace())
    } else {
        xtext::decode(address).is_some()
    };
    valid.then(|| value.to_owned())
}
