//! What certificates of clients prove: with real handshakes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::tls_resumption_tests::Anybody;
use super::{AcceptTls as _, ClientAuthorities, ClientFiles, TlsServer, certificate};
use crate::base::{ClientNames, ClientProof};

const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// An authority, and what it has signed.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A chain and its key, as a client shows them.
type Identity = (Vec<CertificateDer<'static>>, KeyPair);

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    Authority { pem, issuer }
}

impl Authority {
    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        (vec![made.der().clone()], key)
    }

    fn sign_for(&self, host: &str) -> Identity {
        self.sign(&CertificateParams::new(vec![host.to_owned()]).unwrap())
    }
}

/// Shows this, whether the key belongs to it or not.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A client that keeps sessions.
fn client(
    version: &'static SupportedProtocolVersion,
    shows: Option<&Identity>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let schemes = provider
        .signature_verification_algorithms
        .supported_schemes();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(schemes)));
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let key = ring::sign::any_supported_type(&der).unwrap();
            let both = CertifiedKey::new(chain.clone(), key);
            builder.with_client_cert_resolver(Arc::new(Shows(Arc::new(both))))
        }
    })
}

/// What the door knows of the client, and whether its session went on.
async fn greet(
    door: &TlsServer,
    config: &Arc<ClientConfig>,
) -> std::io::Result<(ClientProof, HandshakeKind)> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let serve = async {
        let (mut stream, info) = door.accept(Box::new(far)).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>(info.client)
    };
    let dial = async {
        let name = ServerName::try_from("mx.example.org").unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        let mut stream = connector.connect(name, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok::<_, std::io::Error>(stream.get_ref().1.handshake_kind().unwrap())
    };
    let (proof, kind) = tokio::join!(serve, dial);
    Ok((proof?, kind?))
}

/// A door that knows clients of this authority.
fn door(folder: &Path, file: &str, known: &Authority) -> (TlsServer, TlsServer) {
    let plain = TlsServer::self_signed(folder, "mx.example.org").unwrap();
    std::fs::write(folder.join(file), &known.pem).unwrap();
    let authorities = ClientAuthorities::load(&alone(&folder.join(file))).unwrap();
    let asking = plain.asking(Arc::new(authorities)).unwrap();
    (plain, asking)
}

/// Authorities without lists of what they have revoked.
fn alone(file: &Path) -> ClientFiles {
    ClientFiles {
        authorities: file.to_owned(),
        lists: Vec::new(),
    }
}

fn named(host: &str) -> ClientProof {
    // As they are made here.
    let common = || Some("rcgen self signed cert".to_owned());
    ClientProof::Names(ClientNames {
        hosts: vec![host.to_owned()],
        subject: common(),
        issuer: common(),
    })
}

fn why(proof: &ClientProof) -> &str {
    match proof {
        ClientProof::Refused(why) => why,
        ClientProof::None | ClientProof::Names(_) => panic!("{proof:?}"),
    }
}

