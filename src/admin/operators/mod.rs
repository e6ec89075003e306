//! Administrators with names: who they are, with what they prove it, what they may do. All of it
//! are facts of the spool, so that a login needs no platform and no directory (decision 14).

mod login;
mod ops;
#[cfg(test)]
mod own_tests;
mod record;
mod session;
#[cfg(test)]
pub(super) mod tests;
mod token;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::{AdminError, Caller, Role};
use crate::base::{Clock, Entropy};
use crate::credential::{Passwords, Throttle, base32, digest, grouped, letters_of};
use crate::limits;
use crate::spool::{Spool, SpoolError};
use record::{Code, Operator, expect_name};

pub(super) use login::{App, Proven, Renewal, Typed};
pub use ops::MeView;
pub(super) use ops::operations;
pub(crate) use ops::{AddQuery, RevokeQuery, RoleQuery, SessionQuery};
pub use record::{Enrolment, OperatorState, OperatorView};
pub use session::SessionView;
pub(super) use session::{Origin, Session, session_id};
pub(crate) use token::TokenQuery;
pub use token::{NewToken, TokenView};

/// Operators, as facts.
const OPERATORS: &str = "operator";
/// A code with which a password is set is good for so long.
const CODE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Bytes of chance in it.
const CODE: usize = 10;

/// Must everybody have a second step?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondStepRule {
    /// Who wants one has one.
    #[default]
    Optional,
    /// Who has none sets one up before anything else.
    Required,
}

/// How operators log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginOptions {
    /// A session ends when nothing was asked in it for so long.
    pub idle: Duration,
    /// A session ends so long after the login.
    pub life: Duration,
    /// Must everybody have a second step?
    pub second_step: SecondStepRule,
    /// How people reach the pages, without slash at the end; empty when that is not known.
    pub base_url: String,
}

impl Default for LoginOptions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            life: Duration::from_secs(12 * 3600),
            second_step: SecondStepRule::Optional,
            base_url: String::new(),
        }
    }
}

/// The operators; cheap to clone.
#[derive(Debug, Clone)]
pub struct Operators(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spool: Spool,
    clock: Clock,
    entropy: Entropy,
    options: LoginOptions,
    /// Made when the first one logs in: it takes memory and time.
    passwords: OnceCell<Passwords>,
    throttle: Mutex<Throttle>,
    /// One change at a time: none is lost, and the last admin stays.
    changing: tokio::sync::Mutex<()>,
}

impl Operators {
    /// The operators whom the spool remembers.
    #[must_use]
    pub fn new(spool: Spool, (clock, entropy): (Clock, Entropy), options: LoginOptions) -> Self {
        Self(Arc::new(Inner {
            spool,
            clock,
            entropy,
            options,
            passwords: OnceCell::new(),
            throttle: Mutex::new(Throttle::default()),
            changing: tokio::sync::Mutex::new(()),
        }))
    }

    /// How they log in.
    pub(super) fn options(&self) -> &LoginOptions {
        &self.0.options
    }

    /// All, by name.
    pub(super) async fn list(&self) -> Result<Vec<OperatorView>, AdminError> {
        let now = self.0.clock.now();
        let all = self.all().await?;
        Ok(all.iter().map(|one| one.view(now)).collect())
    }

    /// Somebody new, who sets his password with the code.
    pub(super) async fn add(
        &self,
        (name, role): (&str, Role),
        by: &Caller,
    ) -> Result<Enrolment, AdminError> {
        let name = expect_name(name)?;
        let _changing = self.0.changing.lock().await;
        let all = self.all().await?;
        if all.iter().any(|one| one.name == name) {
            return Err(AdminError::Asked {
                what: format!("there is an operator {name} already"),
                hint: "`tideover operator reset` makes a new code for him, `role` another role",
            });
        }
        if all.len() >= limits::OPERATORS {
            return Err(AdminError::Asked {
                what: format!("there are {} operators already", all.len()),
                hint: "nobody can be removed, so that the audit log stays readable; reset one",
            });
        }
        let operator = Operator::new(&name, role, (&by.name, self.0.clock.now()));
        self.enrol(operator).await
    }

    /// A new code for somebody: his password, second step, sessions and tokens end. Who was
    /// disabled can come back with it.
    pub(super) async fn reset(&self, name: &str, by: &Caller) -> Result<Enrolment, AdminError> {
        let _changing = self.0.changing.lock().await;
        let mut operator = self.expect(name).await?;
        self.keep_an_admin(&operator, by).await?;
        operator.end_all();
        operator.disabled = false;
        self.enrol(operator).await
    }

    /// Another role, from now on.
    pub(super) async fn set_role(
        &self,
        (name, role): (&str, Role),
        by: &Caller,
    ) -> Result<OperatorView, AdminError> {
        let _changing = self.0.changing.lock().await;
        let mut operator = self.expect(name).await?;
        if role < Role::Admin {
            self.keep_an_admin(&operator, by).await?;
        }
        operator.role = role;
        self.keep(&operator).await?;
        Ok(operator.view(self.0.clock.now()))
    }

