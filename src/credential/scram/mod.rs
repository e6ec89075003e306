//! SCRAM-SHA-256 without channel binding, RFC 5802 and RFC 7677: the password itself is never sent.
//! Pure: the client's messages, the server's, and the keys that it keeps.

mod client;
mod keys;
mod server;

use std::num::NonZeroU32;

pub(crate) use client::{Scram, ServerProof};
pub use keys::ScramKeys;
pub(crate) use keys::prepared;
use ring::{hmac, pbkdf2};
pub(crate) use server::{ClientFirst, Proven, ScramFlaw, ServerExchange};
use sha2::{Digest as _, Sha256};

/// RFC 5802 §3: `ClientKey`. Who has it can log in.
struct ClientKey([u8; 32]);

impl ClientKey {
    fn of(salted: &[u8; 32]) -> Self {
        Self(bytes(&sign(salted, b"Client Key")))
    }

    fn stored(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// What proves it for this exchange.
    fn proof(&self, signed: &str) -> [u8; 32] {
        mixed(&self.0, &self.stored(), signed)
    }

    /// The key that a proof was made of, if the stored one is its.
    fn recovered(proof: &[u8; 32], stored: &[u8; 32], signed: &str) -> Self {
        Self(mixed(proof, stored, signed))
    }
}

/// One XOR the signature of the exchange.
fn mixed(one: &[u8; 32], stored: &[u8; 32], signed: &str) -> [u8; 32] {
    let mut mixed = bytes(&sign(stored, signed.as_bytes()));
    for (target, other) in mixed.iter_mut().zip(one) {
        *target ^= other;
    }
    mixed
}

/// RFC 5802 §3: `SaltedPassword`.
fn salted(password: &str, (salt, rounds): (&[u8], NonZeroU32)) -> [u8; 32] {
    let mut salted = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, rounds, salt, password.as_bytes(), &mut salted);
    salted
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

/// Of SHA-256 there are 32.
fn bytes(tag: &hmac::Tag) -> [u8; 32] {
    <[u8; 32]>::try_from(tag.as_ref()).unwrap_or_default()
}
