//! TLS as a server: STARTTLS and implicit TLS, with a pair of files that may change while we run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::tls_client::describe;
use super::{AcceptTls, BoxedStream};
use super::{certificate, self_signed};
use crate::base::{Boxed, Timestamp, TlsInfo, read_regular};
use crate::limits;

/// Answers TLS handshakes with the certificate and key of two PEM files, which are read again
/// when they change.
pub struct TlsServer {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

struct Loaded {
    /// `None`: no usable pair has been there yet.
    config: Option<Arc<ServerConfig>>,
    /// When the certificate ends, if that can be read.
    ends: Option<Timestamp>,
    /// Why the files that are there now are not used.
    refused: Option<String>,
    /// When the files were changed last; also set after a failed reload, which is reported once.
    changed: Changed,
}

/// How the certificate in use stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateState {
    /// Its file.
    pub file: PathBuf,
    /// There is one that is shown to others.
    pub used: bool,
    /// When it ends; `None`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// Newer files are there and cannot be used: why.
    pub refused: Option<String>,
}

/// Modification times of certificate and key.
type Changed = (Option<SystemTime>, Option<SystemTime>);

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsServer")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl TlsServer {
    /// Uses the certificate chain and the private key in these PEM files.
    ///
    /// # Errors
    /// [`TlsFileError`], which says which file and what is wrong with it.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let server = Self::waiting(certificate, key);
        server.reload()?;
        Ok(server)
    }

    /// The same, also when the files cannot be used yet: nobody is let in before they can.
    #[must_use]
    pub fn load_when_good(certificate: &Path, key: &Path) -> Self {
        let server = Self::waiting(certificate, key);
        if let Err(error) = server.reload() {
            tracing::error!(%error, "nobody is let in before the certificate can be used");
        }
        server
    }

    fn waiting(certificate: &Path, key: &Path) -> Self {
        Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            loaded: RwLock::new(Loaded {
                config: None,
                ends: None,
                refused: None,
                changed: (None, None),
            }),
        }
    }

    /// Uses the self-signed pair in `directory`; makes one for `hostname` if there is none.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub fn self_signed(directory: &Path, hostname: &str) -> Result<Self, TlsFileError> {
        let (certificate, key) = self_signed::ensure(directory, hostname)?;
        Self::load(&certificate, &key)
    }

    /// Reads the files again. When they are not usable the pair in use stays.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub fn reload(&self) -> Result<(), TlsFileError> {
        let changed = changed(&self.certificate, &self.key);
        let read = read_pair(&self.certificate, &self.key);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.changed = changed;
        loaded.refused = read.as_ref().err().map(ToString::to_string);
        let (config, ends) = read?;
        (loaded.config, loaded.ends) = (Some(config), ends);
        Ok(())
    }

    /// How the certificate stands; files that have changed are read first.
    #[must_use]
    pub fn state(&self) -> CertificateState {
        self.config();
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        CertificateState {
            file: self.certificate.clone(),
            used: loaded.config.is_some(),
            ends: loaded.ends,
            refused: loaded.refused.clone(),
        }
    }

    /// The present pair. Asking for two modification times costs next to nothing beside a
    /// handshake.
    fn config(&self) -> Option<Arc<ServerConfig>> {
        let now = changed(&self.certificate, &self.key);
        {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if loaded.changed == now {
                return loaded.config.clone();
            }
        }
        match self.reload() {
            Ok(()) => {
                tracing::info!(certificate = %self.certificate.display(), "certificate read again");
            }
            Err(error) => tracing::error!(%error, "the certificate in use stays as it is"),
        }
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.config.clone()
    }
}

impl AcceptTls for TlsServer {
    fn accept(&self, stream: BoxedStream) -> Boxed<'_, io::Result<(BoxedStream, TlsInfo)>> {
        Box::pin(async move {
            let none = || io::Error::other("there is no certificate that can be used");
            let acceptor = TlsAcceptor::from(self.config().ok_or_else(none)?);
            let secured = tokio::time::timeout(limits::TLS_TIMEOUT, acceptor.accept(stream))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            let info = describe(secured.get_ref().1);
            Ok((Box::new(secured) as BoxedStream, info))
        })
    }
}

fn changed(certificate: &Path, key: &Path) -> Changed {
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified());
    (time(certificate).ok(), time(key).ok())
}

/// The config, and when the certificate ends.
type Pair = (Arc<ServerConfig>, Option<Timestamp>);

fn read_pair(file: &Path, key: &Path) -> Result<Pair, TlsFileError> {
    let pem = read(file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsFileError::NoCertificate(file.to_owned()))?;
    if chain.is_empty() {
        return Err(TlsFileError::NoCertificate(file.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| TlsFileError::NoKey(key.to_owned()))?;
    // That of an authority in the chain may end before: clients find another way to a root.
    let ends = chain.first().and_then(|leaf| certificate::ends(leaf));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        });
    let unfit = |error: rustls::Error| TlsFileError::Unfit {
        certificate: file.to_owned(),
        key: key.to_owned(),
        why: error.to_string(),
    };
    Ok((Arc::new(config.map_err(unfit)?), ends))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn change(path: &Path, text: &str, seconds: u64) {
        std::fs::write(path, text).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 + seconds);
        file.set_modified(at).unwrap();
    }

    #[test]
    fn a_renewed_file_that_cannot_be_used_is_told_until_one_can() {
        let folder = tempfile::tempdir().unwrap();
        let server = TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let good = server.state();
        assert!(good.ends.is_some() && good.refused.is_none(), "{good:?}");
        let pem = std::fs::read_to_string(&good.file).unwrap();
        change(&good.file, "not a certificate", 1);
        let bad = server.state();
        let why = bad.refused.clone().unwrap_or_default();
        assert!(why.contains("holds no certificate"), "{bad:?}");
        assert_eq!(bad.ends, good.ends, "the old one stays in use");
        assert_eq!(server.state(), bad, "and is told again");
        change(&good.file, &pem, 2);
        assert_eq!(server.state(), good);
    }
}
