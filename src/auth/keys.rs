//! Private keys of our domains: made, read, published. A key is a file `DOMAIN/SELECTOR.EXT` in
//! the folder of keys, for its owner only; the extension says what it is for, so that a change of
//! state is one rename.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

use super::key::{BITS, spki};
use super::name;
use super::signature::Algorithm;
use crate::base::Entropy;

/// Its folder in `data_dir`.
pub const KEYS: &str = "keys";

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// It was made; its record must be published before it signs.
    Waiting,
    /// It signs.
    Signing,
    /// It signs no more; its record stays published while mail that it signed is on its way.
    Retired,
}

impl KeyState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Signing, Self::Retired];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Signing => "signing",
            Self::Retired => "retired",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Waiting => "new",
            Self::Signing => "pem",
            Self::Retired => "old",
        }
    }
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk.
    #[error("{0}: {1}")]
    Disk(String, io::Error),
    /// The file holds none.
    #[error("{0} is no private key: expected RSA of 2,048 to 4,096 bits or Ed25519, as PEM")]
    NotAKey(String),
    /// The name.
    #[error("\"{0}\" is no name for a key")]
    Name(String),
    /// There is one.
    #[error("{0} has a key with this selector already: name another one")]
    Taken(String),
    /// There is none.
    #[error("{domain} has no key with the selector {selector}")]
    Unknown {
        /// The domain.
        domain: String,
        /// The selector.
        selector: String,
    },
}

/// A private key. Its debug output has no secret in it.
pub struct SigningKey {
    /// The domain that it signs for.
    pub domain: String,
    /// Under which its record is found.
    pub selector: String,
    pair: Pair,
}

