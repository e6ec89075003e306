//! Joins the webmail's login and a directory server, for who may log in with the password that the
//! organisation has of him.

use crate::base::Boxed;
use crate::directory::{DirectoryHandle, Lookup};
use crate::ldap::LdapServer;
use crate::limits;
use crate::route::Router;
use crate::smtp::Mailbox;
use crate::webmail::{Front, Verdict};
use tokio::sync::Semaphore;

use super::accounts::mailbox_of;

/// A directory server that knows passwords.
#[derive(Debug)]
pub(super) struct LdapFront {
    server: LdapServer,
    router: Router,
    directory: DirectoryHandle,
    /// Passwords that are asked about at one time.
    asking: Semaphore,
}

impl LdapFront {
    pub(super) const fn new(
        server: LdapServer,
        router: Router,
        directory: DirectoryHandle,
    ) -> Self {
        Self {
            server,
            router,
            directory,
            asking: Semaphore::const_new(limits::LDAP_LOGINS),
        }
    }

    async fn ask(&self, address: &Mailbox, password: &str) -> Verdict {
        let Ok(mailbox) = mailbox_of(&self.router, &self.directory, address) else {
            return Verdict::Wrong;
        };
        // As the directory writes it: not every server looks over capital letters.
        let written = match self.directory.current().lookup(address) {
            Lookup::Known { entry, .. } => entry.address.to_string(),
            Lookup::Unknown(_) | Lookup::Stranger => return Verdict::Wrong,
        };
        // Who comes when too many wait is not let in by it: he can try again.
        let Ok(_asking) = self.asking.try_acquire() else {
            return Verdict::Away;
        };
        match self.server.verify(&written, password).await {
            Ok(true) => Verdict::Right(mailbox),
            Ok(false) => Verdict::Wrong,
            Err(error) => {
                tracing::warn!(%error, "webmail: the directory server says nothing of a password");
                Verdict::Away
            }
        }
    }
}

impl Front for LdapFront {
    fn check<'a>(&'a self, address: &'a Mailbox, password: &'a str) -> Boxed<'a, Verdict> {
        Box::pin(self.ask(address, password))
    }
}
