//! TLS as a server: STARTTLS and implicit TLS, with pairs of files that may change while we run.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::UnixTime;
use tokio_rustls::TlsAcceptor;

use super::client_authorities::{AskAll, ClientAuthorities};
use super::server_name::by_fit;
use super::server_pair::{CertificateState, ServerPair, TlsFileError, Usable};
use super::tls_client::describe;
use super::{AcceptTls, BoxedStream, self_signed};
use crate::base::{Boxed, TlsInfo};
use crate::limits;

/// Answers TLS handshakes with one of several certificates, by the name that is asked for. Their
/// files are read again when they change.
pub struct TlsServer {
    shown: Arc<Shown>,
    /// One for all handshakes, so that a session can go on over another connection.
    config: Arc<ServerConfig>,
    /// Each client is asked for a certificate of theirs.
    clients: Option<Arc<ClientAuthorities>>,
}

/// Certificates with their keys, read from their files.
#[derive(Debug)]
pub struct TlsPairs(Arc<[ServerPair]>);

/// The certificates that are in use now; the first one is for those who name no other.
#[derive(Debug)]
struct Shown(RwLock<Arc<[ServerPair]>>);

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsServer")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

impl TlsPairs {
    /// Reads these certificate chains and private keys, PEM files. The first one is for those who
    /// name no host, or none that another one is for.
    ///
    /// # Errors
    /// [`TlsFileError`], which says which file and what is wrong with it.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a Path, &'a Path)>,
    ) -> Result<Self, TlsFileError> {
        let files = files.into_iter();
        let pairs: Vec<_> = files
            .map(|(certificate, key)| {
                let pair = ServerPair::waiting(certificate, key);
                pair.reload().map(|()| pair)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self(pairs.into()))
    }

    /// The self-signed pair in `directory`; it is made for `hostname` if there is none.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub fn self_signed(directory: &Path, hostname: &str) -> Result<Self, TlsFileError> {
        let (certificate, key) = self_signed::ensure(directory, hostname)?;
        Self::load([(&*certificate, &*key)])
    }

    /// How each of them stands.
    #[must_use]
    pub fn states(&self) -> Vec<CertificateState> {
        self.0.iter().map(ServerPair::state).collect()
    }
}

impl TlsServer {
    /// Shows these certificates.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn new(pairs: TlsPairs) -> io::Result<Self> {
        let shown = Arc::new(Shown(RwLock::new(pairs.0)));
        let config = Arc::new(config_of(&shown, None)?);
        Ok(Self {
            shown,
            config,
            clients: None,
        })
    }

    /// The same certificates, for a door of its own at which each client is asked for one. Sessions
    /// go on at this door only.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn asking(&self, clients: Arc<ClientAuthorities>) -> io::Result<Self> {
        Ok(Self {
            config: Arc::new(config_of(&self.shown, Some(&clients))?),
            shown: Arc::clone(&self.shown),
            clients: Some(clients),
        })
    }

    /// Uses the certificate chain and the private key in these PEM files.
    ///
    /// # Errors
    /// [`TlsFileError`], which says which file and what is wrong with it.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        Self::of(TlsPairs::load([(certificate, key)])?, certificate)
    }

    /// The same, also when the files cannot be used yet: nobody is let in before they can.
    ///
    /// # Errors
    /// [`TlsFileError`], when the TLS library refuses its own defaults.
    pub fn load_when_good(certificate: &Path, key: &Path) -> Result<Self, TlsFileError> {
        let pair = ServerPair::waiting(certificate, key);
        if let Err(error) = pair.reload() {
            tracing::error!(%error, "nobody is let in before the certificate can be used");
        }
        Self::of(TlsPairs([pair].into()), certificate)
    }

    /// Uses the self-signed pair in `directory`; makes one for `hostname` if there is none.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub fn self_signed(directory: &Path, hostname: &str) -> Result<Self, TlsFileError> {
        Self::of(TlsPairs::self_signed(directory, hostname)?, directory)
    }

    fn of(pairs: TlsPairs, path: &Path) -> Result<Self, TlsFileError> {
        let path = path.to_owned();
        Self::new(pairs).map_err(|source| TlsFileError::Unreadable { path, source })
    }

    /// Shows these certificates from now on. Sessions that began with another one can go on.
    pub fn show(&self, pairs: TlsPairs) {
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = pairs.0;
    }

    /// Reads the files again. What is not usable stays as it is in use.
    ///
    /// # Errors
    /// [`TlsFileError`], the first one.
    pub fn reload(&self) -> Result<(), TlsFileError> {
        let pairs = self.shown.pairs();
        let read: Vec<_> = pairs.iter().map(ServerPair::reload).collect();
        read.into_iter().collect()
    }

    /// How each certificate stands; files that have changed are read first.
    #[must_use]
    pub fn states(&self) -> Vec<CertificateState> {
        let pairs = self.shown.refreshed();
        pairs.iter().map(ServerPair::state).collect()
    }
}

