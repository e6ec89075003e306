//! Content filters: somebody else looks at a message before it is taken.
//!
//! `clamd`, `rspamd` and `milter` are what is said in each protocol, pure; `talk`, `http` and
//! `consult` move the bytes, `reach` knows which of them; `fields` cuts headers, purely; `heard` is
//! what a filter has come to; `health` knows when one is left alone, purely; `ruling` says what is
//! done, purely; `desk` asks one filter after another, each until its deadline. A filter never
//! loses mail: what it says ends in a field, a hold, or a reply within the session; and when it
//! says nothing, the config has said beforehand what happens.

mod clamd;
mod consult;
mod desk;
mod fields;
mod health;
mod heard;
mod http;
mod milter;
mod options;
mod reach;
mod rspamd;
mod ruling;
mod talk;

pub use clamd::{Answer, ReplyReader};
pub use desk::{FilterStatus, Filters, Probed, World};
pub use heard::Nonsense;
pub use options::{Deed, OnFailure, Options, OverSize, Place, Protocol, Whose};
pub use ruling::{Ruling, Taken};

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::base::{Boxed, ClientNames, TlsInfo};
use crate::mail::{Recipient, SpoolId};
use crate::smtp::ReversePath;

/// A message that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// The name of the listener that it came to.
    pub listener: &'s str,
    /// Whose mail it is.
    pub standing: Standing,
    /// To whom.
    pub recipients: &'s [Recipient],
    /// Those of them who were named as a postmaster, by number.
    pub postmasters: &'s BTreeSet<u16>,
    /// Who brings it, and how.
    pub bearer: Bearer<'s>,
}

/// Who brings a message, and how. Filters judge by it, too.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'s> {
    /// The address of the client; `None`: nobody knows it.
    pub client: Option<SocketAddr>,
    /// The name of that address, if it leads back to it.
    pub name: Option<&'s str>,
    /// What the client calls itself.
    pub helo: &'s str,
    /// MAIL FROM.
    pub from: &'s ReversePath,
    /// What the message is called here.
    pub id: SpoolId,
    /// What this server is called.
    pub hostname: &'s str,
    /// Who has logged in, if somebody has.
    pub login: Option<Login<'s>>,
    /// How the connection is encrypted, if it is.
    pub tls: Option<&'s TlsInfo>,
    /// What the client's certificate calls it, if it proves something.
    pub certificate: Option<&'s ClientNames>,
}

/// Who has logged in.
#[derive(Debug, Clone, Copy)]
pub struct Login<'s> {
    /// His name.
    pub user: &'s str,
    /// How, as AUTH has it.
    pub mechanism: &'s str,
}

/// What one filter is asked.
#[derive(Debug, Clone, Copy)]
struct Matter<'m> {
    subject: Subject<'m>,
    /// The numbers of the recipients whom it is asked for: of the others it learns nothing.
    scope: &'m [u16],
    content: &'m dyn Content,
}

impl<'m> Matter<'m> {
    /// Whom it is asked for, with their numbers.
    fn recipients(&self) -> impl Iterator<Item = (u16, &'m Recipient)> {
        let scope = self.scope;
        let numbered = (0_u16..).zip(self.subject.recipients);
        numbered.filter(|(number, _)| scope.contains(number))
    }
}

/// Whose mail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A stranger's.
    Stranger,
    /// A platform's, or a device's that may relay.
    Ours,
}

/// The bytes of a message.
pub trait Content: Send + Sync + fmt::Debug {
    /// How many they are.
    fn len(&self) -> u64;

    /// None at all?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `most` of them from `at` on; none at the end.
    ///
    /// # Errors
    /// When our own disk fails.
    fn read(&self, at: u64, most: usize) -> Boxed<'_, io::Result<Bytes>>;
}

#[cfg(test)]
mod tests;
