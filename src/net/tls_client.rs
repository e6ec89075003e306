//! TLS as a client: STARTTLS towards next hops, https for policies, with several degrees of proof.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, CommonState, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

use super::BoxedStream;
use super::tls_check::{CertificateCheck, Demand, Verifier, read_authorities};
use super::tls_sessions::{Configs, Sessions, resumption};
use crate::base::{ClientProof, TlsInfo};
use crate::limits;

/// The files with which we prove who we are; changed ones count at the next handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPair {
    /// PEM, the whole chain.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// What is asked of a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The name of the host: sent to it, and what its certificate is checked for.
    pub name: &'a str,
    /// What it must prove.
    pub check: &'a CertificateCheck,
    /// What we prove.
    pub pair: Option<&'a ClientPair>,
}

/// What a library of TLS is made with; only the room `net` says what is in it.
pub type TlsConfig = Arc<ClientConfig>;

/// Opens TLS on connections that we dialled. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    roots: Arc<RootCertStore>,
    any: Arc<ClientConfig>,
    named: Arc<ClientConfig>,
    /// For all other checks, and for certificates of our own.
    others: Arc<Configs>,
    sessions: Arc<Sessions>,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Trusts the authorities that the system trusts; those of Mozilla when it has none.
    ///
    /// # Errors
    /// When the TLS library refuses its own defaults.
    pub fn new() -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(native_roots());
        if added == 0 {
            tracing::warn!("the system has no certificate authorities, using built-in ones");
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self::with_roots(roots)
    }

    /// Trusts the authorities of these certificates (DER) and no others.
    ///
    /// # Errors
    /// When one of them is no certificate.
    pub fn with_authorities<'a>(
        authorities: impl IntoIterator<Item = &'a [u8]>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for der in authorities {
            let certificate = CertificateDer::from(der.to_vec());
            roots.add(certificate).map_err(io::Error::other)?;
        }
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> io::Result<Self> {
        let (roots, sessions) = (Arc::new(roots), Arc::default());
        Ok(Self {
            // Two configs, so that a session begun without a check is never resumed with one.
            any: config((&roots, &sessions), &CertificateCheck::Any, None)?,
            named: config((&roots, &sessions), &CertificateCheck::Name, None)?,
            roots,
            others: Arc::default(),
            sessions,
        })
    }

    /// Does the handshake on `stream`, and says how it is protected.
    ///
    /// # Errors
    /// When it fails, takes longer than [`limits::TLS_TIMEOUT`], or the certificate does not
    /// prove what is asked for: [`TlsTrouble::of`] tells them apart. The connection is lost then.
    pub async fn connect(
        &self,
        stream: BoxedStream,
        handshake: Handshake<'_>,
    ) -> io::Result<(BoxedStream, TlsInfo)> {
        let Handshake { name, check, pair } = handshake;
        let connector = TlsConnector::from(self.config(check, pair)?);
        let name = match (ServerName::try_from(name.to_owned()), check) {
            (Ok(name), _) => name,
            // A name that no certificate could carry: without a check of it none is needed (and
            // for an address none is sent).
            (Err(_), CertificateCheck::Any | CertificateCheck::Keys(_)) => {
                ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED))
            }
            (Err(error), _) => return Err(io::Error::other(error)),
        };
        let secured = tokio::time::timeout(limits::TLS_TIMEOUT, connector.connect(name, stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let secured = secured.map_err(|error| explained(error, handshake))?;
        let info = describe(secured.get_ref().1);
        Ok((Box::new(secured), info))
    }

    /// The same for a library that does the handshake itself.
    ///
    /// # Errors
    /// When a file that `check` names is wrong.
    pub fn config_for(&self, check: &CertificateCheck) -> io::Result<TlsConfig> {
        self.config(check, None)
    }

    fn config(
        &self,
        check: &CertificateCheck,
        pair: Option<&ClientPair>,
    ) -> io::Result<Arc<ClientConfig>> {
        match (check, pair) {
            (CertificateCheck::Any, None) => Ok(Arc::clone(&self.any)),
            (CertificateCheck::Name, None) => Ok(Arc::clone(&self.named)),
            (check, pair) => self.others.of(check, pair, || {
                config((&self.roots, &self.sessions), check, pair)
            }),
        }
    }
}

/// Reads the files that a check and a pair name, as a handshake would.
///
/// # Errors
/// Which file is wrong, and what is expected.
pub fn check_tls_files(check: &CertificateCheck, pair: Option<&ClientPair>) -> io::Result<()> {
    let nothing = (Arc::new(RootCertStore::empty()), Arc::default());
    config((&nothing.0, &nothing.1), check, pair).map(|_| ())
}