/// How handshakes are made. The keys of tickets are its own, so what a client proved at one door is
/// never brought to another one.
fn config_of(
    shown: &Arc<Shown>,
    clients: Option<&Arc<ClientAuthorities>>,
) -> io::Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(io::Error::other)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(_) => builder.with_client_cert_verifier(Arc::new(AskAll(provider))),
    };
    let resolver = Arc::clone(shown) as Arc<dyn ResolvesServerCert>;
    let mut config = builder.with_cert_resolver(resolver);
    // RFC 8446 §2.2, RFC 5077: what a session needs to go on is kept by the client, under keys
    // that are in memory only, change every six hours and count for twelve. Nothing is kept
    // here, and no data comes before the handshake (§2.3): it could be said again by anybody.
    config.ticketer = ring::Ticketer::new().map_err(io::Error::other)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    // The order of the library is by strength; some clients' is by age.
    config.ignore_client_order = true;
    Ok(config)
}

impl Shown {
    fn pairs(&self) -> Arc<[ServerPair]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All of them, files that have changed read again.
    fn refreshed(&self) -> Arc<[ServerPair]> {
        let pairs = self.pairs();
        pairs.iter().for_each(ServerPair::refresh);
        pairs
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs();
        let usable: Vec<Usable> = pairs.iter().filter_map(ServerPair::usable).collect();
        let names: Vec<&[String]> = usable.iter().map(|it| &*it.names).collect();
        let suits = |it: &&Usable| {
            let schemes = hello.signature_schemes();
            it.key.key.choose_scheme(schemes).is_some()
        };
        let by_fit = by_fit(&names, hello.server_name());
        let mut candidates = by_fit.into_iter().filter_map(|place| usable.get(place));
        // Who knows no signature of any of them is told so by the handshake.
        let first = candidates.next()?;
        let fits = [first].into_iter().chain(candidates).find(suits);
        Some(Arc::clone(&fits.unwrap_or(first).key))
    }
}

impl AcceptTls for TlsServer {
    fn accept(&self, stream: BoxedStream) -> Boxed<'_, io::Result<(BoxedStream, TlsInfo)>> {
        Box::pin(async move {
            let pairs = self.shown.refreshed();
            if pairs.iter().all(|pair| pair.usable().is_none()) {
                return Err(io::Error::other("there is no certificate that can be used"));
            }
            let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
            let secured = tokio::time::timeout(limits::TLS_TIMEOUT, acceptor.accept(stream))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            let state = secured.get_ref().1;
            let mut info = describe(state);
            if let Some(clients) = &self.clients {
                info.client = clients.prove(state.peer_certificates(), UnixTime::now());
            }
            Ok((Box::new(secured) as BoxedStream, info))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

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
        let state = || server.states().remove(0);
        let good = state();
        assert!(good.ends.is_some() && good.refused.is_none(), "{good:?}");
        let pem = std::fs::read_to_string(&good.file).unwrap();
        change(&good.file, "not a certificate", 1);
        let bad = state();
        let why = bad.refused.clone().unwrap_or_default();
        assert!(why.contains("holds no certificate"), "{bad:?}");
        assert_eq!(bad.ends, good.ends, "the old one stays in use");
        assert_eq!(state(), bad, "and is told again");
        change(&good.file, &pem, 2);
        assert_eq!(state(), good);
    }
}
