//! Who may do what: the role of a listener, the networks that it trusts.

use std::net::IpAddr;

use super::Spokesmen;
use crate::net::Network;
use crate::route::Origin;

/// Whose mail a listener takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Everybody's, for our own domains only (I11).
    Mx,
    /// That of people of ours who log in first, RFC 6409.
    Submission,
    /// Devices: peers in these networks may send to strangers too; others as with `Mx`.
    Relay {
        /// `allow` of the listener.
        allow: Vec<Network>,
    },
    /// That of a mail server or filter of ours, for our own domains only, by LMTP (RFC 2033).
    Lmtp {
        /// `allow` of the listener: nobody else is let in.
        allow: Vec<Network>,
    },
}

impl Role {
    /// Must a client log in?
    #[must_use]
    pub const fn wants_login(&self) -> bool {
        matches!(self, Self::Submission)
    }

    /// Is LMTP spoken here, and no SMTP?
    #[must_use]
    pub const fn is_lmtp(&self) -> bool {
        matches!(self, Self::Lmtp { .. })
    }

    /// May a peer at this address say anything?
    #[must_use]
    pub fn lets_in(&self, peer: IpAddr) -> bool {
        match self {
            Self::Lmtp { allow } => allow.iter().any(|network| network.contains(peer)),
            Self::Mx | Self::Submission | Self::Relay { .. } => true,
        }
    }

    /// What a peer at this address is.
    #[must_use]
    pub fn origin(&self, peer: IpAddr) -> Origin {
        match self {
            // Of submission: until it has logged in.
            // Of LMTP: it hands on what strangers wrote.
            Self::Mx | Self::Submission | Self::Lmtp { .. } => Origin::Internet,
            Self::Relay { allow } => {
                if allow.iter().any(|network| network.contains(peer)) {
                    Origin::Trusted
                } else {
                    Origin::Internet
                }
            }
        }
    }
}

/// Is it known whose a connection is?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its address is its own, as we see it or as somebody says who may.
    Own,
    /// It came through somebody who does not say whose it is: it has no rights by its address.
    Unknown,
}

/// Who a client is when there is not room for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guest {
    /// Anybody of the Internet.
    Stranger,
    /// Our platforms, devices, people who log in, and who else has places kept for him.
    Awaited,
}

impl Role {
    /// What a peer of this standing is.
    pub(super) fn origin_of(&self, peer: IpAddr, standing: Standing) -> Origin {
        match standing {
            Standing::Own => self.origin(peer),
            Standing::Unknown => Origin::Internet,
        }
    }
}

impl Spokesmen {
    /// Must this peer say first whose its connection is?
    pub(super) fn proxies(&self, peer: IpAddr) -> bool {
        self.proxy.iter().any(|network| network.contains(peer))
    }

    /// May this peer say XCLIENT?
    pub(super) fn may_introduce(&self, peer: IpAddr) -> bool {
        self.xclient.iter().any(|network| network.contains(peer))
    }
}

/// When a listener encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    None,
    /// When the client asks for it, RFC 3207.
    StartTls,
    /// From the first byte, RFC 8314.
    Implicit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_allow_list_is_trusted() {
        let role = Role::Relay {
            allow: vec!["192.0.2.0/24".parse().unwrap()],
        };
        assert_eq!(role.origin("192.0.2.9".parse().unwrap()), Origin::Trusted);
        assert_eq!(
            role.origin("198.51.100.9".parse().unwrap()),
            Origin::Internet
        );
        assert_eq!(
            Role::Mx.origin("127.0.0.1".parse().unwrap()),
            Origin::Internet
        );
        assert_eq!(
            Role::Submission.origin("127.0.0.1".parse().unwrap()),
            Origin::Internet
        );
    }
}
