//! Challenges: what an authenticator signs, so that an answer is good for one browser, once, and
//! for five minutes. Nothing is kept of them: each carries its time, and a mark that only we can
//! make. So nobody can fill our memory with them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::hmac;

use super::Refusal;
use crate::base::{Entropy, Timestamp};

/// An answer must come within this time.
pub(crate) const LIFE: Duration = Duration::from_secs(5 * 60);
/// Bytes of chance; WebAuthn §13.4.3 asks for 16 at least.
const CHANCE: usize = 16;
/// The time and the chance, in front of the mark.
const SAID: usize = 8 + CHANCE;

/// What an answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new passkey, for who has shown his password.
    Register,
    /// A login.
    LogIn,
}

impl Purpose {
    /// WebAuthn §5.8.1.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Register => "webauthn.create",
            Self::LogIn => "webauthn.get",
        }
    }
}

/// Makes and checks challenges. The key of the marks is of this process only: a restart ends what
/// is under way, and its user asks again.
#[derive(Debug)]
pub(crate) struct Challenges {
    key: hmac::Key,
}

impl Challenges {
    pub(crate) fn new(entropy: &Entropy) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &entropy.bytes::<32>()),
        }
    }

    /// A challenge for the browser that `bound` names: in base64url.
    pub(crate) fn issue(
        &self,
        (purpose, bound): (Purpose, &str),
        now: Timestamp,
        entropy: &Entropy,
    ) -> String {
        let mut challenge = now.as_millis().to_be_bytes().to_vec();
        challenge.extend_from_slice(&entropy.bytes::<CHANCE>());
        let mark = hmac::sign(&self.key, &marked(&challenge, purpose, bound));
        challenge.extend_from_slice(mark.as_ref());
        BASE64URL.encode(challenge)
    }

    /// When a challenge of ours was made, if it is good for this and for this browser. WebAuthn
    /// §7.1 step 8, §7.2 step 11.
    pub(super) fn check(
        &self,
        (purpose, bound): (Purpose, &str),
        challenge: &str,
        now: Timestamp,
    ) -> Result<Timestamp, Refusal> {
        let bytes = BASE64URL.decode(challenge);
        let bytes = bytes.map_err(|_| Refusal::Challenge)?;
        let (said, mark) = bytes.split_at_checked(SAID).ok_or(Refusal::Challenge)?;
        // Compared in constant time.
        hmac::verify(&self.key, &marked(said, purpose, bound), mark)
            .map_err(|_| Refusal::Challenge)?;
        let (time, _) = said.split_first_chunk().ok_or(Refusal::Challenge)?;
        let issued = Timestamp::from_millis(u64::from_be_bytes(*time));
        if issued > now || now.since(issued) > LIFE {
            return Err(Refusal::Expired);
        }
        Ok(issued)
    }
}

/// What the mark is made of. `said` has one length, so nothing can pass for another thing.
fn marked(said: &[u8], purpose: Purpose, bound: &str) -> Vec<u8> {
    [said, purpose.kind().as_bytes(), b"\0", bound.as_bytes()].concat()
}
