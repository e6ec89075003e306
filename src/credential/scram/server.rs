//! The messages of the server, RFC 5802 §5. Whether a client knows the password is all that they
//! find out; who he is, and what he may do, is said elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq as _;

use super::{ClientKey, ScramKeys, sign};

/// Longest name and nonce.
const LONGEST: usize = 255;

/// Why an exchange ends before anything is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScramFlaw {
    /// It is not what RFC 5802 §7 says, or wants what is not offered.
    Message,
    /// He wants to be somebody else.
    Another,
}

/// `client-first-message`: who he says that he is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst {
    identity: String,
    /// In front of the message; it comes again.
    gs2: String,
    bare: String,
    nonce: String,
}

/// An exchange that waits for the proof.
pub(crate) struct ServerExchange {
    identity: String,
    keys: ScramKeys,
    gs2: String,
    nonce: String,
    /// What both have said so far.
    said: String,
}

/// What a proof is worth.
pub(crate) struct Proven {
    pub(crate) identity: String,
    /// The password that he knows is theirs; `None`: he does not know it.
    pub(crate) keys: Option<ScramKeys>,
    /// What shows him that we know it, too.
    pub(crate) answer: String,
}

impl fmt::Debug for ServerExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerExchange").finish_non_exhaustive()
    }
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven").finish_non_exhaustive()
    }
}

impl ClientFirst {
    pub(crate) fn parse(text: &str) -> Result<Self, ScramFlaw> {
        let mut parts = text.splitn(3, ',');
        let (Some(binding), Some(other), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ScramFlaw::Message);
        };
        // RFC 5802 §6: `y` thinks that we cannot bind to the channel, and is right. What asks for
        // it (`p=`) was not offered.
        if !matches!(binding, "n" | "y") {
            return Err(ScramFlaw::Message);
        }
        let mut fields = bare.split(',');
        let mut field = |prefix: &str| fields.next().and_then(|it| it.strip_prefix(prefix));
        // In front of the name there may be an extension (`m=`) that nobody knows.
        let (name, nonce) = (field("n="), field("r="));
        let (name, nonce) = name.zip(nonce).ok_or(ScramFlaw::Message)?;
        let identity = saslname(name).ok_or(ScramFlaw::Message)?;
        if !is_nonce(nonce) {
            return Err(ScramFlaw::Message);
        }
        let another = match other.strip_prefix("a=") {
            None if other.is_empty() => None,
            None => return Err(ScramFlaw::Message),
            Some(other) => Some(saslname(other).ok_or(ScramFlaw::Message)?),
        };
        if another.is_some_and(|other| other.to_lowercase() != identity.to_lowercase()) {
            return Err(ScramFlaw::Another);
        }
        Ok(Self {
            identity,
            gs2: format!("{binding},{other},"),
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
        })
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// `server-first-message`, with a fresh nonce of ours.
    pub(crate) fn challenge(self, keys: ScramKeys, fresh: &str) -> (ServerExchange, String) {
        let nonce = format!("{}{fresh}", self.nonce);
        let (salt, rounds) = (BASE64.encode(&keys.salt), keys.rounds);
        let first = format!("r={nonce},s={salt},i={rounds}");
        let exchange = ServerExchange {
            identity: self.identity,
            keys,
            gs2: self.gs2,
            nonce,
            said: format!("{},{first}", self.bare),
        };
        (exchange, first)
    }
}

impl ServerExchange {
    /// `client-final-message`.
    pub(crate) fn hear(self, text: &str) -> Result<Proven, ScramFlaw> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramFlaw::Message)?;
        let proof = BASE64.decode(proof).ok();
        let proof: [u8; 32] = proof
            .and_then(|proof| proof.try_into().ok())
            .ok_or(ScramFlaw::Message)?;
        let expected = format!("c={},r={}", BASE64.encode(&self.gs2), self.nonce);
        // Extensions may follow; that they are signed is all that is asked of them.
        let is_ours = without_proof
            .strip_prefix(&expected)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(','));
        if !is_ours {
            return Err(ScramFlaw::Message);
        }
        let signed = format!("{},{without_proof}", self.said);
        let key = ClientKey::recovered(&proof, &self.keys.stored, &signed);
        let is_known = bool::from(key.stored().ct_eq(&self.keys.stored));
        let verifier = sign(&self.keys.server, signed.as_bytes());
        Ok(Proven {
            identity: self.identity,
            keys: is_known.then_some(self.keys),
            answer: format!("v={}", BASE64.encode(verifier)),
        })
    }
}

