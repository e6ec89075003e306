//! One certificate with its key: two PEM files that may change while we run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate;
use crate::base::{Timestamp, read_regular};
use crate::limits;

/// The two files, and what was read of them last.
#[derive(Debug)]
pub(super) struct ServerPair {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// `None`: nothing usable has been there yet.
    usable: Option<Usable>,
    /// Why the files that are there now are not used.
    refused: Option<String>,
    /// When the files were changed last; also set after a failed reload, which is reported once.
    changed: Changed,
}

/// What can be shown to others.
#[derive(Debug, Clone)]
pub(super) struct Usable {
    pub(super) key: Arc<CertifiedKey>,
    /// The host names of the certificate, lower case.
    pub(super) names: Arc<[String]>,
    /// When it ends, if that can be read.
    ends: Option<Timestamp>,
}

/// How a certificate stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateState {
    /// Its file.
    pub file: PathBuf,
    /// There is one that is shown to others.
    pub used: bool,
    /// The host names that it is for.
    pub names: Vec<String>,
    /// When it ends; `None`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// Newer files are there and cannot be used: why.
    pub refused: Option<String>,
}

/// Modification times of certificate and key.
type Changed = (Option<SystemTime>, Option<SystemTime>);

impl ServerPair {
    /// Nothing has been read yet.
    pub(super) fn waiting(certificate: &Path, key: &Path) -> Self {
        Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            loaded: RwLock::new(Loaded {
                usable: None,
                refused: None,
                changed: (None, None),
            }),
        }
    }

    /// Reads the files again. When they are not usable the pair in use stays.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub(super) fn reload(&self) -> Result<(), TlsFileError> {
        let changed = changed(&self.certificate, &self.key);
        let read = read_pair(&self.certificate, &self.key);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.changed = changed;
        loaded.refused = read.as_ref().err().map(ToString::to_string);
        loaded.usable = Some(read?);
        Ok(())
    }

    /// Files that have changed are read. Asking for two modification times costs next to nothing
    /// beside a handshake.
    pub(super) fn refresh(&self) {
        let now = changed(&self.certificate, &self.key);
        if self.loaded().changed == now {
            return;
        }
        match self.reload() {
            Ok(()) => {
                tracing::info!(certificate = %self.certificate.display(), "certificate read again");
            }
            Err(error) => tracing::error!(%error, "the certificate in use stays as it is"),
        }
    }

    /// What is shown now.
    pub(super) fn usable(&self) -> Option<Usable> {
        self.loaded().usable.clone()
    }

    /// How it stands.
    pub(super) fn state(&self) -> CertificateState {
        let loaded = self.loaded();
        let usable = loaded.usable.as_ref();
        CertificateState {
            file: self.certificate.clone(),
            used: usable.is_some(),
            names: usable.map(|it| it.names.to_vec()).unwrap_or_default(),
            ends: usable.and_then(|it| it.ends),
            refused: loaded.refused.clone(),
        }
    }

    fn loaded(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changed(certificate: &Path, key: &Path) -> Changed {
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified());
    (time(certificate).ok(), time(key).ok())
}

fn read_pair(file: &Path, key: &Path) -> Result<Usable, TlsFileError> {
    let pem = read(file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsFileError::NoCertificate(file.to_owned()))?;
    let Some(leaf) = chain.first() else {
        return Err(TlsFileError::NoCertificate(file.to_owned()));
    };
    // That of an authority in the chain may end before: clients find another way to a root.
    let (ends, names) = (certificate::ends(leaf), certificate::names(leaf));
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| TlsFileError::NoKey(key.to_owned()))?;
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
    let unfit = |error: rustls::Error| TlsFileError::Unfit {
        certificate: file.to_owned(),
        key: key.to_owned(),
        why: error.to_string(),
    };
    Ok(Usable {
        key: Arc::new(certified.map_err(unfit)?),
        names: names.into(),
        ends,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    read_regular(path, limits::PEM_FILE).map_err(|source| TlsFileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// What is wrong with a certificate or key file.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no certificate in PEM form.
    #[error("{} holds no certificate, expected PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
    NoCertificate(PathBuf),
    /// It holds no private key in PEM form.
    #[error("{} holds no private key, expected PEM (-----BEGIN PRIVATE KEY-----)", .0.display())]
    NoKey(PathBuf),
    /// Certificate and key do not belong together, or are of a kind that cannot be used.
    #[error("{} and {} cannot be used together: {why}", certificate.display(), key.display())]
    Unfit {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why.
        why: String,
    },
    /// No pair can be made for this name.
    #[error("cannot make a certificate for {hostname}: {why}; set server.hostname to a host name")]
    Hostname {
        /// The name.
        hostname: String,
        /// Why.
        why: String,
    },
}
