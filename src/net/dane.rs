//! TLSA records (RFC 6698) as SMTP uses them (RFC 7672): what they are compared with is given,
//! nothing is looked up here.

use sha2::{Digest as _, Sha256, Sha512};

/// One TLSA record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tlsa {
    /// Certificate usage: 2 (an authority of the server's chain) or 3 (the server's certificate).
    pub usage: u8,
    /// What is compared: 0 the whole certificate, 1 its public key.
    pub selector: u8,
    /// How: 0 byte by byte, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// What it must be.
    pub data: Vec<u8>,
}

/// DANE-TA, RFC 7218.
const AUTHORITY: u8 = 2;
/// DANE-EE, RFC 7218.
const SERVER: u8 = 3;

impl Tlsa {
    /// RFC 7672 §3.1.3: usages 0 and 1 are not used with SMTP; what is malformed or unknown is
    /// unusable too (RFC 6698 §4.1).
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let length = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        length && self.selector <= 1 && (self.names_authority() || self.names_server())
    }

    /// Does it name the server's own certificate or key?
    #[must_use]
    pub const fn names_server(&self) -> bool {
        self.usage == SERVER
    }

    /// Does it name an authority above the server's certificate?
    #[must_use]
    pub const fn names_authority(&self) -> bool {
        self.usage == AUTHORITY
    }

    /// Is this certificate (DER), with this public key (SubjectPublicKeyInfo, DER), the one that
    /// the record names? RFC 6698 §2.1.
    #[must_use]
    pub fn matches(&self, certificate: &[u8], public_key: &[u8]) -> bool {
        let compared = match self.selector {
            0 => certificate,
            1 => public_key,
            _ => return false,
        };
        match self.matching {
            0 => self.data == compared,
            1 => self.data == Sha256::digest(compared).as_slice(),
            2 => self.data == Sha512::digest(compared).as_slice(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = b"certificate";
    const KEY: &[u8] = b"key";

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
        Tlsa {
            usage,
            selector,
            matching,
            data: data.to_vec(),
        }
    }

    #[test]
    fn each_way_of_comparing() {
        let digests = |bytes: &[u8]| -> [Vec<u8>; 3] {
            [
                bytes.to_vec(),
                Sha256::digest(bytes).to_vec(),
                Sha512::digest(bytes).to_vec(),
            ]
        };
        for (selector, right, wrong) in [(0, CERTIFICATE, KEY), (1, KEY, CERTIFICATE)] {
            for (matching, data) in (0..).zip(digests(right)) {
                let record = record(3, selector, matching, &data);
                assert!(record.matches(CERTIFICATE, KEY), "{selector} {matching}");
            }
            for (matching, data) in (0..).zip(digests(wrong)) {
                let record = record(3, selector, matching, &data);
                assert!(!record.matches(CERTIFICATE, KEY), "{selector} {matching}");
            }
        }
        assert!(!record(3, 2, 0, KEY).matches(CERTIFICATE, KEY));
        assert!(!record(3, 1, 3, KEY).matches(CERTIFICATE, KEY));
    }

    #[test]
    fn what_cannot_be_used_is_known() {
        for (usage, selector, matching, length, expected) in [
            (3, 1, 1, 32, true),
            (2, 0, 2, 64, true),
            (3, 0, 0, 700, true),
            (3, 0, 0, 0, false),
            // RFC 7672 §3.1.3.
            (0, 1, 1, 32, false),
            (1, 1, 1, 32, false),
            (255, 1, 1, 32, false),
            (3, 2, 1, 32, false),
            (3, 1, 3, 32, false),
            (3, 1, 1, 31, false),
            (3, 1, 2, 32, false),
        ] {
            let record = record(usage, selector, matching, &vec![0; length]);
            assert_eq!(record.is_usable(), expected, "{record:?}");
        }
    }
}