/// Is the first certificate of a PEM file good for `name`?
///
/// # Errors
/// When the file cannot be read, or holds no certificate.
pub fn certificate_names(file: &std::path::Path, name: &str) -> io::Result<bool> {
    let certificate = CertificateDer::from_pem_file(file).map_err(io::Error::other)?;
    let certificate = ParsedCertificate::try_from(&certificate).map_err(io::Error::other)?;
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    Ok(verify_server_name(&certificate, &name).is_ok())
}

fn config(
    (roots, sessions): (&Arc<RootCertStore>, &Arc<Sessions>),
    check: &CertificateCheck,
    pair: Option<&ClientPair>,
) -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(io::Error::other)?
        .dangerous();
    let builder = match check {
        CertificateCheck::Any => {
            builder.with_custom_certificate_verifier(Arc::new(Verifier::any(provider)))
        }
        CertificateCheck::Keys(keys) => builder
            .with_custom_certificate_verifier(Arc::new(Verifier::keys(provider, keys.clone()))),
        CertificateCheck::Dane { records, names } => {
            let verifier = Verifier::dane(provider, records.clone(), names.clone());
            builder.with_custom_certificate_verifier(Arc::new(verifier))
        }
        CertificateCheck::Name if roots.is_empty() => {
            // The library refuses to begin without authorities: then nobody is proven.
            builder.with_custom_certificate_verifier(Arc::new(Verifier::keys(provider, Vec::new())))
        }
        CertificateCheck::Name => {
            builder.with_custom_certificate_verifier(by_authorities(Arc::clone(roots), provider)?)
        }
        CertificateCheck::NameBy(file) => {
            let roots = read_authorities(file).map_err(io::Error::other)?;
            builder.with_custom_certificate_verifier(by_authorities(Arc::new(roots), provider)?)
        }
    };
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let (chain, key) = read_pair(pair)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| io::Error::other(format!("{}: {error}", pair.key.display())))?
        }
    };
    config.resumption = resumption(sessions);
    Ok(Arc::new(config))
}

fn by_authorities(
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
) -> io::Result<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(io::Error::other)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_pair(pair: &ClientPair) -> io::Result<Pair> {
    let wrong =
        |file: &PathBuf, what: String| io::Error::other(format!("{} {what}", file.display()));
    let certificate = &pair.certificate;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, format!("cannot be read: {error}")))?;
    if chain.is_empty() {
        let what = "holds no certificate, expected PEM with the whole chain".to_owned();
        return Err(wrong(certificate, what));
    }
    let key = PrivateKeyDer::from_pem_file(&pair.key)
        .map_err(|error| wrong(&pair.key, format!("holds no private key: {error}")))?;
    Ok((chain, key))
}

fn native_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some certificate authorities of the system cannot be read");
    }
    found.certs
}

/// A handshake that failed, told apart as RFC 8460 §4.3 counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsTrouble {
    /// `certificate-expired`.
    Expired,
    /// `certificate-host-mismatch`.
    WrongName,
    /// `certificate-not-trusted`.
    NotTrusted,
    /// `validation-failure`: anything else.
    Other,
}

impl TlsTrouble {
    /// What kind of failure an error of [`TlsClient::connect`] is.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let failure = error.get_ref().and_then(|inner| inner.downcast_ref());
        failure.map_or(Self::Other, |failure: &Failed| failure.trouble)
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use CertificateError as Why;
        // What our own verifier says of a key.
        if matches!(error, rustls::Error::General(_)) {
            return Self::NotTrusted;
        }
        let rustls::Error::InvalidCertificate(why) = error else {
            return Self::Other;
        };
        let is_dated = matches!(
            why,
            Why::Expired
                | Why::ExpiredContext { .. }
                | Why::NotValidYet
                | Why::NotValidYetContext { .. }
        );
        let is_named = matches!(
            why,
            Why::NotValidForName | Why::NotValidForNameContext { .. }
        );
        let is_strange = matches!(
            why,
            Why::UnknownIssuer | Why::BadSignature | Why::Revoked | Why::InvalidPurpose
        );
        match (is_dated, is_named, is_strange) {
            (true, _, _) => Self::Expired,
            (_, true, _) => Self::WrongName,
            (_, _, true) => Self::NotTrusted,
            (false, false, false) => Self::Other,
        }
    }
}

