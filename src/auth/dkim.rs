//! DKIM, RFC 6376: who takes responsibility for a message, proven by a signature.

use super::flaw::{Flaw, bound};
use super::key::PublicKey;
use super::lookup::Lookup;
use super::reading::{Read, Signed};
use super::signature::Signature;
use crate::base::Timestamp;
use crate::mail::{AuthMethod, AuthResult, MethodResult};

/// What came of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    /// `d=`, where it could be read.
    pub(super) domain: Option<String>,
    pub(super) result: MethodResult,
}

/// Checks a signature.
pub(super) async fn check(
    read: &Read,
    signed: &Signed,
    now: Timestamp,
    lookup: &Lookup<'_>,
) -> Checked {
    let signature = match &signed.signature {
        Ok(signature) => signature,
        Err(flaw) => {
            return Checked {
                domain: None,
                result: line(Err(*flaw)),
            };
        }
    };
    let result = verify(read, signed, (signature, now), lookup).await;
    let begin: String = signed.shown.chars().take(8).collect();
    let result = line(result)
        .of("header.d", &signature.domain)
        .of("header.s", &signature.selector)
        .of("header.a", signature.algorithm.as_str())
        // RFC 6008: which of several signatures.
        .of("header.b", begin);
    Checked {
        domain: Some(signature.domain.clone()),
        result,
    }
}

fn line(result: Result<(), Flaw>) -> MethodResult {
    match result {
        Ok(()) => MethodResult::new(AuthMethod::Dkim, AuthResult::Pass),
        Err(flaw) => MethodResult::new(AuthMethod::Dkim, flaw.result).because(flaw.reason),
    }
}

async fn verify(
    read: &Read,
    signed: &Signed,
    (signature, now): (&Signature, Timestamp),
    lookup: &Lookup<'_>,
) -> Result<(), Flaw> {
    // RFC 6376 §3.5, `x=`.
    if signature
        .expires
        .is_some_and(|expires| now.as_secs() > expires)
    {
        return Err(Flaw::fail("the signature has expired"));
    }
    let key = key(signature, lookup).await?;
    // RFC 6376 §3.6.1, `t=s`.
    if key.strict && signature.identity != signature.domain {
        return Err(Flaw::perm("the key is not for subdomains"));
    }
    verify_with(read, signed, (signature, &key))
}

/// Is the message the one that was signed with this key?
pub(super) fn verify_with(
    read: &Read,
    signed: &Signed,
    (signature, key): (&Signature, &PublicKey),
) -> Result<(), Flaw> {
    let fields = read.fields();
    let own = fields.get(signed.field).copied();
    let own = own.ok_or(Flaw::perm("the signature is malformed"))?;
    let data = signature.signed_data(&fields, own);
    let body = signed.body.as_ref();
    let body = body.ok_or(Flaw::policy(bound::SUMS))?;
    let same_body = signature.check_body(body);
    // That only a part is signed is worth saying when that much is true.
    if !matches!(same_body, Err(flaw) if flaw.result == AuthResult::Policy) {
        same_body?;
    }
    key.verify(signature.algorithm, &data, &signature.bytes)?;
    same_body
}

/// The key of a signature.
pub(super) async fn key(signature: &Signature, lookup: &Lookup<'_>) -> Result<PublicKey, Flaw> {
    let name = signature.key_name();
    published(&name, lookup).await
}

/// The key under a name.
pub(super) async fn published(name: &str, lookup: &Lookup<'_>) -> Result<PublicKey, Flaw> {
    let texts = lookup.texts(name, |_| true).await;
    let texts = texts.map_err(|_| Flaw::temp("the key could not be looked up"))?;
    let mut keys = texts.iter().map(|text| PublicKey::parse(text));
    // RFC 6376 §3.6.2.2: of several any may be taken; one that can be read is.
    let first = keys.next().ok_or(Flaw::perm("there is no key"))?;
    first.or_else(|flaw| keys.find_map(Result::ok).ok_or(flaw))
}
