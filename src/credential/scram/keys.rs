//! What a server keeps to know a password again, RFC 5802 §3. It lets nobody in who reads it, but
//! passwords can be tried with it: so many rounds stand in the way.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use icu_normalizer::ComposingNormalizerBorrowed;
use subtle::ConstantTimeEq as _;

use super::{ClientKey, bytes, salted, sign};

/// The name in front of what is stored (RFC 5803 §2).
const SCHEME: &str = "SCRAM-SHA-256";
/// RFC 7677 §4 asks for 4,096 at least; who steals the log tries them all against graphics cards,
/// and a client computes these in half a second.
const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);

/// Salted keys of a password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    pub(super) salt: Vec<u8>,
    pub(super) rounds: NonZeroU32,
    pub(super) stored: [u8; 32],
    pub(super) server: [u8; 32],
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").finish_non_exhaustive()
    }
}

impl ScramKeys {
    /// Of a password that was prepared. Takes a good part of a second: not among tasks that others
    /// wait for.
    pub(crate) fn of(password: &str, salt: [u8; 16]) -> Self {
        Self::with_rounds(password, (&salt, ROUNDS))
    }

    pub(super) fn with_rounds(password: &str, (salt, rounds): (&[u8], NonZeroU32)) -> Self {
        let salted = salted(password, (salt, rounds));
        Self {
            salt: salt.to_owned(),
            rounds,
            stored: ClientKey::of(&salted).stored(),
            server: bytes(&sign(&salted, b"Server Key")),
        }
    }

    /// Of nobody, with a salt that stays: no password fits, and nobody sees that.
    pub(crate) fn nobodys(secret: &[u8], name: &str) -> Self {
        let part = |purpose: &str| bytes(&sign(secret, format!("{purpose} {name}").as_bytes()));
        Self {
            salt: part("salt").iter().take(16).copied().collect(),
            rounds: ROUNDS,
            stored: part("stored"),
            server: part("server"),
        }
    }

    /// Are these the same, without telling by the time where they differ?
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same = self.stored.ct_eq(&other.stored) & self.server.ct_eq(&other.server);
        bool::from(same) && self.salt == other.salt && self.rounds == other.rounds
    }
}

/// RFC 5803 §2: `SCRAM-SHA-256$rounds:salt$stored:server`.
impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, stored, server) = (
            BASE64.encode(&self.salt),
            BASE64.encode(self.stored),
            BASE64.encode(self.server),
        );
        write!(f, "{SCHEME}${}:{salt}${stored}:{server}", self.rounds)
    }
}

impl FromStr for ScramKeys {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
        let parsed = || {
            let rest = text.strip_prefix(SCHEME)?.strip_prefix('$')?;
            let (salting, keys) = rest.split_once('$')?;
            let (rounds, salt) = salting.split_once(':')?;
            let (stored, server) = keys.split_once(':')?;
            Some(Self {
                salt: BASE64.decode(salt).ok()?,
                rounds: rounds.parse().ok()?,
                stored: key(stored)?,
                server: key(server)?,
            })
        };
        parsed().ok_or(())
    }
}

/// A password as both sides have to write it (SASLprep, RFC 4013 §2), so that the same one gives
/// the same keys whatever keyboard it comes from; `None`: no client can send it.
pub(crate) fn prepared(password: &str) -> Option<String> {
    let mapped: String = password
        .chars()
        .filter(|c| !is_nothing(*c))
        .map(|c| {
            if c.is_whitespace() && !c.is_ascii() {
                ' '
            } else {
                c
            }
        })
        .collect();
    let normal = ComposingNormalizerBorrowed::new_nfkc().normalize(&mapped);
    let is_private = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    let is_legal = !normal.is_empty() && !normal.chars().any(|c| c.is_control() || is_private(c));
    is_legal.then(|| normal.into_owned())
}

/// RFC 3454 table B.1.
const fn is_nothing(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}'
            | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let rounds = NonZeroU32::new(4096).unwrap();
        let keys = ScramKeys::with_rounds("pencil", (b"salt", rounds));
        let text = keys.to_string();
        assert!(text.starts_with("SCRAM-SHA-256$4096:c2FsdA==$"), "{text}");
        assert!(text.parse::<ScramKeys>().unwrap().is(&keys));
        let other = ScramKeys::with_rounds("Pencil", (b"salt", rounds));
        assert!(!other.is(&keys));
        for text in [
            "",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-1$1:c2E=$c2E=:c2E=",
            "SCRAM-SHA-256$0:c2E=$:",
        ] {
            assert!(text.parse::<ScramKeys>().is_err(), "{text}");
        }
        assert!(!format!("{keys:?}").contains("c2Fs"));
    }

    #[test]
    fn nobodys_salt_stays() {
        let one = ScramKeys::nobodys(b"secret", "ann@example.org");
        assert!(one.is(&ScramKeys::nobodys(b"secret", "ann@example.org")));
        assert_ne!(
            one.salt,
            ScramKeys::nobodys(b"secret", "bob@example.org").salt
        );
        assert_ne!(
            one.salt,
            ScramKeys::nobodys(b"other", "ann@example.org").salt
        );
        assert_eq!((one.salt.len(), one.rounds.get()), (16, 600_000));
    }

    /// RFC 4013 §3 has the first five.
    #[test]
    fn passwords_are_prepared() {
        for (typed, expected) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("u\u{308}\u{a0}x", Some("\u{fc} x")),
            ("a\tb", None),
            ("\u{200b}", None),
        ] {
            assert_eq!(prepared(typed).as_deref(), expected, "{typed:?}");
        }
    }
}
