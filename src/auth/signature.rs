//! What a `DKIM-Signature` or `ARC-Message-Signature` says, RFC 6376 §3.5 and RFC 8617 §4.1.2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canon::{BodyDigest, BodySum, Canon};
use super::fields::Field;
use super::flaw::{Flaw, bound};
use super::name;
use super::tags::Tags;
use crate::limits;

/// How it is signed. SHA-1 is not among them (RFC 8301 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    RsaSha256,
    Ed25519Sha256,
}

impl Algorithm {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// Reads `a=`.
    pub(super) fn read(text: Option<&str>) -> Result<Self, Flaw> {
        match text.unwrap_or_default().to_ascii_lowercase().as_str() {
            "rsa-sha256" => Ok(Self::RsaSha256),
            "ed25519-sha256" => Ok(Self::Ed25519Sha256),
            "rsa-sha1" => Err(Flaw::policy("SHA-1 proves nothing")),
            "" => Err(Flaw::perm("a required tag is missing")),
            _ => Err(Flaw::perm("the algorithm is not known")),
        }
    }
}

/// A signature over a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) algorithm: Algorithm,
    pub(super) header_canon: Canon,
    pub(super) body_canon: Canon,
    /// `d=`, in lower case.
    pub(super) domain: String,
    /// `s=`, in lower case.
    pub(super) selector: String,
    /// The domain of `i=`, in lower case.
    pub(super) identity: String,
    /// `h=`.
    pub(super) headers: Vec<String>,
    /// `bh=`.
    pub(super) body_hash: Vec<u8>,
    /// `b=`.
    pub(super) bytes: Vec<u8>,
    /// `l=`.
    pub(super) length: Option<u64>,
    /// `x=`, in seconds.
    pub(super) expires: Option<u64>,
}

/// Which kind of field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dkim,
    /// The signature over the message within an ARC set.
    Arc,
}

