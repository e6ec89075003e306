//! What an authenticator says (WebAuthn §6.1). Pure.

use super::Refusal;
use super::cbor::Reader;
use super::key::Key;
use crate::limits;

/// WebAuthn §6.1: bits of the flags.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// What an authenticator says: for whom, what its user did, and how often it has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatorData<'a> {
    /// SHA-256 of the site's name.
    pub(super) site: [u8; 32],
    flags: u8,
    /// Signatures so far; always 0 when it does not count.
    pub(super) count: u32,
    /// A new passkey.
    pub(super) created: Option<Created<'a>>,
}

/// A new passkey, as its authenticator says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Created<'a> {
    pub(super) id: &'a [u8],
    /// The public key as it was written, which [`Key::parse`] can read.
    pub(super) key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// When it is too long, is not what the standard says, or has a key of a kind that we do not
    /// take.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > limits::PASSKEY_DATA {
            return Err(Refusal::TooLong);
        }
        let mut reader = Reader(bytes);
        let site = reader.array().ok_or(Refusal::Shape)?;
        let [flags] = reader.array().ok_or(Refusal::Shape)?;
        let count = u32::from_be_bytes(reader.array().ok_or(Refusal::Shape)?);
        let created = if flags & HAS_CREDENTIAL == 0 {
            None
        } else {
            Some(created(&mut reader)?)
        };
        if flags & HAS_EXTENSIONS != 0 {
            // WebAuthn §7.1 step 28: extensions that nobody asked for are passed over.
            reader.skip_map().ok_or(Refusal::Shape)?;
        }
        if !reader.0.is_empty() {
            return Err(Refusal::Shape);
        }
        Ok(Self {
            site,
            flags,
            count,
            created,
        })
    }

    /// What holds for a new passkey as well as for a login.
    pub(super) fn check(&self, site: &[u8; 32]) -> Result<(), Refusal> {
        // WebAuthn §7.1 step 14, §7.2 step 15: for this site, and no other.
        if self.site != *site {
            return Err(Refusal::Site);
        }
        // WebAuthn §7.1 step 15, §7.2 step 16: somebody was there.
        if self.flags & PRESENT == 0 {
            return Err(Refusal::NotPresent);
        }
        // WebAuthn §7.1 step 16, §7.2 step 17: it was the owner, by PIN, finger or face; so it
        // counts as both steps.
        if self.flags & VERIFIED == 0 {
            return Err(Refusal::NotVerified);
        }
        // WebAuthn §7.1 step 17, §7.2 step 18.
        if self.flags & BACKED_UP != 0 && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err(Refusal::Shape);
        }
        Ok(())
    }
}

/// WebAuthn §6.5.1.
fn created<'a>(reader: &mut Reader<'a>) -> Result<Created<'a>, Refusal> {
    let mut parts = || {
        // The model of the authenticator, which nobody proves without attestation.
        reader.take(16)?;
        let length = u16::from_be_bytes(reader.array()?);
        reader.take(usize::from(length))
    };
    let id = parts().ok_or(Refusal::Shape)?;
    // WebAuthn §7.1 step 25.
    if id.len() > limits::PASSKEY_ID || id.is_empty() {
        return Err(Refusal::TooLong);
    }
    let rest = reader.0;
    Key::read(reader)?;
    let length = rest.len() - reader.0.len();
    let key = rest.get(..length).ok_or(Refusal::Shape)?;
    Ok(Created { id, key })
}
