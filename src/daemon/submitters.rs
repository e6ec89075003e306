//! Who may hand in mail with a login: joins the doors for mail and the accounts of the webmail,
//! which do not see each other.

use std::net::IpAddr;

use crate::base::Boxed;
use crate::credential::ScramKeys;
use crate::inbound::{Denied, Outgoing, Proof, Submitter, Submitters};
use crate::webmail::{ProgramError, Webmail, Writer};

/// The accounts of the webmail.
#[derive(Debug)]
pub(super) struct AccountSubmitters {
    webmail: Webmail,
}

impl AccountSubmitters {
    pub(super) const fn new(webmail: Webmail) -> Self {
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

fn submitter(writer: Writer) -> Submitter {
    Submitter {
        user: writer.account,
        addresses: writer.addresses,
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
