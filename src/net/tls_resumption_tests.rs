//! Which certificate is shown to whom, and which sessions go on: with real handshakes.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    AcceptTls as _, CertificateCheck, ClientPair, Handshake, TlsClient, TlsPairs, TlsServer,
};

/// Takes every certificate, and knows these signatures.
#[derive(Debug)]
pub(super) struct Anybody(pub(super) Vec<SignatureScheme>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;
const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

fn client(schemes: &[SignatureScheme], version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(schemes.to_vec())))
        .with_no_client_auth();
    config.enable_early_data = true;
    config
}

/// Writes a pair for these hosts.
fn write(folder: &Path, place: &str, hosts: &[&str], key: &KeyPair) {
    let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    let made = CertificateParams::new(hosts)
        .unwrap()
        .self_signed(key)
        .unwrap();
    std::fs::write(folder.join(format!("{place}.crt")), made.pem()).unwrap();
    std::fs::write(folder.join(format!("{place}.key")), key.serialize_pem()).unwrap();
}

fn ecdsa(folder: &Path, place: &str, hosts: &[&str]) {
    write(folder, place, hosts, &KeyPair::generate().unwrap());
}

fn pairs(folder: &Path, places: &[&str]) -> TlsPairs {
    let paths = |place: &&str| ["crt", "key"].map(|it| folder.join(format!("{place}.{it}")));
    let files: Vec<_> = places.iter().map(paths).collect();
    TlsPairs::load(files.iter().map(|[crt, key]| (&**crt, &**key))).unwrap()
}

/// What one handshake brings: the certificate that was shown, and how it went.
async fn greet(
    server: &TlsServer,
    config: &Arc<ClientConfig>,
    name: &str,
) -> (Vec<u8>, HandshakeKind) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let serve = async {
        let (mut stream, _) = server.accept(Box::new(far)).await.unwrap();
        let byte = stream.read_u8().await.unwrap();
        stream.write_u8(byte).await.unwrap();
        stream.flush().await.unwrap();
    };
    let dial = async {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        let mut stream = connector.connect(name, near).await.unwrap();
        stream.write_u8(7).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 7);
        let state = stream.get_ref().1;
        let leaf = state.peer_certificates().unwrap()[0].to_vec();
        (leaf, state.handshake_kind().unwrap())
    };
    tokio::join!(serve, dial).1
}

fn leaf(folder: &Path, place: &str) -> Vec<u8> {
    let file = folder.join(format!("{place}.crt"));
    CertificateDer::from_pem_file(file).unwrap().to_vec()
}

#[tokio::test]
async fn who_names_a_host_sees_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    ecdsa(path, "first", &["mx.example.org"]);
    ecdsa(path, "wild", &["*.example.net"]);
    ecdsa(path, "exact", &["mx.example.net"]);
    let rsa = KeyPair::from_pem_and_sign_algo(include_str!("rsa2048.pem"), &PKCS_RSA_SHA256);
    write(path, "rsa", &["mx.example.net"], &rsa.unwrap());
    let all = ["first", "wild", "exact", "rsa"];
    let server = TlsServer::new(pairs(path, &all)).unwrap();
    for (name, schemes, expected) in [
        ("mx.example.org", &[ECDSA, RSA][..], "first"),
        ("MX.example.NET", &[ECDSA, RSA], "exact"),
        ("mx.example.net", &[RSA], "rsa"),
        ("other.example.net", &[ECDSA], "wild"),
        ("a.other.example.net", &[ECDSA], "first"),
        ("192.0.2.1", &[ECDSA, RSA], "first"),
        // A wrong name encrypts, no certificate does not.
        ("192.0.2.1", &[RSA], "rsa"),
    ] {
        for version in [TLS12, TLS13] {
            let config = Arc::new(client(schemes, version));
            let (shown, kind) = greet(&server, &config, name).await;
            assert_eq!(kind, HandshakeKind::Full);
            assert!(shown == leaf(path, expected), "{name}: expected {expected}");
        }
    }
}

#[tokio::test]
async fn each_pair_is_read_again_and_a_bad_one_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    ecdsa(path, "first", &["mx.example.org"]);
    ecdsa(path, "second", &["mx.example.net"]);
    let server = TlsServer::new(pairs(path, &["first", "second"])).unwrap();
    let config = Arc::new(client(&[ECDSA], TLS13));
    let old = leaf(path, "second");
    std::fs::remove_file(path.join("second.key")).unwrap();
    std::fs::write(path.join("second.crt"), "junk").unwrap();
    assert!(greet(&server, &config, "mx.example.net").await.0 == old);
    let refused: Vec<_> = server.states().into_iter().map(|it| it.refused).collect();
    assert!(refused[0].is_none() && refused[1].is_some(), "{refused:?}");
    // Renewed, it is for another host too.
    ecdsa(path, "second", &["mx.example.net", "mail.example.net"]);
    let config = Arc::new(client(&[ECDSA], TLS13));
    for name in ["mx.example.net", "mail.example.net"] {
        assert!(greet(&server, &config, name).await.0 == leaf(path, "second"));
    }
    let names: Vec<_> = server.states().into_iter().map(|it| it.names).collect();
    assert_eq!(names[1], ["mx.example.net", "mail.example.net"]);
    // Others from now on, as a reload says.
    ecdsa(path, "third", &["mail.example.net"]);
    server.show(pairs(path, &["third"]));
    let config = Arc::new(client(&[ECDSA], TLS13));
    assert!(greet(&server, &config, "mx.example.org").await.0 == leaf(path, "third"));
    assert_eq!(server.states().len(), 1);
}

