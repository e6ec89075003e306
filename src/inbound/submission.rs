//! Submission, RFC 6409: what the server asks of whoever knows the people who log in. It keeps no
//! accounts and knows no passwords; who they are is said by others, through [`Submitters`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::device::CHANGED;
use crate::base::Boxed;
use crate::credential::ScramKeys;
use crate::device::Device;
use crate::smtp::{MailParameters, Mailbox, Reply, ReversePath};

/// Addresses of somebody's own that a refusal names.
const NAMED: usize = 10;

/// What somebody shows to prove who he is. Never printed.
#[non_exhaustive]
pub enum Proof {
    /// The password itself.
    Password(String),
    /// He has shown that he knows the password of these keys; whose they are is still to be said.
    Keys(ScramKeys),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(_) => f.write_str("Password"),
            Self::Keys(_) => f.write_str("Keys"),
        }
    }
}

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitter {
    /// Under which name his mail is written down, in the ledger, too.
    pub user: String,
    /// The addresses that he may send as.
    pub addresses: Vec<Mailbox>,
    /// It is a device, which says itself as whom it may send.
    pub device: Option<Arc<Device>>,
}

/// A message of his that has come whole.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// In whose name it goes.
    pub from: &'a ReversePath,
    /// To so many.
    pub recipients: usize,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Nobody has this name and password; which of them is wrong is not told.
    Wrong,
    /// The password is right, and does not suffice.
    SecondStep,
    /// He may not send any more: he was shut out, or his address is not his now.
    Shut,
    /// The device was changed or ended since it logged in.
    Changed,
    /// Too many tries: wait so long.
    Wait(Duration),
    /// He has sent enough for now; in words for him.
    Enough(String),
    /// Who would know cannot be asked now.
    Away,
    /// We failed.
    Failed,
}

/// Knows who may hand in mail, and as whom.
pub trait Submitters: Send + Sync + fmt::Debug {
    /// Is it he? Tries are counted, and cost the same for whom nobody knows.
    fn verify<'a>(
        &'a self,
        identity: &'a str,
        proof: Proof,
        from: IpAddr,
    ) -> Boxed<'a, Result<Submitter, Denied>>;

    /// Would SCRAM-SHA-256 work for everybody who could log in by a password? Clients take it when
    /// it is offered, and try nothing else.
    fn offers_scram(&self) -> Boxed<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    /// The keys of somebody's password, or some that nobody can tell from them; and a fresh nonce.
    /// It counts as a try, until [`Proof::Keys`] comes.
    fn scram_keys<'a>(
        &'a self,
        _identity: &'a str,
        _from: IpAddr,
    ) -> Boxed<'a, Result<(ScramKeys, String), Denied>> {
        Box::pin(std::future::ready(Err(Denied::Failed)))
    }

    /// What he may do now: asked before each message, because a program stays logged in for as long
    /// as it likes.
    fn renew<'a>(&'a self, submitter: &'a Submitter) -> Boxed<'a, Result<Submitter, Denied>>;

    /// May he send this? Asked once for each message, right before it is taken.
    fn sends<'a>(
        &'a self,
        submitter: &'a Submitter,
        outgoing: Outgoing<'a>,
    ) -> Boxed<'a, Result<(), Denied>>;

    /// How an identity is written down: what else was said in its place may be a password.
    fn shown(&self, identity: &str) -> String;
}

impl Submitter {
    /// Is this an address of his?
    #[must_use]
    pub fn owns(&self, address: &Mailbox) -> bool {
        if let Some(device) = &self.device {
            return device.write_as(address).is_ok();
        }
        let key = address.key();
        self.addresses.iter().any(|own| own.key() == key)
    }

    /// Lines that say what is wrong, and which addresses he may use: those that his client can
    /// read, by what it `said` in MAIL.
    pub(super) fn refused(&self, what: &str, said: &MailParameters) -> String {
        if let Some(device) = &self.device {
            let name = &device.name;
            return format!("{what}\nDevice {name} may send as its --sender says");
        }
        let own = &self.addresses;
        let shown = own.iter().filter_map(|address| readable(address, said));
        let named: Vec<String> = shown.take(NAMED).collect();
        let more = own.len().saturating_sub(named.len());
        let mut lines = vec![what.to_owned()];
        for address in &named {
            lines.push(format!("You may send as <{address}>"));
        }
        match (named.is_empty(), more) {
            (true, 0) => lines.push("You have no address to send from".to_owned()),
            (true, _) => lines.push("Your addresses need SMTPUTF8".to_owned()),
            (false, 0) => {}
            (false, _) => lines.push(format!("and {more} more of yours")),
        }
        lines.join("\n")
    }
}