#[tokio::test]
async fn a_certificate_is_a_name_or_nothing_and_nobody_is_shut_out() {
    let folder = tempfile::tempdir().unwrap();
    let (known, other) = (authority(), authority());
    let (plain, door) = door(folder.path(), "known.pem", &known);
    let host = || vec!["gw.partner.example".to_owned()];
    let mut over = CertificateParams::new(host()).unwrap();
    over.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut servers_only = CertificateParams::new(host()).unwrap();
    servers_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut nameless = CertificateParams::new(Vec::new()).unwrap();
    let common = DnType::CommonName;
    nameless
        .distinguished_name
        .push(common, "gw.partner.example");
    let own = KeyPair::generate().unwrap();
    let own_made = CertificateParams::new(host()).unwrap().self_signed(&own);
    let own = (vec![own_made.unwrap().der().clone()], own);
    let junk = vec![CertificateDer::from(b"no certificate".to_vec())];
    let junk = (junk, KeyPair::generate().unwrap());
    for version in BOTH {
        let prove =
            async |shows: Option<&Identity>| greet(&door, &client(version, shows)).await.unwrap().0;
        let good = known.sign_for("GW.partner.example");
        assert_eq!(prove(Some(&good)).await, named("gw.partner.example"));
        assert_eq!(prove(None).await, ClientProof::None);
        let stranger = other.sign_for("gw.partner.example");
        assert!(why(&prove(Some(&stranger)).await).contains("invalid peer certificate"));
        let over = known.sign(&over);
        assert!(why(&prove(Some(&over)).await).contains("expired"));
        let servers_only = known.sign(&servers_only);
        assert!(why(&prove(Some(&servers_only)).await).contains("invalid peer certificate"));
        let nameless = known.sign(&nameless);
        assert!(why(&prove(Some(&nameless)).await).contains("names no host"));
        assert!(why(&prove(Some(&own)).await).contains("invalid peer certificate"));
        assert!(!why(&prove(Some(&junk)).await).is_empty());
        // Where nobody is asked nobody shows anything.
        let asked = greet(&plain, &client(version, Some(&good))).await;
        assert_eq!(asked.unwrap().0, ClientProof::None);
        // Somebody else's certificate is of no use without its key.
        let impostor = (good.0.clone(), KeyPair::generate().unwrap());
        let refused = greet(&door, &client(version, Some(&impostor))).await;
        assert!(refused.is_err(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_session_that_goes_on_proves_it_anew_and_at_its_door_only() {
    for version in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let (known, other) = (authority(), authority());
        let (plain, first) = door(folder.path(), "first.pem", &known);
        let both = Authority {
            pem: known.pem.clone() + &other.pem,
            issuer: authority().issuer,
        };
        let (_, second) = door(folder.path(), "second.pem", &both);
        let identity = known.sign_for("gw.partner.example");
        let config = client(version, Some(&identity));
        let went = async |door: &TlsServer| greet(door, &config).await.unwrap();
        let full = HandshakeKind::Full;
        assert_eq!(went(&first).await, (named("gw.partner.example"), full));
        let on = HandshakeKind::Resumed;
        assert_eq!(went(&first).await, (named("gw.partner.example"), on));
        assert_eq!(went(&second).await.1, full, "its ticket is of another door");
        assert_eq!(went(&plain).await, (ClientProof::None, full));
        assert_eq!(went(&first).await.1, full, "that of the plain door is none");
        assert_eq!(went(&first).await, (named("gw.partner.example"), on));
        // The partner's authority is no longer known here.
        let file = folder.path().join("first.pem");
        std::fs::write(&file, &other.pem).unwrap();
        let written = std::fs::File::options().write(true).open(&file).unwrap();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        written.set_modified(later).unwrap();
        let (proof, kind) = went(&first).await;
        assert_eq!(kind, on);
        assert!(why(&proof).contains("invalid peer certificate"));
    }
}

#[test]
fn authorities_that_cannot_be_used_leave_those_that_were() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.pem");
    std::fs::write(&file, authority().pem).unwrap();
    let authorities = ClientAuthorities::load(&alone(&file)).unwrap();
    let good = authorities.state();
    assert!(good.ends.is_some() && good.refused.is_none(), "{good:?}");
    std::fs::write(&file, "junk").unwrap();
    let written = std::fs::File::options().write(true).open(&file).unwrap();
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    written.set_modified(later).unwrap();
    let bad = authorities.state();
    assert!(bad.refused.unwrap().contains("holds no certificate"));
    assert_eq!(bad.ends, good.ends);
    assert!(ClientAuthorities::load(&alone(&file)).is_err());
}

/// A list by this authority; `point`: of a part of what it has revoked.
fn list(by: &Authority, revoked: &[&Identity], point: Option<&str>) -> Vec<u8> {
    let day = |day| rcgen::date_time_ymd(2026, 1, day);
    let revoked = revoked.iter().map(|(chain, _)| RevokedCertParams {
        serial_number: SerialNumber::from(certificate::serial(&chain[0]).unwrap()),
        revocation_time: day(2),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: day(1),
        next_update: day(31),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: point.map(|uri| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec![uri.to_owned()],
            },
            scope: None,
        }),
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&by.issuer).unwrap().der().to_vec()
}

/// An authority of this name.
fn called(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    Authority { pem, issuer }
}

/// A folder in which these authorities stand, and their files with these lists.
fn lists(folder: &Path, known: &[&Authority], lists: &[&[u8]]) -> ClientFiles {
    let authorities = folder.join("known.pem");
    let pem: Vec<_> = known.iter().map(|it| &*it.pem).collect();
    std::fs::write(&authorities, pem.concat()).unwrap();
    let lists = lists.iter().zip(0..).map(|(list, number)| {
        let file = folder.join(format!("{number}.crl"));
        std::fs::write(&file, list).unwrap();
        file
    });
    ClientFiles {
        authorities,
        lists: lists.collect(),
    }
}

#[test]
fn who_is_revoked_is_nobody_and_who_is_in_no_list_is_who_he_was() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (called("Own CA"), called("Other CA"));
    let (good, stolen) = (own.sign_for("gw.example"), own.sign_for("gw.example"));
    let unlisted = other.sign_for("gw.example");
    // It ended in January 2026, and counts.
    let made = list(&own, &[&stolen], None);
    let files = lists(folder.path(), &[&own, &other], &[&made]);
    let authorities = ClientAuthorities::load(&files).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
    let prove = |identity: &Identity| authorities.prove(Some(&identity.0), now);
    assert!(
        matches!(prove(&good), ClientProof::Names(_)),
        "{:?}",
        prove(&good)
    );
    assert!(matches!(prove(&unlisted), ClientProof::Names(_)));
    assert!(
        why(&prove(&stolen)).contains("Revoked"),
        "{:?}",
        prove(&stolen)
    );
    let state = authorities.state();
    assert_eq!(state.unlisted, ["CN=Other CA"]);
    let [told] = state.lists.as_slice() else {
        panic!("{state:?}");
    };
    assert_eq!((&*told.issuer, told.revoked), ("CN=Own CA", 1));
    let moment = |text: &str| text.parse().ok();
    assert_eq!(told.ends, moment("2026-01-31T00:00:00Z"));
    assert_eq!(told.due, moment("2026-01-21T00:00:00Z"));
    let day = Duration::from_secs(86_400);
    assert_eq!(told.before(day * 21), day * 10);
    assert_eq!(told.before(day), day);
    // Without lists nobody is asked for.
    let bare = ClientAuthorities::load(&alone(&files.authorities)).unwrap();
    assert!(bare.state().unlisted.is_empty());
    let proof = bare.prove(Some(&stolen.0), now);
    assert!(matches!(proof, ClientProof::Names(_)), "{proof:?}");
}

