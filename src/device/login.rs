//! Devices that log in: a password that we make, which is shown once and stored as its hash.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::wish::plain_name;
use super::{Device, Devices, Secret, Way};
use crate::credential::{Passwords, base32, grouped, letters_of};
use crate::spool::SpoolError;

/// Bytes of chance in a password.
const CHANCE: usize = 15;

/// Why a device is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginDenied {
    /// There is no such device, its password is another one, or it comes from elsewhere.
    Wrong,
    /// Too many tries: wait so long.
    Wait(Duration),
    /// It is not known yet which devices there are.
    NotYet,
    /// We failed.
    Failed,
}

impl Devices {
    /// Which device has this name and this password? Tries are counted, by name and by address, and
    /// cost the same for a name that nobody has.
    ///
    /// # Errors
    /// [`LoginDenied`].
    pub async fn verify(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Arc<Device>, LoginDenied> {
        let now = self.now();
        let key = plain_name(name).unwrap_or_default();
        {
            let throttle = self.throttle();
            let mut throttle = throttle.unwrap_or_else(PoisonError::into_inner);
            throttle.check(now, &key, from).map_err(LoginDenied::Wait)?;
            throttle.tried(now, &key, from);
        }
        let device = self.named(&key).map_err(|_| LoginDenied::NotYet)?;
        let device = device.filter(|device| device.way == Way::Login);
        let stored = device.as_ref().and_then(|device| device.password.clone());
        let passwords = self.passwords().await.ok_or(LoginDenied::Failed)?;
        let typed = letters_of(password);
        let verified = passwords.verify(typed, stored.map(|Secret(hash)| hash));
        let is_right = verified.await.map_err(|error| {
            tracing::error!(%error, "the password of a device could not be checked");
            LoginDenied::Failed
        })?;
        let device = device.filter(|device| is_right && device.logs_in_from(from));
        let device = device.ok_or(LoginDenied::Wrong)?;
        let throttle = self.throttle();
        let mut throttle = throttle.unwrap_or_else(PoisonError::into_inner);
        throttle.succeeded(now, &key, from);
        Ok(device)
    }

    /// What the device is now, while its password is what it was when it logged in.
    ///
    /// # Errors
    /// [`LoginDenied`].
    pub fn renewed(&self, device: &Device) -> Result<Arc<Device>, LoginDenied> {
        let found = self.named(&device.name).map_err(|_| LoginDenied::NotYet)?;
        let same = found.filter(|it| it.way == Way::Login && it.password == device.password);
        same.ok_or(LoginDenied::Wrong)
    }

    /// A new password, and what is stored of it.
    pub(super) async fn new_password(&self) -> Result<(String, Secret), SpoolError> {
        let failed = || SpoolError::Index("a password could not be hashed".to_owned());
        let password = grouped(&base32(&self.entropy().bytes::<CHANCE>()));
        let passwords = self.passwords().await.ok_or_else(failed)?;
        let hash = passwords.hash(letters_of(&password)).await;
        let hash = hash.map_err(|_| failed())?;
        Ok((password, Secret(hash)))
    }

    /// Made when the first one is needed: it takes memory and time.
    async fn passwords(&self) -> Option<&Passwords> {
        let made = self.cell().get_or_try_init(|| async {
            let entropy = self.entropy().clone();
            let made = tokio::task::spawn_blocking(move || Passwords::new(entropy)).await;
            made.ok().and_then(Result::ok).ok_or(())
        });
        made.await.ok()
    }
}
