//! Who may hand in mail with a login: joins the doors for mail and the accounts of the webmail,
//! which do not see each other.

use std::net::IpAddr;
use std::sync::Arc;

use crate::base::Boxed;
use crate::config::{Config, ListenerConfig};
use crate::credential::ScramKeys;
use crate::device::{Device, Devices, LoginDenied, Logins};
use crate::inbound::{Denied, Outgoing, Proof, Submitter, Submitters};
use crate::webmail::{ProgramError, Webmail, Writer};

/// Can anybody log in to send?
pub(super) fn logins(config: &Config) -> Logins {
    let takes_logins = |it: &ListenerConfig| it.role.wants_login() || it.device_login;
    if config.listeners.iter().any(takes_logins) {
        Logins::Taken
    } else {
        Logins::Nowhere
    }
}

/// The accounts of the webmail.
#[derive(Debug)]
struct AccountSubmitters {
    webmail: Webmail,
}

impl AccountSubmitters {
    const fn new(webmail: Webmail) -> Self {
        Self { webmail }
    }
}

impl Submitters for AccountSubmitters {
    fn verify<'a>(
        &'a self,
        identity: &'a str,
        proof: Proof,
        from: IpAddr,
    ) -> Boxed<'a, Result<Submitter, Denied>> {
        Box::pin(async move {
            let verified = match proof {
                Proof::Password(password) => {
                    let verified = self.webmail.verify_program(identity, password, from);
                    verified.await
                }
                Proof::Keys(keys) => {
                    let verified = self.webmail.verify_program_keys(identity, &keys, from);
                    verified.await
                }
            };
            verified.map(submitter).map_err(denied)
        })
    }

    fn offers_scram(&self) -> Boxed<'_, bool> {
        Box::pin(self.webmail.offers_scram())
    }

    fn scram_keys<'a>(
        &'a self,
        identity: &'a str,
        from: IpAddr,
    ) -> Boxed<'a, Result<(ScramKeys, String), Denied>> {
        Box::pin(async move {
            let keys = self.webmail.program_keys(identity, from);
            keys.await.map_err(denied)
        })
    }

    fn renew<'a>(&'a self, known: &'a Submitter) -> Boxed<'a, Result<Submitter, Denied>> {
        Box::pin(async move {
            let renewed = self.webmail.renew_program(&known.user);
            renewed.await.map(submitter).map_err(denied)
        })
    }

    fn sends<'a>(
        &'a self,
        known: &'a Submitter,
        outgoing: Outgoing<'a>,
    ) -> Boxed<'a, Result<(), Denied>> {
        Box::pin(async move {
            let writer = Writer {
                account: known.user.clone(),
                addresses: known.addresses.clone(),
            };
            let sent = (outgoing.from.mailbox(), outgoing.recipients);
            let sends = self.webmail.program_sends(&writer, sent);
            sends.await.map_err(denied)
        })
    }

    fn shown(&self, identity: &str) -> String {
        self.webmail.shown_identity(identity)
    }
}

/// Devices, and the accounts of the webmail if there is one. The name of a device has no `@`.
#[derive(Debug)]
pub(super) struct AllSubmitters {
    devices: Devices,
    accounts: Option<AccountSubmitters>,
}

impl AllSubmitters {
    pub(super) fn new(devices: Devices, webmail: Option<Webmail>) -> Self {
        Self {
            devices,
            accounts: webmail.map(AccountSubmitters::new),
        }
    }
}

