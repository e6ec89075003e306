//! What a certificate proves, with an authority of our own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256, Sha512};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::tls_check::fingerprint;
use super::*;

/// An authority, a server's certificate made by it, and a client's.
struct House {
    folder: tempfile::TempDir,
    authority: Vec<u8>,
    authority_key: Vec<u8>,
    server: Vec<u8>,
    server_key: Vec<u8>,
    private: Vec<u8>,
}

const NAME: &str = "mx.example.org";

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let top = KeyPair::generate().unwrap();
    let authority_key = top.subject_public_key_info();
    let authority = params.self_signed(&top).unwrap();
    let issuer = Issuer::new(params, top);
    let make = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    };
    let (server, key) = make(NAME);
    let (client, client_key) = make("client.example.org");
    std::fs::write(folder.path().join("authority"), authority.pem()).unwrap();
    std::fs::write(folder.path().join("client"), client.pem()).unwrap();
    std::fs::write(folder.path().join("key"), client_key.serialize_pem()).unwrap();
    House {
        authority: authority.der().to_vec(),
        authority_key,
        server: server.der().to_vec(),
        server_key: key.subject_public_key_info(),
        private: key.serialize_der(),
        folder,
    }
}

impl House {
    fn acceptor(&self, wants_client: Option<()>) -> TlsAcceptor {
        let chain = [&self.server, &self.authority].map(|der| der.clone().into());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.private.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_client.is_some() {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.authority.clone().into()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        TlsAcceptor::from(Arc::new(
            builder.with_single_cert(chain.to_vec(), key).unwrap(),
        ))
    }

    fn pair(&self) -> ClientPair {
        ClientPair {
            certificate: self.folder.path().join("client"),
            key: self.folder.path().join("key"),
        }
    }

    async fn greet(&self, acceptor: TlsAcceptor, asked: Handshake<'_>) -> Result<(), String> {
        let client = TlsClient::with_authorities(std::iter::empty::<&[u8]>()).unwrap();
        let (near, far) = tokio::io::duplex(16 * 1024);
        let serve = async {
            let mut stream = acceptor.accept(far).await?;
            let byte = stream.read_u8().await?;
            stream.write_u8(byte).await?;
            stream.flush().await
        };
        let ask = async {
            let (mut stream, _) = client.connect(Box::new(near), asked).await?;
            stream.write_u8(7).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let (there, here) = tokio::join!(serve, ask);
        match here {
            Ok(byte) => assert_eq!(byte, 7),
            Err(error) => {
                assert!(there.is_err());
                return Err(format!("{:?}: {error}", TlsTrouble::of(&error)));
            }
        }
        Ok(())
    }

    async fn check(&self, check: CertificateCheck, name: &str) -> Result<(), String> {
        let asked = Handshake {
            name,
            check: &check,
            pair: None,
        };
        self.greet(self.acceptor(None), asked).await
    }

    async fn dane(&self, usage: u8, data: &[u8], names: &[&str]) -> Result<(), String> {
        let matching = match data.len() {
            32 => 1,
            64 => 2,
            _ => 0,
        };
        // The keys of this house have 91 bytes, its certificates more.
        let selector = u8::from(data.len() <= 91);
        let check = CertificateCheck::Dane {
            records: vec![Tlsa {
                usage,
                selector,
                matching,
                data: data.to_vec(),
            }],
            names: names.iter().map(|&name| name.to_owned()).collect(),
        };
        self.check(check, "other.example.org").await
    }
}

#[tokio::test]
async fn authorities_of_a_file_prove_a_name() {
    let house = house();
    let file = || CertificateCheck::NameBy(house.folder.path().join("authority"));
    assert_eq!(house.check(file(), NAME).await, Ok(()));
    let told = house.check(file(), "other.example.org").await.unwrap_err();
    assert!(told.starts_with("WrongName: "), "{told}");
    assert!(
        told.contains("must be good for other.example.org, by an authority of"),
        "{told}"
    );
    let told = house.check(CertificateCheck::Name, NAME).await.unwrap_err();
    assert!(told.starts_with("NotTrusted: "), "{told}");
    let missing = CertificateCheck::NameBy(house.folder.path().join("missing"));
    let client = TlsClient::with_authorities(std::iter::empty::<&[u8]>()).unwrap();
    let asked = Handshake {
        name: NAME,
        check: &missing,
        pair: None,
    };
    let told = client.connect(Box::new(tokio::io::empty()), asked).await;
    assert!(
        told.err()
            .unwrap()
            .to_string()
            .contains("missing cannot be read")
    );
}

#[tokio::test]
async fn a_pinned_key_needs_neither_name_nor_authority() {
    let house = house();
    let digest: [u8; 32] = Sha256::digest(&house.server_key).into();
    let keys = CertificateCheck::Keys(vec![[0; 32], digest]);
    assert_eq!(house.check(keys, "under_score!").await, Ok(()));
    let told = house
        .check(CertificateCheck::Keys(vec![[0; 32]]), NAME)
        .await;
    let told = told.unwrap_err();
    assert!(
        told.starts_with("NotTrusted: the server's key is "),
        "{told}"
    );
    assert!(told.contains(&fingerprint(&house.server_key)), "{told}");
}

#[tokio::test]
async fn tlsa_records_name_the_server_or_its_authority() {
    let house = house();
    let sha256 = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    // RFC 7672 §3.1.1: the server's own, whatever its name.
    for data in [
        house.server.clone(),
        house.server_key.clone(),
        sha256(&house.server_key),
    ] {
        assert_eq!(house.dane(3, &data, &["any.example"]).await, Ok(()));
    }
    let told = house.dane(3, &sha256(&house.authority_key), &[NAME]).await;
    assert!(told.unwrap_err().starts_with("NotTrusted"));
    // §3.1.2: its authority's, for one of the names.
    for data in [
        house.authority.clone(),
        Sha512::digest(&house.authority_key).to_vec(),
    ] {
        assert_eq!(house.dane(2, &data, &["any.example", NAME]).await, Ok(()));
        let told = house.dane(2, &data, &["any.example"]).await.unwrap_err();
        assert!(told.starts_with("WrongName"), "{told}");
    }
    let told = house
        .dane(2, &sha256(b"another"), &[NAME])
        .await
        .unwrap_err();
    assert!(told.starts_with("NotTrusted"), "{told}");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let house = house();
    let pair = house.pair();
    let asked = |pair| Handshake {
        name: NAME,
        check: &CertificateCheck::Any,
        pair,
    };
    let acceptor = || house.acceptor(Some(()));
    assert!(house.greet(acceptor(), asked(None)).await.is_err());
    assert_eq!(house.greet(acceptor(), asked(Some(&pair))).await, Ok(()));
    // A changed file counts at the next handshake.
    std::fs::write(&pair.key, "broken").unwrap();
    let told = check_tls_files(&CertificateCheck::Any, Some(&pair)).unwrap_err();
    assert!(
        told.to_string().contains("key holds no private key"),
        "{told}"
    );
}