fn in_pem(der: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let lines: Vec<_> = text.as_bytes().chunks(64).collect();
    let lines = String::from_utf8(lines.join(&b'\n')).unwrap();
    format!("-----BEGIN X509 CRL-----\n{lines}\n-----END X509 CRL-----\n")
}

#[test]
fn lists_that_would_shut_people_out_or_hide_something_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other, same) = (called("Own CA"), called("Other CA"), called("Own CA"));
    let stolen = own.sign_for("gw.example");
    let read = |known: &[&Authority], made: &[&[u8]]| {
        let files = lists(folder.path(), known, made);
        ClientAuthorities::load(&files).map(|it| it.state().lists.len())
    };
    let (whole, empty) = (list(&own, &[&stolen], None), list(&own, &[], None));
    let parts = ["http://a.example/1", "http://a.example/2"].map(|it| list(&own, &[], Some(it)));
    assert_eq!(read(&[&own], &[&whole]), Ok(1));
    let both = in_pem(&whole) + &in_pem(&list(&other, &[], None));
    assert_eq!(read(&[&own, &other], &[both.as_bytes()]), Ok(2));
    assert_eq!(read(&[&own], &[&parts[0], &parts[1]]), Ok(2));
    // Its authority shows itself in a handshake.
    assert_eq!(read(&[&other], &[&whole]), Ok(1));
    let cut = in_pem(&whole);
    let cut = &cut.as_bytes()[..cut.len() / 2];
    for (known, made, what) in [
        (
            &[&own][..],
            &[b"junk".as_slice()][..],
            "0.crl cannot be used",
        ),
        (
            &[&own],
            &[&whole[..whole.len() - 1]],
            "0.crl cannot be used",
        ),
        (&[&own], &[cut], "0.crl: "),
        (
            &[&own],
            &[own.pem.as_bytes()],
            "holds no list of revoked certificates",
        ),
        (
            &[&same],
            &[&whole],
            "is not by the authority CN=Own CA of client_ca",
        ),
        (
            &[&own, &same],
            &[&whole],
            "several authorities CN=Own CA with different keys",
        ),
        (
            &[&own],
            &[&empty, &whole],
            "one of several lists of CN=Own CA",
        ),
        (
            &[&own],
            &[&parts[0], &whole],
            "one of several lists of CN=Own CA",
        ),
        (
            &[&own],
            &[&parts[0], &parts[0]],
            "one of several lists of CN=Own CA",
        ),
    ] {
        let told = read(known, made).unwrap_err();
        assert!(told.contains(what), "{what}: {told}");
    }
}

#[test]
fn a_list_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let known = lists(folder.path(), &[&called("Own CA")], &[]);
    let gone = ClientFiles {
        lists: vec![folder.path().join("gone.crl")],
        ..known
    };
    let told = ClientAuthorities::load(&gone).unwrap_err();
    assert!(told.contains("gone.crl cannot be read"), "{told}");
}
