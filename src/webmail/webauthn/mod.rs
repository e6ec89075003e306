//! Passkeys as Web Authentication Level 3 has them, the part of the relying party. Sections are
//! those of <https://www.w3.org/TR/webauthn-3/>. Pure.
//!
//! No attestation is asked for: a new passkey is believed because its user is logged in and has
//! shown his password (§7.1 step 24).

mod authenticator;
mod cbor;
mod challenge;
mod client;
mod key;
mod party;
#[cfg(test)]
pub(crate) mod test_device;
#[cfg(test)]
mod tests;

pub use authenticator::AuthenticatorData;
pub(crate) use challenge::{Challenges, LIFE, Purpose};
pub use client::ClientData;
pub(crate) use key::ALGORITHMS;
pub(crate) use party::Party;

use crate::base::{Entropy, Timestamp};
use crate::limits;
use key::Key;

/// Why an answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A part is longer than any browser makes it.
    #[error("it is too long")]
    TooLong,
    /// It is not what the standard says.
    #[error("it cannot be read")]
    Shape,
    /// It answers another kind of question.
    #[error("it is of the wrong kind")]
    Kind,
    /// The challenge is not ours, or was for another browser.
    #[error("the challenge is not ours")]
    Challenge,
    /// The challenge is too old.
    #[error("the challenge is too old")]
    Expired,
    /// The challenge was answered before.
    #[error("the challenge was answered before")]
    Again,
    /// It comes from a page of another site.
    #[error("it comes from another site")]
    Origin,
    /// It comes from a page in a frame.
    #[error("it comes from a frame")]
    Framed,
    /// It was made for another site.
    #[error("it is for another site")]
    Site,
    /// Nobody was there.
    #[error("nobody was there")]
    NotPresent,
    /// The authenticator does not know that it was its owner.
    #[error("its user was not verified")]
    NotVerified,
    /// A key of a kind that we do not take.
    #[error("the kind of its key is not taken")]
    Algorithm,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// It has signed fewer times than before: there may be a copy of it.
    #[error("its counter went back")]
    Counter,
    /// There is no such passkey here.
    #[error("the passkey is not known")]
    Unknown,
    /// There is such a passkey already.
    #[error("the passkey is known already")]
    Known,
}

/// Who we are to authenticators, and the challenges that we give.
#[derive(Debug)]
pub(crate) struct Relying {
    pub(crate) party: Party,
    challenges: Challenges,
}

/// What an answer is held against: for what it is, from which browser, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ceremony<'a> {
    pub(crate) purpose: Purpose,
    /// Names the browser: something of its cookie.
    pub(crate) bound: &'a str,
    pub(crate) now: Timestamp,
}

/// A new passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) id: Vec<u8>,
    /// The public key as COSE.
    pub(crate) key: Vec<u8>,
    pub(crate) count: u32,
    /// When its challenge was made.
    pub(crate) issued: Timestamp,
}

/// A login, as the browser brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assertion {
    pub(crate) client: Vec<u8>,
    pub(crate) authenticator: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// What is known of a passkey.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) count: u32,
    /// When the challenge was made that it answered last.
    pub(crate) last: Timestamp,
}

/// A login that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asserted {
    pub(crate) count: u32,
    /// When its challenge was made.
    pub(crate) issued: Timestamp,
}

impl Relying {
    /// For the pages at this address; `None` when there can be no passkeys.
    pub(crate) fn at(base_url: &str, entropy: &Entropy) -> Option<Self> {
        Some(Self {
            party: Party::of(base_url)?,
            challenges: Challenges::new(entropy),
        })
    }

    /// A challenge.
    pub(crate) fn challenge(&self, ceremony: Ceremony, entropy: &Entropy) -> String {
        let whom = (ceremony.purpose, ceremony.bound);
        self.challenges.issue(whom, ceremony.now, entropy)
    }

    /// A new passkey (WebAuthn §7.1). No challenge is good twice: it must be younger than `last`.
    pub(crate) fn register(
        &self,
        ceremony: Ceremony,
        (client, authenticator): (&[u8], &[u8]),
        last: Timestamp,
    ) -> Result<Registered, Refusal> {
        let issued = self.check_client(ceremony, client)?;
        let data = AuthenticatorData::parse(authenticator)?;
        data.check(&self.party.hash)?;
        let created = data.created.ok_or(Refusal::Shape)?;
        if is_used(issued, last, ceremony.now) {
            return Err(Refusal::Again);
        }
        Ok(Registered {
            id: created.id.to_vec(),
            key: created.key.to_vec(),
            count: data.count,
            issued,
        })
    }

    /// A login (WebAuthn §7.2). That the passkey belongs to the account (step 6) is for the
    /// caller.
    pub(crate) fn assert(
        &self,
        ceremony: Ceremony,
        given: &Assertion,
        stored: Stored,
    ) -> Result<Asserted, Refusal> {
        if given.signature.len() > limits::PASSKEY_SIGNATURE {
            return Err(Refusal::TooLong);
        }
        let issued = self.check_client(ceremony, &given.client)?;
        let data = AuthenticatorData::parse(&given.authenticator)?;
        data.check(&self.party.hash)?;
        // WebAuthn §6.1: no new passkey comes with a login.
        if data.created.is_some() {
            return Err(Refusal::Shape);
        }
        // WebAuthn §7.2 steps 20 and 21.
        let hash = party::hash(&given.client);
        let signed = [given.authenticator.as_slice(), &hash].concat();
        Key::parse(stored.key)?.verify(&signed, &given.signature)?;
        // One challenge, one login: later ones count only.
        if is_used(issued, stored.last, ceremony.now) {
            return Err(Refusal::Again);
        }
        // WebAuthn §7.2 step 22: who counts counts up. Two that count apart are copies.
        if (data.count, stored.count) != (0, 0) && data.count <= stored.count {
            return Err(Refusal::Counter);
        }
        Ok(Asserted {
            count: data.count,
            issued,
        })
    }

    /// What the browser says is for this ceremony: when its challenge was made.
    fn check_client(&self, ceremony: Ceremony, client: &[u8]) -> Result<Timestamp, Refusal> {
        let client = ClientData::parse(client)?;
        client.check(ceremony.purpose.kind(), &self.party.origin)?;
        let whom = (ceremony.purpose, ceremony.bound);
        self.challenges.check(whom, &client.challenge, ceremony.now)
    }
}

/// Was a challenge of this time, or a later one, used already? A time that no challenge can have
/// yet was written while the clock was ahead: it must not lock anybody out until then.
fn is_used(issued: Timestamp, last: Timestamp, now: Timestamp) -> bool {
    issued <= last && last <= now.after(LIFE)
}
