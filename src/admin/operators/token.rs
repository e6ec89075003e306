//! Tokens for programs: shown once, kept as a digest, with a name, an end and a role.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Operator;
use super::{Operators, Role};
use crate::admin::{AdminError, Caller};
use crate::base::Timestamp;
use crate::credential::{digest, is_token};
use crate::limits;
use crate::spool::SpoolError;

/// Tokens, as facts.
const TOKENS: &str = "operator-token";
/// With this a token begins, so that it is found where it does not belong.
const PREFIX: &str = "tdo_";
/// Characters of a token's name.
const LABEL: usize = 64;
/// Digits of a digest that name a token.
const ID: usize = 12;

/// What is kept under the digest of the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    operator: String,
    era: u32,
    label: String,
    role: Role,
    created: Timestamp,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

/// A token that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TokenQuery {
    /// What it is for.
    pub(crate) label: String,
    /// What it may do; at most what its owner may, and that when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// It ends after so many seconds; never when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_seconds: Option<u64>,
}

/// A token, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// By this it is revoked; it tells nothing of the token.
    pub id: String,
    /// Whose it is.
    pub operator: String,
    /// What it is for.
    pub label: String,
    /// What it may do; never more than its owner may.
    pub role: Role,
    /// Made when.
    pub created: Timestamp,
    /// Who made it.
    pub by: String,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// It can be used now.
    pub good: bool,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewToken {
    /// For `Authorization: Bearer`. It is not shown again.
    pub token: String,
    /// As it is listed.
    #[serde(flatten)]
    pub view: TokenView,
}

impl Operators {
    /// Makes a token for somebody.
    pub(in crate::admin) async fn make_token(
        &self,
        (name, query): (&str, TokenQuery),
        by: &Caller,
    ) -> Result<NewToken, AdminError> {
        let label: String = query.label.trim().to_owned();
        if label.is_empty() || label.chars().count() > LABEL || label.contains(char::is_control) {
            return Err(asked(
                "a token says what it is for",
                "give it a name of up to 64 characters, for example \"grafana\"",
            ));
        }
        let _changing = self.0.changing.lock().await;
        let operator = self.expect(name).await?;
        if query.expires_seconds == Some(0) {
            return Err(asked(
                "a token that ends at once is of no use",
                "leave the end out, or name one that is to come",
            ));
        }
        let role = query.role.unwrap_or(operator.role);
        if operator.disabled || role > operator.role {
            return Err(asked(
                "a token may not do more than its owner",
                "leave out the role, or take one that he has",
            ));
        }
        let now = self.0.clock.now();
        let own = self.tokens_of(&operator).await?;
        if own.iter().filter(|one| one.good).count() >= limits::OPERATOR_TOKENS {
            return Err(asked(
                "he has too many tokens",
                "`tideover operator token list` shows them, `token revoke` ends one",
            ));
        }
        self.bury(&operator, now).await?;
        let token = format!("{PREFIX}{}", self.0.entropy.token());
        let stored = Stored {
            operator: operator.name.clone(),
            era: operator.era,
            label,
            role,
            created: now,
            by: by.name.clone(),
            expires: query
                .expires_seconds
                .map(|seconds| now.after(Duration::from_secs(seconds.min(limits::TOKEN_SECONDS)))),
        };
        let id = digest(TOKENS, &token);
        self.store(TOKENS, &id, &stored).await?;
        let view = stored.view(&id, (&operator, now));
        Ok(NewToken { token, view })
    }

    /// The tokens of somebody that are over go.
    async fn bury(&self, operator: &Operator, now: Timestamp) -> Result<(), SpoolError> {
        for (id, stored) in self.facts::<Stored>(TOKENS).await? {
            if stored.operator == operator.name && !stored.is_good(operator, now) {
                self.0.spool.put_fact(TOKENS, &id, None).await?;
            }
        }
        Ok(())
    }

    /// Whose a token is, and what it may do: never more than its owner may now.
    pub(in crate::admin) async fn by_token(
        &self,
        token: &str,
    ) -> Result<Option<(String, Role)>, SpoolError> {
        let secret = token.strip_prefix(PREFIX);
        if !secret.is_some_and(is_token) {
            return Ok(None);
        }
        let stored: Option<Stored> = self.load(TOKENS, digest(TOKENS, token)).await?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let now = self.0.clock.now();
        let operator = self.find(&stored.operator).await?;
        let good = operator.filter(|operator| stored.is_good(operator, now));
        Ok(good.map(|operator| (operator.name, stored.role.min(operator.role))))
    }

    /// The tokens of somebody, the newest first.
    pub(super) async fn tokens(&self, name: &str) -> Result<Vec<TokenView>, AdminError> {
        let operator = self.expect(name).await?;
        Ok(self.tokens_of(&operator).await?)
    }

    async fn tokens_of(&self, operator: &Operator) -> Result<Vec<TokenView>, SpoolError> {
        let now = self.0.clock.now();
        let all = self.facts::<Stored>(TOKENS).await?.into_iter();
        let own = all.filter(|(_, stored)| stored.operator == operator.name);
        let mut views: Vec<TokenView> = own
            .map(|(id, stored)| stored.view(&id, (operator, now)))
            .collect();
        views.sort_by_key(|one| std::cmp::Reverse(one.created));
        Ok(views)
    }

    /// Can he do everything with a token?
    pub(super) async fn rules_by_token(&self, operator: &Operator) -> Result<bool, SpoolError> {
        if operator.disabled || operator.role < Role::Admin {
            return Ok(false);
        }
        let tokens = self.tokens_of(operator).await?;
        Ok(tokens.iter().any(|one| one.good && one.role == Role::Admin))
    }

    /// Ends a token of somebody.
    pub(super) async fn revoke(&self, name: &str, id: &str) -> Result<TokenView, AdminError> {
        let operator = self.expect(name).await?;
        let _changing = self.0.changing.lock().await;
        let now = self.0.clock.now();
        let is_it = |key: &str, stored: &Stored| {
            stored.operator == operator.name && key.get(..ID) == Some(id)
        };
        for (key, stored) in self.facts::<Stored>(TOKENS).await? {
            if is_it(&key, &stored) {
                self.0.spool.put_fact(TOKENS, &key, None).await?;
                let view = stored.view(&key, (&operator, now));
                return Ok(TokenView {
                    good: false,
                    ..view
                });
            }
        }
        Err(AdminError::NotFound {
            what: format!("{name} has no token {id:?}"),
            hint: "`tideover operator token list` shows them",
        })
    }
}

impl Stored {
    fn is_good(&self, operator: &Operator, now: Timestamp) -> bool {
        let is_over = self.expires.is_some_and(|expires| expires <= now);
        !operator.disabled && operator.era == self.era && !is_over
    }

    fn view(&self, id: &str, (operator, now): (&Operator, Timestamp)) -> TokenView {
        TokenView {
            id: id.chars().take(ID).collect(),
            operator: self.operator.clone(),
            label: self.label.clone(),
            role: self.role.min(operator.role),
            created: self.created,
            by: self.by.clone(),
            expires: self.expires,
            good: self.is_good(operator, now),
        }
    }
}

fn asked(what: &str, hint: &'static str) -> AdminError {
    AdminError::Asked {
        what: what.to_owned(),
        hint,
    }
}
