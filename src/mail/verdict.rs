//! What was found out about the sender of a message when it came in: the methods and results of
//! RFC 8601. Part of the envelope, so as durable as the message.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a sender can prove something (RFC 8601 §2.7, RFC 8617).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthMethod {
    /// The name of the peer's address leads back to it.
    Iprev,
    /// RFC 7208.
    Spf,
    /// RFC 6376.
    Dkim,
    /// RFC 9989.
    Dmarc,
    /// RFC 8617.
    Arc,
    /// The peer's address is on a list in the DNS (RFC 5782).
    Dnsbl,
}

/// What came of it (RFC 8601 §2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthResult {
    /// There is nothing to check.
    None,
    /// Proven.
    Pass,
    /// Proven not to be.
    Fail,
    /// Probably not (SPF `~`).
    SoftFail,
    /// The owner says nothing (SPF `?`).
    Neutral,
    /// It would have passed, or was not looked at, by a rule of ours.
    Policy,
    /// It could not be found out now.
    TempError,
    /// What is published or signed cannot be read.
    PermError,
}

/// What the domain in `From` asks for when mail in its name fails (RFC 9989 §4.7).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum DmarcPolicy {
    /// Nothing.
    None,
    /// To look at it with suspicion.
    Quarantine,
    /// To refuse it.
    Reject,
}

/// One line of the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MethodResult {
    /// The method.
    pub method: AuthMethod,
    /// Its result.
    pub result: AuthResult,
    /// Why, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was looked at: `smtp.mailfrom`, `header.d` …, with its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<(String, String)>,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// By method, in the order of the field.
    pub results: Vec<MethodResult>,
    /// What the domain in `From` asks for when DMARC fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<DmarcPolicy>,
    /// A sealer that the config trusts saw DMARC pass before (RFC 8617 §7.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched_by: Option<String>,
    /// The domain of MAIL FROM answers for the message: SPF passed for it, or a signature that is
    /// aligned with it.
    #[serde(default)]
    pub proves_sender: bool,
}

impl AuthMethod {
    /// The word of RFC 8601.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iprev => "iprev",
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Arc => "arc",
            // Not one of the registered methods.
            Self::Dnsbl => "x-dnsbl",
        }
    }
}

impl AuthResult {
    /// The word of RFC 8601.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl DmarcPolicy {
    /// The word of RFC 9989.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

impl DmarcPolicy {
    /// What is to be done, in a sentence.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::None => "let through",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

impl fmt::Display for DmarcPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl MethodResult {
    /// A result with nothing else said.
    #[must_use]
    pub const fn new(method: AuthMethod, result: AuthResult) -> Self {
        Self {
            method,
            result,
            reason: None,
            properties: Vec::new(),
        }
    }

    /// With the reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// With what was looked at.
    #[must_use]
    pub fn of(mut self, property: &str, value: impl Into<String>) -> Self {
        self.properties.push((property.to_owned(), value.into()));
        self
    }

    /// The value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Verdict {
    /// The results of one method.
    pub fn of(&self, method: AuthMethod) -> impl Iterator<Item = &MethodResult> {
        self.results.iter().filter(move |it| it.method == method)
    }

    /// What DMARC says; there is one such line.
    #[must_use]
    pub fn dmarc(&self) -> Option<&MethodResult> {
        self.of(AuthMethod::Dmarc).next()
    }

    /// The policy that is to be followed: DMARC failed, and nobody whom we trust vouches.
    #[must_use]
    pub fn asks_for(&self) -> Option<DmarcPolicy> {
        let failed = self.dmarc().is_some_and(|it| it.result == AuthResult::Fail);
        let policy = self
            .policy
            .filter(|_| failed && self.vouched_by.is_none())?;
        (policy != DmarcPolicy::None).then_some(policy)
    }
}

/// In one line: `spf=pass dkim=fail dmarc=fail`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, it) in self.results.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(f, "{blank}{}={}", it.method.as_str(), it.result.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(result: AuthResult, policy: DmarcPolicy) -> Verdict {
        Verdict {
            results: vec![
                MethodResult::new(AuthMethod::Spf, AuthResult::Pass).of("smtp.mailfrom", "a.x"),
                MethodResult::new(AuthMethod::Dmarc, result).because("why"),
            ],
            policy: Some(policy),
            ..Verdict::default()
        }
    }

    #[test]
    fn a_policy_is_followed_for_a_failure_only() {
        use AuthResult::{Fail, None, Pass, PermError, TempError};
        for result in [None, Pass, TempError, PermError] {
            assert_eq!(
                verdict(result, DmarcPolicy::Reject).asks_for(),
                Option::None
            );
        }
        let reject = Some(DmarcPolicy::Reject);
        assert_eq!(verdict(Fail, DmarcPolicy::Reject).asks_for(), reject);
        assert_eq!(verdict(Fail, DmarcPolicy::None).asks_for(), Option::None);
        let mut vouched = verdict(Fail, DmarcPolicy::Reject);
        vouched.vouched_by = Some("lists.example".to_owned());
        assert_eq!(vouched.asks_for(), Option::None);
    }

    #[test]
    fn a_verdict_is_read_as_it_was_written() {
        let verdict = verdict(AuthResult::Fail, DmarcPolicy::Quarantine);
        let text = serde_json::to_string(&verdict).unwrap();
        assert!(text.contains(r#""properties":[["smtp.mailfrom","a.x"]]"#));
        assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
        assert_eq!(verdict.to_string(), "spf=pass dmarc=fail");
    }
}