/// A failed handshake with its explanation.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Failed {
    trouble: TlsTrouble,
    what: String,
}

/// Says what was asked for, so that the name that was checked can be seen.
fn explained(error: io::Error, handshake: Handshake<'_>) -> io::Error {
    let Handshake { name, check, .. } = handshake;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) else {
        return error;
    };
    let trouble = TlsTrouble::of_tls(tls);
    let said = if let rustls::Error::General(text) = tls {
        text.clone()
    } else {
        tls.to_string()
    };
    let is_of_certificate = matches!(
        tls,
        rustls::Error::InvalidCertificate(_) | rustls::Error::General(_)
    );
    let what = if is_of_certificate {
        format!("{said}; {}", Demand { check, name })
    } else {
        said
    };
    io::Error::new(error.kind(), Failed { trouble, what })
}

/// Version and cipher of a finished handshake.
pub(super) fn describe(state: &CommonState) -> TlsInfo {
    let version = state.protocol_version();
    let cipher = state.negotiated_cipher_suite();
    TlsInfo {
        version: version.map_or_else(String::new, |version| {
            format!("{version:?}").replacen('_', ".", 1)
        }),
        cipher: cipher.map_or_else(String::new, |cipher| {
            format!("{:?}", cipher.suite()).replacen("TLS13_", "TLS_", 1)
        }),
        client: ClientProof::None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::{AcceptTls as _, TlsServer};
    use super::*;

    async fn handshake(
        server: &TlsServer,
        client: &TlsClient,
        name: &str,
        check: CertificateCheck,
    ) -> io::Result<TlsInfo> {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let serve = async {
            let (mut stream, _) = server.accept(Box::new(far)).await?;
            let byte = stream.read_u8().await?;
            stream.write_u8(byte + 1).await?;
            stream.flush().await
        };
        let dial = async {
            let (mut stream, info) = {
                let check = &check;
                let asked = Handshake {
                    name,
                    check,
                    pair: None,
                };
                client.connect(Box::new(near), asked).await?
            };
            stream.write_u8(1).await?;
            stream.flush().await?;
            assert_eq!(stream.read_u8().await?, 2);
            Ok(info)
        };
        let (there, dialled) = tokio::join!(serve, dial);
        assert_eq!(there.is_ok(), dialled.is_ok(), "{there:?} {dialled:?}");
        dialled
    }

    fn authority(directory: &Path) -> Vec<u8> {
        use rustls_pki_types::pem::PemObject as _;
        CertificateDer::from_pem_file(directory.join("self-signed.crt"))
            .unwrap()
            .to_vec()
    }

    #[tokio::test]
    async fn any_certificate_encrypts() {
        let folder = tempfile::tempdir().unwrap();
        let server = TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let client = TlsClient::new().unwrap();
        for host in ["elsewhere.example", "192.0.2.1", "under_score!"] {
            let info = handshake(&server, &client, host, CertificateCheck::Any).await;
            let info = info.unwrap();
            assert_eq!(info.version, "TLSv1.3");
            assert!(info.cipher.starts_with("TLS_"), "{info}");
        }
    }

    #[tokio::test]
    async fn a_check_refuses_the_self_signed_and_the_wrong_name() {
        let folder = tempfile::tempdir().unwrap();
        let server = TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let name = CertificateCheck::Name;
        let stranger = TlsClient::new().unwrap();
        let refused = handshake(&server, &stranger, "mx.example.org", name.clone()).await;
        assert!(refused.unwrap_err().to_string().contains("UnknownIssuer"));
        let friend = TlsClient::with_authorities([authority(folder.path()).as_slice()]).unwrap();
        let wrong = handshake(&server, &friend, "other.example.org", name.clone()).await;
        assert!(wrong.is_err());
        handshake(&server, &friend, "mx.example.org", name)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn the_pair_is_made_once_read_again_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let server = TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let old = authority(folder.path());
        let key = folder.path().join("self-signed.key");
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        assert_eq!(authority(folder.path()), old);

        std::fs::remove_file(&key).unwrap();
        TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let new = authority(folder.path());
        assert_ne!(new, old);
        let friend = TlsClient::with_authorities([new.as_slice()]).unwrap();
        handshake(&server, &friend, "mx.example.org", CertificateCheck::Name)
            .await
            .unwrap();

        std::fs::write(&key, "broken").unwrap();
        assert!(server.reload().unwrap_err().to_string().contains("private"));
        handshake(&server, &friend, "mx.example.org", CertificateCheck::Name)
            .await
            .unwrap();
    }
}
