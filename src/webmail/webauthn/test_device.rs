//! An authenticator for tests: makes a passkey and signs with it, wrongly if a test wants it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use super::Assertion;
use super::party::hash;

/// Present and verified.
pub(crate) const GOOD: u8 = 0x05;

pub(crate) struct Device {
    pub(crate) id: Vec<u8>,
    /// What the site called its user when the passkey was made, in base64url.
    pub(crate) user: String,
    /// Signatures so far; 0: it does not count.
    pub(crate) count: u32,
    pub(crate) flags: u8,
    pub(crate) site: &'static str,
    pub(crate) origin: &'static str,
    /// What the browser says beside.
    pub(crate) more: &'static str,
    key: EcdsaKeyPair,
}

impl Device {
    pub(crate) fn new((site, origin): (&'static str, &'static str), id: &[u8]) -> Self {
        let (chance, of) = (SystemRandom::new(), &ECDSA_P256_SHA256_ASN1_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(of, &chance).unwrap();
        Self {
            id: id.to_vec(),
            user: String::new(),
            count: 0,
            flags: GOOD,
            site,
            origin,
            more: "",
            key: EcdsaKeyPair::from_pkcs8(of, pkcs8.as_ref(), &chance).unwrap(),
        }
    }

    pub(crate) fn id(&self) -> String {
        BASE64URL.encode(&self.id)
    }

    /// What the browser and the authenticator say about a new passkey.
    pub(crate) fn create(&self, challenge: &str) -> (Vec<u8>, Vec<u8>) {
        let client = self.client("webauthn.create", challenge);
        (client, self.created(&self.cose()))
    }

    /// The authenticator's word about a new passkey with this key.
    pub(crate) fn created(&self, cose: &[u8]) -> Vec<u8> {
        let mut data = self.data(self.flags | 0x40);
        data.extend_from_slice(&[7; 16]);
        let length = u16::try_from(self.id.len()).unwrap();
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend_from_slice(cose);
        data
    }

    /// A login.
    pub(crate) fn sign(&mut self, challenge: &str) -> Assertion {
        self.count += u32::from(self.count > 0);
        let client = self.client("webauthn.get", challenge);
        self.sign_these(client, self.data(self.flags))
    }

    /// A login in which these things are said.
    pub(crate) fn sign_these(&self, client: Vec<u8>, authenticator: Vec<u8>) -> Assertion {
        let signed = [authenticator.as_slice(), &hash(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        Assertion {
            client,
            authenticator,
            signature: signature.as_ref().to_vec(),
        }
    }

    pub(crate) fn client(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let (origin, more) = (self.origin, self.more);
        let client = format!(
            "{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"{origin}\"{more}}}"
        );
        client.into_bytes()
    }

    pub(crate) fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = hash(self.site.as_bytes()).to_vec();
        data.push(flags);
        data.extend_from_slice(&self.count.to_be_bytes());
        data
    }

    /// The public key: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
    pub(crate) fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        [&head[..], x, &[0x22, 0x58, 0x20], y].concat()
    }
}