    /// Nobody logs in as him any more, and his sessions and tokens end.
    pub(in crate::admin) async fn disable(
        &self,
        name: &str,
        by: &Caller,
    ) -> Result<OperatorView, AdminError> {
        let _changing = self.0.changing.lock().await;
        let mut operator = self.expect(name).await?;
        self.keep_an_admin(&operator, by).await?;
        operator.end_all();
        operator.disabled = true;
        self.keep(&operator).await?;
        Ok(operator.view(self.0.clock.now()))
    }

    /// Over the network nobody shuts the last admin out; who opens the socket can put it right.
    async fn keep_an_admin(&self, operator: &Operator, by: &Caller) -> Result<(), AdminError> {
        let logs_in = operator.is_able_admin();
        if by.is_socket() || !(logs_in || self.rules_by_token(operator).await?) {
            return Ok(());
        }
        let all = self.all().await?;
        for other in all.iter().filter(|one| one.name != operator.name) {
            // With a token nobody makes operators: it stands in for a token, not for a login.
            if other.is_able_admin() || (!logs_in && self.rules_by_token(other).await?) {
                return Ok(());
            }
        }
        let how = if logs_in { "can log in" } else { "has a token" };
        Err(AdminError::Asked {
            what: format!("{} is the last admin who {how}", operator.name),
            hint: "make another one first; `tideover operator` on the machine itself can do it",
        })
    }

    async fn enrol(&self, mut operator: Operator) -> Result<Enrolment, AdminError> {
        let code = grouped(&base32(&self.0.entropy.bytes::<CODE>()));
        let expires = self.0.clock.now().after(CODE_LIFE);
        operator.code = Some(Code {
            digest: digest("operator code", &letters_of(&code)),
            expires,
        });
        self.keep(&operator).await?;
        Ok(Enrolment {
            name: operator.name,
            role: operator.role,
            code,
            page: format!("{}/welcome", self.0.options.base_url),
            expires,
        })
    }

    async fn expect(&self, name: &str) -> Result<Operator, AdminError> {
        let found = self.find(name).await?;
        found.ok_or_else(|| AdminError::NotFound {
            what: format!("there is no operator {name:?}"),
            hint: "`tideover operator list` shows them",
        })
    }

    async fn find(&self, name: &str) -> Result<Option<Operator>, SpoolError> {
        match expect_name(name) {
            Ok(name) => self.load(OPERATORS, name).await,
            Err(_) => Ok(None),
        }
    }

    /// The name of an operator, when there is one of this name.
    pub(super) async fn known_name(&self, typed: &str) -> Option<String> {
        let found = self.find(typed).await.ok().flatten();
        found.map(|operator| operator.name)
    }

    /// A token that nobody can guess.
    pub(super) fn new_token(&self) -> String {
        self.0.entropy.token()
    }

    async fn all(&self) -> Result<Vec<Operator>, SpoolError> {
        let facts = self.facts(OPERATORS).await?;
        Ok(facts.into_iter().map(|(_, operator)| operator).collect())
    }

    async fn keep(&self, operator: &Operator) -> Result<(), SpoolError> {
        self.store(OPERATORS, &operator.name, operator).await
    }

    async fn load<T>(&self, room: &'static str, key: String) -> Result<Option<T>, SpoolError>
    where
        T: DeserializeOwned,
    {
        let fact = self.0.spool.beside(move |spool| spool.fact(room, &key));
        let fact = fact.await?;
        let read = |value| serde_json::from_value(value);
        let read = fact.map(read).transpose();
        read.map_err(|error| SpoolError::Damaged(error.to_string()))
    }

    /// All of a kind; those that cannot be read are left out, and said in the log.
    async fn facts<T: DeserializeOwned>(
        &self,
        room: &'static str,
    ) -> Result<Vec<(String, T)>, SpoolError> {
        let facts = self.0.spool.beside(move |spool| spool.facts(room, ""));
        let facts = facts.await?;
        let read = |(key, value)| match serde_json::from_value(value) {
            Ok(value) => Some((key, value)),
            Err(error) => {
                tracing::error!(room, %error, "a fact cannot be read");
                None
            }
        };
        Ok(facts.into_iter().filter_map(read).collect())
    }

    async fn store(
        &self,
        room: &str,
        key: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<(), SpoolError> {
        let value = serde_json::to_value(value);
        let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        self.0.spool.put_fact(room, key, Some(value)).await
    }

    async fn passwords(&self) -> Result<&Passwords, AdminError> {
        let made = self.0.passwords.get_or_try_init(|| async {
            let entropy = self.0.entropy.clone();
            let made = tokio::task::spawn_blocking(move || Passwords::new(entropy)).await;
            let made = made.map_err(|error| AdminError::Ours(error.to_string()))?;
            made.map_err(|error| AdminError::Ours(error.to_string()))
        });
        made.await
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        let throttle = self.0.throttle.lock();
        throttle.unwrap_or_else(PoisonError::into_inner)
    }
}
