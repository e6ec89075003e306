//! Public keys of the DNS, RFC 6376 §3.6.1 and RFC 8463, and what they prove.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{self, UnparsedPublicKey};

use super::flaw::Flaw;
use super::signature::Algorithm;
use super::tags::Tags;

/// RFC 8301 §3.2: shorter ones must not be taken; longer ones are not in use, and cost time.
pub(super) const BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

/// A key as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    kind: Kind,
    /// `t=s`: the domain of `i=` must be the one of `d=`.
    pub(super) strict: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// An RSAPublicKey of RFC 8017, in DER.
    Rsa(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// Reads a record.
    ///
    /// # Errors
    /// Why it cannot be used: a permanent error (RFC 6376 §6.1.2).
    pub(super) fn parse(record: &str) -> Result<Self, Flaw> {
        let tags = Tags::parse(record).map_err(|_| Flaw::perm("the key record is malformed"))?;
        if tags.get("v").is_some() && !tags.begins("v", "DKIM1") {
            return Err(Flaw::perm("the key record has another version"));
        }
        let list = |tag: &str, wanted: &str| {
            let mut words = tags.get(tag).unwrap_or(wanted).split(':').map(str::trim);
            words.any(|word| word.eq_ignore_ascii_case(wanted) || (tag == "s" && word == "*"))
        };
        if !list("h", "sha256") {
            return Err(Flaw::perm("the key does not allow SHA-256"));
        }
        if !list("s", "email") {
            return Err(Flaw::perm("the key is not for mail"));
        }
        let key: String = tags
            .get("p")
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        if key.is_empty() {
            return Err(Flaw::perm("the key is withdrawn"));
        }
        let key = STANDARD.decode(key);
        let key = key.map_err(|_| Flaw::perm("the key is no base64"))?;
        let kind = match tags.get("k").unwrap_or("rsa").to_ascii_lowercase().as_str() {
            "rsa" => Kind::Rsa(rsa(&key)?),
            "ed25519" if key.len() == 32 => Kind::Ed25519(key),
            _ => return Err(Flaw::perm("the key is of a kind that is not known")),
        };
        let flags = tags.get("t").unwrap_or_default();
        Ok(Self {
            kind,
            strict: flags.split(':').any(|flag| flag.trim() == "s"),
        })
    }

    /// Is this a signature of `data` by the key?
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), Flaw> {
        let verified = match (&self.kind, algorithm) {
            (Kind::Rsa(key), Algorithm::RsaSha256) => {
                let how = &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
                UnparsedPublicKey::new(how, key).verify(data, signature)
            }
            (Kind::Ed25519(key), Algorithm::Ed25519Sha256) => {
                // RFC 8463 §3: what is signed is the digest.
                let digest = ring::digest::digest(&ring::digest::SHA256, data);
                UnparsedPublicKey::new(&signature::ED25519, key).verify(digest.as_ref(), signature)
            }
            (Kind::Rsa(_), Algorithm::Ed25519Sha256) | (Kind::Ed25519(_), Algorithm::RsaSha256) => {
                return Err(Flaw::perm("the key is of another kind than the signature"));
            }
        };
        verified.map_err(|_| Flaw::fail("the signature does not match"))
    }
}

/// The RSAPublicKey in a SubjectPublicKeyInfo (what everybody publishes), or as it is (RFC 6376
/// §3.6.1 can be read so, too).
fn rsa(der: &[u8]) -> Result<Vec<u8>, Flaw> {
    let malformed = Flaw::perm("the RSA key is malformed");
    let bare = unwrapped(der).unwrap_or(der);
    let bits = modulus_bits(bare).ok_or(malformed)?;
    if bits < *BITS.start() {
        return Err(Flaw::perm("the RSA key is shorter than 1,024 bits"));
    }
    if bits > *BITS.end() {
        return Err(Flaw::perm("the RSA key is longer than 8,192 bits"));
    }
    Ok(bare.to_vec())
}

