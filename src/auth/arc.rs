//! ARC, RFC 8617: what earlier hosts saw, each sealed by the host that saw it.

use super::canon::Canon;
use super::dkim;
use super::fields::Field;
use super::flaw::Flaw;
use super::key::PublicKey;
use super::lookup::Lookup;
use super::name;
use super::reading::{Read, instance};
use super::signature::{Algorithm, append_unsigned, base64};
use super::tags::Tags;
use crate::mail::AuthResult;

/// Largest number of sets, RFC 8617 §4.2.1.
const SETS: usize = 50;

/// A chain that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) result: AuthResult,
    pub(super) reason: Option<&'static str>,
    /// Who sealed last, when it passes.
    pub(super) sealer: Option<String>,
    /// The last sealer saw DMARC pass.
    pub(super) saw_dmarc_pass: bool,
    /// Sets; the next one gets the number behind it.
    pub(super) sets: usize,
}

/// One set, its parts in the order in which they are sealed.
#[derive(Debug, Clone, Copy)]
struct Set<'f> {
    results: Field<'f>,
    message: Field<'f>,
    seal: Field<'f>,
}

/// An `ARC-Seal`.
#[derive(Debug)]
struct Seal {
    algorithm: Algorithm,
    domain: String,
    selector: String,
    bytes: Vec<u8>,
    validity: String,
}

/// Checks the chain of a message, RFC 8617 §5.2.
pub(super) async fn check(read: &Read, lookup: &Lookup<'_>) -> Chain {
    let fields = read.fields();
    let parts = parts(&fields);
    let mut chain = Chain {
        result: AuthResult::None,
        reason: None,
        sealer: None,
        saw_dmarc_pass: false,
        sets: 0,
    };
    if parts.is_empty() {
        return chain;
    }
    chain.sets = parts.len().div_ceil(3);
    match verify(read, &parts, lookup).await {
        Ok((sealer, newest)) => {
            chain.result = AuthResult::Pass;
            chain.sealer = Some(sealer);
            chain.saw_dmarc_pass = says_dmarc_pass(&newest.results.text());
        }
        Err(flaw) => {
            chain.result = if flaw.result == AuthResult::TempError {
                AuthResult::TempError
            } else {
                AuthResult::Fail
            };
            chain.reason = Some(flaw.reason);
        }
    }
    chain
}

async fn verify<'f>(
    read: &Read,
    parts: &[Field<'f>],
    lookup: &Lookup<'_>,
) -> Result<(String, Set<'f>), Flaw> {
    let sets = sets(parts)?;
    let seals: Vec<Seal> = sets
        .iter()
        .map(|set| Seal::parse(&set.seal.text()))
        .collect::<Result<_, _>>()?;
    // RFC 8617 §5.2, steps 2 and 3: the first one saw nothing before, all others saw it pass.
    for (at, seal) in seals.iter().enumerate() {
        let expected = if at == 0 { "none" } else { "pass" };
        if !seal.validity.eq_ignore_ascii_case(expected) {
            return Err(Flaw::fail("an earlier host saw the chain broken"));
        }
    }
    let (Some(newest), Some(last)) = (sets.last(), seals.last()) else {
        return Err(Flaw::fail("a set is not complete"));
    };
    let signed = read.arc().ok_or(Flaw::fail("a set is not complete"))?;
    let signature = signed.signature.as_ref().map_err(|flaw| *flaw)?;
    let key = dkim::key(signature, lookup).await?;
    dkim::verify_with(read, signed, (signature, &key))?;
    let mut known: Vec<(String, PublicKey)> = vec![(signature.key_name(), key)];
    for (at, seal) in seals.iter().enumerate().rev() {
        let name = format!("{}._domainkey.{}", seal.selector, seal.domain);
        let cached = known.iter().find(|(it, _)| *it == name);
        let key = if let Some((_, key)) = cached {
            key.clone()
        } else {
            let key = dkim::published(&name, lookup).await?;
            known.push((name, key.clone()));
            key
        };
        let data = sealed_data(sets.get(..=at).unwrap_or_default());
        key.verify(seal.algorithm, &data, &seal.bytes)?;
    }
    Ok((last.domain.clone(), *newest))
}

