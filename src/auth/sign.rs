//! Signs what we originate (RFC 6376), and seals what we saw of others (RFC 8617).

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arc::Chain;
use super::canon::Canon;
use super::fields::{Field, fields};
use super::keys::{KeyError, KeyFolder, KeyState, SigningKey};
use super::name;
use super::reading::{Read, Reading};
use super::signature::{append_unsigned, select};
use crate::base::{Clock, Timestamp};
use crate::mail::{AuthResult, ParsedMessage, Sign, Signing};

/// Fields that are signed where they are: what a reader sees, and what gives it its meaning.
const SIGNED: [&str; 16] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "tls-report-domain",
    "tls-report-submitter",
    "dkim-signature",
];
/// Base64 of one line.
const LINE: usize = 72;

/// Signs with the keys of a folder.
#[derive(Debug)]
pub struct Signer {
    folder: KeyFolder,
    clock: Clock,
    keys: RwLock<Arc<Vec<SigningKey>>>,
    /// What could not be read at the start, while that is so.
    unreadable: RwLock<Vec<String>>,
}

impl Signer {
    /// A signer with the keys that sign now. One that cannot be read does not keep mail out: it is
    /// a line of the log, and [`Sign::problem`].
    #[must_use]
    pub fn new(folder: KeyFolder, clock: Clock) -> Self {
        let (keys, unreadable) = folder.survey();
        for error in &unreadable {
            tracing::error!(%error, "a key cannot be read, and signs nothing");
        }
        let signer = Self {
            folder,
            clock,
            keys: RwLock::default(),
            unreadable: RwLock::default(),
        };
        let unreadable = unreadable.iter().map(KeyError::to_string).collect();
        signer.take(keys, unreadable);
        signer
    }

    /// Reads the keys again.
    ///
    /// # Errors
    /// When one of them cannot be read; those of before stay.
    pub fn reload(&self) -> Result<(), KeyError> {
        let keys = self.folder.read()?;
        self.take(keys, Vec::new());
        Ok(())
    }

    fn take(&self, keys: Vec<(KeyState, SigningKey)>, unreadable: Vec<String>) {
        let keys = keys.into_iter();
        let signing = keys.filter(|(state, _)| *state == KeyState::Signing);
        let keys = signing.map(|(_, key)| key).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        let told = self.unreadable.write();
        *told.unwrap_or_else(PoisonError::into_inner) = unreadable;
    }

    fn keys(&self) -> Arc<Vec<SigningKey>> {
        let current = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// The fields for a message that somebody of ours wrote: one for each kind of key of his
    /// domain, or of the nearest one above it.
    fn sign(&self, read: &Read, now: Timestamp) -> String {
        let keys = self.keys();
        let Some(author) = author(read) else {
            return String::new();
        };
        let above = |key: &&SigningKey| name::is_within(&author, &key.domain);
        let nearest = keys.iter().filter(above).map(|key| key.domain.len()).max();
        let own = keys.iter().filter(above);
        let own = own.filter(|key| Some(key.domain.len()) == nearest);
        own.filter_map(|key| dkim_field(read, key, now)).collect()
    }

    /// The ARC set for a message that was checked: what we found, sealed for `domain`. None for a
    /// chain that is broken, or whose state is not known.
    pub(super) fn seal(
        &self,
        domain: &str,
        (read, chain): (&Read, &Chain),
        results: &str,
    ) -> Option<String> {
        if read.is_too_large {
            // Neither its fields nor a chain in it are known.
            return None;
        }
        let keys = self.keys();
        // To who does not know its algorithm a seal breaks the chain, which is worse than none.
        let mut own = keys.iter().filter(|key| key.domain == domain);
        let key = own.find(|key| key.is_rsa())?;
        let states = [(AuthResult::None, "none"), (AuthResult::Pass, "pass")];
        let (_, validity) = states.into_iter().find(|(it, _)| *it == chain.result)?;
        // RFC 8617 §4.2.1: 50 sets and no more.
        let number = u8::try_from(chain.sets + 1).ok().filter(|it| *it <= 50)?;
        arc_set(read, key, (number, validity, results), self.clock.now())
    }
}

impl Sign for Signer {
    fn begin(&self) -> Option<Box<dyn Signing>> {
        let keys = self.keys();
        (!keys.is_empty()).then(|| {
            let own = Self {
                folder: self.folder.clone(),
                clock: self.clock.clone(),
                keys: RwLock::new(keys),
                unreadable: RwLock::default(),
            };
            Box::new(Letter {
                signer: own,
                reading: Reading::to_sign(),
            }) as Box<dyn Signing>
        })
    }

