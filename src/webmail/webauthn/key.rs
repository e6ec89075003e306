//! Public keys of passkeys, as authenticators write them (COSE, RFC 9052 §7), and signatures by
//! them. Pure.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::Refusal;
use super::cbor::{Reader, Value};

/// RFC 9053 §2.1, RFC 8812 §2: the algorithms that we ask for, the best first. WebAuthn §5.4:
/// with -7 and -257 among them every authenticator has one.
pub(crate) const ALGORITHMS: [i64; 3] = [EDDSA, ES256, RS256];
const EDDSA: i64 = -8;
const ES256: i64 = -7;
const RS256: i64 = -257;

/// Labels of a key (RFC 9052 §7.1, RFC 9053 §7, RFC 8230 §4).
const KIND: i64 = 1;
const ALGORITHM: i64 = 3;
/// The curve; the modulus of RSA.
const FIRST: i64 = -1;
/// The point's x; the exponent of RSA.
const SECOND: i64 = -2;
/// The point's y.
const THIRD: i64 = -3;
/// Labels that a key may have.
const MOST: usize = 8;
/// Bytes of a modulus: 2048 to 4096 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// ECDSA on P-256 with SHA-256: an uncompressed point.
    Es256([u8; 65]),
    /// Ed25519.
    EdDsa([u8; 32]),
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 {
        modulus: &'a [u8],
        exponent: &'a [u8],
    },
}

impl<'a> Key<'a> {
    /// Reads a key from the front of `reader`, which stands behind it then.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Refusal> {
        let labels = Labels::read(reader).ok_or(Refusal::Shape)?;
        // WebAuthn §7.1 step 20: the algorithm is one of those that we asked for.
        let algorithm = labels.number(ALGORITHM).ok_or(Refusal::Shape)?;
        if !ALGORITHMS.contains(&algorithm) {
            return Err(Refusal::Algorithm);
        }
        labels.key(algorithm).ok_or(Refusal::Shape)
    }

    /// A key that was stored.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut reader = Reader(bytes);
        let key = Self::read(&mut reader)?;
        if reader.0.is_empty() {
            Ok(key)
        } else {
            Err(Refusal::Shape)
        }
    }

    /// Was this message signed with it? WebAuthn §6.5.5 has the forms of signatures.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::EdDsa(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            Self::Rs256 { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        };
        verified.map_err(|_| Refusal::Signature)
    }
}

/// The labels of a key and their values.
struct Labels<'a>(Vec<(i64, Value<'a>)>);

impl<'a> Labels<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let count = usize::try_from(reader.map()?).ok()?;
        let mut labels: Vec<(i64, Value)> = Vec::new();
        if count > MOST {
            return None;
        }
        for _ in 0..count {
            let (label, value) = (reader.number()?, reader.value()?);
            // RFC 9052 §7: no label twice.
            if labels.iter().any(|(other, _)| *other == label) {
                return None;
            }
            labels.push((label, value));
        }
        Some(Self(labels))
    }

    fn key(&self, algorithm: i64) -> Option<Key<'a>> {
        match (algorithm, self.number(KIND)?) {
            // WebAuthn §5.8.5: P-256 (1), and never the compressed form of a point.
            (ES256, 2) if self.number(FIRST)? == 1 => {
                let mut point = [4; 65];
                let (_, both) = point.split_first_mut()?;
                let (x, y) = both.split_at_mut_checked(32)?;
                x.copy_from_slice(&self.coordinate(SECOND)?);
                y.copy_from_slice(&self.coordinate(THIRD)?);
                Some(Key::Es256(point))
            }
            // WebAuthn §5.8.5: Ed25519 (6).
            (EDDSA, 1) if self.number(FIRST)? == 6 => Some(Key::EdDsa(self.coordinate(SECOND)?)),
            (RS256, 3) => {
                let (modulus, exponent) = (self.bytes(FIRST)?, self.bytes(SECOND)?);
                // RFC 8230 §4: without zeros in front.
                let is_shortest = modulus.first()? != &0 && exponent.first()? != &0;
                let fits = MODULUS.contains(&modulus.len()) && exponent.len() <= 4;
                (is_shortest && fits).then_some(Key::Rs256 { modulus, exponent })
            }
            _ => None,
        }
    }

    fn get(&self, label: i64) -> Option<Value<'a>> {
        let found = self.0.iter().find(|(other, _)| *other == label);
        found.map(|(_, value)| *value)
    }

    fn number(&self, label: i64) -> Option<i64> {
        match self.get(label)? {
            Value::Number(number) => Some(number),
            Value::Bytes(_) => None,
        }
    }

    fn bytes(&self, label: i64) -> Option<&'a [u8]> {
        match self.get(label)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => None,
        }
    }

    fn coordinate(&self, label: i64) -> Option<[u8; 32]> {
        self.bytes(label)?.try_into().ok()
    }
}
