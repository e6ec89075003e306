//! A client whose certificate proves who it is: what it may for it.
//!
//! A name of its own makes a client trusted, as an address of `allow` does. A name that a platform
//! shows for all its customers proves only which platform it is: such a client is a stranger, and
//! may send to strangers if each message names a tenant of ours in a field that the platform writes
//! itself.

use metrics::counter;

use super::connection::Connection;
use super::device::Known;
use super::front::Whole;
use super::policy::Standing;
use super::transaction::Transaction;
use crate::base::{ClientNames, ClientProof};
use crate::mail::header_fields;
use crate::route::{Admission, Origin};
use crate::smtp::{ForwardPath, Reply};
use crate::telemetry::names;

/// The field in which Exchange Online names the tenant whose mail it is, by one of its domains
/// (Microsoft KB 3079142). That it replaces one that a sender has written is promised nowhere, so
/// who lists tenants has to try it (docs/tls.md); two of them count as none.
const TENANT: &[u8] = b"X-OriginatorOrg";

const NOT_OURS: Reply = Reply::new(
    550,
    (5, 7, 1),
    "Through this certificate only tenants of ours may relay, and X-OriginatorOrg names none",
);

/// What clients of a listener may whose certificate proves who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateRights {
    /// Who has a certificate with one of these names may relay; lower case.
    pub own: Vec<String>,
    /// The same, if the message names one of `tenants`: all customers of a platform send with them.
    pub shared: Vec<String>,
    /// Tenants of ours, as `X-OriginatorOrg` names them; lower case.
    pub tenants: Vec<String>,
}

/// Who a client is by its certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// By which name; `None`: it proved nothing.
    pub(super) name: Option<String>,
    right: Right,
}

/// What it may therefore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Right {
    /// No more than others.
    #[default]
    None,
    /// It may relay.
    Relay,
    /// What comes of a tenant of ours may be relayed.
    Tenants,
}

/// Whose message is it that came over a certificate of many?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenant {
    /// A tenant of ours.
    Ours,
    /// Nobody knows, and nobody has to.
    Unknown,
}

impl CertificateRights {
    /// Who has this proof. Names count to the letter: `*.example.org` in the config is a
    /// certificate that says so, and no other one.
    fn of(&self, proof: &ClientProof) -> Shown {
        let ClientProof::Names(names) = proof else {
            return Shown::default();
        };
        let names = &names.hosts;
        let among = |listed: &[String]| names.iter().find(|name| listed.contains(name)).cloned();
        let (name, right) = if let Some(name) = among(&self.own) {
            (Some(name), Right::Relay)
        } else if let Some(name) = among(&self.shared) {
            (Some(name), Right::Tenants)
        } else {
            (names.first().cloned(), Right::None)
        };
        Shown { name, right }
    }

    /// Is it a tenant of ours, who is named by this header? By one field, of which nobody can write
    /// another one in front.
    fn names_tenant(&self, header: &[u8]) -> bool {
        let mut fields =
            header_fields(header).filter(|field| field.name.eq_ignore_ascii_case(TENANT));
        let (Some(only), None) = (fields.next(), fields.next()) else {
            return false;
        };
        let tenant = only.body.trim_ascii();
        let mut ours = self.tenants.iter();
        ours.any(|it| it.as_bytes().eq_ignore_ascii_case(tenant))
    }
}

impl Connection {
    /// What a finished handshake has shown of the client.
    pub(super) fn meet(&mut self, proof: &ClientProof) {
        let outcome = match proof {
            ClientProof::None => None,
            ClientProof::Refused(why) => {
                tracing::debug!(peer = %self.peer, why, "a client's certificate proves nothing");
                Some("refused")
            }
            ClientProof::Names(_) => Some("verified"),
        };
        if let Some(outcome) = outcome {
            let listener = self.server.options.listener.clone();
            counter!(names::CLIENT_CERTIFICATES, "listener" => listener, "outcome" => outcome)
                .increment(1);
        }
        self.shown = self.server.options.certificates.of(proof);
        self.recognise();
    }

    /// Who the client is, by its address and by its certificate.
    pub(super) fn recognise(&mut self) {
        let address = self.peer.ip();
        (self.known, self.origin) = self.server.know(address, self.standing);
        // A device is more exact; and it may be one, as long as nobody knows.
        if matches!(self.known, Known::Nobody) && self.right() == Right::Relay {
            self.origin = Origin::Trusted;
        }
    }

    /// What its certificate gives the client: nothing to one whom somebody else introduces.
    fn right(&self) -> Right {
        if self.is_introduced() || self.standing != Standing::Own {
            return Right::None;
        }
        self.shown.right
    }

    /// Is its certificate one that many tenants show?
    pub(super) fn is_of_tenants(&self) -> bool {
        self.right() == Right::Tenants
    }

    /// The name that the client's certificate proves.
    pub(super) fn certificate(&self) -> Option<&str> {
        let name = self.shown.name.as_deref();
        name.filter(|_| !self.is_introduced())
    }

