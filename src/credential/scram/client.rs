//! The messages of the client.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;

use super::{ClientKey, salted, sign};

/// RFC 7677 §4 asks for at least 4,096 rounds; more than this would be an attack on our time.
const ROUNDS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

/// An exchange that has begun. Never printed: it holds the password.
pub(crate) struct Scram {
    password: String,
    nonce: String,
    /// `client-first-message-bare`.
    bare: String,
}

/// What the server will say if it knows the password.
pub(crate) struct ServerProof(hmac::Tag);

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
    pub(crate) fn new(username: &str, password: &str, nonce: &str) -> Self {
        // RFC 5802 §5.1: saslname.
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            password: password.to_owned(),
            nonce: nonce.to_owned(),
            bare: format!("n={name},r={nonce}"),
        }
    }

    /// `client-first-message`.
    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// `client-final-message`, and what the server must prove.
    pub(crate) fn answer(&self, challenge: &str) -> Result<(ServerProof, String), String> {
        let (nonce, salt, rounds) = parse(challenge)?;
        // RFC 5802 §5.1: ours, with something of the server's behind it.
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its nonce is not an answer to ours".to_owned());
        }
        let rounds = NonZeroU32::new(rounds)
            .filter(|rounds| ROUNDS.contains(&rounds.get()))
            .ok_or_else(|| format!("it asks for {rounds} rounds"))?;
        let salted = salted(&self.password, (&salt, rounds));
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let proof = ClientKey::of(&salted).proof(&signed);
        let server_key = sign(&salted, b"Server Key");
        let expected = ServerProof(sign(server_key.as_ref(), signed.as_bytes()));
        let last = format!("{without_proof},p={}", BASE64.encode(proof));
        Ok((expected, last))
    }
}

impl ServerProof {
    /// `server-final-message`.
    pub(crate) fn check(&self, said: &str) -> Result<(), String> {
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