/// The SubjectPublicKeyInfo of an RSAPublicKey: what is published.
pub(super) fn spki(bare: &[u8]) -> Vec<u8> {
    let wrap = |tag: u8, inside: &[u8]| {
        let length = u16::try_from(inside.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        [&[tag, 0x82], length.as_slice(), inside].concat()
    };
    let object = u8::try_from(RSA.len()).unwrap_or(u8::MAX);
    let null = [0x05, 0x00];
    let kind = [&[OBJECT, object], RSA, &null].concat();
    let length = u8::try_from(kind.len()).unwrap_or(u8::MAX);
    let kind = [&[SEQUENCE, length], kind.as_slice()].concat();
    let bits = wrap(BIT_STRING, &[&[0], bare].concat());
    wrap(SEQUENCE, &[kind, bits].concat())
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
/// rsaEncryption, RFC 8017 §A.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

fn unwrapped(der: &[u8]) -> Option<&[u8]> {
    let (inside, _) = element(SEQUENCE, der)?;
    let (kind, rest) = element(SEQUENCE, inside)?;
    let (object, _) = element(OBJECT, kind)?;
    let (bits, _) = element(BIT_STRING, rest)?;
    // No unused bits at the end.
    (object == RSA).then_some(())?;
    bits.strip_prefix(&[0])
}

fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (inside, _) = element(SEQUENCE, der)?;
    let (modulus, rest) = element(INTEGER, inside)?;
    element(INTEGER, rest)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = modulus.get(zeros..)?;
    let first = modulus.first()?;
    Some(modulus.len() * 8 - first.leading_zeros() as usize)
}

/// The content of one element of DER, and what is behind it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ ..=0x7f => (usize::from(*short), rest),
        long => {
            let count = usize::from(long & 0x7f);
            let (digits, rest) = rest.split_at_checked(count).filter(|_| count <= 3)?;
            let length = digits.iter().fold(0, |sum, it| sum << 8 | usize::from(*it));
            (length, rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A SubjectPublicKeyInfo with a modulus of so many bytes.
    fn made(bytes: usize) -> Vec<u8> {
        let wrap = |tag: u8, inside: &[u8]| {
            let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], length.as_slice(), inside].concat()
        };
        let modulus = [vec![0], vec![0xc5; bytes]].concat();
        let key = [wrap(INTEGER, &modulus), vec![INTEGER, 3, 1, 0, 1]].concat();
        spki(&wrap(SEQUENCE, &key))
    }

    fn told(record: &str) -> &'static str {
        PublicKey::parse(record).map_or_else(|flaw| flaw.reason, |_| "taken")
    }

    #[test]
    fn keys_are_taken_or_refused() {
        let p = |bytes| STANDARD.encode(made(bytes));
        let bare = STANDARD.encode(unwrapped(&made(256)).unwrap());
        let edwards = STANDARD.encode([7; 32]);
        for (record, expected) in [
            (format!("v=DKIM1; k=rsa; p={}", p(256)), "taken"),
            (format!("p={bare}"), "taken"),
            (format!("k=ed25519; p={edwards}"), "taken"),
            (format!("h=sha1:sha256; s=*; p={}", p(128)), "taken"),
            (
                format!("p={}", p(127)),
                "the RSA key is shorter than 1,024 bits",
            ),
            // Sixteen thousand bits.
            (
                format!("p={}", p(2048)),
                "the RSA key is longer than 8,192 bits",
            ),
            (
                format!("h=sha1; p={}", p(256)),
                "the key does not allow SHA-256",
            ),
            (format!("s=tlsrpt; p={}", p(256)), "the key is not for mail"),
            ("v=DKIM1; p=".to_owned(), "the key is withdrawn"),
            ("v=DKIM1".to_owned(), "the key is withdrawn"),
            ("p=%".to_owned(), "the key is no base64"),
            ("p=AAAA".to_owned(), "the RSA key is malformed"),
            (
                "k=rsa; v=DKIM1; p=x".to_owned(),
                "the key record has another version",
            ),
            (
                format!("k=dsa; p={edwards}"),
                "the key is of a kind that is not known",
            ),
            ("x".to_owned(), "the key record is malformed"),
        ] {
            assert_eq!(told(&record), expected, "{record}");
        }
        let strict = PublicKey::parse(&format!("t=y:s; p={}", p(256))).unwrap();
        assert!(strict.strict);
    }

    proptest! {
        #[test]
        fn any_der_is_read(der in proptest::collection::vec(any::<u8>(), 0..60)) {
            let published = PublicKey::parse(&format!("p={}", STANDARD.encode(&der)));
            prop_assert_eq!(rsa(&der).is_ok(), published.is_ok());
        }
    }
}