/// RFC 6531 §3.7.4.1: who has not said SMTPUTF8 reads ASCII only. A domain can be written in it
/// (RFC 5891), a local part cannot.
fn readable(address: &Mailbox, said: &MailParameters) -> Option<String> {
    if said.smtputf8 || address.is_ascii() {
        return Some(address.to_string());
    }
    let simplest = address.simplest();
    simplest.is_ascii().then(|| simplest.to_string())
}

impl Denied {
    /// The reply to a login, RFC 4954 §6.
    pub(super) fn to_login(&self) -> Reply {
        match self {
            Self::Shut => Reply::new(535, (5, 7, 8), "You may not send mail here now"),
            Self::Wrong
            | Self::SecondStep
            | Self::Changed
            | Self::Wait(_)
            | Self::Enough(_)
            | Self::Away
            | Self::Failed => self.reply(),
        }
    }

    /// The reply to anything else.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::Wrong => Reply::new(535, (5, 7, 8), "Wrong user name or password"),
            Self::SecondStep => Reply::new(
                535,
                (5, 7, 8),
                "This account needs a second step, which a program cannot take",
            ),
            Self::Shut => Reply::new(550, (5, 7, 1), "You may not send mail here now"),
            // Who comes again with the new password gets in.
            Self::Changed => CHANGED,
            Self::Wait(wait) => {
                let minutes = wait.as_secs().div_ceil(60);
                let text = format!("Too many tries, wait {minutes} min");
                Reply::with_text(454, (4, 7, 0), text)
            }
            Self::Enough(said) => Reply::with_text(450, (4, 7, 1), said.clone()),
            Self::Away => Reply::new(
                454,
                (4, 7, 0),
                "The password cannot be checked now, try later",
            ),
            Self::Failed => Reply::new(454, (4, 7, 0), "The login failed here, try later"),
        }
    }

    /// What came of a login, in one word.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::SecondStep => "second-step",
            Self::Shut => "shut",
            Self::Changed => "changed",
            Self::Wait(_) => "throttled",
            Self::Enough(_) => "enough",
            Self::Away => "away",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_told_what_is_his() {
        let address = |number: usize| format!("a{number}@example.org").parse().unwrap();
        let said = MailParameters::default();
        let mut one = Submitter {
            user: "a1@example.org".to_owned(),
            addresses: vec![address(1)],
            device: None,
        };
        assert!(one.owns(&"A1@Example.ORG".parse().unwrap()));
        assert!(!one.owns(&address(2)));
        assert_eq!(
            one.refused("Not yours", &said),
            "Not yours\nYou may send as <a1@example.org>"
        );
        one.addresses = (0..12).map(address).collect();
        assert!(
            one.refused("x", &said)
                .ends_with("<a9@example.org>\nand 2 more of yours")
        );
        one.addresses.clear();
        assert!(one.refused("x", &said).contains("no address"));
    }

    #[test]
    fn who_reads_ascii_only_is_told_nothing_else() {
        let own = ["jörg@example.org", "a@bücher.example", "a@example.org"];
        let mut one = Submitter {
            user: "a@example.org".to_owned(),
            addresses: own.map(|text| text.parse().unwrap()).to_vec(),
            device: None,
        };
        let ascii = MailParameters::default();
        let utf8 = MailParameters {
            smtputf8: true,
            ..MailParameters::default()
        };
        assert_eq!(
            one.refused("x", &ascii),
            "x\nYou may send as <a@xn--bcher-kva.example>\nYou may send as <a@example.org>\n\
             and 1 more of yours"
        );
        assert_eq!(
            one.refused("x", &utf8),
            "x\nYou may send as <jörg@example.org>\nYou may send as <a@bücher.example>\n\
             You may send as <a@example.org>"
        );
        one.addresses.truncate(1);
        let told = one.refused("x", &ascii);
        assert_eq!(told, "x\nYour addresses need SMTPUTF8");
    }

    #[test]
    fn a_proof_is_never_printed() {
        let proof = Proof::Password("geheim".to_owned());
        assert!(!format!("{proof:?}").contains("geheim"));
    }
}