/// RFC 5802 §5.1: `saslname`.
fn saslname(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('=') {
        plain.push_str(before);
        let (sign, behind) = behind.split_at_checked(2)?;
        plain.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        rest = behind;
    }
    plain.push_str(rest);
    let is_word = !plain.is_empty() && plain.len() <= LONGEST && !plain.contains('\0');
    is_word.then_some(plain)
}

/// RFC 5802 §7: printable, without commas.
fn is_nonce(text: &str) -> bool {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'+' | b'-'..=b'~');
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_printable)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::credential::Scram;

    fn pencil() -> ScramKeys {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        ScramKeys::with_rounds("pencil", (&salt, NonZeroU32::new(4096).unwrap()))
    }

    /// The example of RFC 7677 §3.
    #[test]
    fn the_example_proves_both_sides() {
        let first = ClientFirst::parse("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!(first.identity(), "user");
        let (exchange, said) = first.challenge(pencil(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(said, format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let proven = exchange.hear(&last).unwrap();
        assert_eq!(
            proven.answer,
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        assert!(proven.keys.unwrap().is(&pencil()));
    }

    #[test]
    fn both_halves_of_ours_agree_and_only_on_the_password() {
        for (password, is_right) in [("pencil", true), ("Pencil", false), ("", false)] {
            let client = Scram::new("a=b,c", password, "nonce");
            let first = ClientFirst::parse(&client.first()).unwrap();
            assert_eq!(first.identity(), "a=b,c");
            let (exchange, said) = first.challenge(pencil(), "more");
            let (expected, last) = client.answer(&said).unwrap();
            let proven = exchange.hear(&last).unwrap();
            assert_eq!(proven.keys.is_some(), is_right);
            assert_eq!(expected.check(&proven.answer).is_ok(), is_right);
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_refused() {
        for (text, flaw) in [
            ("", ScramFlaw::Message),
            ("n,,", ScramFlaw::Message),
            ("n,,n=user", ScramFlaw::Message),
            ("n,,n=,r=x", ScramFlaw::Message),
            ("n,,n=user,r=", ScramFlaw::Message),
            ("n,,n=us=er,r=x", ScramFlaw::Message),
            ("n,,n=us=2c,r=x", ScramFlaw::Message),
            ("n,,m=ext,n=user,r=x", ScramFlaw::Message),
            ("p=tls-unique,,n=user,r=x", ScramFlaw::Message),
            ("n,user,n=user,r=x", ScramFlaw::Message),
            ("n,a=boss,n=user,r=x", ScramFlaw::Another),
        ] {
            assert_eq!(ClientFirst::parse(text).unwrap_err(), flaw, "{text}");
        }
        assert!(ClientFirst::parse("y,a=USER,n=user,r=x,ext").is_ok());
        let zeros = BASE64.encode([0; 32]);
        for last in [
            String::new(),
            "c=biws,r=xy".to_owned(),
            "c=biws,r=xy,p=AAAA".to_owned(),
            format!("c=biws,r=x,p={zeros}"),
            format!("c=biws,r=xyz,p={zeros}"),
            format!("c=eSws,r=xy,p={zeros}"),
            format!("r=xy,c=biws,p={zeros}"),
        ] {
            let first = ClientFirst::parse("n,,n=user,r=x").unwrap();
            let (exchange, _) = first.challenge(pencil(), "y");
            assert_eq!(
                exchange.hear(&last).unwrap_err(),
                ScramFlaw::Message,
                "{last}"
            );
        }
        let first = ClientFirst::parse("n,,n=user,r=x").unwrap();
        let (exchange, _) = first.challenge(pencil(), "y");
        let proven = exchange.hear(&format!("c=biws,r=xy,p={zeros}")).unwrap();
        assert!(proven.keys.is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_heard(first in "(n,,)?\\PC{0,20}", last in "(c=biws,r=xy)?\\PC{0,40}") {
            ClientFirst::parse(&first).ok();
            let begun = ClientFirst::parse("n,,n=user,r=x").unwrap();
            let (exchange, _) = begun.challenge(pencil(), "y");
            if let Ok(proven) = exchange.hear(&last) {
                prop_assert!(proven.keys.is_none());
            }
        }
    }
}