impl Seal {
    fn parse(text: &str) -> Result<Self, Flaw> {
        let tags = Tags::parse(text).ok().filter(|_| is_list(text));
        let tags = tags.ok_or(Flaw::fail("a seal is malformed"))?;
        // RFC 8617 §4.1.3: what is sealed is fixed.
        if tags.get("h").is_some() {
            return Err(Flaw::fail("a seal names fields"));
        }
        let needed = |tag: &str| {
            let value = tags.get(tag).filter(|value| !value.is_empty());
            value.ok_or(Flaw::fail("a seal lacks a tag"))
        };
        let host = |tag: &str| name::key(needed(tag)?).ok_or(Flaw::fail("a seal is malformed"));
        Ok(Self {
            algorithm: Algorithm::read(tags.get("a"))?,
            domain: host("d")?,
            selector: host("s")?,
            bytes: base64(needed("b")?)?,
            validity: needed("cv")?.to_owned(),
        })
    }
}

/// RFC 6376 §3.2 to the letter, which others forgive in signatures: nothing is between two
/// semicolons, names begin with a letter.
fn is_list(text: &str) -> bool {
    let bare = text.trim();
    let bare = bare.strip_suffix(';').unwrap_or(bare);
    let begins = |part: &str| {
        part.trim_start()
            .starts_with(|c: char| c.is_ascii_alphabetic())
    };
    bare.split(';').all(begins)
}

fn parts<'f>(fields: &[Field<'f>]) -> Vec<Field<'f>> {
    let names = [
        "ARC-Authentication-Results",
        "ARC-Message-Signature",
        "ARC-Seal",
    ];
    let is_arc = |field: &&Field<'_>| names.iter().any(|name| field.is(name));
    fields.iter().filter(is_arc).copied().collect()
}

/// What the next seal covers of the sets before it.
pub(super) fn sealed_before(fields: &[Field<'_>]) -> Vec<u8> {
    let mut data = Vec::new();
    for set in sets(&parts(fields)).unwrap_or_default() {
        for part in [set.results, set.message, set.seal] {
            Canon::Relaxed.field(part, &mut data);
        }
    }
    data
}

/// The sets in their order; each is complete, and none is missing.
fn sets<'f>(parts: &[Field<'f>]) -> Result<Vec<Set<'f>>, Flaw> {
    let count = parts.len() / 3;
    if !parts.len().is_multiple_of(3) || count > SETS {
        return Err(Flaw::fail("a set is not complete"));
    }
    let numbered: Vec<(Option<u8>, Field<'f>)> =
        parts.iter().map(|field| (number(*field), *field)).collect();
    let only = |name: &str, wanted: u8| {
        let mut found = numbered
            .iter()
            .filter(|(number, field)| *number == Some(wanted) && field.is(name));
        match (found.next(), found.next()) {
            (Some((_, field)), None) => Ok(*field),
            _ => Err(Flaw::fail("a set is not complete")),
        }
    };
    (1..=u8::try_from(count).unwrap_or(u8::MAX))
        .map(|number| {
            Ok(Set {
                results: only("ARC-Authentication-Results", number)?,
                message: only("ARC-Message-Signature", number)?,
                seal: only("ARC-Seal", number)?,
            })
        })
        .collect()
}

/// `i=`; in the results it stands first, before things that are no tags.
fn number(field: Field<'_>) -> Option<u8> {
    let text = field.text();
    if field.is("ARC-Authentication-Results") {
        let first = text.split(';').next()?;
        let (tag, value) = first.split_once('=')?;
        return (tag.trim() == "i")
            .then(|| instance(value.trim()))
            .flatten();
    }
    let tags = Tags::parse(&text).ok()?;
    instance(tags.get("i")?)
}

/// RFC 8617 §5.1.1: all sets up to this one, the last seal without its value.
fn sealed_data(sets: &[Set<'_>]) -> Vec<u8> {
    let mut data = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        Canon::Relaxed.field(set.results, &mut data);
        Canon::Relaxed.field(set.message, &mut data);
        if at + 1 == sets.len() {
            append_unsigned(Canon::Relaxed, set.seal, &mut data);
        } else {
            Canon::Relaxed.field(set.seal, &mut data);
        }
    }
    data
}

fn says_dmarc_pass(results: &str) -> bool {
    results.split(';').any(|result| {
        let word = result.split_whitespace().next().unwrap_or_default();
        word.eq_ignore_ascii_case("dmarc=pass")
    })
}
