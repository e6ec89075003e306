//! Lists of revoked certificates (CRL, RFC 5280 §5): which ones there are, and whether they can be
//! used. What they revoke is rustls's to find out.
//!
//! rustls takes the first list of an authority, and refuses everybody of it when the signature of
//! the list is another's. So what would shut out all clients of an authority, or hide what one of
//! its lists revokes, is refused here as long as it is only a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateRevocationListDer, TrustAnchor};

use super::der::{BIT_STRING, INTEGER, SEQUENCE, element, elements, expect, extension, time};
use super::distinguished;
use crate::base::{Timestamp, read_regular};
use crate::limits;

/// `[0] EXPLICIT Extensions`.
const EXTENSIONS: u8 = 0xa0;
/// `id-ce-issuingDistributionPoint`, 2.5.29.28.
const DISTRIBUTION_POINT: [u8; 3] = [0x55, 0x1d, 0x1c];

/// How a list of revoked certificates stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevocationState {
    /// Its file.
    pub file: PathBuf,
    /// The authority whose list it is, for people.
    pub issuer: String,
    /// When the next one has to be there (`nextUpdate`); `None`: that cannot be read.
    pub ends: Option<Timestamp>,
    /// When the next one is due: two thirds of its time are over. Some are made for hours, others
    /// for months.
    pub due: Option<Timestamp>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

impl RevocationState {
    /// How long before its end people are told of it: not before the next one is due.
    #[must_use]
    pub fn before(&self, most: Duration) -> Duration {
        let (Some(ends), Some(due)) = (self.ends, self.due) else {
            return most;
        };
        ends.since(due).min(most)
    }
}

/// Lists that can be used.
#[derive(Debug)]
pub(super) struct Revoked {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    pub(super) states: Vec<RevocationState>,
    /// Authorities of which there is none, though there are others; for people.
    pub(super) unlisted: Vec<String>,
}

/// What is read of a list.
struct Parts<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    made: Option<Timestamp>,
    ends: Option<Timestamp>,
    revoked: usize,
    /// It is a part of all that the authority has revoked: that of this point.
    point: Option<&'a [u8]>,
}

impl Revoked {
    /// Reads the lists of these files.
    ///
    /// # Errors
    /// What is wrong with one of them, for people; then none is to be used.
    pub(super) fn read(
        files: &[PathBuf],
        authorities: &Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut found = Vec::new();
        for file in files {
            let lists = lists_of(file)?.into_iter();
            found.extend(lists.map(|list| (file, list)));
        }
        let parts = found.iter().map(|(file, list)| {
            let path = file.display();
            // What rustls cannot use it says of all of them, without a name.
            WebPkiClientVerifier::builder_with_provider(authorities.clone(), provider.clone())
                .with_crls([list.clone()])
                .build()
                .map_err(|error| format!("{path} cannot be used: {error}"))?;
            parts(list).ok_or_else(|| format!("{path} holds a list that cannot be read"))
        });
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        let states = found.iter().zip(&parts).map(|((file, _), part)| {
            usable(part, authorities, provider)
                .and_then(|()| alone(part, &parts))
                .map_err(|what| format!("{} {what}", file.display()))?;
            Ok(RevocationState {
                file: (*file).clone(),
                issuer: distinguished::text(part.issuer),
                ends: part.ends,
                due: part.due(),
                revoked: part.revoked,
            })
        });
        let states = states.collect::<Result<_, String>>()?;
        let unlisted = unlisted(&parts, authorities);
        let lists = found.into_iter().map(|(_, list)| list).collect();
        Ok(Self {
            lists,
            states,
            unlisted,
        })
    }
}

/// Authorities of which there is no list, if there are some of others.
fn unlisted(parts: &[Parts<'_>], authorities: &RootCertStore) -> Vec<String> {
    let has_none = |one: &&TrustAnchor<'_>| {
        let mut issuers = parts.iter().map(|it| it.issuer);
        issuers.all(|it| it != one.subject.as_ref())
    };
    let all = authorities.roots.iter().filter(|_| !parts.is_empty());
    let without = all.filter(has_none);
    without.map(|it| distinguished::text(&it.subject)).collect()
}