#[tokio::test]
async fn a_session_goes_on_over_another_connection_and_a_renewed_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    ecdsa(path, "first", &["mx.example.org"]);
    ecdsa(path, "second", &["mx.example.net"]);
    let server = TlsServer::new(pairs(path, &["first", "second"])).unwrap();
    let stranger = TlsServer::new(pairs(path, &["first"])).unwrap();
    for version in [TLS12, TLS13] {
        let config = Arc::new(client(&[ECDSA], version));
        let (full, resumed) = (HandshakeKind::Full, HandshakeKind::Resumed);
        let mx = "mx.example.org";
        assert_eq!(greet(&server, &config, mx).await.1, full);
        assert_eq!(greet(&server, &config, mx).await.1, resumed, "{version:?}");
        ecdsa(path, "first", &["mx.example.org"]);
        server.reload().unwrap();
        assert_eq!(greet(&server, &config, mx).await.1, resumed, "{version:?}");
        server.show(pairs(path, &["first", "second"]));
        assert_eq!(greet(&server, &config, mx).await.1, resumed, "{version:?}");
        // RFC 8446 §8: what comes before the handshake could be said again by anybody.
        let name = ServerName::try_from(mx).unwrap();
        let mut early = ClientConnection::new(Arc::clone(&config), name).unwrap();
        assert!(early.early_data().is_none(), "{version:?}");
        assert_eq!(greet(&server, &config, "mx.example.net").await.1, full);
        assert_eq!(greet(&stranger, &config, mx).await.1, full, "another key");
    }
}

/// What our client meets elsewhere.
async fn met(client: &TlsClient, there: &TlsAcceptor, asked: Handshake<'_>) -> HandshakeKind {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let serve = async {
        let mut stream = there.accept(far).await.unwrap();
        let byte = stream.read_u8().await.unwrap();
        stream.write_u8(byte).await.unwrap();
        stream.flush().await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap()
    };
    let dial = async {
        let (mut stream, _) = client.connect(Box::new(near), asked).await.unwrap();
        stream.write_u8(7).await.unwrap();
        stream.flush().await.unwrap();
        stream.read_u8().await.unwrap();
    };
    tokio::join!(serve, dial).0
}

#[tokio::test]
async fn our_client_goes_on_with_what_it_has_proven_in_the_same_way_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    ecdsa(path, "there", &["mx.example.org"]);
    ecdsa(path, "own", &["mx.example.net"]);
    let key = PrivateKeyDer::from_pem_file(path.join("there.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[TLS13, TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf(path, "there").into()], key)
        .unwrap();
    let there = TlsAcceptor::from(Arc::new(config));
    let der = leaf(path, "there");
    let client = TlsClient::with_authorities([&*der]).unwrap();
    let pair = ClientPair {
        certificate: path.join("own.crt"),
        key: path.join("own.key"),
    };
    let by_file = CertificateCheck::NameBy(path.join("there.crt"));
    let (any, named) = (CertificateCheck::Any, CertificateCheck::Name);
    let (full, resumed) = (HandshakeKind::Full, HandshakeKind::Resumed);
    for (check, pair) in [
        (&any, None),
        (&named, None),
        (&by_file, None),
        (&by_file, Some(&pair)),
    ] {
        let asked = Handshake {
            name: "mx.example.org",
            check,
            pair,
        };
        assert_eq!(met(&client, &there, asked).await, full, "{asked:?}");
        assert_eq!(met(&client, &there, asked).await, resumed, "{asked:?}");
        assert_eq!(met(&client.clone(), &there, asked).await, resumed);
    }
    // Authorities that have changed are asked anew.
    let asked = Handshake {
        name: "mx.example.org",
        check: &by_file,
        pair: None,
    };
    assert_eq!(met(&client, &there, asked).await, full, "the pair is gone");
    assert_eq!(met(&client, &there, asked).await, resumed);
    let text = std::fs::read_to_string(path.join("there.crt")).unwrap();
    std::fs::write(path.join("there.crt"), text + "\n").unwrap();
    assert_eq!(met(&client, &there, asked).await, full);
}
