//! Clients that show a certificate: from which authorities it must come, and whom it names.
//!
//! Who shows none, or one that proves nothing, is let in as everybody is: what a certificate proves
//! is found out behind the handshake, for sessions that go on, too. So it is always the authorities
//! of this listener and of now that count, whatever a ticket carries.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::certificate;
use super::tls_check::authorities_of;
use crate::base::{ClientProof, Timestamp, read_regular};
use crate::limits;

/// The authorities of a PEM file, which may change while we run.
#[derive(Debug)]
pub struct ClientAuthorities {
    file: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    known: Known,
    /// Why the file that is there now is not used.
    refused: Option<String>,
    /// When it was changed last; also set after a failed reload, which is reported once.
    changed: Option<SystemTime>,
}

#[derive(Debug)]
struct Known {
    verifier: Arc<dyn ClientCertVerifier>,
    /// When the last of them ends, if that can be read.
    ends: Option<Timestamp>,
}

/// How authorities stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuthoritiesState {
    /// Their file.
    pub file: PathBuf,
    /// When the last of them ends, and nobody is known any more; `None`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// A newer file is there and cannot be used: why.
    pub refused: Option<String>,
}

impl ClientAuthorities {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with the file, for people.
    pub fn load(file: &Path) -> Result<Self, String> {
        let changed = changed(file);
        let loaded = Loaded {
            known: read(file)?,
            refused: None,
            changed,
        };
        Ok(Self {
            file: file.to_owned(),
            loaded: RwLock::new(loaded),
        })
    }

    /// How they stand; a file that has changed is read first.
    #[must_use]
    pub fn state(&self) -> AuthoritiesState {
        self.refresh();
        let loaded = self.loaded();
        AuthoritiesState {
            file: self.file.clone(),
            ends: loaded.known.ends,
            refused: loaded.refused.clone(),
        }
    }

    /// A file that has changed is read; while it cannot be used the old authorities count.
    fn refresh(&self) {
        let now = changed(&self.file);
        if self.loaded().changed == now {
            return;
        }
        let read = read(&self.file);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.changed = now;
        match read {
            Ok(known) => {
                let file = self.file.display();
                tracing::info!(%file, "authorities of clients read again");
                (loaded.known, loaded.refused) = (known, None);
            }
            Err(error) => {
                tracing::error!(%error, "the authorities of clients stay as they are");
                loaded.refused = Some(error);
            }
        }
    }

    /// What this chain proves at `now`.
    pub(super) fn prove(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
        now: UnixTime,
    ) -> ClientProof {
        let Some((leaf, others)) = chain.and_then(|chain| chain.split_first()) else {
            return ClientProof::None;
        };
        self.refresh();
        let verifier = Arc::clone(&self.loaded().known.verifier);
        if let Err(error) = verifier.verify_client_cert(leaf, others, now) {
            return ClientProof::Refused(error.to_string());
        }
        // RFC 9525 §2, RFC 5280 §4.2.1.6: a common name is no host.
        let names = certificate::names(leaf);
        if names.is_empty() {
            return ClientProof::Refused("it names no host (subjectAltName)".to_owned());
        }
        ClientProof::Names(names)
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    let found = std::fs::metadata(file).and_then(|found| found.modified());
    found.ok()
}

fn read(file: &Path) -> Result<Known, String> {
    let pem = read_regular(file, limits::PEM_FILE)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let (roots, ends) = authorities_of(file, &pem)?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Known { verifier, ends })
}

/// Asks each client for a certificate, and lets everybody in. That the client has the key of the
/// certificate is proven in the handshake; whose it is, behind it.
#[derive(Debug)]
pub(super) struct AskAll(pub(super) Arc<CryptoProvider>);

impl AskAll {
    /// What cannot be read as a certificate is none, and is refused behind the handshake by the
    /// same reading; but a wrong signature is an impostor's.
    fn judge(
        certificate: &CertificateDer<'_>,
        checked: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match ParsedCertificate::try_from(certificate) {
            Ok(_) => checked,
            Err(_) => Ok(HandshakeSignatureValid::assertion()),
        }
    }
}

impl ClientCertVerifier for AskAll {
    // RFC 8446 §4.3.2: a client without one goes on without.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    // RFC 8446 §4.2.4 leaves it out: clients show what they have, and the authorities may change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        let checked = verify_tls12_signature(message, certificate, signature, known);
        Self::judge(certificate, checked)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        let checked = verify_tls13_signature(message, certificate, signature, known);
        Self::judge(certificate, checked)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