enum Pair {
    Ed25519(Box<Ed25519KeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("name", &self.record_name())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a key as a file holds it.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`], [`KeyError::Name`].
    pub fn from_pem(domain: &str, selector: &str, pem: &str) -> Result<Self, KeyError> {
        let wrong = |text: &str| KeyError::Name(text.to_owned());
        let domain = name::key(domain).ok_or_else(|| wrong(domain))?;
        let selector = name::key(selector).ok_or_else(|| wrong(selector))?;
        let not_a_key = || KeyError::NotAKey(format!("the key {selector} of {domain}"));
        let pair = pair(pem).ok_or_else(not_a_key)?;
        Ok(Self {
            domain,
            selector,
            pair,
        })
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
            Pair::Rsa(_) => Algorithm::RsaSha256,
        }
    }

    /// Is it RSA, which every receiver knows?
    #[must_use]
    pub const fn is_rsa(&self) -> bool {
        matches!(self.pair, Pair::Rsa(_))
    }

    /// A signature in base64; `None` when the system has no random numbers.
    pub(super) fn sign(&self, data: &[u8]) -> Option<String> {
        let bytes = match &self.pair {
            // RFC 8463 §3: of the digest.
            Pair::Ed25519(pair) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, data);
                pair.sign(digest.as_ref()).as_ref().to_vec()
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, data, &mut signature)
                    .ok()?;
                signature
            }
        };
        Some(STANDARD.encode(bytes))
    }

    /// Where its record belongs.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The record, RFC 6376 §3.6.1.
    #[must_use]
    pub fn record(&self) -> String {
        match &self.pair {
            Pair::Ed25519(pair) => {
                let key = STANDARD.encode(pair.public_key());
                format!("v=DKIM1; k=ed25519; p={key}")
            }
            Pair::Rsa(pair) => {
                let key = STANDARD.encode(spki(pair.public_key().as_ref()));
                format!("v=DKIM1; k=rsa; p={key}")
            }
        }
    }
}

fn pair(pem: &str) -> Option<Pair> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let (inside, _) = rest.split_once("-----END ")?;
    let text: String = inside.split_whitespace().collect();
    let der = STANDARD.decode(text).ok()?;
    if kind == "PRIVATE KEY"
        && let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
    {
        return Some(Pair::Ed25519(Box::new(pair)));
    }
    let pair = match kind {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der).ok()?,
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok()?,
        _ => return None,
    };
    BITS.contains(&(pair.public().modulus_len() * 8))
        .then(|| Pair::Rsa(Box::new(pair)))
}

/// A new Ed25519 key as PEM (RFC 8410 §7). RSA keys are brought: ring makes none.
#[must_use]
pub fn new_ed25519(entropy: &Entropy) -> String {
    const FRONT: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let der = [FRONT.as_slice(), &entropy.bytes::<32>()].concat();
    let text = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// The folder of keys.
#[derive(Debug, Clone)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// That of a `data_dir`.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(KEYS))
    }

    fn file(&self, domain: &str, selector: &str, state: KeyState) -> PathBuf {
        let name = format!("{selector}.{}", state.extension());
        self.0.join(domain).join(name)
    }

    /// All keys, by domain and selector.
    ///
    /// # Errors
    /// When one cannot be read: mail that should be signed would not be.
    pub fn read(&self) -> Result<Vec<(KeyState, SigningKey)>, KeyError> {
        let (keys, unreadable) = self.survey();
        unreadable.into_iter().next().map_or(Ok(keys), Err)
    }

    /// The keys that can be read, by domain and selector, and why others cannot.
    #[must_use]
    pub fn survey(&self) -> (Vec<(KeyState, SigningKey)>, Vec<KeyError>) {
        let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
        let mut found = |folder: &Path| {
            entries(folder).unwrap_or_else(|error| {
                unreadable.push(error);
                Vec::new()
            })
        };
        let folders = found(&self.0);
        let files: Vec<_> = folders.iter().flat_map(|folder| found(folder)).collect();
        for file in files {
            match key_in(&file) {
                Some(Ok(key)) => keys.push(key),
                Some(Err(error)) => unreadable.push(error),
                None => {}
            }
        }
        keys.sort_by(|(_, one), (_, other)| {
            (&one.domain, &one.selector).cmp(&(&other.domain, &other.selector))
        });
        (keys, unreadable)
    }

    /// Adds a key that waits to be published.
    ///
    /// # Errors
    /// When it is none, the selector is taken, or the disk fails.
    pub fn add(&self, (domain, selector): (&str, &str), pem: &str) -> Result<SigningKey, KeyError> {
        let key = SigningKey::from_pem(domain, selector, pem)?;
        let is_taken = |state| self.file(&key.domain, &key.selector, state).exists();
        if KeyState::ALL.into_iter().any(is_taken) {
            return Err(KeyError::Taken(key.domain));
        }
        let folder = self.0.join(&key.domain);
        fs::create_dir_all(&folder).map_err(disk(&folder))?;
        for private in [&self.0, &folder] {
            fs::set_permissions(private, Permissions::from_mode(0o700)).map_err(disk(private))?;
        }
        let path = self.file(&key.domain, &key.selector, KeyState::Waiting);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let mut file = file.map_err(disk(&path))?;
        let written = file
            .write_all(pem.as_bytes())
            .and_then(|()| file.sync_all());
        written.map_err(disk(&path))?;
        sync(&folder)?;
        Ok(key)
    }

    /// Gives a key another state.
    ///
    /// # Errors
    /// When there is no such key, or the disk fails.
    pub fn change(&self, (domain, selector): (&str, &str), to: KeyState) -> Result<(), KeyError> {
        let unknown = || KeyError::Unknown {
            domain: domain.to_owned(),
            selector: selector.to_owned(),
        };
        let domain = name::key(domain).ok_or_else(unknown)?;
        let selector = name::key(selector).ok_or_else(unknown)?;
        let file = |state| self.file(&domain, &selector, state);
        let from = KeyState::ALL.into_iter().map(file).find(|it| it.exists());
        let from = from.ok_or_else(unknown)?;
        fs::rename(&from, file(to)).map_err(disk(&from))?;
        sync(&self.0.join(&domain))
    }
}

/// The key that a file is by its name; `None`: it is something else.
fn key_in(file: &Path) -> Option<Result<(KeyState, SigningKey), KeyError>> {
    let extension = file.extension()?.to_str()?;
    let mut states = KeyState::ALL.into_iter();
    let state = states.find(|state| state.extension() == extension)?;
    let domain = file.parent()?.file_name()?.to_str()?;
    let selector = file.file_stem()?.to_str()?;
    let pem = fs::read_to_string(file).map_err(disk(file));
    let key = pem.and_then(|pem| SigningKey::from_pem(domain, selector, &pem));
    Some(key.map(|key| (state, key)))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
    match fs::read_dir(folder) {
        Ok(found) => {
            let paths: io::Result<Vec<_>> = found.map(|it| it.map(|it| it.path())).collect();
            paths.map_err(disk(folder))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(disk(folder)(error)),
    }
}

fn sync(folder: &Path) -> Result<(), KeyError> {
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(disk(folder))
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> KeyError + use<> {
    let path = path.display().to_string();
    move |error| KeyError::Disk(path, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key::PublicKey;

    #[test]
    fn keys_are_made_used_and_retired() {
        let data_dir = tempfile::tempdir().unwrap();
        let folder = KeyFolder::of(data_dir.path());
        assert!(folder.read().unwrap().is_empty());
        let pem = new_ed25519(&Entropy::system());
        let key = folder.add(("Example.org", "s2026"), &pem).unwrap();
        assert_eq!(key.record_name(), "s2026._domainkey.example.org");
        let states = || {
            let keys = folder.read().unwrap();
            keys.iter().map(|(state, _)| *state).collect::<Vec<_>>()
        };
        assert_eq!(states(), [KeyState::Waiting]);
        let again = folder.add(("example.org", "s2026"), &pem);
        assert!(matches!(again, Err(KeyError::Taken(_))));
        for state in [KeyState::Signing, KeyState::Retired] {
            folder.change(("example.org", "s2026"), state).unwrap();
            assert_eq!(states(), [state]);
        }
        let unknown = folder.change(("example.org", "other"), KeyState::Signing);
        assert!(matches!(unknown, Err(KeyError::Unknown { .. })));
        let escape = folder.add(("..", "../../x"), &pem);
        assert!(matches!(escape, Err(KeyError::Name(_))));
        let file = data_dir.path().join("keys/example.org/s2026.old");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&data_dir.path().join("keys")), 0o700);
        let secret = STANDARD.encode(&STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap()[16..]);
        assert!(!format!("{key:?}").contains(&secret));
        fs::write(&file, "nonsense").unwrap();
        assert!(matches!(folder.read(), Err(KeyError::NotAKey(_))));
    }

    #[test]
    fn what_it_signs_its_record_proves() {
        let made = new_ed25519(&Entropy::system());
        for pem in [made.as_str(), include_str!("rsa2048.pem")] {
            let key = SigningKey::from_pem("example.org", "s1", pem).unwrap();
            let public = PublicKey::parse(&key.record()).unwrap();
            let signature = STANDARD.decode(key.sign(b"data").unwrap()).unwrap();
            let verify = |data| public.verify(key.algorithm(), data, &signature);
            assert!(verify(b"data").is_ok());
            assert!(verify(b"date").is_err());
        }
    }
}
