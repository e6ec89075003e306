//! TLS as a client: STARTTLS towards next hops, with two degrees of proof.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, CommonState, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use super::BoxedStream;
use crate::base::TlsInfo;
use crate::limits;

/// What the server's certificate must prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateCheck {
    /// Nothing: it encrypts against eavesdroppers only (RFC 7435).
    Any,
    /// That it is valid for the name of the host and comes from a known authority.
    Name,
}

/// Opens TLS on connections that we dialled. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    any: Arc<ClientConfig>,
    named: Arc<ClientConfig>,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        let provider = Arc::new(ring::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(io::Error::other)
        };
        let named = builder()?.with_root_certificates(roots);
        let any = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(&provider))));
        Ok(Self {
            // Two configs, so that a session begun without a check is never resumed with one.
            any: Arc::new(any.with_no_client_auth()),
            named: Arc::new(named.with_no_client_auth()),
        })
    }

    /// Does the handshake on `stream` with the host called `host`, and says how it is protected.
    ///
    /// # Errors
    /// When it fails, takes longer than [`limits::TLS_TIMEOUT`], or the certificate does not
    /// prove what `check` asks for. The connection is lost then.
    pub async fn connect(
        &self,
        stream: BoxedStream,
        host: &str,
        check: CertificateCheck,
    ) -> io::Result<(BoxedStream, TlsInfo)> {
        let config = match check {
            CertificateCheck::Any => &self.any,
            CertificateCheck::Name => &self.named,
        };
        let name = match (ServerName::try_from(host.to_owned()), check) {
            (Ok(name), _) => name,
            // A name that no certificate could carry: without a check none is needed (and for
            // an address none is sent).
            (Err(_), CertificateCheck::Any) => {
                ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED))
            }
            (Err(error), CertificateCheck::Name) => return Err(io::Error::other(error)),
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let secured = tokio::time::timeout(limits::TLS_TIMEOUT, connector.connect(name, stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let info = describe(secured.get_ref().1);
        Ok((Box::new(secured), info))
    }
}

fn native_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some certificate authorities of the system cannot be read");
    }
    found.certs
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
    }
}

/// Takes any certificate, but the server must hold its key: the signatures are checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
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
        host: &str,
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
            let (mut stream, info) = client.connect(Box::new(near), host, check).await?;
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
        let refused = handshake(&server, &stranger, "mx.example.org", name).await;
        assert!(refused.unwrap_err().to_string().contains("UnknownIssuer"));
        let friend = TlsClient::with_authorities([authority(folder.path()).as_slice()]).unwrap();
        let wrong = handshake(&server, &friend, "other.example.org", name).await;
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