    /// All that the client's certificate calls it, if it proves something.
    pub(super) fn client_names(&self) -> Option<&ClientNames> {
        match &self.tls.as_ref().filter(|_| !self.is_introduced())?.client {
            ClientProof::Names(names) => Some(names),
            ClientProof::None | ClientProof::Refused(_) => None,
        }
    }

    /// May a stranger be a recipient, as far as the client's certificate goes? Whose the message is
    /// shows in its header only: [`Self::tenant`].
    pub(super) fn admission_of_tenants(&self, to: &ForwardPath) -> Admission {
        let admission = self.doorway(Origin::Internet).admission(to);
        match (&admission, self.right()) {
            (Admission::Reject(_), Right::Tenants) => {
                match self.doorway(Origin::Trusted).admission(to) {
                    beyond @ Admission::Accept { .. } => beyond,
                    Admission::Reject(_) => admission,
                }
            }
            (Admission::Reject(_) | Admission::Accept { .. }, _) => admission,
        }
    }

    /// Whose message is it? One that was let in only for a tenant of ours is refused when it is
    /// not of one (I11).
    pub(super) async fn tenant(
        &self,
        whole: Whole<'_>,
        transaction: &Transaction,
    ) -> Result<Tenant, Reply> {
        if !self.is_of_tenants() || self.known.device().is_some() {
            return Ok(Tenant::Unknown);
        }
        let header = whole.header().await?;
        if self.server.options.certificates.names_tenant(header) {
            return Ok(Tenant::Ours);
        }
        let door = self.doorway(Origin::Internet);
        for (number, one) in (0_u16..).zip(&transaction.recipients) {
            if transaction.postmasters.contains(&number) {
                continue;
            }
            let to = ForwardPath::Mailbox(one.address.clone());
            if let Admission::Reject(reply) = door.admission(&to) {
                return Err(if reply.is_permanent() {
                    NOT_OURS
                } else {
                    reply
                });
            }
        }
        Ok(Tenant::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights() -> CertificateRights {
        let own = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect();
        CertificateRights {
            own: own(&["gw.partner.example", "*.relay.example"]),
            shared: own(&["mail.protection.outlook.com"]),
            tenants: own(&["example.onmicrosoft.com", "example.org"]),
        }
    }

    #[test]
    fn names_count_to_the_letter_and_ones_own_before_those_of_many() {
        let of = |names: &[&str]| {
            let hosts = names.iter().map(|&it| it.to_owned()).collect();
            let shown = rights().of(&ClientProof::Names(ClientNames {
                hosts,
                // A common name is no host.
                subject: Some("gw.partner.example".to_owned()),
                issuer: None,
            }));
            (shown.name.unwrap_or_default(), shown.right)
        };
        for (names, name, right) in [
            (
                &["gw.partner.example"][..],
                "gw.partner.example",
                Right::Relay,
            ),
            (
                &["a.example", "*.relay.example"],
                "*.relay.example",
                Right::Relay,
            ),
            (&["x.relay.example"], "x.relay.example", Right::None),
            (&["*.partner.example"], "*.partner.example", Right::None),
            (
                &["gw.partner.example.evil.example"],
                "gw.partner.example.evil.example",
                Right::None,
            ),
            (
                &[
                    "*.mail.protection.outlook.com",
                    "mail.protection.outlook.com",
                ],
                "mail.protection.outlook.com",
                Right::Tenants,
            ),
            (
                &["mail.protection.outlook.com", "gw.partner.example"],
                "gw.partner.example",
                Right::Relay,
            ),
        ] {
            assert_eq!(of(names), (name.to_owned(), right), "{names:?}");
        }
        for proof in [
            ClientProof::None,
            ClientProof::Refused("expired".to_owned()),
        ] {
            assert_eq!(rights().of(&proof), Shown::default(), "{proof:?}");
        }
    }

    #[test]
    fn a_tenant_is_named_by_one_field_and_no_other() {
        for (header, is_ours) in [
            ("X-OriginatorOrg: example.org\r\n\r\n", true),
            ("x-originatororg:\tExample.OnMicrosoft.com \r\n\r\n", true),
            ("Subject: a\r\n\r\n", false),
            ("X-OriginatorOrg: evil.example\r\n\r\n", false),
            ("X-OriginatorOrg: example.org, evil.example\r\n\r\n", false),
            (
                "X-OriginatorOrg: evil.example\r\nX-OriginatorOrg: example.org\r\n\r\n",
                false,
            ),
            (
                "X-OriginatorOrg: example.org\r\nX-OriginatorOrg: example.org\r\n\r\n",
                false,
            ),
            ("X-OriginatorOrgs: example.org\r\n\r\n", false),
        ] {
            assert_eq!(
                rights().names_tenant(header.as_bytes()),
                is_ours,
                "{header:?}"
            );
        }
    }
}
