//! What a server's certificate must prove, and whether it does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};

use super::{Tlsa, certificate};
use crate::base::{Timestamp, hex};

/// What the server's certificate must prove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CertificateCheck {
    /// Nothing: it encrypts against eavesdroppers only (RFC 7435).
    #[default]
    Any,
    /// That it is valid for the name of the host and comes from an authority that the system
    /// trusts.
    Name,
    /// That it is valid for the name of the host and comes from an authority of this PEM file.
    NameBy(PathBuf),
    /// That its public key (SubjectPublicKeyInfo) has one of these SHA-256 digests; its name, its
    /// authority and its dates do not count.
    Keys(Vec<[u8; 32]>),
    /// That one of these TLSA records (RFC 7672), which DNSSEC has proven, names it or its
    /// authority; under an authority it must be valid for one of the names.
    Dane {
        /// At least one that is usable.
        records: Vec<Tlsa>,
        /// The names, RFC 7672 §3.2.2.
        names: Vec<String>,
    },
}

/// The check of `name`, for people.
pub(super) struct Demand<'a> {
    pub(super) check: &'a CertificateCheck,
    pub(super) name: &'a str,
}

impl fmt::Display for Demand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.check {
            CertificateCheck::Any => f.write_str("any certificate will do"),
            CertificateCheck::Name => {
                write!(f, "the certificate must be good for {name}")
            }
            CertificateCheck::NameBy(file) => write!(
                f,
                "the certificate must be good for {name}, by an authority of {}",
                file.display()
            ),
            CertificateCheck::Keys(_) => f.write_str("the key must be one of tls_keys"),
            CertificateCheck::Dane { .. } => {
                write!(f, "the TLSA records of {name} must name the certificate")
            }
        }
    }
}

/// `sha256:` and 64 hexadecimal digits: how a pinned key is written.
pub(super) fn fingerprint(public_key: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(public_key)))
}

/// The authorities of a PEM file.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn read_authorities(file: &Path) -> Result<RootCertStore, String> {
    let pem = std::fs::read(file);
    let pem = pem.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    authorities_of(file, &pem).map(|(roots, _)| roots)
}

/// The authorities of what was read of a PEM file, and when the last of them ends, if that can be
/// read.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn authorities_of(
    file: &Path,
    pem: &[u8],
) -> Result<(RootCertStore, Option<Timestamp>), String> {
    use rustls_pki_types::pem::PemObject as _;
    let path = file.display();
    let (mut roots, mut last) = (RootCertStore::empty(), None);
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("{path}: {error}"))?;
        last = last.max(certificate::ends(&certificate));
        roots
            .add(certificate)
            .map_err(|error| format!("{path} holds a certificate that is none: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!(
            "{path} holds no certificate, expected PEM with the authorities"
        ));
    }
    Ok((roots, last))
}

/// Checks what the TLS library does not: nothing, a pinned key, or TLSA records. The server must
/// hold the certificate's key in any case: the signatures are checked.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Any,
    Keys(Vec<[u8; 32]>),
    Dane {
        records: Vec<Tlsa>,
        names: Vec<String>,
    },
}

impl Verifier {
    pub(super) const fn any(provider: Arc<CryptoProvider>) -> Self {
        let rule = Rule::Any;
        Self { provider, rule }
    }

    pub(super) const fn keys(provider: Arc<CryptoProvider>, keys: Vec<[u8; 32]>) -> Self {
        let rule = Rule::Keys(keys);
        Self { provider, rule }
    }

    pub(super) const fn dane(
        provider: Arc<CryptoProvider>,
        records: Vec<Tlsa>,
        names: Vec<String>,
    ) -> Self {
        let rule = Rule::Dane { records, names };
        Self { provider, rule }
    }

    fn signatures(&self) -> &rustls::crypto::WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// RFC 7672 §3.1.2: one of the certificates of the chain is named, the server's comes from it,
    /// and has a name that was meant.
    fn comes_from_authority(
        &self,
        (records, names): (&[Tlsa], &[String]),
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut authorities = RootCertStore::empty();
        for record in records.iter().filter(|record| record.names_authority()) {
            for certificate in chain {
                let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
                if record.matches(certificate, &key) {
                    authorities.add(certificate.clone().into_owned())?;
                }
            }
            if (record.selector, record.matching) == (0, 0) {
                // The authority itself stands in the record: it need not be in the chain.
                authorities
                    .add(CertificateDer::from(record.data.clone()))
                    .ok();
            }
        }
        if authorities.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let parsed = ParsedCertificate::try_from(server)?;
        let algorithms = self.signatures().all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &authorities, chain, now, algorithms)?;
        let is_named = names.iter().any(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
        });
        if is_named {
            Ok(())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let proven = Ok(ServerCertVerified::assertion());
        let key = || ParsedCertificate::try_from(server).map(|it| it.subject_public_key_info());
        match &self.rule {
            Rule::Any => proven,
            Rule::Keys(keys) => {
                let key = key()?;
                let digest: [u8; 32] = Sha256::digest(&key).into();
                if keys.contains(&digest) {
                    return proven;
                }
                let found = fingerprint(&key);
                Err(Error::General(format!("the server's key is {found}")))
            }
            Rule::Dane { records, names } => {
                let key = key()?;
                // RFC 7672 §3.1.1: names and dates do not count then.
                let mut exact = records.iter().filter(|record| record.names_server());
                if exact.any(|record| record.matches(server, &key)) {
                    return proven;
                }
                self.comes_from_authority((records, names), server, chain, now)?;
                proven
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, self.signatures())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, self.signatures())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures().supported_schemes()
    }
}
