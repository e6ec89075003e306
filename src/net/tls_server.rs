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

use super::self_signed;
use super::tls_client::describe;
use super::{AcceptTls, BoxedStream};
use crate::base::{Boxed, TlsInfo};
use crate::limits;

/// Answers TLS handshakes with the certificate and key of two PEM files, which are read again
/// when they change.
pub struct TlsServer {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    /// When the files were changed last; also set after a failed reload, which is reported once.
    changed: Changed,
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
        let changed = changed(certificate, key);
        let config = read_pair(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            loaded: RwLock::new(Loaded { config, changed }),
        })
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
        let config = read_pair(&self.certificate, &self.key);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.changed = changed;
        loaded.config = config?;
        Ok(())
    }

    /// The present pair. Asking for two modification times costs next to nothing beside a
    /// handshake.
    fn config(&self) -> Arc<ServerConfig> {
        let now = changed(&self.certificate, &self.key);
        {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if loaded.changed == now {
                return Arc::clone(&loaded.config);
            }
        }
        match self.reload() {
            Ok(()) => tracing::info!(certificate = ?self.certificate, "certificate read again"),
            Err(error) => tracing::error!(%error, "the old certificate stays in use"),
        }
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&loaded.config)
    }
}

impl AcceptTls for TlsServer {
    fn accept(&self, stream: BoxedStream) -> Boxed<'_, io::Result<(BoxedStream, TlsInfo)>> {
        Box::pin(async move {
            let acceptor = TlsAcceptor::from(self.config());
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

fn read_pair(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFileError> {
    let pem = read(certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsFileError::NoCertificate(certificate.to_owned()))?;
    if chain.is_empty() {
        return Err(TlsFileError::NoCertificate(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| TlsFileError::NoKey(key.to_owned()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        });
    config.map(Arc::new).map_err(|error| TlsFileError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        why: error.to_string(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(path).map_err(|source| TlsFileError::Unreadable {
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