impl Submitters for AllSubmitters {
    fn verify<'a>(
        &'a self,
        identity: &'a str,
        proof: Proof,
        from: IpAddr,
    ) -> Boxed<'a, Result<Submitter, Denied>> {
        if let Some(accounts) = self.accounts.as_ref().filter(|_| identity.contains('@')) {
            return accounts.verify(identity, proof, from);
        }
        Box::pin(async move {
            let Proof::Password(password) = proof else {
                // Nobody keeps such keys of a device.
                return Err(Denied::Wrong);
            };
            let verified = self.devices.verify(identity, &password, from);
            verified.await.map(of_device).map_err(not_in)
        })
    }

    /// Of the password of a device there are no such keys: where one logs in, none is offered.
    fn offers_scram(&self) -> Boxed<'_, bool> {
        match &self.accounts {
            Some(accounts) if !self.devices.log_in() => accounts.offers_scram(),
            Some(_) | None => Box::pin(std::future::ready(false)),
        }
    }

    fn scram_keys<'a>(
        &'a self,
        identity: &'a str,
        from: IpAddr,
    ) -> Boxed<'a, Result<(ScramKeys, String), Denied>> {
        match &self.accounts {
            Some(accounts) => accounts.scram_keys(identity, from),
            None => Box::pin(std::future::ready(Err(Denied::Wrong))),
        }
    }

    fn renew<'a>(&'a self, known: &'a Submitter) -> Boxed<'a, Result<Submitter, Denied>> {
        match (&known.device, &self.accounts) {
            (None, Some(accounts)) => accounts.renew(known),
            (None, None) => Box::pin(std::future::ready(Err(Denied::Shut))),
            (Some(device), _) => {
                let renewed = self.devices.renewed(device).map(of_device);
                Box::pin(std::future::ready(renewed.map_err(|denied| match denied {
                    LoginDenied::Wrong => Denied::Changed,
                    other @ (LoginDenied::Wait(_) | LoginDenied::NotYet | LoginDenied::Failed) => {
                        not_in(other)
                    }
                })))
            }
        }
    }

    fn sends<'a>(
        &'a self,
        known: &'a Submitter,
        outgoing: Outgoing<'a>,
    ) -> Boxed<'a, Result<(), Denied>> {
        match (&known.device, &self.accounts) {
            (None, Some(accounts)) => accounts.sends(known, outgoing),
            (None, None) => Box::pin(std::future::ready(Err(Denied::Shut))),
            // Its day was asked about.
            (Some(_), _) => Box::pin(std::future::ready(Ok(()))),
        }
    }

    fn shown(&self, identity: &str) -> String {
        if self.devices.show(identity).is_ok() {
            return identity.trim().to_ascii_lowercase();
        }
        let accounts = self.accounts.as_ref();
        accounts.map_or_else(String::new, |accounts| accounts.shown(identity))
    }
}

fn of_device(device: Arc<Device>) -> Submitter {
    Submitter {
        user: device.name.clone(),
        addresses: Vec::new(),
        device: Some(device),
    }
}

const fn not_in(denied: LoginDenied) -> Denied {
    match denied {
        LoginDenied::Wrong => Denied::Wrong,
        LoginDenied::Wait(wait) => Denied::Wait(wait),
        LoginDenied::NotYet => Denied::Away,
        LoginDenied::Failed => Denied::Failed,
    }
}

fn submitter(writer: Writer) -> Submitter {
    Submitter {
        user: writer.account,
        addresses: writer.addresses,
        device: None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn denied(error: ProgramError) -> Denied {
    match error {
        ProgramError::Wrong => Denied::Wrong,
        ProgramError::SecondStep => Denied::SecondStep,
        ProgramError::Shut => Denied::Shut,
        ProgramError::Wait(wait) => Denied::Wait(wait),
        ProgramError::Enough(messages, recipients) => Denied::Enough(format!(
            "You may send {messages} messages to {recipients} recipients within an hour, try later"
        )),
        ProgramError::Away => Denied::Away,
        ProgramError::Internal => Denied::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, Entropy};
    use crate::device::{DeviceWish, Doing, Renewal, Way};
    use crate::spool::{Options, Spool, World};

    fn wish() -> DeviceWish {
        DeviceWish {
            name: "erp".to_owned(),
            way: Way::Login,
            senders: vec!["@example.org".parse().unwrap()],
            networks: Vec::new(),
            recipients: Vec::new(),
            renewal: Renewal {
                expires: None,
                daily_recipients: Some(20),
            },
            reason: "a test".to_owned(),
        }
    }

    /// What it hands in then must come again: nothing of it is refused for good.
    #[tokio::test]
    async fn a_device_whose_password_was_changed_is_told_to_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            min_free: 0,
            ..Options::new(folder.path())
        };
        let opened = Spool::open(options, World::system()).unwrap();
        let writer = opened.writer.spawn_thread().unwrap();
        let world = (Clock::system(), Entropy::system());
        let devices = Devices::new(opened.spool.clone(), world, Logins::Taken);
        devices.restore().unwrap();
        let is_ours = |domain: &str| domain == "example.org";
        let added = devices.add((wish(), "ann"), &is_ours, Doing::Really).await;
        let first = added.unwrap().1.unwrap();
        let submitters = AllSubmitters::new(devices.clone(), None);
        let log_in = |password: String| {
            let from = "192.0.2.7".parse().unwrap();
            submitters.verify("erp", Proof::Password(password), from)
        };
        let erp = log_in(first).await.unwrap();
        assert_eq!(submitters.renew(&erp).await.as_ref(), Ok(&erp));
        let (_, second) = devices.change_password("erp").await.unwrap();
        assert_eq!(submitters.renew(&erp).await, Err(Denied::Changed));
        let erp = log_in(second).await.unwrap();
        devices.end("erp").await.unwrap();
        assert_eq!(submitters.renew(&erp).await, Err(Denied::Changed));
        opened.spool.close().await.unwrap();
        drop((submitters, devices, opened.spool));
        tokio::task::spawn_blocking(|| writer.join().unwrap())
            .await
            .unwrap();
    }
}
