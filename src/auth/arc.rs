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
pub(super) const SETS: usize = 50;

/// A chain that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) result: AuthResult,
    pub(super) reason: Option<&'static str>,
    /// Who sealed last, when it passes.
    pub(super) sealer: Option<String>,
    /// The author's domain for which the last sealer saw DMARC pass.
    pub(super) passed: Option<String>,
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
        passed: None,
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
            // Without `From` in what is signed it may be another's letter.
            let signed = read.arc().and_then(|it| it.signature.as_ref().ok());
            let is_same = signed.is_some_and(|it| it.headers.iter().any(|it| it == "from"));
            let passed = || dmarc_passed(&newest.results.text());
            chain.passed = is_same.then(passed).flatten();
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

/// For which `header.from` do the results of a set say `dmarc=pass`? `None` also when they say it
/// twice, or cannot be read to their end.
fn dmarc_passed(results: &str) -> Option<String> {
    let results = statements(results)?;
    // `i=` and the name of the host stand in front.
    let mut found = results.iter().skip(2).filter(|words| {
        let first = words.first().map(|it| it.to_ascii_lowercase());
        first
            .is_some_and(|it| it.starts_with("dmarc=") || it.starts_with("dmarc/") || it == "dmarc")
    });
    let (words, None) = (found.next()?, found.next()) else {
        return None;
    };
    words
        .first()?
        .eq_ignore_ascii_case("dmarc=pass")
        .then_some(())?;
    let mut authors = words.iter().filter_map(|word| {
        let (property, value) = word.split_once('=')?;
        property
            .eq_ignore_ascii_case("header.from")
            .then_some(value)
    });
    let (author, None) = (authors.next()?, authors.next()) else {
        return None;
    };
    name::key(author.trim_matches('"'))
}

/// The words of each statement, RFC 8601 §2.2. Comments are gone; what is quoted is within one word
/// and keeps its quotes. `None`: a quote or a comment has no end.
fn statements(text: &str) -> Option<Vec<Vec<String>>> {
    let mut all = vec![Vec::new()];
    let (mut word, mut depth, mut quoted) = (String::new(), 0_usize, false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' if quoted || depth > 0 => {
                let escaped = rest.next()?;
                if quoted {
                    word.extend([c, escaped]);
                }
            }
            '"' if depth == 0 => {
                quoted = !quoted;
                word.push(c);
            }
            c if quoted => word.push(c),
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            c if c == ';' || c.is_whitespace() => {}
            c => word.push(c),
        }
        let ends = !quoted && depth == 0 && (c == ';' || c.is_whitespace());
        if (ends || depth > 0) && !quoted && !word.is_empty() {
            all.last_mut()?.push(std::mem::take(&mut word));
        }
        if ends && c == ';' {
            all.push(Vec::new());
        }
    }
    if !word.is_empty() {
        all.last_mut()?.push(word);
    }
    (depth == 0 && !quoted).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_sealer_says_itself_counts() {
        let said = |text: &str| dmarc_passed(&format!(" i=1; mx.x.example;\r\n\t{text}"));
        for text in [
            "spf=fail; dmarc=pass (p=reject) header.from=Bank.example",
            "dmarc=pass(x; y) header.from=\"bank.example\"; arc=none",
            "dmarc=pass reason=\"a; \\\" dmarc=fail\" header.from=bank.example.",
        ] {
            assert_eq!(said(text).as_deref(), Some("bank.example"), "{text}");
        }
        for text in [
            "dmarc=fail header.from=bank.example",
            "dmarc=pass",
            "spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=bank.example\"",
            "spf=pass (; dmarc=pass header.from=bank.example)",
            "spf=pass reason=\"\\\"; dmarc=pass header.from=bank.example\"",
            "\"dmarc=pass\" header.from=bank.example",
            "dmarc=fail header.from=x.example; dmarc=pass header.from=bank.example",
            "dmarc=pass header.from=bank.example header.from=x.example",
            "dmarc=pass header.from=bank.example (open",
            "dmarc=pass header.from=bank.example reason=\"open",
            "dmarc=pass header.from=\"bank.example; x\"",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