    fn problem(&self) -> Option<String> {
        let unreadable = self.unreadable.read();
        let unreadable = unreadable.unwrap_or_else(PoisonError::into_inner);
        let first = unreadable.first()?;
        Some(format!(
            "{} of the keys in data_dir cannot be read, the first because of {first}; mail goes \
             out unsigned: mend it, then `tideover reload`",
            unreadable.len()
        ))
    }
}

/// A letter of ours on its way into the spool.
#[derive(Debug)]
struct Letter {
    signer: Signer,
    reading: Reading,
}

impl Signing for Letter {
    fn push(&mut self, piece: &[u8]) {
        self.reading.push(piece);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        let now = self.signer.clock.now();
        let read = self.reading.finish();
        self.signer.sign(&read, now).into_bytes()
    }
}

fn author(read: &Read) -> Option<String> {
    let fields = read.fields();
    let from = fields.iter().find(|field| field.is("From"))?;
    let header = [from.raw, b"\r\n\r\n"].concat();
    let parsed = ParsedMessage::parse(&header)?;
    let address = parsed.from.first()?.address.rsplit_once('@')?.1;
    name::key(address)
}

/// `h=`: what is there, as often as it is there; `From` once more, so that none can be added.
fn names(all: &[Field<'_>], besides: &str) -> String {
    let mut names = vec!["from"];
    for name in SIGNED.into_iter().filter(|name| *name != besides) {
        let count = all.iter().filter(|field| field.is(name)).count();
        names.extend(std::iter::repeat_n(name, count));
    }
    names.join(":")
}

fn dkim_field(read: &Read, key: &SigningKey, now: Timestamp) -> Option<String> {
    let all = read.fields();
    let names = names(&all, "dkim-signature");
    let body = STANDARD.encode(&read.whole_body.as_ref()?.sha256);
    let field = format!(
        "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={};\r\n\ts={}; t={};\r\n\th={};\r\n\
         \tbh={body};\r\n\tb=",
        key.algorithm().as_str(),
        key.domain,
        key.selector,
        now.as_secs(),
        names.replace(":message-id", ":\r\n\t message-id"),
    );
    let mut data = Vec::new();
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    select(&names, &all, Canon::Relaxed, &mut data);
    finished(field, data, key)
}

/// Signs `data` and the field itself, and completes it.
fn finished(field: String, mut data: Vec<u8>, key: &SigningKey) -> Option<String> {
    let own = field.clone() + "\r\n";
    let cut = fields(own.as_bytes());
    append_unsigned(Canon::Relaxed, *cut.first()?, &mut data);
    let value = key.sign(&data)?;
    let mut out = field;
    for (at, line) in value.as_bytes().chunks(LINE).enumerate() {
        if at > 0 {
            out.push_str("\r\n\t ");
        }
        out.extend(line.iter().copied().map(char::from));
    }
    out.push_str("\r\n");
    Some(out)
}

/// RFC 8617 §5.1: results, signature of the message, seal; the seal stands first.
fn arc_set(
    read: &Read,
    key: &SigningKey,
    (number, validity, results): (u8, &str, &str),
    now: Timestamp,
) -> Option<String> {
    let all = read.fields();
    let (algorithm, domain, selector) = (key.algorithm().as_str(), &key.domain, &key.selector);
    let now = now.as_secs();
    let found = format!("ARC-Authentication-Results: i={number}; {results}\r\n");
    let names = names(&all, "");
    let body = STANDARD.encode(&read.whole_body.as_ref()?.sha256);
    let message = format!(
        "ARC-Message-Signature: i={number}; a={algorithm}; c=relaxed/relaxed; d={domain};\r\n\
         \ts={selector}; t={now};\r\n\th={};\r\n\tbh={body};\r\n\tb=",
        names.replace(":message-id", ":\r\n\t message-id"),
    );
    let mut data = Vec::new();
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    select(&names, &all, Canon::Relaxed, &mut data);
    let message = finished(message, data, key)?;
    let seal = format!(
        "ARC-Seal: i={number}; a={algorithm}; cv={validity}; d={domain}; s={selector};\r\n\
         \tt={now};\r\n\tb="
    );
    let mut data = super::arc::sealed_before(&all);
    for own in [&found, &message] {
        let cut = fields(own.as_bytes());
        Canon::Relaxed.field(*cut.first()?, &mut data);
    }
    let seal = finished(seal, data, key)?;
    Some(seal + &message + &found)
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
