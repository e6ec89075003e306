//! Proving who one is: with a password and, for who has one, a code of an app.

use std::net::IpAddr;

use super::record::{Operator, Second, Secret, expect_name};
use super::{Operators, SecondStepRule};
use crate::admin::AdminError;
use crate::credential::{
    LONGEST, SECRET, SHORTEST, accepted, base32, digest, from_base32, letters_of, same,
};

/// What somebody typed.
#[derive(Clone)]
pub(in crate::admin) struct Typed {
    pub(in crate::admin) name: String,
    pub(in crate::admin) password: String,
    /// Of an app; or the one with which a password is set.
    pub(in crate::admin) code: String,
}

/// A new password, with the one until now.
#[derive(Clone)]
pub(in crate::admin) struct Renewal {
    pub(in crate::admin) old: String,
    pub(in crate::admin) new: String,
}

/// A new app.
#[derive(Clone)]
pub(in crate::admin) struct App {
    /// What it knows, in base32.
    pub(in crate::admin) secret: String,
    /// A code of the app until now, if there is one.
    pub(in crate::admin) old_code: String,
}

/// Somebody who has proved who he is.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Proven(pub(super) Operator);

#[cfg(test)]
impl Proven {
    /// His name.
    pub(in crate::admin) fn name(&self) -> &str {
        &self.0.name
    }
}

impl Operators {
    /// A login from an address. Unknown names cost as much time as known ones, and what was wrong
    /// is not said.
    pub(in crate::admin) async fn log_in(
        &self,
        typed: Typed,
        from: IpAddr,
    ) -> Result<Proven, AdminError> {
        let name = expect_name(&typed.name).unwrap_or_default();
        let proven = self.prove(&name, typed.password, from).await?;
        let _changing = self.0.changing.lock().await;
        // He may have been disabled while his password was hashed.
        let mut operator = self.still(&proven).await?;
        if let Some(second) = &mut operator.second {
            let now = self.0.clock.now();
            let secret = from_base32(&second.secret.0).ok_or(AdminError::Wrong)?;
            let step = accepted(&secret, &typed.code, (now, second.last));
            second.last = step.ok_or(AdminError::Wrong)?;
            self.keep(&operator).await?;
        }
        let now = self.0.clock.now();
        self.throttle().succeeded(now, &name, from);
        Ok(Proven(operator))
    }

    /// Is the password his? The try counts until [`Self::log_in`] or whoever asks says that all
    /// was right.
    async fn prove(
        &self,
        name: &str,
        password: String,
        from: IpAddr,
    ) -> Result<Operator, AdminError> {
        self.count(name, from)?;
        let operator = self.find(name).await?.filter(|one| !one.disabled);
        let stored = operator.as_ref().and_then(|one| one.password.clone());
        let password = Some(password)
            .filter(|password| password.chars().count() <= LONGEST)
            .unwrap_or_default();
        let stored = stored.map(|Secret(hash)| hash);
        let passwords = self.passwords().await?;
        let matches = passwords.verify(password, stored).await;
        let matches = matches.map_err(|error| AdminError::Ours(error.to_string()))?;
        operator.filter(|_| matches).ok_or(AdminError::Wrong)
    }

    fn count(&self, name: &str, from: IpAddr) -> Result<(), AdminError> {
        let now = self.0.clock.now();
        let mut throttle = self.throttle();
        throttle.check(now, name, from).map_err(AdminError::Wait)?;
        throttle.tried(now, name, from);
        Ok(())
    }

    /// Sets a password with the code that an admin gave; the code is used up.
    pub(in crate::admin) async fn welcome(
        &self,
        typed: Typed,
        from: IpAddr,
    ) -> Result<Proven, AdminError> {
        let name = expect_name(&typed.name).unwrap_or_default();
        // Counted apart from logins, so that nobody is kept from one by it.
        let counted = format!("{name} with a code");
        self.count(&counted, from)?;
        let code = digest("operator code", &letters_of(&typed.code));
        let is_his = |operator: &Operator| {
            let is_good = operator
                .code
                .as_ref()
                .is_some_and(|kept| same(&kept.digest, &code) && kept.expires > self.0.clock.now());
            is_good && !operator.disabled
        };
        let known = self.find(&name).await?;
        known.filter(&is_his).ok_or(AdminError::Wrong)?;
        expect_password(&name, &typed.password)?;
        let hash = self.hash(typed.password).await?;
        let _changing = self.0.changing.lock().await;
        let known = self.find(&name).await?.filter(is_his);
        let mut operator = known.ok_or(AdminError::Wrong)?;
        operator.code = None;
        operator.password = Some(Secret(hash));
        operator.generation = operator.generation.wrapping_add(1);
        self.keep(&operator).await?;
        let now = self.0.clock.now();
        self.throttle().succeeded(now, &counted, from);
        Ok(Proven(operator))
    }

