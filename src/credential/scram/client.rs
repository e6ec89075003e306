//! SCRAM-SHA-256 without channel binding, RFC 5802 and RFC 7677: the messages of the client.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{hmac, pbkdf2};
use sha2::{Digest as _, Sha256};

/// RFC 7677 §4 asks for at least 4,096 rounds; more than this would be an attack on our time.
const ROUNDS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

/// An exchange that has begun. Never printed: it holds the password.
pub(super) struct Scram {
    password: String,
    nonce: String,
    /// `client-first-message-bare`.
    bare: String,
}

/// What the server will say if it knows the password.
pub(super) struct ServerProof(hmac::Tag);

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram").finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerProof").finish_non_exhaustive()
    }
}

impl Scram {
    pub(super) fn new(username: &str, password: &str, nonce: &str) -> Self {
        // RFC 5802 §5.1: saslname.
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            password: password.to_owned(),
            nonce: nonce.to_owned(),
            bare: format!("n={name},r={nonce}"),
        }
    }

    /// `client-first-message`.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// `client-final-message`, and what the server must prove.
    pub(super) fn answer(&self, challenge: &str) -> Result<(ServerProof, String), String> {
        let (nonce, salt, rounds) = parse(challenge)?;
        // RFC 5802 §5.1: ours, with something of the server's behind it.
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its nonce is not an answer to ours".to_owned());
        }
        let rounds = NonZeroU32::new(rounds)
            .filter(|rounds| ROUNDS.contains(&rounds.get()))
            .ok_or_else(|| format!("it asks for {rounds} rounds"))?;
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            self.password.as_bytes(),
            &mut salted,
        );
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = Sha256::digest(client_key.as_ref());
        let signature = sign(&stored_key, signed.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = sign(&salted, b"Server Key");
        let expected = ServerProof(sign(server_key.as_ref(), signed.as_bytes()));
        let last = format!("{without_proof},p={}", BASE64.encode(proof));
        Ok((expected, last))
    }
}

impl ServerProof {
    /// `server-final-message`.
    pub(super) fn check(&self, said: &str) -> Result<(), String> {
        let Some(proof) = said.strip_prefix("v=") else {
            return Err(match said.strip_prefix("e=") {
                Some(error) => format!("it says {}", error.escape_debug()),
                None => "its last message makes no sense".to_owned(),
            });
        };
        let proof = BASE64.decode(proof).unwrap_or_default();
        let is_same = subtle::ConstantTimeEq::ct_eq(proof.as_slice(), self.0.as_ref());
        if bool::from(is_same) {
            Ok(())
        } else {
            Err("it has not proven that it knows the password".to_owned())
        }
    }
}

/// `server-first-message`: nonce, salt, rounds. A mandatory extension (`m=`) is not known here.
fn parse(challenge: &str) -> Result<(&str, Vec<u8>, u32), String> {
    let mut parts = challenge.split(',');
    let mut part = |prefix: &str| parts.next().and_then(|part| part.strip_prefix(prefix));
    let (nonce, salt, rounds) = (part("r="), part("s="), part("i="));
    let parsed = nonce
        .zip(salt.and_then(|salt| BASE64.decode(salt).ok()))
        .zip(rounds.and_then(|rounds| rounds.parse().ok()));
    let ((nonce, salt), rounds) =
        parsed.ok_or_else(|| "its challenge makes no sense".to_owned())?;
    Ok((nonce, salt, rounds))
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}
