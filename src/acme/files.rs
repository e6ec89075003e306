//! What stands in `data_dir/acme`: the account, the pair, and what is remembered of orders. Each is
//! one file, so that one rename changes it whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AcmeError;
use crate::base::{Timestamp, read_regular};
use crate::limits;
use crate::net::{CertificateFacts, TlsPairs, self_signed_pem};

/// The folder.
#[derive(Debug, Clone)]
pub struct AcmeFiles(PathBuf);

/// What is remembered of orders, over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// When one was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Timestamp>,
    /// How often in a row it failed.
    #[serde(default)]
    pub failures: u32,
    /// Why, the last time; empty: it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// So long the authority wants not to be asked.
    #[serde(default)]
    pub wait_seconds: u64,
    /// When it advises to renew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
}

/// When the authority advises to renew a certificate (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The moment that was drawn from the window.
    pub renew: Timestamp,
    /// The window.
    pub window: (Timestamp, Timestamp),
    /// The certificate that is meant, by its end.
    pub of_ends: Timestamp,
    /// When it was asked.
    pub asked: Timestamp,
}

impl Memory {
    /// When an order failed last, and how often in a row.
    #[must_use]
    pub fn failure(&self) -> Option<(Timestamp, u32)> {
        let last = self.tried.filter(|_| self.failures > 0)?;
        Some((last, self.failures))
    }

    /// An order came to nothing; the authority wants to be left alone for this long.
    pub fn failed(&mut self, now: Timestamp, (what, wait): (&str, Duration)) {
        self.tried = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.what = what.chars().take(limits::ACME_REASON).collect();
        self.wait_seconds = wait.min(limits::ACME_LONGEST_WAIT).as_secs();
    }

    /// Somebody may have mended what was wrong: the pause is over, unless the authority wants it.
    pub fn ask_again(&mut self) {
        if self.failures > 0 && self.wait_seconds == 0 {
            self.tried = None;
        }
    }

    /// There is a new certificate.
    pub fn worked(&mut self, now: Timestamp) {
        *self = Self {
            tried: Some(now),
            ..Self::default()
        };
    }
}

impl AcmeFiles {
    /// In this `data_dir`.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self(data_dir.join("acme"))
    }

    /// The private key, and the chain behind it: PEM.
    #[must_use]
    pub fn pair(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn account(&self) -> PathBuf {
        self.0.join("account.json")
    }

    fn orders(&self) -> PathBuf {
        self.0.join("orders.json")
    }

    /// Makes the folder, and a self-signed pair for `hostname` when there is none that can be used:
    /// mail is taken with it until the authority has made one.
    ///
    /// # Errors
    /// [`AcmeError::Ours`].
    pub fn prepare(&self, hostname: &str) -> Result<(), AcmeError> {
        let pair = self.pair();
        match TlsPairs::load([(&*pair, &*pair)]) {
            Ok(_) => return Ok(()),
            Err(error) if pair.exists() => {
                tracing::error!(%error, "acme: the certificate cannot be used; one is made");
            }
            Err(_) => {}
        }
        let made = self_signed_pem(hostname).map_err(|error| AcmeError::Ours(error.to_string()))?;
        self.write(&pair, &made)
    }

    /// What is known of the certificate that is there; `None`: none that can be read.
    #[must_use]
    pub fn present(&self) -> Option<CertificateFacts> {
        CertificateFacts::of_pem(&read(&self.pair())?)
    }

    /// The private key that is there, PEM.
    pub(super) fn key(&self) -> Option<String> {
        let pem = String::from_utf8(read(&self.pair())?).ok()?;
        let from = pem.find("-----BEGIN PRIVATE KEY-----")?;
        let (_, rest) = pem.split_at_checked(from)?;
        let end = "-----END PRIVATE KEY-----";
        let to = rest.find(end)? + end.len();
        rest.get(..to).map(|key| key.to_owned() + "\n")
    }

    /// Puts a pair in the place of the one that is there, if it is one, and for all these hosts.
    ///
    /// # Errors
    /// [`AcmeError`]; what was there stays then.
    pub(super) fn put(&self, hosts: &[String], key: &str, chain: &str) -> Result<(), AcmeError> {
        let text = format!("{}\n{chain}", key.trim_end());
        let unproven = self.0.join("certificate.new");
        self.write(&unproven, &text)?;
        let good = TlsPairs::load([(&*unproven, &*unproven)]);
        let unfit = |why: String| AcmeError::Refused(format!("its certificate: {why}"));
        let good = good.map_err(|error| unfit(error.to_string()))?;
        let names: Vec<_> = good.states().into_iter().flat_map(|it| it.names).collect();
        if let Some(host) = hosts.iter().find(|host| !names.contains(host)) {
            return Err(unfit(format!("it is not for {host}")));
        }
        let renamed = fs::rename(&unproven, self.pair()).and_then(|()| self.sync());
        renamed.map_err(|error| disk(&self.pair(), &error))
    }

    /// The account, as it was kept.
    pub(super) fn kept_account(&self) -> Option<String> {
        String::from_utf8(read(&self.account())?).ok()
    }

    pub(super) fn keep_account(&self, text: &str) -> Result<(), AcmeError> {
        self.write(&self.account(), text)
    }

    /// What is remembered; nothing, when there is nothing that can be read.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let read = read(&self.orders());
        let memory = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        memory.unwrap_or_default()
    }

    pub(super) fn remember(&self, memory: &Memory) -> Result<(), AcmeError> {
        let text = serde_json::to_string_pretty(memory);
        let text = text.map_err(|error| AcmeError::Ours(error.to_string()))?;
        self.write(&self.orders(), &(text + "\n"))
    }

    /// For nobody but us: there are keys in it.
    fn write(&self, file: &Path, text: &str) -> Result<(), AcmeError> {
        let unborn = file.with_extension("unborn");
        let write = || {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.0)?;
            match fs::remove_file(&unborn) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
            let mut options = OpenOptions::new();
            let mut made = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unborn)?;
            made.write_all(text.as_bytes())?;
            made.sync_all()?;
            fs::rename(&unborn, file)?;
            self.sync()
        };
        write().map_err(|error| disk(file, &error))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    read_regular(file, limits::PEM_FILE).ok()
}

fn disk(file: &Path, error: &io::Error) -> AcmeError {
    AcmeError::Ours(format!("{} cannot be written: {error}", file.display()))
}