    /// Another password, for who knows the one until now: an open browser is not enough. All his
    /// sessions end.
    pub(in crate::admin) async fn change_password(
        &self,
        name: &str,
        renewal: Renewal,
        from: IpAddr,
    ) -> Result<Proven, AdminError> {
        let Renewal { old, new } = renewal;
        expect_password(name, &new)?;
        if old == new {
            return Err(refused_password("it is the password until now".to_owned()));
        }
        let proven = self.prove(name, old, from).await?;
        let hash = self.hash(new).await?;
        let _changing = self.0.changing.lock().await;
        let mut operator = self.still(&proven).await?;
        operator.password = Some(Secret(hash));
        operator.generation = operator.generation.wrapping_add(1);
        self.keep(&operator).await?;
        let now = self.0.clock.now();
        self.throttle().succeeded(now, name, from);
        Ok(Proven(operator))
    }

    async fn hash(&self, password: String) -> Result<String, AdminError> {
        let hash = self.passwords().await?.hash(password).await;
        hash.map_err(|error| AdminError::Ours(error.to_string()))
    }

    /// As he is now, unless he was shut out, or has changed how he logs in, since he was proven.
    async fn still(&self, proven: &Operator) -> Result<Operator, AdminError> {
        let found = self.find(&proven.name).await?;
        let is_same = |now: &Operator| !now.disabled && now.generation == proven.generation;
        found.filter(is_same).ok_or(AdminError::Wrong)
    }

    /// A new secret for an app.
    pub(in crate::admin) fn new_secret(&self) -> String {
        base32(&self.0.entropy.bytes::<SECRET>())
    }

    /// From now on a login takes a code of the app that knows this secret. He proves himself anew,
    /// with the app until now, too: an open browser is not enough. All his sessions end.
    pub(in crate::admin) async fn set_second(
        &self,
        typed: Typed,
        app: App,
        from: IpAddr,
    ) -> Result<Proven, AdminError> {
        let bytes = from_base32(&app.secret).filter(|bytes| bytes.len() == SECRET);
        let bytes = bytes.ok_or(AdminError::Wrong)?;
        let proven = self.prove(&typed.name, typed.password, from).await?;
        let now = self.0.clock.now();
        let last = accepted(&bytes, &typed.code, (now, 0)).ok_or(AdminError::Wrong)?;
        let _changing = self.0.changing.lock().await;
        let mut operator = self.still(&proven).await?;
        if let Some(second) = &operator.second {
            let until_now = from_base32(&second.secret.0).ok_or(AdminError::Wrong)?;
            let step = accepted(&until_now, &app.old_code, (now, second.last));
            step.ok_or(AdminError::Wrong)?;
            if until_now == bytes {
                return Err(AdminError::Wrong);
            }
        }
        operator.second = Some(Second {
            secret: Secret(app.secret),
            last,
        });
        operator.generation = operator.generation.wrapping_add(1);
        self.keep(&operator).await?;
        self.throttle().succeeded(now, &typed.name, from);
        Ok(Proven(operator))
    }

    /// Has he still to set up a second step?
    pub(super) fn lacks_second(&self, operator: &Operator) -> bool {
        self.0.options.second_step == SecondStepRule::Required && operator.second.is_none()
    }
}

/// Is it one that is taken?
fn expect_password(name: &str, password: &str) -> Result<(), AdminError> {
    if password.eq_ignore_ascii_case(name) {
        return Err(refused_password("a password is not the name".to_owned()));
    }
    if !(SHORTEST..=LONGEST).contains(&password.chars().count()) {
        let what = format!("a password has {SHORTEST} to {LONGEST} characters");
        return Err(refused_password(what));
    }
    Ok(())
}

fn refused_password(what: String) -> AdminError {
    AdminError::Asked {
        what,
        hint: "choose another one; several words make a good one",
    }
}