/// What stands in a file, PEM or DER.
fn lists_of(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let path = file.display();
    let bytes = read_regular(file, limits::PEM_FILE)
        .map_err(|error| format!("{path} cannot be read: {error}"))?;
    let is_pem = memchr::memmem::find(&bytes, b"-----BEGIN ").is_some();
    if !is_pem {
        return Ok(vec![CertificateRevocationListDer::from(bytes)]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&bytes);
    let lists: Vec<_> = lists
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{path}: {error}"))?;
    if lists.is_empty() {
        return Err(format!(
            "{path} holds no list of revoked certificates, expected PEM (X509 CRL) or DER"
        ));
    }
    Ok(lists)
}

/// Who has the name of its authority has signed it. One that is in no file of ours shows itself in
/// a handshake only, and is checked there.
fn usable(
    list: &Parts<'_>,
    authorities: &RootCertStore,
    provider: &CryptoProvider,
) -> Result<(), String> {
    let roots = authorities.roots.iter();
    let named = roots.filter(|one| one.subject.as_ref() == list.issuer);
    let mut keys: Vec<&[u8]> = named.map(|one| &*one.subject_public_key_info).collect();
    keys.sort_unstable();
    keys.dedup();
    let name = distinguished::text(list.issuer);
    match keys.as_slice() {
        [] => Ok(()),
        [key] if list.is_signed_by(key, provider) => Ok(()),
        [_] => Err(format!(
            "is not by the authority {name} of client_ca: it has not signed it"
        )),
        _ => Err(format!(
            "would shut out clients: client_ca holds several authorities {name} with different \
             keys, and one list is good for one of them; give each a listener of its own"
        )),
    }
}

/// Of several lists of an authority one would hide what the others revoke, unless each is for a
/// part of its own.
fn alone(list: &Parts<'_>, all: &[Parts<'_>]) -> Result<(), String> {
    let same = all.iter().filter(|it| it.issuer == list.issuer);
    let parts = same.clone().filter(|it| it.point == list.point).count();
    if parts == 1 && (list.point.is_some() || same.count() == 1) {
        return Ok(());
    }
    let name = distinguished::text(list.issuer);
    Err(format!(
        "is one of several lists of {name}, and only the first would count: expected its latest \
         one only"
    ))
}

/// RFC 5280 §5.1.
fn parts(der: &[u8]) -> Option<Parts<'_>> {
    let (whole, _) = expect(der, SEQUENCE)?;
    let (list, rest) = expect(whole, SEQUENCE)?;
    let signed = whole.get(..whole.len().checked_sub(rest.len())?)?;
    let (algorithm, rest) = expect(rest, SEQUENCE)?;
    let (signature, _) = expect(rest, BIT_STRING)?;
    let (_version, list) = expect(list, INTEGER)?;
    let (_algorithm, list) = expect(list, SEQUENCE)?;
    let (issuer, list) = expect(list, SEQUENCE)?;
    let (made_kind, made, list) = element(list)?;
    let (kind, next_update, list) = element(list)?;
    let (revoked, rest) = expect(list, SEQUENCE).unwrap_or((&[], list));
    let extensions = expect(rest, EXTENSIONS).map(|(all, _)| all);
    Some(Parts {
        signed,
        algorithm,
        signature: signature.strip_prefix(&[0])?,
        issuer,
        made: time(made_kind, made),
        ends: time(kind, next_update),
        revoked: elements(revoked).count(),
        point: extensions.and_then(|all| extension(all, DISTRIBUTION_POINT)),
    })
}

impl Parts<'_> {
    /// [`RevocationState::due`].
    fn due(&self) -> Option<Timestamp> {
        let (made, ends) = (self.made?, self.ends?);
        Some(ends.before(ends.since(made) / 3))
    }

    /// By this `SubjectPublicKeyInfo`, its content.
    fn is_signed_by(&self, key: &[u8], provider: &CryptoProvider) -> bool {
        let key = || {
            let (algorithm, rest) = expect(key, SEQUENCE)?;
            let (bits, _) = expect(rest, BIT_STRING)?;
            Some((algorithm, bits.strip_prefix(&[0])?))
        };
        let Some((algorithm, key)) = key() else {
            return false;
        };
        let mut known = provider.signature_verification_algorithms.all.iter();
        known.any(|it| {
            it.signature_alg_id().as_ref() == self.algorithm
                && it.public_key_alg_id().as_ref() == algorithm
                && it
                    .verify_signature(key, self.signed, self.signature)
                    .is_ok()
        })
    }
}
