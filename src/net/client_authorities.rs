//! Clients that show a certificate: from which authorities it must come, and whom it names.
//!
//! Who shows none, or one that proves nothing, is let in as everybody is: what a certificate proves
//! is found out behind the handshake, for sessions that go on, too. So it is always the authorities
//! of this listener and of now that count, whatever a ticket carries; and so do their lists of
//! revoked certificates.
//!
//! A list that has ended counts on: what it revokes stays revoked, and who is not in it is let in.
//! An authority without a list is believed as if there were none at all. Both is told before and
//! while it is so ([`AuthoritiesState`]): a platform is not shut out because a job that fetches a
//! file has failed on a weekend.

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
use super::revocation::{RevocationState, Revoked};
use super::tls_check::authorities_of;
use crate::base::{ClientNames, ClientProof, Timestamp, read_regular};
use crate::limits;

/// Where it stands which certificates of clients count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientFiles {
    /// PEM file of the authorities from which they come.
    pub authorities: PathBuf,
    /// Files with lists of revoked ones, PEM or DER.
    pub lists: Vec<PathBuf>,
}

/// The authorities of a PEM file and what they have revoked, which may change while we run.
#[derive(Debug)]
pub struct ClientAuthorities {
    files: ClientFiles,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    known: Known,
    /// Why the files that are there now are not used.
    refused: Option<String>,
    /// When each was changed last; also set after a failed reload, which is reported once.
    changed: Vec<Option<Changed>>,
}

/// When a file was changed last, and how long it is.
type Changed = (SystemTime, u64);

#[derive(Debug)]
struct Known {
    verifier: Arc<dyn ClientCertVerifier>,
    /// When the last of them ends, if that can be read.
    ends: Option<Timestamp>,
    lists: Vec<RevocationState>,
    unlisted: Vec<String>,
}

/// How authorities stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuthoritiesState {
    /// Their file.
    pub file: PathBuf,
    /// When the last of them ends, and nobody is known any more; `None`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// Their lists of revoked certificates, in the order of their files.
    pub lists: Vec<RevocationState>,
    /// Those of them that have no list, while others have one; for people.
    pub unlisted: Vec<String>,
    /// Newer files are there and cannot be used: why.
    pub refused: Option<String>,
}

impl ClientAuthorities {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with which file, for people.
    pub fn load(files: &ClientFiles) -> Result<Self, String> {
        let changed = files.changed();
        let loaded = Loaded {
            known: files.read()?,
            refused: None,
            changed,
        };
        Ok(Self {
            files: files.clone(),
            loaded: RwLock::new(loaded),
        })
    }

    /// How they stand; files that have changed are read first.
    #[must_use]
    pub fn state(&self) -> AuthoritiesState {
        self.refresh();
        let loaded = self.loaded();
        AuthoritiesState {
            file: self.files.authorities.clone(),
            ends: loaded.known.ends,
            lists: loaded.known.lists.clone(),
            unlisted: loaded.known.unlisted.clone(),
            refused: loaded.refused.clone(),
        }
    }

    /// Files of which one has changed are read; while one cannot be used what was known counts.
    fn refresh(&self) {
        let now = self.files.changed();
        if self.loaded().changed == now {
            return;
        }
        let read = self.files.read();
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.changed = now;
        match read {
            Ok(known) => {
                let file = self.files.authorities.display();
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
        let hosts = certificate::names(leaf);
        if hosts.is_empty() {
            return ClientProof::Refused("it names no host (subjectAltName)".to_owned());
        }
        let (issuer, subject) = certificate::common_names(leaf);
        ClientProof::Names(ClientNames {
            hosts,
            subject,
            issuer,
        })
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientFiles {
    fn changed(&self) -> Vec<Option<Changed>> {
        let files = [&self.authorities].into_iter().chain(&self.lists);
        let found = files.map(|file| {
            let found = std::fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        });
        found.collect()
    }

    fn read(&self) -> Result<Known, String> {
        let file: &Path = &self.authorities;
        let pem = read_regular(file, limits::PEM_FILE)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        let (roots, ends) = authorities_of(file, &pem)?;
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let revoked = Revoked::read(&self.lists, &roots, &provider)?;
        // RFC 5280 §6.3.3 leaves it open what becomes of who is in no list. `nextUpdate` is not
        // enforced: an old list is better than none, and than nobody.
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
            .with_crls(revoked.lists)
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Known {
            verifier,
            ends,
            lists: revoked.states,
            unlisted: revoked.unlisted,
        })
    }
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