impl Signature {
    /// Reads the value of a field.
    ///
    /// # Errors
    /// Why it does not count.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, Flaw> {
        let tags = Tags::parse(text).map_err(|_| Flaw::perm("the signature is malformed"))?;
        let needed = |tag: &str| {
            let value = tags.get(tag).filter(|value| !value.is_empty());
            value.ok_or(Flaw::perm("a required tag is missing"))
        };
        match (kind, tags.get("v")) {
            (Kind::Dkim, Some("1")) | (Kind::Arc, None) => {}
            _ => return Err(Flaw::perm("the version is not known")),
        }
        let (header_canon, body_canon) = canons(tags.get("c"))?;
        let domain = name::key(needed("d")?).ok_or(Flaw::perm("d= is no domain"))?;
        let selector = name::key(needed("s")?).ok_or(Flaw::perm("s= is no selector"))?;
        // RFC 6376 §3.5: `i=` is within `d=`.
        let identity = match (kind, tags.get("i")) {
            (Kind::Dkim, Some(identity)) => {
                let identity = identity.rsplit_once('@').map(|(_, it)| it);
                let identity = identity.and_then(name::key);
                let identity = identity.ok_or(Flaw::perm("i= is no identity"))?;
                if !name::is_within(&identity, &domain) {
                    return Err(Flaw::perm("i= is not within d="));
                }
                identity
            }
            _ => domain.clone(),
        };
        if let Some(methods) = tags.get("q")
            && !methods.split(':').any(|it| it.trim() == "dns/txt")
        {
            return Err(Flaw::perm("the key is not in the DNS"));
        }
        let headers = match kind {
            Kind::Dkim => needed("h")?,
            Kind::Arc => tags.get("h").unwrap_or_default(),
        };
        Ok(Self {
            algorithm: Algorithm::read(tags.get("a"))?,
            header_canon,
            body_canon,
            domain,
            selector,
            identity,
            headers: signed(headers, kind)?,
            body_hash: base64(needed("bh")?)?,
            bytes: base64(needed("b")?)?,
            length: tags.get("l").map(number).transpose()?,
            expires: expiry(tags.get("t"), tags.get("x"))?,
        })
    }

    /// Where its key is.
    pub(super) fn key_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The digest that its body needs.
    pub(super) fn digest(&self) -> BodyDigest {
        BodyDigest::new(self.body_canon, self.length)
    }

    /// Is the body the one that was signed?
    pub(super) fn check_body(&self, body: &BodySum) -> Result<(), Flaw> {
        if self.body_hash != body.sha256 {
            return Err(Flaw::fail("the body was changed"));
        }
        match self.length {
            Some(length) if length > body.length => Err(Flaw::perm("l= is longer than the body")),
            // RFC 6376 §8.2: behind it anybody could have written anything.
            Some(length) if length < body.length => {
                Err(Flaw::policy("only the beginning of the body is signed"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What was signed: RFC 6376 §3.7.
    pub(super) fn signed_data(&self, fields: &[Field<'_>], own: Field<'_>) -> Vec<u8> {
        let mut data = Vec::new();
        select(&self.headers, fields, self.header_canon, &mut data);
        append_unsigned(self.header_canon, own, &mut data);
        data
    }
}

/// Appends the fields that are named, RFC 6376 §5.4.2: the last one of a name first; one that is
/// not there is nothing.
pub(super) fn select(names: &[String], fields: &[Field<'_>], canon: Canon, data: &mut Vec<u8>) {
    let mut used: Vec<usize> = Vec::new();
    for wanted in names {
        let below = fields.iter().enumerate().rev();
        let found = below
            .filter(|(_, field)| field.is(wanted))
            .find(|(at, _)| !used.contains(at));
        if let Some((at, field)) = found {
            used.push(at);
            canon.field(*field, data);
        }
    }
}

/// Appends the signature's own field with an empty `b=`, and without the last line end.
pub(super) fn append_unsigned(canon: Canon, own: Field<'_>, data: &mut Vec<u8>) {
    let raw = without_signature(own.raw);
    let field = Field { raw: &raw, ..own };
    canon.field(field, data);
    if data.ends_with(b"\r\n") {
        data.truncate(data.len() - 2);
    }
}

/// The field with what stands behind `b=` taken out.
fn without_signature(raw: &[u8]) -> Vec<u8> {
    let begin = memchr::memchr(b':', raw).map_or(0, |at| at + 1);
    let (name, value) = raw.split_at_checked(begin).unwrap_or((raw, &[]));
    let bare = value.strip_suffix(b"\r\n").unwrap_or(value);
    let end = value.get(bare.len()..).unwrap_or_default();
    let mut out = name.to_vec();
    for (at, part) in bare.split(|byte| *byte == b';').enumerate() {
        if at > 0 {
            out.push(b';');
        }
        let equals = memchr::memchr(b'=', part);
        let tag = equals.and_then(|at| part.get(..at)).unwrap_or_default();
        let kept = equals.filter(|_| tag.trim_ascii() == b"b");
        let kept = kept.and_then(|at| part.get(..=at));
        out.extend_from_slice(kept.unwrap_or(part));
    }
    out.extend_from_slice(end);
    out
}

/// `c=header/body`, both `simple` when not said.
fn canons(text: Option<&str>) -> Result<(Canon, Canon), Flaw> {
    let one = |text: &str| match text.trim() {
        "simple" => Ok(Canon::Simple),
        "relaxed" => Ok(Canon::Relaxed),
        _ => Err(Flaw::perm("the canonicalization is not known")),
    };
    let text = text.unwrap_or("simple");
    match text.split_once('/') {
        Some((header, body)) => Ok((one(header)?, one(body)?)),
        None => Ok((one(text)?, Canon::Simple)),
    }
}

fn signed(text: &str, kind: Kind) -> Result<Vec<String>, Flaw> {
    let names = text.split(':').map(|name| name.trim().to_ascii_lowercase());
    let names: Vec<String> = names.take(limits::AUTH_SIGNED_FIELDS + 1).collect();
    if names.len() > limits::AUTH_SIGNED_FIELDS {
        return Err(Flaw::policy(bound::FIELDS));
    }
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    match kind {
        // RFC 6376 §5.4: who wrote it must be signed.
        Kind::Dkim if !has("from") => Err(Flaw::perm("From is not signed")),
        // RFC 8617 §4.1.2: seals are signed by seals.
        Kind::Arc if has("arc-seal") => Err(Flaw::perm("a seal is signed as a field")),
        Kind::Dkim | Kind::Arc => Ok(names),
    }
}

pub(super) fn base64(text: &str) -> Result<Vec<u8>, Flaw> {
    let bare: String = text.split_whitespace().collect();
    let decoded = STANDARD.decode(bare);
    decoded.map_err(|_| Flaw::perm("a tag is no base64"))
}

fn number(text: &str) -> Result<u64, Flaw> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().unwrap_or(u64::MAX));
    number.ok_or(Flaw::perm("a tag is no number"))
}

/// RFC 6376 §3.5: what expires before it was made is wrong.
fn expiry(made: Option<&str>, expires: Option<&str>) -> Result<Option<u64>, Flaw> {
    let made = made.map(number).transpose()?;
    let expires = expires.map(number).transpose()?;
    match (made, expires) {
        (Some(made), Some(expires)) if expires <= made => {
            Err(Flaw::perm("it expires before it was made"))
        }
        (_, expires) => Ok(expires),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fields::fields;

    const GOOD: &str = "v=1; a=rsa-sha256; d=Example.org; s=s1; c=relaxed/simple; \
                        h=From : To; bh=AAAA; b=BB\r\n BB; i=@mail.example.org; x=20; t=10";

    #[test]
    fn a_signature_is_read() {
        let read = Signature::parse(GOOD, Kind::Dkim).unwrap();
        assert_eq!(read.key_name(), "s1._domainkey.example.org");
        assert_eq!(read.identity, "mail.example.org");
        assert_eq!(read.headers, ["from", "to"]);
        assert_eq!(read.bytes, [4, 16, 65]);
        assert_eq!(read.expires, Some(20));
        assert_eq!(read.header_canon, Canon::Relaxed);
        assert_eq!(read.body_canon, Canon::Simple);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let long = "x:".repeat(limits::AUTH_SIGNED_FIELDS);
        for (from, to, reason) in [
            ("v=1", "v=2", "the version is not known"),
            ("rsa-sha256", "rsa-sha1", "SHA-1 proves nothing"),
            ("rsa-sha256", "dsa", "the algorithm is not known"),
            ("a=rsa-sha256;", "", "a required tag is missing"),
            ("s=s1;", "", "a required tag is missing"),
            ("d=Example.org", "d=a b", "d= is no domain"),
            ("@mail.example.org", "@example.com", "i= is not within d="),
            ("From :", "Frm :", "From is not signed"),
            ("bh=AAAA", "bh=A", "a tag is no base64"),
            ("x=20", "x=5", "it expires before it was made"),
            ("x=20", "x=-5", "a tag is no number"),
            ("relaxed/simple", "x", "the canonicalization is not known"),
            ("v=1", "v=1; q=x", "the key is not in the DNS"),
            ("v=1", "v=1; v=1", "the signature is malformed"),
            (
                "From",
                &format!("{long}From"),
                "more fields are signed than we look at",
            ),
        ] {
            let told = Signature::parse(&GOOD.replacen(from, to, 1), Kind::Dkim).unwrap_err();
            assert_eq!(told.reason, reason, "{from} -> {to}");
        }
    }

    #[test]
    fn its_own_value_is_taken_out() {
        for (field, bare) in [
            ("X: a=1; b=AB\r\n CD; c=2\r\n", "X: a=1; b=; c=2\r\n"),
            ("X: a=1; b =AB\r\n\tCD\r\n", "X: a=1; b =\r\n"),
            ("X:b=A;bh=b=c\r\n", "X:b=;bh=b=c\r\n"),
        ] {
            assert_eq!(without_signature(field.as_bytes()), bare.as_bytes());
        }
    }

    #[test]
    fn fields_are_taken_from_below() {
        let header = b"From: 1\r\nTo: a\r\nFrom: 2\r\nS: b=x\r\n";
        let all = fields(header);
        let mut read = Signature::parse(GOOD, Kind::Dkim).unwrap();
        read.headers = ["from", "from", "from", "subject"]
            .map(str::to_owned)
            .to_vec();
        let data = read.signed_data(&all, all[3]);
        assert_eq!(data, b"from:2\r\nfrom:1\r\ns:b=");
    }
}
