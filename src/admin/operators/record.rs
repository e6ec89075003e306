//! An administrator, as he is kept and as he is shown.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::{AdminError, Role};
use crate::base::Timestamp;

/// Characters of a name.
const NAME: usize = 64;

/// Something that is kept and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

/// An administrator, as he is kept: a fact under his name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Operator {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) created: Timestamp,
    /// Who made him.
    #[serde(default)]
    pub(super) by: String,
    #[serde(default)]
    pub(super) disabled: bool,
    /// Sessions of an earlier one are over.
    #[serde(default)]
    pub(super) generation: u32,
    /// Tokens of an earlier one are over.
    #[serde(default)]
    pub(super) era: u32,
    /// PHC string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) second: Option<Second>,
    /// With it he sets his password, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<Code>,
}

/// Codes of an app that a login takes beside the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Second {
    /// What the app knows, in base32.
    pub(super) secret: Secret,
    /// The step of time whose code was used last: no code is good twice.
    #[serde(default)]
    pub(super) last: u64,
}

/// What a password is set with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) digest: String,
    pub(super) expires: Timestamp,
}

impl Operator {
    pub(super) fn new(name: &str, role: Role, (by, now): (&str, Timestamp)) -> Self {
        Self {
            name: name.to_owned(),
            role,
            created: now,
            by: by.to_owned(),
            disabled: false,
            generation: 0,
            era: 0,
            password: None,
            second: None,
            code: None,
        }
    }

    /// Could he log in and do everything?
    pub(super) fn is_able_admin(&self) -> bool {
        !self.disabled && self.role == Role::Admin && self.password.is_some()
    }

    /// Sessions and tokens end, and what he has proved himself with is gone.
    pub(super) fn end_all(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.era = self.era.wrapping_add(1);
        self.password = None;
        self.second = None;
        self.code = None;
    }

    pub(super) fn view(&self, now: Timestamp) -> OperatorView {
        let waits = self.code.as_ref().is_some_and(|code| code.expires > now);
        let state = match (self.disabled, &self.password, waits) {
            (true, _, _) => OperatorState::Disabled,
            (false, Some(_), _) => OperatorState::Active,
            (false, None, true) => OperatorState::Invited,
            (false, None, false) => OperatorState::Expired,
        };
        OperatorView {
            name: self.name.clone(),
            role: self.role,
            state,
            second_step: self.second.is_some(),
            created: self.created,
            by: self.by.clone(),
        }
    }
}

/// An administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorView {
    /// What he is called, in the ledger and in the audit log as well.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Can he log in?
    pub state: OperatorState,
    /// A login of his takes a code of an app beside the password.
    pub second_step: bool,
    /// Made when.
    pub created: Timestamp,
    /// Who made him.
    pub by: String,
}

/// Can somebody log in?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperatorState {
    /// He has not set a password yet.
    Invited,
    /// He did not set one in time.
    Expired,
    /// He can.
    Active,
    /// Nobody can, and his tokens are dead.
    Disabled,
}

impl OperatorState {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Expired => "expired",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// With what somebody sets his password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolment {
    /// His name.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// The code; whoever has it can set the password, once. It is not shown again.
    pub code: String,
    /// Where it is typed; a path of `[admin] bind` when `admin.base_url` is not set.
    pub page: String,
    /// The code is dead after this moment.
    pub expires: Timestamp,
}

/// A name can be typed again, and is not mistaken for something else in a table or in an address.
pub(super) fn expect_name(name: &str) -> Result<String, AdminError> {
    let name = name.trim().to_ascii_lowercase();
    let plain = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '@')
    };
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins && name.len() <= NAME && name.chars().all(plain) && name != "socket" {
        return Ok(name);
    }
    Err(AdminError::Asked {
        what: format!("{name:?} is no name of an operator"),
        hint: "use up to 64 small letters, digits, - _ . and @, for example ann or ann@example.org",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!(expect_name(" Ann@Example.org").unwrap(), "ann@example.org");
        let long = "a".repeat(65);
        for odd in ["", "-ann", "a b", "a/b", "a\u{202e}", "socket", "é", &long] {
            assert!(expect_name(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut operator = Operator::new("ann", Role::Viewer, ("root", Timestamp::from_millis(1)));
        operator.password = Some(Secret("$argon2id$…".to_owned()));
        assert!(!format!("{operator:?}").contains("argon2id"));
        assert!(
            !serde_json::to_string(&operator.view(Timestamp::from_millis(2)))
                .unwrap()
                .contains("argon2id")
        );
    }
}
